//! A loop outside this crate that has a thread's tokio runtime.

use std::cell::RefCell;

use tokio::runtime::{self, Handle};

use crate::{Dispatcher, Home};

struct Host {
    runtime: runtime::Id,
    home: Home,
    dispatcher: Dispatcher,
}

thread_local! {
    static HOST: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Makes `home` and `dispatcher` what [`Home::current`] gives on this thread, inside the current-thread tokio runtime of
/// `handle`, until the guard is dropped; timers of dispatchers without a clock of their own are those of `dispatcher`.
///
/// For loops that bring a dispatcher of their own and drive tokio beside it.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Home, host};
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let _context = runtime.enter();
/// let guard = host(runtime.handle(), Home::own(), Dispatcher::UNCONFINED);
/// assert_eq!(Home::current().1, Dispatcher::UNCONFINED);
/// drop(guard);
/// assert_ne!(Home::current().1, Dispatcher::UNCONFINED);
/// ```
pub fn host(handle: &Handle, home: Home, dispatcher: Dispatcher) -> HostGuard {
    let host = Host {
        runtime: handle.id(),
        home,
        dispatcher,
    };
    HostGuard(HOST.replace(Some(host)))
}

/// Ends a [`host`].
#[must_use = "dropping the guard ends it"]
pub struct HostGuard(Option<Host>);

impl Drop for HostGuard {
    fn drop(&mut self) {
        let outer = self.0.take();
        drop(HOST.try_with(|host| host.replace(outer)));
    }
}

impl std::fmt::Debug for HostGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostGuard")
    }
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
