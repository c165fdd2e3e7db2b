//! A loop outside this crate that has a thread's tokio runtime.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::{self, Handle};

use crate::event_loop::Locals;
use crate::{Dispatcher, Home};

struct Host {
    runtime: runtime::Id,
    home: Home,
    dispatcher: Dispatcher,
    /// The futures that stay on the thread.
    locals: Rc<Locals>,
    key: Arc<HostKey>,
}

/// Names a host on other threads.
#[derive(Default)]
pub(crate) struct HostKey {
    /// Futures whose tasks were dropped elsewhere.
    dropped: Mutex<Vec<u64>>,
}

impl HostKey {
    /// The future is dropped when the thread of the host comes by, at its end at the latest.
    pub(crate) fn discard_later(&self, number: u64) {
        self.dropped.lock().push(number);
    }
}

/// The host of this thread.
pub(crate) fn key() -> Option<Arc<HostKey>> {
    let key = HOST.try_with(|host| host.borrow().as_ref().map(|host| host.key.clone()));
    key.ok().flatten()
}

/// What the host keeps, if this is its thread.
pub(crate) fn locals_of(key: &Arc<HostKey>) -> Option<Rc<Locals>> {
    let locals = HOST.try_with(|host| {
        let host = host.borrow();
        let host = host.as_ref().filter(|host| Arc::ptr_eq(&host.key, key))?;
        Some(host.locals.clone())
    });
    let locals = locals.ok().flatten()?;
    let dropped = std::mem::take(&mut *key.dropped.lock());
    for number in dropped {
        locals.discard(number);
    }
    Some(locals)
}

thread_local! {
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Makes a loop outside of this crate the one of this thread, until the guard is dropped.
///
/// Inside the current-thread tokio runtime of `handle` [`Home::current`] then gives `home` and `dispatcher`, and the timers
/// of dispatchers without a clock of their own are those of `dispatcher`.
///
/// For loops that bring a dispatcher of their own and drive tokio beside it. Such a dispatcher may take
/// [local tasks](crate::Task::new_local); what is left of their futures is dropped with the guard, which stays on the thread.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Home, host, hosted};
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let _context = runtime.enter();
/// let guard = host(runtime.handle(), Home::own(), Dispatcher::UNCONFINED);
/// assert_eq!(Home::current().1, Dispatcher::UNCONFINED);
/// assert_eq!(hosted(), Some(Dispatcher::UNCONFINED));
/// drop(guard);
/// assert_ne!(Home::current().1, Dispatcher::UNCONFINED);
/// ```
pub fn host(handle: &Handle, home: Home, dispatcher: Dispatcher) -> HostGuard {
    let host = Host {
        runtime: handle.id(),
        home,
        dispatcher,
        locals: Rc::default(),
        key: Arc::default(),
    };
    HostGuard(HOST.replace(Some(host)))
}

/// Ends a host when it is dropped, on the thread of that; made by [`host`].
#[must_use = "dropping the guard ends it"]
pub struct HostGuard(Option<Host>);

impl Drop for HostGuard {
    fn drop(&mut self) {
        let locals = HOST.try_with(|host| host.borrow().as_ref().map(|host| host.locals.clone()));
        if let Ok(Some(locals)) = locals {
            // While the host is still there for their destructors.
            locals.discard_all();
        }
        let outer = self.0.take();
        drop(HOST.try_with(|host| host.replace(outer)));
    }
}

impl std::fmt::Debug for HostGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostGuard")
    }
}

/// The dispatcher of the host of this thread.
///
/// # Examples
/// ```
/// assert!(corox_scheduler::hosted().is_none());
/// ```
pub fn hosted() -> Option<Dispatcher> {
    let dispatcher =
        HOST.try_with(|host| host.borrow().as_ref().map(|host| host.dispatcher.clone()));
    dispatcher.ok().flatten()
}

/// The host of this thread, if `context`, the tokio runtime the caller is in, is its runtime.
pub(crate) fn current(context: Option<&Handle>) -> Option<(Home, Dispatcher)> {
    let context = context?.id();
    HOST.try_with(|host| {
        let host = host.borrow();
        let host = host.as_ref().filter(|host| host.runtime == context)?;
        Some((host.home.clone(), host.dispatcher.clone()))
    })
    .ok()
    .flatten()
}
