#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod dispatcher;
mod event_loop;
mod executor;
mod fallback;
mod here;
mod home;
mod host;
mod io;
mod main_slot;
mod owned;
mod pool;
mod rejected;
mod shim;
mod shutdown;
mod task;
mod time;
mod unconfined;
mod view;

pub use config::{AlreadyConfigured, IO_PARALLELISM_VARIABLE, SchedulerConfig, WORKERS_VARIABLE};
pub use dispatcher::{Dispatch, Dispatcher};
pub use event_loop::block_on;
pub use executor::Executor;
pub use fallback::fallback;
pub use home::Home;
pub use host::{HostGuard, host, hosted};
pub use io::run_in_place;
pub use main_slot::{MainAlreadySet, MainGuard, MainSlot, set_main};
pub use owned::{OwnedDispatcher, new_fixed_thread_pool_context, new_single_thread_context};
pub use pool::OnClose;
pub use rejected::Rejected;
pub use shutdown::{ShutdownTimedOut, shutdown};
pub use task::{Task, Wakeup, mark_yield};
pub use time::{Sleep, TimeSource, is_virtual, now};
pub use unconfined::unconfined_queue_is_empty;
