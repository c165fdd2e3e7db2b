#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! In the order in which one asks. `Kotlin:` at an item names its counterpart in kotlinx.coroutines.
//!
//! - *What runs*: a [`Task`] is one pending poll of a future, handed to a schedule function each time it is due, with
//!   the reason ([`Wakeup`]). [`mark_yield`] gives way.
//! - *Where it runs*: a [`Dispatcher`], by [`dispatch`](Dispatcher::dispatch); the table above has all kinds of them.
//!   One that cannot run a task gives it back [`Rejected`]; then [`fallback`] takes it.
//! - *From blocking code into futures*: [`block_on`], the event loop of a thread. From a worker into blocking code:
//!   [`run_in_place`]; whether that is right here: [`may_block`].
//! - *Where a tree of coroutines runs*: [`Home`] says what [`Dispatcher::DEFAULT`], [`IO`](Dispatcher::IO) and
//!   [`MAIN`](Dispatcher::MAIN) stand for.
//! - *Threads of one's own*: [`new_single_thread_context`], [`new_fixed_thread_pool_context`], each an
//!   [`OwnedDispatcher`].
//! - *The thread of a user interface*: [`set_main`] ([`MainGuard`], [`MainAlreadySet`]); a tree may have a [`MainSlot`]
//!   of its own.
//! - *Time*: [`Sleep`] on the clock of a dispatcher; [`now`] and [`is_virtual`] ask that clock. A dispatcher may bring
//!   a [`TimeSource`].
//! - *The process's own pool*: its sizes ([`SchedulerConfig`], [`WORKERS_VARIABLE`], [`IO_PARALLELISM_VARIABLE`],
//!   [`AlreadyConfigured`]) and its end ([`shutdown`], [`ShutdownTimedOut`]).
//! - *A dispatcher of one's own*: [`Dispatch`], or a closure by [`Dispatcher::from_executor`]. The other way any
//!   dispatcher is an [`Executor`].
//! - *For libraries that build on this crate*: a [`TaskCell`] has a task, with its [`TaskBody`], in an allocation of its
//!   own, and is given a [`Woken`] where a waker is used up; a [`LocalFuture`] is `Send` for one that is not; [`host`] ([`HostGuard`], [`hosted`]) puts another loop in the place of
//!   the event loop; [`OnClose`] is told when a runtime shuts down; [`unconfined_queue_is_empty`].

// Unsafe is the place of a task's future, `task::body`, alone.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod dispatch;
mod dispatcher;
mod event_loop;
mod executor;
mod fallback;
mod here;
mod home;
mod host;
mod io;
mod main_slot;
mod may_block;
mod owned;
mod pool;
mod rejected;
mod shim;
mod shutdown;
mod slice;
mod task;
mod time;
mod unconfined;
mod view;

pub use config::{AlreadyConfigured, IO_PARALLELISM_VARIABLE, SchedulerConfig, WORKERS_VARIABLE};
pub use dispatch::Dispatch;
pub use dispatcher::Dispatcher;
pub use event_loop::{LocalFuture, block_on};
pub use executor::Executor;
pub use fallback::fallback;
pub use home::Home;
pub use host::{HostGuard, host, hosted};
pub use io::run_in_place;
pub use main_slot::{MainAlreadySet, MainGuard, MainSlot, set_main};
pub use may_block::may_block;
pub use owned::{OwnedDispatcher, new_fixed_thread_pool_context, new_single_thread_context};
pub use pool::OnClose;
pub use rejected::Rejected;
pub use shutdown::{ShutdownTimedOut, shutdown};
pub use task::{Task, TaskBody, TaskCell, Wakeup, Woken, mark_yield};
pub use time::{Sleep, TimeSource, is_virtual, now};
pub use unconfined::unconfined_queue_is_empty;
