#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod control;
mod dispatcher;
mod drive;
mod explore;
mod failures;
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
pub use limit::TIMEOUT_VARIABLE;
pub use log::{EventLog, assert_events};
pub use main_dispatcher::{TestMainGuard, set_main};
pub use scheduler::TestScheduler;
pub use scope::{TestScope, run_test};
pub use time_source::{TestInstant, TestTimeSource};
