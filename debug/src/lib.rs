#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! `Kotlin:` at an item names its counterpart in kotlinx.coroutines.
//!
//! - *On and off*: [`DebugProbes::install`] and [`DebugProbes::uninstall`], or [`DebugProbes::with_probes`]. What asks before
//!   gets [`NotInstalled`].
//! - *All coroutines*: [`DebugProbes::dump_coroutines`] as a text, [`DebugProbes::dump_coroutines_info`] as values: a
//!   [`CoroutineInfo`] each, with its [`CoroutineState`] and lines of the kind [`StackFrame`].
//! - *Who waits for whom*: [`DebugProbes::deadlocks`] finds each [`Deadlock`], with a [`DeadlockMember`] for each coroutine in it.
//!   An [`Awaited`] is what a coroutine waits for, a [`HeldLock`] what it has taken.
//! - *A part of the tree*: [`DebugProbes::job_to_string`], [`DebugProbes::print_job`], [`DebugProbes::print_scope`].
//! - *From outside*: with the feature `signal`, [`DebugProbes::dump_on_sigquit`] prints a dump at each `kill -3` while its guard
//!   [`DumpOnSigquit`] lives.
//! - *Stacks*: [`DebugProbes::capture_stacks`] has suspended coroutines say in which functions they wait;
//!   [`DebugProbes::set_creation_stacks`] keeps who has launched them; [`DebugProbes::set_sanitized_stacks`] says how much of
//!   them is shown.
//! - *Threads that are blocked*: a [`Watchdog`] reports each [`LongPoll`] while its guard [`Watching`] lives.
//! - *In tests*: [`CoroutinesTimeout`] fails with a dump.
//! - *In a browser*, with the feature `inspector`: `Inspector` serves a page of the live coroutines on a local address, as an
//!   `InspectorBuilder` says, or gives an `InspectorError`.
//!
//! What costs nothing but the listing, without this crate, is in [`corox_core::probe`].

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod awaited;
mod coroutine_info;
mod coroutines_timeout;
mod deadlock;
mod debug_probes;
#[cfg(feature = "signal")]
mod dump_on_sigquit;
mod dump_text;
#[cfg(feature = "inspector")]
mod inspector;
mod job_tree;
mod long_poll;
mod not_installed;
mod sanitized;
mod stack;
mod stack_frame;
mod traces;
mod watchdog;

pub use awaited::{Awaited, HeldLock};
pub use coroutine_info::{CoroutineInfo, CoroutineState};
pub use coroutines_timeout::CoroutinesTimeout;
pub use deadlock::{Deadlock, DeadlockMember};
pub use debug_probes::DebugProbes;
#[cfg(feature = "signal")]
#[cfg_attr(docsrs, doc(cfg(feature = "signal")))]
pub use dump_on_sigquit::DumpOnSigquit;
#[cfg(feature = "inspector")]
#[cfg_attr(docsrs, doc(cfg(feature = "inspector")))]
pub use inspector::{Inspector, InspectorBuilder, InspectorError};
pub use long_poll::LongPoll;
pub use not_installed::NotInstalled;
pub use stack_frame::StackFrame;
pub use watchdog::{Watchdog, Watching};
