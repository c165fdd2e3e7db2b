#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! In the order in which one asks. `Kotlin:` at an item names its counterpart in kotlinx-coroutines-test.
//!
//! - *Running a test*: [`run_test`] with a body ([`TestBody`]); it has a [`TestScope`] to launch in, with a
//!   [background](TestScope::background_scope). [`TestScope::new`] makes one before the test, for code that is to be
//!   given it.
//! - *Moving the clock*: [`TestScope::advance_time_by`], [`run_current`](TestScope::run_current),
//!   [`advance_until_idle`](TestScope::advance_until_idle); [`real_time`](TestScope::real_time) holds it.
//! - *Asking the clock*: [`TestScope::current_time`]; [`TestTimeSource`] with marks ([`TestInstant`]).
//! - *What happened, in which order*: [`EventLog`], [`assert_events`].
//! - *What a flow gives, in which order* (feature `flow`): `FlowTest::test`, with a `Turbine`.
//! - *Dispatchers for the code under test*: [`StandardTestDispatcher`], [`UnconfinedTestDispatcher`]; those that share
//!   a [`TestScheduler`] share the clock. [`set_main`] ([`TestMainGuard`]) has one stand for the main dispatcher.
//! - *Many orders*: [`explore`], [`Explore`] ([`Explored`]); [`SEED_VARIABLE`] replays a failure.
//! - *A test that hangs*: [`TIMEOUT_VARIABLE`], [`TestScope::run_test_within`].

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod control;
mod dispatcher;
mod drive;
mod explore;
mod failures;
#[cfg(feature = "flow")]
mod flow;
mod hold;
mod limit;
mod log;
mod main_dispatcher;
mod outside;
mod root;
mod run;
mod scheduler;
mod scope;
mod time_source;

pub use body::TestBody;
pub use dispatcher::{StandardTestDispatcher, UnconfinedTestDispatcher};
pub use explore::{Explore, Explored, SEED_VARIABLE, explore};
#[cfg(feature = "flow")]
#[cfg_attr(docsrs, doc(cfg(feature = "flow")))]
pub use flow::{FlowTest, Turbine};
pub use limit::TIMEOUT_VARIABLE;
pub use log::{EventLog, assert_events};
pub use main_dispatcher::{TestMainGuard, set_main};
pub use scheduler::TestScheduler;
pub use scope::{TestScope, run_test};
pub use time_source::{TestInstant, TestTimeSource};
