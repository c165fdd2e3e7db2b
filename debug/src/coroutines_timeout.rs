//! A limit of time for a test, with a dump when it is over.

use std::panic::{Location, resume_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use corox_core::probe_protocol::keep_creation_stacks;

use crate::debug_probes::DebugProbes;

/// Runs a test with a limit of real time, and with probes: when it is over the test fails, and says what lives and where.
///
/// For any test function; [`run_test`](https://docs.rs/corox-test) has a limit of its own.
///
/// Kotlin: `CoroutinesTimeout` of JUnit 4 and 5.
///
/// ```
/// use corox_core::{Dispatcher, GlobalScope, run_blocking};
/// use corox_debug::CoroutinesTimeout;
///
/// let sum = CoroutinesTimeout::seconds(10).run(|| {
///     run_blocking(async |_| GlobalScope.with(Dispatcher::IO).spawn(async { Ok(1 + 1) }).await)
/// });
/// assert_eq!(sum.unwrap(), 2);
///
/// let none = std::panic::catch_unwind(|| CoroutinesTimeout::new(std::time::Duration::ZERO));
/// assert!(none.is_err());
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it does nothing until `run` is called with the test"]
#[doc(alias = "CoroutinesTimeoutExtension")]
pub struct CoroutinesTimeout {
    limit: Duration,
    cancels: bool,
    creation_stacks: bool,
}

impl CoroutinesTimeout {
    /// A limit.
    ///
    /// Kotlin: `CoroutinesTimeout(testTimeoutMs)`.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn new(limit: Duration) -> CoroutinesTimeout {
        assert!(
            !limit.is_zero(),
            "a test cannot end within no time: give CoroutinesTimeout a limit above zero"
        );
        CoroutinesTimeout {
            limit,
            cancels: false,
            creation_stacks: true,
        }
    }

    /// As [`new`](CoroutinesTimeout::new), in seconds.
    ///
    /// # Panics
    ///
    /// If there are none.
    #[track_caller]
    pub fn seconds(limit: u64) -> CoroutinesTimeout {
        CoroutinesTimeout::new(Duration::from_secs(limit))
    }

    /// Whether what lives is cancelled at the end of the limit. Not by itself: without it the test and its threads go on until the
    /// process ends.
    ///
    /// Kotlin: `cancelOnTimeout`.
    ///
    /// ```
    /// use corox_core::{await_cancellation, run_blocking};
    /// use corox_debug::CoroutinesTimeout;
    /// use std::time::Duration;
    ///
    /// let failed = std::panic::catch_unwind(|| {
    ///     let limit = CoroutinesTimeout::new(Duration::from_millis(50));
    ///     limit.cancel_on_timeout(true).run(|| run_blocking(async |_| -> corox_core::Result<()> {
    ///         await_cancellation().await
    ///     }))
    /// });
    /// let text = failed.unwrap_err();
    /// let text = text.downcast_ref::<String>().unwrap();
    /// assert!(text.starts_with("the test has timed out after 50ms") && text.contains("\tat await_cancellation ("));
    /// ```
    pub fn cancel_on_timeout(self, cancels: bool) -> CoroutinesTimeout {
        CoroutinesTimeout { cancels, ..self }
    }

    /// Whether the dump says who has launched what. It does by itself; without, it does only if
    /// [`DebugProbes::set_creation_stacks`] was called.
    ///
    /// Kotlin: `enableCoroutineCreationStackTraces`.
    ///
    /// ```
    /// use corox_debug::CoroutinesTimeout;
    ///
    /// let quick = CoroutinesTimeout::seconds(10).creation_stacks(false);
    /// assert_eq!(quick.run(|| 7), 7);
    /// ```
    pub fn creation_stacks(self, on: bool) -> CoroutinesTimeout {
        CoroutinesTimeout {
            creation_stacks: on,
            ..self
        }
    }

    /// Runs `test` in a thread of its own, and gives what it gives.
    ///
    /// # Panics
    ///
    /// With the panic of the test; at the end of the limit with the dump of what lives then.
    #[track_caller]
    pub fn run<T: Send + 'static>(self, test: impl FnOnce() -> T + Send + 'static) -> T {
        let caller = Location::caller();
        DebugProbes::with_probes(|| {
            let _kept = self.creation_stacks.then(keep_creation_stacks);
            match self.run_probed(test, caller) {
                Ok(Ok(value)) => value,
                Ok(Err(payload)) => resume_unwind(payload),
                Err(text) => panic!("{text}"),
            }
        })
    }

    /// What the test gives; or the text of the failure, if it does not end.
    fn run_probed<T: Send + 'static>(
        self,
        test: impl FnOnce() -> T + Send + 'static,
        caller: &Location<'_>,
    ) -> Result<thread::Result<T>, String> {
        let (over, ended) = sync_channel::<()>(0);
        let name = thread::current().name().unwrap_or("test").to_owned();
        let running = thread::Builder::new().name(name).spawn(move || {
            // Dropped at the end, after a panic, too.
            let _over = over;
            test()
        });
        let running = running.map_err(|error| format!("the thread of the test: {error}"))?;
        match ended.recv_timeout(self.limit) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(running.join()),
        }
        let dump = DebugProbes::dump_coroutines().unwrap_or_else(|error| error.to_string());
        if self.cancels {
            for job in corox_core::probe::live() {
                job.cancel();
            }
        }
        let limit = self.limit;
        Err(format!(
            "the test has timed out after {limit:?} ({caller})\n{dump}"
        ))
    }
}
