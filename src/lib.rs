#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! [`prelude`] has what most programs use, and [`guide`] the pages on what the items have in common. To find an item:
//!
//! | what is wanted | items |
//! |---|---|
//! | from `main` into coroutines | [`run_blocking`], [`run_blocking_until`] with [`shutdown_signal`] |
//! | to start several things, and wait for all | [`coroutine_scope`], [`supervisor_scope`] |
//! | to start one in a scope | [`CoroutineScope::launch`], [`CoroutineScope::spawn`] |
//! | the handles | [`Job`], [`Deferred`]; [`join_all`], [`await_all`] |
//! | a scope that a value owns | [`CoroutineScope::new`]; last resort: [`GlobalScope`] |
//! | to cancel | [`Job::cancel`], [`Job::cancel_and_join`] |
//! | to be cancelled while one computes | [`is_active`], [`ensure_active`], [`yield_now`] |
//! | to clean up | destructors, [`finally`](FinallyExt::finally), [`non_cancellable`], [`catch_cancellation`] |
//! | to fail, and to handle it | [`Error`], [`Result`], [`OrFail`]; [`ExceptionHandler`], [`add_uncaught_handler`] |
//! | time | [`delay`], [`with_timeout`], [`with_timeout_or_none`] |
//! | another thread, for a while | [`with_context`], [`blocking`] |
//! | threads by name | [`DEFAULT`], [`IO`], [`MAIN`], [`UNCONFINED`]; [`Dispatcher`], [`new_single_thread_context`] |
//! | what coroutines inherit | [`CoroutineContext`], [`CoroutineName`], [`ContextElement`], [`LocalKeyExt`] |
//! | bounded, raced, repeated work | [`map_concurrent`], [`await_first_success`], [`Retry`] |
//! | to pass elements from one to another | [`Channel`], [`Sender`] and [`Receiver`] |
//! | coroutines with a channel | [`ChannelBuilders`]: `produce`, `actor`, `ticker`, `fan_in` |
//! | values that come one after another | [`flow()`], [`Flow`] with its operators in [`prelude`]; [`channel_flow`], [`callback_flow`] |
//! | a value that many watch, items that many get | [`MutableStateFlow`], [`MutableSharedFlow`], [`FlowShare`] |
//! | one at a time, or so many | [`Mutex`], [`Semaphore`] |
//! | the first of several things | [`select()`] with [`on`], [`on_timeout`], [`Job::on_join`], [`Deferred::on_await`] |
//! | a callback | [`suspend_cancellable`] |
//! | a result or job that a call completes | [`CompletableDeferred`], [`CompletableJob`], [`SupervisorJob`] |
//! | to see what lives and waits | [`probe`], [`thread_label`]; with the feature `debug` more in `corox::debug` |
//! | logs that name the coroutine | the feature `tracing`, and `TracingContext` |
//! | to block a thread on purpose | [`allow_blocking`] |
//! | the process's own pool | [`SchedulerConfig`], [`shutdown`] |
//!
//! The whole list is in the tours of [`corox-core`](corox_core#tour), [`corox-channels`](corox_channels#tour),
//! [`corox-flow`](corox_flow#tour) and [`corox-sync`](corox_sync#tour); this crate re-exports all of it. Tests in virtual time are in
//! [`corox-test`](https://docs.rs/corox-test).
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use corox_channels::*;
pub use corox_core::*;
pub use corox_flow::*;
pub use corox_sync::*;

/// The shared pool for computation; see [`Dispatcher::DEFAULT`].
///
/// Kotlin: `Dispatchers.Default`.
///
/// ```
/// use corox::{DEFAULT, run_blocking, with_context};
///
/// let sum = run_blocking(async |_| with_context(DEFAULT, async { Ok((1..=10).sum::<i32>()) }).await);
/// assert_eq!(sum.unwrap(), 55);
/// ```
#[doc(alias = "Dispatchers.Default")]
pub const DEFAULT: Dispatcher = Dispatcher::DEFAULT;

/// Threads for blocking calls; see [`Dispatcher::IO`].
///
/// Kotlin: `Dispatchers.IO`.
///
/// ```
/// use corox::{IO, run_blocking, with_context};
///
/// let text = run_blocking(async |_| {
///     with_context(IO, async { Ok(std::fs::read_to_string("Cargo.toml")?) }).await
/// });
/// assert!(text.unwrap().contains("corox"));
/// ```
#[doc(alias = "Dispatchers.IO")]
pub const IO: Dispatcher = Dispatcher::IO;

/// The user interface's thread, once it is set; see [`Dispatcher::MAIN`].
///
/// Kotlin: `Dispatchers.Main`.
///
/// ```
/// use corox::{MAIN, run_blocking, set_main};
///
/// run_blocking(async |scope| {
///     // As the event loop of a user interface would be.
///     let _main = set_main(scope.context().dispatcher().unwrap().clone())?;
///     let here = std::thread::current().id();
///     let there = scope.with(MAIN).spawn(async { Ok(std::thread::current().id()) });
///     assert_eq!(there.await?, here);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "Dispatchers.Main")]
pub const MAIN: Dispatcher = Dispatcher::MAIN;

/// No dispatcher: in place; see [`Dispatcher::UNCONFINED`].
///
/// Kotlin: `Dispatchers.Unconfined`.
///
/// ```
/// use corox::{UNCONFINED, run_blocking};
///
/// run_blocking(async |scope| {
///     let job = scope.with(UNCONFINED).launch(async {});
///     assert!(job.is_completed()); // it ran in `launch`
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "Dispatchers.Unconfined")]
pub const UNCONFINED: Dispatcher = Dispatcher::UNCONFINED;

/// What most programs use, in one `use corox::prelude::*`.
///
/// ```
/// use corox::prelude::*;
/// use std::time::Duration;
///
/// fn main() -> Result<()> {
///     run_blocking(async |scope| {
///         let slow = scope.spawn(async {
///             delay(Duration::from_millis(1)).await;
///             Ok(1)
///         });
///         assert_eq!(slow.await?, 1);
///         Ok(())
///     })
/// }
/// ```
pub mod prelude {
    pub use corox_flow::prelude::*;

    pub use crate::{
        Channel, ChannelBuilders, CoroutineContext, CoroutineName, CoroutineScope, DEFAULT,
        Deferred, Error, FinallyExt, GlobalScope, IO, Job, OrFail, Result, await_all,
        coroutine_scope, delay, join_all, run_blocking, supervisor_scope, with_context,
        with_timeout, with_timeout_or_none, yield_now,
    };
}

/// Dumps of live coroutines, with the stacks of those that wait: the crate [`corox_debug`](https://docs.rs/corox-debug). With the
/// feature `debug-inspector` also a local page that shows them.
///
/// Kotlin: the module kotlinx-coroutines-debug.
///
/// ```
/// use corox::debug::DebugProbes;
///
/// assert!(DebugProbes::dump_coroutines().is_err()); // not installed
/// ```
#[cfg(feature = "debug")]
#[cfg_attr(docsrs, doc(cfg(feature = "debug")))]
pub mod debug {
    pub use corox_debug::*;
}

/// Pages on what the items of this crate have in common.
pub mod guide {
    #[doc = include_str!("../docs/basics.md")]
    pub mod basics {}
    #[doc = include_str!("../docs/cancellation.md")]
    pub mod cancellation {}
    #[doc = include_str!("../docs/cancellation-and-timeouts.md")]
    pub mod cancellation_and_timeouts {}
    #[doc = include_str!("../docs/channels.md")]
    pub mod channels {}
    #[doc = include_str!("../docs/composing.md")]
    pub mod composing {}
    #[cfg(feature = "debug")]
    #[cfg_attr(docsrs, doc(cfg(feature = "debug")))]
    #[doc = include_str!("../docs/debugging.md")]
    pub mod debugging {}
    #[doc = include_str!("../docs/first-steps.md")]
    pub mod first_steps {}
    #[doc = include_str!("../docs/context-and-dispatchers.md")]
    pub mod context_and_dispatchers {}
    #[doc = include_str!("../docs/errors.md")]
    pub mod errors {}
    #[doc = include_str!("../docs/failures.md")]
    pub mod failures {}
    #[doc = include_str!("../docs/flow.md")]
    pub mod flow {}
    #[doc = include_str!("../docs/limits.md")]
    pub mod limits {}
    #[doc = include_str!("../docs/on-tokio.md")]
    pub mod on_tokio {}
    #[doc = include_str!("../docs/performance.md")]
    pub mod performance {}
    #[doc = include_str!("../docs/select.md")]
    pub mod select {}
    #[doc = include_str!("../docs/shared-state.md")]
    pub mod shared_state {}
    #[doc = include_str!("../docs/stream-to-flow.md")]
    pub mod stream_to_flow {}
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
