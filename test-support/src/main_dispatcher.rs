//! The main dispatcher of the tests on one thread.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use corox_core::{Dispatcher, MainAlreadySet, MainGuard, MainSlot};
use parking_lot::Mutex;

use crate::TestScheduler;
use crate::dispatcher::scheduler_of;

thread_local! {
    static OF_THREAD: RefCell<Option<Arc<ThreadMain>>> = const { RefCell::new(None) };
}

/// The main dispatcher of the tests on one thread.
#[derive(Default)]
struct ThreadMain {
    /// What the trees of tests look at.
    slot: MainSlot,
    /// What stands in while `set_main` has set nothing: the dispatcher of the running test.
    stand_in: Mutex<StandIn>,
}

#[derive(Default)]
struct StandIn {
    /// With the number of its guard: several may have the same dispatcher.
    dispatcher: Option<(u64, Dispatcher)>,
    set: Option<MainGuard>,
}

impl StandIn {
    fn is_of(&self, number: u64) -> bool {
        self.dispatcher
            .as_ref()
            .is_some_and(|(of, _)| *of == number)
    }
}

/// The numbers of the guards.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl ThreadMain {
    fn get() -> Arc<ThreadMain> {
        OF_THREAD.with_borrow_mut(|main| main.get_or_insert_default().clone())
    }

    /// Fills an empty slot.
    fn fill(&self) {
        let mut stand_in = self.stand_in.lock();
        if let (Some((_, dispatcher)), None) = (stand_in.dispatcher.clone(), &stand_in.set) {
            stand_in.set = self.slot.set(dispatcher).ok();
        }
    }

    fn empty(&self) {
        let set = self.stand_in.lock().set.take();
        drop(set);
    }
}

/// Has `dispatcher` stand in as the main one of this thread's tests until the guard is dropped, if none does yet; gives the
/// slot of the thread.
pub(crate) fn stand_in(dispatcher: Dispatcher) -> (MainSlot, StandInGuard) {
    let main = ThreadMain::get();
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    main.stand_in
        .lock()
        .dispatcher
        .get_or_insert((number, dispatcher.clone()));
    main.fill();
    let slot = main.slot.clone();
    let guard = StandInGuard {
        main,
        number,
        dispatcher,
    };
    (slot, guard)
}

/// See [`stand_in`].
pub(crate) struct StandInGuard {
    main: Arc<ThreadMain>,
    number: u64,
    dispatcher: Dispatcher,
}

impl StandInGuard {
    /// The test of this dispatcher begins: it stands in, whatever did.
    pub(crate) fn take_over(&self) {
        let old = {
            let mut stand_in = self.main.stand_in.lock();
            if stand_in.is_of(self.number) {
                return;
            }
            let dispatcher = Some((self.number, self.dispatcher.clone()));
            std::mem::replace(
                &mut *stand_in,
                StandIn {
                    dispatcher,
                    set: None,
                },
            )
        };
        drop(old);
        self.main.fill();
    }
}

impl Drop for StandInGuard {
    fn drop(&mut self) {
        let mut stand_in = self.main.stand_in.lock();
        if stand_in.is_of(self.number) {
            let old = std::mem::take(&mut *stand_in);
            drop(stand_in);
            drop(old);
        }
    }
}

/// The scheduler of the main dispatcher on this thread, if that is one of tests (V-8).
pub(crate) fn scheduler() -> Option<TestScheduler> {
    let main = ThreadMain::get();
    let is_set = main.stand_in.lock().set.is_none();
    let dispatcher = main.slot.get()?;
    let scheduler = scheduler_of(&dispatcher)?;
    // A scope that waits for its test lends its dispatcher to nobody.
    (is_set || scheduler.0.state.lock().running).then(|| scheduler.clone())
}

/// Makes `dispatcher` what [`Dispatcher::MAIN`] stands for in the tests of this thread, until the guard is dropped.
///
/// Called before [`run_test`](crate::run_test), in a function that prepares the test for example, or inside of it. Tests on
/// other threads, and the main dispatcher of the process, are not touched. Without it `MAIN` is, inside of `run_test`, the
/// dispatcher of the test.
///
/// Test dispatchers that are made on this thread afterwards share its scheduler.
///
/// # Errors
///
/// If one is set already whose guard lives.
///
/// # Panics
///
/// If `dispatcher` is [`Dispatcher::MAIN`] itself.
///
/// ```
/// use corox_core::{CoroutineScope, delay};
/// use corox_test::{StandardTestDispatcher, run_test, set_main};
/// use std::time::Duration;
///
/// let _main = set_main(StandardTestDispatcher::new()).unwrap();
/// run_test(async |t| {
///     let screen = CoroutineScope::main();
///     screen.launch(async { delay(Duration::from_secs(1)).await }).join().await;
///     assert_eq!(t.current_time(), Duration::from_secs(1));
/// });
/// ```
#[track_caller]
#[doc(alias = "setMain")]
pub fn set_main(dispatcher: impl Into<Dispatcher>) -> Result<TestMainGuard, MainAlreadySet> {
    let main = ThreadMain::get();
    main.empty();
    match main.slot.set(dispatcher.into()) {
        Ok(set) => Ok(TestMainGuard {
            set: Some(set),
            main,
        }),
        Err(error) => Err(error),
    }
}

/// Keeps the main dispatcher of a thread's tests in place; see [`set_main`].
#[must_use = "dropping the guard takes the main dispatcher away"]
#[doc(alias = "resetMain")]
pub struct TestMainGuard {
    set: Option<MainGuard>,
    main: Arc<ThreadMain>,
}

impl Drop for TestMainGuard {
    fn drop(&mut self) {
        self.set = None;
        self.main.fill();
    }
}

impl fmt::Debug for TestMainGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestMainGuard")
            .field(&self.main.slot.get())
            .finish()
    }
}
