//! [`Home`]: where `DEFAULT` and `IO` point.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::dispatcher::{Dispatcher, Kind};
use crate::pool::{self, Pool};
use crate::{MainSlot, event_loop, host, main_slot};

/// Where [`Dispatcher::DEFAULT`] and [`Dispatcher::IO`] point for a tree of coroutines.
///
/// It is resolved once, at the root, and inherited: a tree entered from a task of a multi-thread tokio runtime runs on that
/// runtime, everything else on the process's own, which starts at first use and has `max(2, cores)` workers.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Home};
///
/// let (home, here) = Home::current(); // no tokio around
/// assert_eq!(Dispatcher::DEFAULT.resolve(&home), here);
/// ```
#[derive(Clone)]
pub struct Home {
    /// `None` for the process's own, so that naming it does not start it.
    pool: Option<Arc<Pool>>,
    /// In place of the process's main dispatcher.
    main: Option<MainSlot>,
}

impl Home {
    /// The process's own runtime. It starts when something is resolved against it, or dispatched to it.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Home};
    ///
    /// let pool = Dispatcher::DEFAULT.resolve(&Home::own());
    /// assert_eq!(format!("{pool:?}"), "Dispatchers.Default");
    /// ```
    pub fn own() -> Home {
        Home {
            pool: None,
            main: None,
        }
    }

    /// This home with a slot of its own for the main dispatcher, for a tree that is to have another one than the process: a
    /// test.
    ///
    /// While the slot is empty, that of the process counts.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Home, MainSlot};
    ///
    /// let slot = MainSlot::new();
    /// let home = Home::own().with_main(slot.clone());
    /// let _main = slot.set(Dispatcher::UNCONFINED).unwrap();
    /// assert_eq!(Dispatcher::MAIN.resolve(&home), Dispatcher::UNCONFINED);
    /// assert_eq!(Dispatcher::MAIN.resolve(&Home::own()), Dispatcher::MAIN);
    /// ```
    #[must_use]
    pub fn with_main(self, main: MainSlot) -> Home {
        Home {
            main: Some(main),
            ..self
        }
    }

    /// This home with the slot for the main dispatcher that `other` has.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Home, MainSlot};
    ///
    /// let slot = MainSlot::new();
    /// let test = Home::own().with_main(slot.clone());
    /// let _main = slot.set(Dispatcher::UNCONFINED).unwrap();
    /// let other = Home::current().0.with_main_of(&test);
    /// assert_eq!(Dispatcher::MAIN.resolve(&other), Dispatcher::UNCONFINED);
    /// ```
    #[must_use]
    pub fn with_main_of(self, other: &Home) -> Home {
        Home {
            main: other.main.clone(),
            ..self
        }
    }

    /// What [`Dispatcher::MAIN`] stands for here; `None` if nothing is set.
    pub(crate) fn main(&self) -> Option<Dispatcher> {
        let own = self.main.as_ref().and_then(MainSlot::get);
        own.or_else(main_slot::current)
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        match &self.pool {
            Some(pool) => pool,
            None => pool::own(),
        }
    }

    /// The home and the dispatcher of a root that starts on this thread, here and now:
    ///
    /// - on the runtime of a [host](crate::host): what that says;
    /// - on a multi-thread tokio runtime: that runtime's pool, for both;
    /// - in a coroutine of an event loop ([`block_on`](crate::block_on)): the own runtime, and the loop;
    /// - on another current-thread tokio runtime: the own runtime, and that runtime as a dispatcher;
    /// - without tokio: the own runtime, and its pool.
    ///
    /// # Panics
    /// In the last case, if the operating system refuses the own runtime its threads, at first use.
    pub fn current() -> (Home, Dispatcher) {
        let handle = Handle::try_current().ok();
        if let Some(dispatcher) = event_loop::current(handle.as_ref()) {
            return (Home::own(), dispatcher);
        }
        if let Some(host) = host::current(handle.as_ref()) {
            return host;
        }
        match handle {
            Some(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
                let pool = pool::of(&handle);
                let dispatcher = Dispatcher::from(Kind::Pool(pool.clone()));
                let home = Home {
                    pool: Some(pool),
                    main: None,
                };
                (home, dispatcher)
            }
            Some(handle) => (Home::own(), Dispatcher::tokio(handle)),
            None => {
                let home = Home::own();
                let dispatcher = Dispatcher::DEFAULT.resolve(&home);
                (home, dispatcher)
            }
        }
    }
}

impl UnwindSafe for Home {}
impl RefUnwindSafe for Home {}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pool {
            None => f.write_str("Home(own)"),
            Some(pool) => f.debug_tuple("Home").field(pool).finish(),
        }
    }
}
