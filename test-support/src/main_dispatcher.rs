//! The main dispatchers of tests.
//!
//! ```text
//!   set_main ──> that of the thread ──┐
//!                                     ├──> the slot of each scope of the thread <── what its tree looks at
//!   the dispatcher of the scope ──────┘ while set_main has set none
//! ```
//!
//! A scope belongs to the thread that has made it, until its test begins on another one.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use corox_core::{Dispatcher, MainAlreadySet, MainGuard, MainSlot};
use parking_lot::Mutex;

use crate::TestScheduler;
use crate::dispatcher::scheduler_of;

thread_local! {
    static OF_THREAD: RefCell<Option<Arc<ThreadMain>>> = const { RefCell::new(None) };
}

/// What the tests of one thread have in common.
#[derive(Default)]
struct ThreadMain {
    set: MainSlot,
    scopes: Mutex<Vec<Weak<ScopeMain>>>,
    /// That of the test which runs.
    running: Mutex<Option<TestScheduler>>,
}

impl ThreadMain {
    fn get() -> Arc<ThreadMain> {
        OF_THREAD.with_borrow_mut(|main| main.get_or_insert_default().clone())
    }

    /// Adds a scope, or takes it away; forgets those that have gone.
    fn change(&self, scope: &Arc<ScopeMain>, add: bool) {
        let mut scopes = self.scopes.lock();
        let other = |known: &Weak<ScopeMain>| {
            known.strong_count() > 0 && !std::ptr::eq(known.as_ptr(), Arc::as_ptr(scope))
        };
        scopes.retain(other);
        if add {
            scopes.push(Arc::downgrade(scope));
        }
    }

    /// What is set has changed.
    fn tell(&self) {
        let scopes = self.scopes.lock().clone();
        for scope in scopes.iter().filter_map(Weak::upgrade) {
            scope.fill(self);
        }
    }
}

/// The main dispatcher of one scope.
pub(crate) struct ScopeMain {
    /// What the tree of the scope looks at.
    slot: MainSlot,
    /// Stands in while nothing is set.
    own: Dispatcher,
    /// Where the scope belongs; `None` after its test.
    thread: Mutex<Option<Arc<ThreadMain>>>,
    filled: Mutex<Option<MainGuard>>,
}

impl ScopeMain {
    pub(crate) fn new(own: Dispatcher) -> Arc<ScopeMain> {
        let scope = Arc::new(ScopeMain {
            slot: MainSlot::new(),
            own,
            thread: Mutex::new(None),
            filled: Mutex::new(None),
        });
        scope.belong_here();
        scope
    }

    pub(crate) fn slot(&self) -> MainSlot {
        self.slot.clone()
    }

    fn belong_here(self: &Arc<Self>) {
        let here = ThreadMain::get();
        let before = self.thread.lock().replace(here.clone());
        if let Some(before) = before {
            before.change(self, false);
        }
        here.change(self, true);
        self.fill(&here);
    }

    /// The test of the scope runs on this thread until the guard is dropped; then nothing is main for the scope any more.
    pub(crate) fn run_here(self: &Arc<Self>, scheduler: &TestScheduler) -> Running {
        self.belong_here();
        let here = ThreadMain::get();
        *here.running.lock() = Some(scheduler.clone());
        Running {
            thread: here,
            scope: self.clone(),
        }
    }

    fn fill(&self, thread: &ThreadMain) {
        let dispatcher = thread.set.get().unwrap_or_else(|| self.own.clone());
        self.empty();
        let filled = self.slot.set(dispatcher).ok();
        *self.filled.lock() = filled;
    }

    fn empty(&self) {
        let filled = self.filled.lock().take();
        drop(filled);
    }

    pub(crate) fn end(self: &Arc<Self>) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.change(self, false);
        }
        self.empty();
    }
}

/// See [`ScopeMain::run_here`].
pub(crate) struct Running {
    thread: Arc<ThreadMain>,
    scope: Arc<ScopeMain>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let scheduler = self.thread.running.lock().take();
        drop(scheduler);
        self.scope.end();
    }
}

/// The scheduler of the test that runs on this thread, or else of the main dispatcher that is set here, if that is one of tests
/// (V-8).
pub(crate) fn scheduler() -> Option<TestScheduler> {
    let thread = ThreadMain::get();
    let running = thread.running.lock().clone();
    running.or_else(|| scheduler_of(&thread.set.get()?).cloned())
}

/// Makes `dispatcher` what [`Dispatcher::MAIN`] stands for in the tests of this thread, until the guard is dropped.
///
/// Called before [`run_test`](crate::run_test), in a function that prepares the test for example, or inside of it. Tests on
/// other threads, and the main dispatcher of the process, are not touched. Without it `MAIN` is, inside of `run_test`, the
/// dispatcher of the test.
///
/// Test dispatchers that are made on this thread afterwards share its scheduler. What looks for `MAIN` before the test begins,
/// outside of coroutines, `CoroutineScope::main()` for example, finds that of the process: make it inside of the test.
///
/// Kotlin: `Dispatchers.setMain`.
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
    let thread = ThreadMain::get();
    let set = thread.set.set(dispatcher.into())?;
    thread.tell();
    Ok(TestMainGuard {
        set: Some(set),
        thread,
    })
}

/// Keeps the main dispatcher of a thread's tests in place; see [`set_main`].
///
/// Kotlin: `Dispatchers.resetMain`.
#[must_use = "dropping the guard takes the main dispatcher away"]
#[doc(alias = "resetMain")]
pub struct TestMainGuard {
    set: Option<MainGuard>,
    thread: Arc<ThreadMain>,
}

impl Drop for TestMainGuard {
    fn drop(&mut self) {
        self.set = None;
        self.thread.tell();
    }
}

impl fmt::Debug for TestMainGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestMainGuard")
            .field(&self.thread.set.get())
            .finish()
    }
}
