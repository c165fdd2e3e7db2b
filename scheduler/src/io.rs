//! Blocking in place: a worker becomes an IO thread for one call.

use tokio::task::block_in_place;

use crate::Dispatcher;
use crate::dispatcher::Kind;
use crate::here::Here;
use crate::pool;

/// Runs `f` on this very thread as an IO thread, if that is possible without a thread switch; else gives `f` back.
///
/// It is possible if `io` is the IO of a multi-thread runtime, or a view of that with a free permit, this thread is running a task of that runtime's pool, and one of the
/// IO permits is free; or if this thread is an IO thread of `io` already. The worker hands its queue and its duty to another thread for the time of the call.
///
/// Kotlin: a switch from `Dispatchers.Default` to `Dispatchers.IO`, which usually keeps the thread.
///
/// # Errors
/// Gives `f` back, not called.
///
/// # Panics
/// Passes on a panic of `f`, after the permit is returned; and panics inside a tokio `LocalSet`, where a thread must not block.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, run_in_place};
///
/// // Not on a worker: the closure comes back.
/// let f = run_in_place(&Dispatcher::IO, || 42).unwrap_err();
/// assert_eq!(f(), 42);
/// ```
pub fn run_in_place<R, F: FnOnce() -> R>(io: &Dispatcher, f: F) -> Result<R, F> {
    let here = Here::current();
    if !matches!(here, Here::Pool(_) | Here::Io(_)) {
        return Err(f);
    }
    let (base, view) = match &io.kind {
        Kind::View(view) => (view.base(), Some(view)),
        _ => (io, None),
    };
    let pool = match &base.kind {
        Kind::PoolIo(pool) => pool,
        Kind::Io => pool::own(),
        _ => return Err(f),
    };
    let this = Here::Io(pool.address());
    if here != this && here != Here::Pool(pool.address()) {
        return Err(f);
    }
    // In a task of the view already: that one's permit is for this, too.
    let _limit = match view {
        Some(view) if !view.runs_here() => match view.try_permit() {
            Some(permit) => Some(permit),
            None => return Err(f),
        },
        _ => None,
    };
    if here == this {
        return Ok(f());
    }
    let _permit = match view {
        Some(_) => None,
        None => match pool.io().try_permit(pool) {
            Some(permit) => Some(permit),
            None => return Err(f),
        },
    };
    Ok(block_in_place(|| {
        pool::before_blocking();
        let _here = this.enter();
        f()
    }))
}
