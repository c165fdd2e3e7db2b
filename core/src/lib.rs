#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! In the order in which one asks. `Kotlin:` at an item names its counterpart in kotlinx.coroutines.
//!
//! - *From `main` into coroutines*: [`run_blocking`]; [`run_blocking_until`] ends at a signal ([`shutdown_signal`]) and
//!   says what it could not end ([`Interrupted`], [`StillRunning`]).
//! - *Scopes*: [`coroutine_scope`] and [`supervisor_scope`] run a body with a [`CoroutineScope`] and return only after
//!   everything launched in it has ended. [`CoroutineScope::new`] is a scope that a value of yours owns;
//!   [`GlobalScope`] belongs to nobody.
//! - *Launching*: [`CoroutineScope::launch`] gives a [`Job`] (for what a body may give see [`LaunchOutput`]),
//!   [`CoroutineScope::spawn`] a [`Deferred`], and both a `_local` form for bodies that are not `Send`.
//!   [`with`](CoroutineScope::with), [`lazy`](CoroutineScope::lazy) and [`start`](CoroutineScope::start) give a
//!   [`Launcher`] with another context or [`CoroutineStart`].
//! - *Waiting*: `deferred.await` ([`Await`]), [`await_all`]; [`Job::join`] ([`Join`]), [`join_all`]; without a
//!   coroutine [`Job::on_completion`] ([`DisposeHandle`]) and [`JobState`]. For code that ends work by dropping a
//!   future: [`Job::cancel_on_drop`] ([`CancelOnDrop`]).
//! - *Cancelling*: [`Job::cancel`], [`CoroutineScope::cancel`]. A cancelled body is dropped at its suspension point,
//!   from the inside out: a scope's guards run after its children have gone. Code that does not suspend asks
//!   [`is_active`] or [`ensure_active`]; [`yield_now`] ([`YieldNow`]) gives way and looks; [`await_cancellation`] waits
//!   for it.
//! - *Cleaning up*: destructors, [`finally`](FinallyExt::finally) ([`FinallyExt`]) and [`non_cancellable`] for what has
//!   to suspend; [`catch_cancellation`] and [`try_catch_cancellation`] ([`CancellationError`]) go on after it.
//! - *Failing*: an `Err` or a panic of a child cancels its scope, whose builder returns the first failure as an
//!   [`Error`] ([`Result`]). `?` takes any `std::error::Error`, [`OrFail`] boxed ones and those of anyhow,
//!   [`StdErrorOf`] goes the other way. What no scope takes goes to an [`ExceptionHandler`], else to
//!   [`add_uncaught_handler`] ([`UncaughtHandlerGuard`]).
//! - *Time*: [`delay`] ([`Delay`]), [`with_timeout`], [`with_timeout_or_none`].
//! - *Where it runs*: a [`Dispatcher`]; [`with_context`] runs a part of a coroutine on another one, [`blocking`]
//!   ([`CancelFlag`]) a blocking call. Threads of one's own: [`new_single_thread_context`],
//!   [`new_fixed_thread_pool_context`] ([`OwnedDispatcher`]). The thread of a user interface: [`set_main`]
//!   ([`MainGuard`], [`MainSlot`], [`MainAlreadySet`]).
//! - *Context*: [`CoroutineContext`] is what coroutines inherit: dispatcher, [`CoroutineName`], handler, [`Job`],
//!   [`NonCancellable`]. [`ContextElement`] makes an element of your own type; [`LocalKeyExt`] ([`LocalCell`],
//!   [`ThreadLocalElement`]) one of a thread-local.
//! - *What goes in*: builders take a [`ScopeBody`], a [`CoroutineBody`] or a [`ResultBody`], and an [`IntoContext`]; `?`
//!   takes a [`Failure`]. They are what their names say; there is nothing to implement.
//! - *Patterns*: [`map_concurrent`], [`await_first_success`], [`Retry`].
//! - *Choosing*: [`select()`] ([`Select`]), [`select_unbiased`] and [`while_select`] wait for the first of several
//!   [`Clauses`]: a [`Clause`] is made by [`Job::on_join`] ([`OnJoin`]), [`Deferred::on_await`] ([`OnAwait`]),
//!   [`on_timeout`] ([`OnTimeout`]), and [`on`] ([`On`]) for any future; with handlers it is a [`Then`] or
//!   [`ThenAsync`], in a pointer a [`BoxClause`].
//! - *From callbacks*: [`suspend_cancellable`] gives them a [`CancellableContinuation`] ([`ResumeError`]).
//! - *Jobs by hand*: [`CompletableDeferred`], [`CompletableJob`], [`SupervisorJob`].
//! - *Looking inside*: [`probe`] lists what lives and what it waits for; [`debug_mode`], [`set_debug_mode`],
//!   [`thread_label`]. [`allow_blocking`] marks what blocks its thread on purpose. With the feature `tracing`, spans and events of
//!   `tracing`; `TracingContext` carries a span of yours.
//! - *The pool*: its sizes ([`SchedulerConfig`], [`WORKERS_VARIABLE`], [`IO_PARALLELISM_VARIABLE`],
//!   [`AlreadyConfigured`]) and its end ([`shutdown`], [`ShutdownTimedOut`]).
//! - *A dispatcher of one's own*: [`Dispatch`] is given a [`Task`], or gives it back [`Rejected`]; it may have a
//!   [`TimeSource`]. Any dispatcher is an [`Executor`] for other libraries.

// Unsafe is the promise of `coroutine::cell` that a job is not moved, alone.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod allow_blocking;
mod await_all;
mod await_first_success;
mod blocking;
#[cfg(not(corox_loom))]
mod brief_lock;
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
mod first_panic;
mod frame;
mod global_scope;
mod handover;
mod harness;
mod into_context;
mod job;
mod job_context;
mod launch_output;
mod launcher;
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
mod timer;
mod trace;
#[cfg(feature = "tracing")]
mod tracing_context;
mod waiters;
mod with_context;

/// What clauses in other crates of the project are made of; no part of the public interface.
#[doc(hidden)]
pub mod select_protocol {
    pub use crate::select::{Attempt, Registered, Registrar, Slots, Ticket};
}

/// Who waits at a channel or a lock of the project, in order; no part of the public interface.
#[doc(hidden)]
pub mod waiters_protocol {
    #[cfg(not(corox_loom))]
    pub use crate::brief_lock::BriefLock;
    pub use crate::first_panic::FirstPanic;
    pub use crate::waiters::{
        Claimed, Key, Queue, Released, State, Waiter, Waiters, cancelled_here, cancelled_here_again,
    };
    pub use corox_scheduler::{may_block, now};
}

/// For errors of the project that carry an `Error` as their cause, and channels that pass one on; no part of the public interface.
#[doc(hidden)]
pub mod error_protocol {
    pub use crate::error::protocol::{
        Carried, cancellation_at, failure_at, of_no_job, same_for_a_job, suppress,
    };
}

/// For operators of flows, which launch and wait when they are collected: the line of a dump is that where the operator was called.
/// No part of the public interface.
#[doc(hidden)]
pub mod location_protocol {
    pub use crate::completable::completable_deferred_at;
    pub use crate::deferred::await_at;
    pub use crate::job::join_at;
    pub use crate::launcher::launch_at;
    pub use crate::scope_builders::coroutine_scope_at;
    pub use crate::time::delay_at;
    pub use crate::with_context::with_context_at;
}

/// What operators of flows that take time are made of; no part of the public interface.
#[doc(hidden)]
pub mod timer_protocol {
    pub use crate::timer::Timer;
}

/// What the debug probes of the project are made of; no part of the public interface.
#[doc(hidden)]
pub mod probe_protocol {
    pub use crate::debug::short_name;
    pub use crate::harness::{dispatcher_of, token_of};
    pub use crate::probe::awaited::{Awaited, Identity};
    pub use crate::probe::capture::{Asked, ask_for_stacks};
    pub use crate::probe::deadlock::{Deadlock, Link, deadlocks};
    pub use crate::probe::detail::{Detail, WeakJob};
    pub use crate::probe::holds::{Which, given_back, taken};
    pub use crate::probe::known::{Holder, Known, KnownHold, KnownWait, is_part, known};
    pub use crate::probe::registry::{
        KeepCreationStacks, Stack, keep_creation_stacks, set_creation_stacks, set_take_stack,
    };
    pub use crate::probe::running::{TimePolls, time_polls};
    pub use crate::probe::watch::{
        Inbox, Over, PollId, PollingThread, TimedPoll, job_of, polling_threads,
    };
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

pub use allow_blocking::allow_blocking;
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
pub use global_scope::GlobalScope;
pub use into_context::IntoContext;
pub use job::{DisposeHandle, Job, JobState, Join, join_all};
pub use launch_output::LaunchOutput;
pub use launcher::Launcher;
pub use map_concurrent::map_concurrent;
pub use or_fail::OrFail;
pub use retry::Retry;
pub use run_blocking::run_blocking;
pub use run_blocking_until::{Interrupted, StillRunning, run_blocking_until};
pub use scope::CoroutineScope;
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
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use tracing_context::TracingContext;
pub use with_context::with_context;
