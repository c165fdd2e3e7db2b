#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use corox_core::*;

/// The shared pool for computation; see [`Dispatcher::DEFAULT`].
#[doc(alias = "Dispatchers.Default")]
pub const DEFAULT: Dispatcher = Dispatcher::DEFAULT;

/// Threads for blocking calls; see [`Dispatcher::IO`].
#[doc(alias = "Dispatchers.IO")]
pub const IO: Dispatcher = Dispatcher::IO;

/// The user interface's thread, once it is set; see [`Dispatcher::MAIN`].
#[doc(alias = "Dispatchers.Main")]
pub const MAIN: Dispatcher = Dispatcher::MAIN;

/// No dispatcher: in place; see [`Dispatcher::UNCONFINED`].
#[doc(alias = "Dispatchers.Unconfined")]
pub const UNCONFINED: Dispatcher = Dispatcher::UNCONFINED;

/// What most programs use, in one `use corox::prelude::*`.
pub mod prelude {
    pub use crate::{
        CoroutineContext, CoroutineName, CoroutineScope, DEFAULT, Deferred, Error, FinallyExt,
        GlobalScope, IO, Job, OrFail, Result, await_all, coroutine_scope, delay, join_all,
        run_blocking, supervisor_scope, with_context, with_timeout, with_timeout_or_none,
        yield_now,
    };
}

/// Pages on what the items of this crate have in common.
pub mod guide {
    #[doc = include_str!("../docs/basics.md")]
    pub mod basics {}
    #[doc = include_str!("../docs/cancellation.md")]
    pub mod cancellation {}
    #[doc = include_str!("../docs/cancellation-and-timeouts.md")]
    pub mod cancellation_and_timeouts {}
    #[doc = include_str!("../docs/composing.md")]
    pub mod composing {}
    #[doc = include_str!("../docs/first-steps.md")]
    pub mod first_steps {}
    #[doc = include_str!("../docs/context-and-dispatchers.md")]
    pub mod context_and_dispatchers {}
    #[doc = include_str!("../docs/errors.md")]
    pub mod errors {}
    #[doc = include_str!("../docs/failures.md")]
    pub mod failures {}
    #[doc = include_str!("../docs/limits.md")]
    pub mod limits {}
    #[doc = include_str!("../docs/on-tokio.md")]
    pub mod on_tokio {}
    #[doc = include_str!("../docs/testing.md")]
    pub mod testing {}
    pub mod kotlin_to_corox {
        #![doc = include_str!("../docs/kotlin-to-corox.md")]
        #[allow(unused_imports)] // The links of the page are names of the crate.
        use crate::*;
    }
    #[doc = include_str!("../docs/tokio-to-corox.md")]
    pub mod tokio_to_corox {}
}
