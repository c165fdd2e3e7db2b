#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! - *Roots and scopes*: [`run_blocking`], [`run_blocking_until`] a signal comes, [`coroutine_scope`], [`supervisor_scope`] run a body and return only after
//!   everything launched in it has ended.
//! - *Launching*: [`CoroutineScope::launch`] gives a [`Job`], [`CoroutineScope::spawn`] a [`Deferred`];
//!   [`with`](CoroutineScope::with) changes context ([`Dispatcher`], [`CoroutineName`], [`ExceptionHandler`]) and start mode.
//! - *Context*: [`CoroutineContext`] is what coroutines inherit; [`ContextElement`] makes an element of your own type,
//!   [`LocalKeyExt`] of a thread-local. [`CoroutineScope::new`] is a scope that a value of yours owns.
//! - *Cancelling*: [`Job::cancel`]. A cancelled body is dropped at its suspension point, from the inside out: a scope's
//!   guards run after its children have gone. [`catch_cancellation`], [`non_cancellable`] and [`FinallyExt`] are how code
//!   takes part in that.
//! - *Failing*: an `Err` or a panic of a child cancels its scope, whose builder returns the first failure as an [`Error`].
//! - *Time and turns*: [`delay`], [`yield_now`], [`is_active`], [`ensure_active`], [`with_timeout`],
//!   [`with_timeout_or_none`].
//! - *Waiting*: [`Job::join`], [`join_all`], `deferred.await`, [`await_all`].
//! - *Patterns*: [`map_concurrent`], [`await_first_success`], [`Retry`].
//! - *Choosing*: [`select()`] waits for the first of several [clauses](Clause): [`Job::on_join`], [`Deferred::on_await`],
//!   [`on_timeout`], and [`on`] for any future.
//! - *What goes in*: builders take a [`ScopeBody`], a [`CoroutineBody`] or a [`ResultBody`], and an [`IntoContext`]; `?` takes a
//!   [`Failure`], and [`OrFail`] makes an error of other things. All of them are what their names say; there is nothing to
//!   implement, but for elements of your own.
//! - *Borders*: [`suspend_cancellable`] waits for a callback, [`blocking`] for a blocking call,
//!   [`Deferred::cancel_on_drop`] is a future for code that cancels by drop.
//! - *By hand*: [`CompletableJob`], [`SupervisorJob`], [`CompletableDeferred`].
//! - *Looking inside*: [`probe`], [`thread_label`].

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod await_all;
mod await_first_success;
mod blocking;
mod cancel_on_drop;
mod catch_cancellation;
mod checks;
mod completable;
mod context;
mod context_element;
mod continuation;
mod coroutine;
mod coroutine_body;
mod debug;
mod deferred;
mod driver;
mod error;
mod exception_handler;
mod finally;
mod frame;
mod handover;
mod harness;
mod into_context;
mod job;
mod job_context;
mod launch_output;
mod map_concurrent;
mod node_list;
mod or_fail;
pub mod probe;
mod retry;
mod run_blocking;
mod run_blocking_until;
mod scope;
mod scope_body;
mod scope_builders;
mod section;
mod select;
mod shim;
#[cfg(feature = "signal")]
mod shutdown_signal;
mod suspend_cancellable;
mod thread_local_element;
mod time;
mod timeout;
mod with_context;

/// What clauses in other crates of the project are made of; no part of the public interface.
#[doc(hidden)]
pub mod select_protocol {
    pub use crate::select::{Registered, Registrar, Slots, Ticket};
}

/// What the test harness of the project is made of; no part of the public interface.
#[doc(hidden)]
pub mod harness_protocol {
    #[cfg(not(corox_loom))]
    pub use crate::harness::Root;
    pub use crate::harness::{
        Watch, being_handed_over, current_has_element, dispatcher_of, fail_with_panic, has_element,
        has_live_body, hosting, is_inline, is_watched_by, report_unclaimed, set_collector,
        take_panic, token_of,
    };
    pub use crate::select::set_seed as set_select_seed;
}

pub use await_all::await_all;
pub use await_first_success::await_first_success;
pub use blocking::{CancelFlag, blocking};
pub use cancel_on_drop::CancelOnDrop;
pub use catch_cancellation::{catch_cancellation, try_catch_cancellation};
pub use checks::{YieldNow, await_cancellation, ensure_active, is_active, yield_now};
pub use completable::{CompletableDeferred, CompletableJob, SupervisorJob};
pub use context::{CoroutineContext, CoroutineName, NonCancellable};
pub use context_element::ContextElement;
pub use continuation::{CancellableContinuation, ResumeError};
pub use coroutine::CoroutineStart;
#[cfg(corox_loom)]
#[doc(hidden)]
pub use coroutine::unscheduled;
pub use coroutine_body::{CoroutineBody, ResultBody};
pub use corox_scheduler::{
    AlreadyConfigured, Dispatch, Dispatcher, Executor, IO_PARALLELISM_VARIABLE, MainAlreadySet,
    MainGuard, MainSlot, OwnedDispatcher, Rejected, SchedulerConfig, ShutdownTimedOut, Task,
    TimeSource, WORKERS_VARIABLE, new_fixed_thread_pool_context, new_single_thread_context,
    set_main, shutdown,
};
pub use debug::{debug_mode, set_debug_mode, thread_label};
pub use deferred::{Await, Deferred};
pub use error::{CancellationError, Error, Failure, Result, StdErrorOf};
pub use exception_handler::{ExceptionHandler, UncaughtHandlerGuard, add_uncaught_handler};
pub use finally::FinallyExt;
pub use into_context::IntoContext;
pub use job::{DisposeHandle, Job, JobState, Join, join_all};
pub use launch_output::LaunchOutput;
pub use map_concurrent::map_concurrent;
pub use or_fail::OrFail;
pub use retry::Retry;
pub use run_blocking::run_blocking;
pub use run_blocking_until::{Interrupted, StillRunning, run_blocking_until};
pub use scope::{CoroutineScope, GlobalScope, Launcher};
pub use scope_body::ScopeBody;
pub use scope_builders::{coroutine_scope, non_cancellable, supervisor_scope};
pub use select::{
    BoxClause, Clause, Clauses, On, OnAwait, OnJoin, OnTimeout, Select, Then, ThenAsync, on,
    on_timeout, select, select_unbiased, while_select,
};
#[cfg(feature = "signal")]
#[cfg_attr(docsrs, doc(cfg(feature = "signal")))]
pub use shutdown_signal::shutdown_signal;
pub use suspend_cancellable::suspend_cancellable;
pub use thread_local_element::{LocalCell, LocalKeyExt, ThreadLocalElement};
pub use time::{Delay, delay};
pub use timeout::{with_timeout, with_timeout_or_none};
pub use with_context::with_context;
