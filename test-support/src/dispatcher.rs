//! [`StandardTestDispatcher`] and [`UnconfinedTestDispatcher`].

use std::any::Any;
use std::borrow::Cow;
use std::ops::{Add, Deref};
use std::sync::Arc;

use corox_core::{CoroutineContext, Dispatch, Dispatcher, IntoContext, Rejected, Task, TimeSource};

use crate::TestScheduler;
use crate::main_dispatcher;

/// What both kinds are to the rest of the library.
pub(crate) struct TestDispatch {
    scheduler: TestScheduler,
    in_place: bool,
    name: Cow<'static, str>,
}

impl Dispatch for TestDispatch {
    fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        self.scheduler.0.dispatch(task)
    }

    fn is_dispatch_needed(&self) -> bool {
        // What another thread wakes goes to that of the test: there its clock is, and what is not `Send`.
        !self.in_place || (!self.is_local() && self.scheduler.0.state.lock().running)
    }

    fn is_local(&self) -> bool {
        let hosted = corox_scheduler::hosted();
        let scheduler = hosted.as_ref().and_then(scheduler_of);
        scheduler.is_some_and(|own| own.is(&self.scheduler))
    }

    fn has_immediate(&self) -> bool {
        false
    }

    fn time_source(&self) -> Option<Arc<dyn TimeSource>> {
        Some(self.scheduler.0.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }
}

/// The scheduler behind a dispatcher, if it is one of tests.
pub(crate) fn scheduler_of(dispatcher: &Dispatcher) -> Option<&TestScheduler> {
    let found = dispatcher.downcast_ref::<TestDispatch>();
    found.map(|found| &found.scheduler)
}

fn make(scheduler: Option<&TestScheduler>, in_place: bool, name: Cow<'static, str>) -> Dispatcher {
    let scheduler = match scheduler {
        Some(scheduler) => scheduler.clone(),
        None => main_dispatcher::scheduler().unwrap_or_else(TestScheduler::new),
    };
    Dispatcher::new(TestDispatch {
        scheduler,
        in_place,
        name,
    })
}

macro_rules! test_dispatcher {
    ($(#[$doc:meta])* $type:ident, $in_place:literal) => {
        $(#[$doc])*
        ///
        /// Derefs to [`Dispatcher`], and is an element of a context as that is.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(Dispatcher);

        impl $type {
            /// A dispatcher on the scheduler of the test that runs on this thread, or else of the main dispatcher that
            /// [`set_main`](crate::set_main) has set; otherwise on a new one.
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                $type(make(None, $in_place, stringify!($type).into()))
            }

            /// A dispatcher on `scheduler`.
            #[must_use]
            pub fn on(scheduler: &TestScheduler) -> Self {
                $type(make(Some(scheduler), $in_place, stringify!($type).into()))
            }

            /// As [`on`](Self::on), with a name for `Debug`.
            #[must_use]
            pub fn named(scheduler: &TestScheduler, name: impl Into<Cow<'static, str>>) -> Self {
                $type(make(Some(scheduler), $in_place, name.into()))
            }

            /// The scheduler.
            #[must_use]
            pub fn scheduler(&self) -> &TestScheduler {
                match scheduler_of(&self.0) {
                    Some(scheduler) => scheduler,
                    None => unreachable!("it was made so"),
                }
            }
        }

        impl Deref for $type {
            type Target = Dispatcher;
            fn deref(&self) -> &Dispatcher {
                &self.0
            }
        }

        /// The dispatcher as one of the others.
        impl From<$type> for Dispatcher {
            fn from(dispatcher: $type) -> Dispatcher {
                dispatcher.0
            }
        }

        /// As by value.
        impl From<&$type> for Dispatcher {
            fn from(dispatcher: &$type) -> Dispatcher {
                dispatcher.0.clone()
            }
        }

        /// The set of this one dispatcher.
        impl From<$type> for CoroutineContext {
            fn from(dispatcher: $type) -> CoroutineContext {
                dispatcher.0.into()
            }
        }

        /// As by value.
        impl From<&$type> for CoroutineContext {
            fn from(dispatcher: &$type) -> CoroutineContext {
                dispatcher.0.clone().into()
            }
        }

        /// This dispatcher with the elements of the right side over it.
        impl<R: IntoContext> Add<R> for $type {
            type Output = CoroutineContext;
            fn add(self, other: R) -> CoroutineContext {
                CoroutineContext::from(self) + other
            }
        }
    };
}

test_dispatcher! {
    /// Runs coroutines one after the other on the thread of the test, in the order in which they became ready. A launch never
    /// runs before the launching code suspends.
    ///
    /// Kotlin: `StandardTestDispatcher`.
    ///
    /// ```
    /// use corox_core::{delay, yield_now};
    /// use corox_test::{StandardTestDispatcher, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let job = t.launch(async {});
    ///     assert!(!job.is_completed());
    ///     yield_now().await;
    ///     assert!(job.is_completed());
    ///
    ///     // One for the code under test: made inside of a test it is on the scheduler of that.
    ///     let own = StandardTestDispatcher::new();
    ///     t.with(&own).launch(async { delay(Duration::from_secs(1)).await }).join().await;
    ///     assert_eq!(own.scheduler().current_time(), Duration::from_secs(1));
    ///
    ///     let same_place = StandardTestDispatcher::on(t.scheduler());
    ///     assert_eq!(same_place.scheduler().current_time(), Duration::from_secs(1));
    ///     let disk = StandardTestDispatcher::named(t.scheduler(), "disk");
    ///     assert_eq!(format!("{:?}", *disk), "disk");
    /// });
    /// ```
    StandardTestDispatcher, false
}

test_dispatcher! {
    /// Runs a coroutine where it is launched or woken, up to its next suspension, as
    /// [`Dispatcher::UNCONFINED`] does; its delays are virtual. For tests that do not care about the order.
    ///
    /// A coroutine that yields goes to the back of the queue of the scheduler, and so does one that another thread wakes while
    /// a test runs: it is resumed on the thread of the test.
    ///
    /// Kotlin: `UnconfinedTestDispatcher`.
    ///
    /// ```
    /// use corox_test::{TestScope, UnconfinedTestDispatcher};
    ///
    /// TestScope::new(UnconfinedTestDispatcher::new()).run_test(async |t| {
    ///     let job = t.launch(async {});
    ///     assert!(job.is_completed());
    ///
    ///     // For a part of a test, on the clock of the rest.
    ///     let eager = UnconfinedTestDispatcher::on(t.scheduler());
    ///     assert_eq!(eager.scheduler().current_time(), t.current_time());
    ///     let named = UnconfinedTestDispatcher::named(t.scheduler(), "eager");
    ///     assert_eq!(format!("{:?}", *named), "eager");
    /// });
    /// ```
    UnconfinedTestDispatcher, true
}
