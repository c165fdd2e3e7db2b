//! Whether a thread may be blocked.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio::task::coop::consume_budget;

use crate::here::Here;
use crate::host;

/// More than tokio lets one poll do: 128, at the time of writing.
const MORE_THAN_BUDGET: u32 = 1024;

/// Whether to block this thread stops nobody else: it runs neither a coroutine, except on `IO`, nor a task of tokio.
///
/// Threads of `spawn_blocking` and inside `block_in_place` may be blocked. It costs the task of tokio whose poll it is called in
/// its budget, so that `false` is to be followed by a panic.
///
/// # Examples
/// ```
/// use corox_scheduler::may_block;
///
/// assert!(may_block());
/// corox_scheduler::block_on(|_| async { assert!(!may_block()) });
/// ```
#[must_use]
pub fn may_block() -> bool {
    match Here::current() {
        Here::Io(_) => true,
        Here::Nothing => match Handle::try_current() {
            Ok(context) => host::current(Some(&context)).is_none() && !is_in_task(),
            Err(_) => true,
        },
        Here::Pool(_) | Here::Unconfined | Here::Loop(_) | Here::Custom(_) => false,
    }
}

/// Whether this is inside a poll by tokio: only those are limited in what they may do. It uses up what this one may still do, so
/// that `true` is to be followed by a panic.
pub(crate) fn is_in_task() -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    (0..MORE_THAN_BUDGET).any(|_| pin!(consume_budget()).poll(&mut cx).is_pending())
}
