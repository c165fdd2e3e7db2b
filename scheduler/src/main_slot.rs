//! The main dispatcher of the process: set by whoever has an event loop for the user interface.

use std::fmt;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;

use crate::Dispatcher;
use crate::dispatcher::Kind;

/// A place for a main dispatcher: that of the process, or one that a tree of coroutines has of its own.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Home, MainSlot};
///
/// let slot = MainSlot::new();
/// let home = Home::own().with_main(slot.clone());
/// let guard = slot.set(Dispatcher::UNCONFINED).unwrap();
/// assert_eq!(slot.get(), Some(Dispatcher::UNCONFINED));
/// assert_eq!(Dispatcher::MAIN.resolve(&home), Dispatcher::UNCONFINED);
/// drop(guard);
/// assert_eq!(Dispatcher::MAIN.resolve(&home), Dispatcher::MAIN);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MainSlot(Arc<RwLock<Option<Dispatcher>>>);

static PROCESS: LazyLock<MainSlot> = LazyLock::new(MainSlot::new);

impl MainSlot {
    /// An empty slot.
    #[must_use]
    pub fn new() -> MainSlot {
        MainSlot::default()
    }

    /// What is set.
    #[must_use]
    pub fn get(&self) -> Option<Dispatcher> {
        self.0.read().clone()
    }

    /// Puts `dispatcher` into the slot, until the guard is dropped.
    ///
    /// # Errors
    /// If there is one already, whose guard lives.
    ///
    /// # Panics
    /// If `dispatcher` is [`Dispatcher::MAIN`] itself, or its immediate one.
    #[track_caller]
    pub fn set(&self, dispatcher: Dispatcher) -> Result<MainGuard, MainAlreadySet> {
        assert!(
            !dispatcher.is_main(),
            "the main dispatcher cannot be set to itself; give the dispatcher that it is to stand for"
        );
        let mut slot = self.0.write();
        if slot.is_some() {
            return Err(MainAlreadySet(()));
        }
        *slot = Some(dispatcher);
        drop(slot);
        Ok(MainGuard(self.clone()))
    }
}

/// Makes `dispatcher` what [`Dispatcher::MAIN`] stands for in this process, until the guard is dropped.
///
/// A coroutine that runs on it already stays there when the guard goes. A tree with a main dispatcher of its own
/// ([`Home::with_main`](crate::Home::with_main)) does not look here.
///
/// Kotlin: `Dispatchers.setMain` of the test module; otherwise the library of the user interface brings `Dispatchers.Main`.
///
/// # Errors
/// If there is one already, whose guard lives.
///
/// # Panics
/// If `dispatcher` is [`Dispatcher::MAIN`] itself, or its immediate one.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, block_on, set_main};
///
/// block_on(|events| async move {
///     let guard = set_main(events).unwrap();
///     assert!(set_main(Dispatcher::DEFAULT).is_err());
///     drop(guard);
/// });
/// ```
#[track_caller]
#[doc(alias = "setMain")]
pub fn set_main(dispatcher: Dispatcher) -> Result<MainGuard, MainAlreadySet> {
    PROCESS.set(dispatcher)
}

/// What the process has set.
pub(crate) fn current() -> Option<Dispatcher> {
    PROCESS.get()
}

/// The same.
///
/// # Panics
/// If nothing is set.
pub(crate) fn required() -> Dispatcher {
    match current() {
        Some(dispatcher) => dispatcher,
        None => panic!(
            "there is no main dispatcher: call `set_main(..)` with that of the user interface's thread first, or use another dispatcher"
        ),
    }
}

/// Keeps a main dispatcher in place; see [`set_main`].
///
/// Kotlin: `Dispatchers.resetMain`.
#[derive(Debug)]
#[must_use = "dropping the guard takes the main dispatcher away"]
#[doc(alias = "resetMain")]
pub struct MainGuard(MainSlot);

impl Drop for MainGuard {
    fn drop(&mut self) {
        let old = self.0.0.write().take();
        drop(old);
    }
}

/// There is a main dispatcher already; see [`set_main`].
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, set_main};
///
/// let _main = set_main(Dispatcher::UNCONFINED).unwrap();
/// let second = set_main(Dispatcher::DEFAULT).unwrap_err();
/// assert!(second.to_string().contains("drop its guard"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MainAlreadySet(());

impl fmt::Debug for MainAlreadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MainAlreadySet")
    }
}

impl fmt::Display for MainAlreadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the process has a main dispatcher already; drop its guard before setting another one",
        )
    }
}

impl std::error::Error for MainAlreadySet {}

impl Dispatcher {
    /// The dispatcher of the user interface's thread: a name for what [`set_main`] has set.
    ///
    /// [`resolve`](Dispatcher::resolve) turns it into that. While nothing is set each use panics, and fails the coroutine.
    ///
    /// Kotlin: `Dispatchers.Main`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Home, set_main};
    ///
    /// let _main = set_main(Dispatcher::UNCONFINED).unwrap();
    /// assert_eq!(Dispatcher::MAIN.resolve(&Home::own()), Dispatcher::UNCONFINED);
    /// ```
    #[doc(alias = "Dispatchers.Main")]
    pub const MAIN: Dispatcher = Dispatcher { kind: Kind::Main };

    pub(crate) fn is_main(&self) -> bool {
        match &self.kind {
            Kind::Main => true,
            Kind::Immediate(base) => base.is_main(),
            _ => false,
        }
    }
}
