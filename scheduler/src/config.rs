//! The sizes of the process's own pool.

use std::fmt;
use std::sync::OnceLock;

use crate::pool;

/// The environment variable for the number of workers of [`DEFAULT`](crate::Dispatcher::DEFAULT); read at first use.
///
/// A number from 1 to 16 384; the first use panics with anything else.
///
/// Kotlin: the property `kotlinx.coroutines.scheduler.core.pool.size`.
///
/// ```sh
/// COROX_WORKERS=2 cargo run
/// ```
#[doc(alias = "kotlinx.coroutines.scheduler.core.pool.size")]
pub const WORKERS_VARIABLE: &str = "COROX_WORKERS";

/// The environment variable for the cap of [`IO`](crate::Dispatcher::IO); read at first use.
///
/// A number from 1 to 16 384; the first use panics with anything else.
///
/// Kotlin: the property named by `IO_PARALLELISM_PROPERTY_NAME`.
///
/// ```sh
/// COROX_IO_PARALLELISM=16 cargo run
/// ```
#[doc(alias = "IO_PARALLELISM_PROPERTY_NAME")]
pub const IO_PARALLELISM_VARIABLE: &str = "COROX_IO_PARALLELISM";

/// The largest size that is accepted.
const MOST: usize = 16_384;

/// How many threads the process's own pool has, and how many blocking calls [`IO`](crate::Dispatcher::IO) allows at a time.
///
/// To be applied before the first coroutine. Without it the environment decides ([`WORKERS_VARIABLE`],
/// [`IO_PARALLELISM_VARIABLE`]), and without that there are `max(2, cores)` workers and `max(64, cores)` places on IO. The cap
/// of IO is that of each runtime that coroutines run on; the workers of a runtime of yours are its own affair.
///
/// Kotlin: the properties behind the two variables.
///
/// # Examples
/// ```
/// use corox_scheduler::SchedulerConfig;
///
/// SchedulerConfig::new().workers(3).io_parallelism(16).apply().unwrap();
/// assert!(SchedulerConfig::new().apply().is_err()); // once only
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "a configuration counts once it is applied"]
pub struct SchedulerConfig {
    workers: Option<usize>,
    io: Option<usize>,
}

#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) workers: usize,
    pub(crate) io: usize,
}

static SIZES: OnceLock<Sizes> = OnceLock::new();

impl SchedulerConfig {
    /// A configuration that leaves everything to the environment.
    pub fn new() -> Self {
        SchedulerConfig::default()
    }

    /// How many workers the own pool has.
    ///
    /// # Panics
    /// Unless `n` is from 1 to 16 384.
    #[track_caller]
    pub fn workers(mut self, n: usize) -> Self {
        check("workers", n);
        self.workers = Some(n);
        self
    }

    /// How many blocking tasks [`IO`](crate::Dispatcher::IO) runs at a time; its views have limits of their own.
    ///
    /// # Panics
    /// Unless `n` is from 1 to 16 384.
    #[track_caller]
    pub fn io_parallelism(mut self, n: usize) -> Self {
        check("io_parallelism", n);
        self.io = Some(n);
        self
    }

    /// Makes it the configuration of the process.
    ///
    /// # Errors
    /// If a pool has been used already, or a configuration was applied: sizes do not change any more.
    ///
    /// # Panics
    /// If an environment variable that counts has a value that is no size.
    pub fn apply(self) -> Result<(), AlreadyConfigured> {
        let sizes = Sizes {
            workers: self.workers.unwrap_or_else(workers_by_default),
            io: self.io.unwrap_or_else(io_by_default),
        };
        SIZES.set(sizes).map_err(|_| AlreadyConfigured(()))
    }
}

#[track_caller]
fn check(what: &str, n: usize) {
    assert!(
        (1..=MOST).contains(&n),
        "{what}({n}): the size is from 1 to {MOST}"
    );
}

/// The sizes that count from the first call on.
///
/// # Panics
/// If an environment variable has a value that is no size.
pub(crate) fn sizes() -> Sizes {
    *SIZES.get_or_init(|| Sizes {
        workers: workers_by_default(),
        io: io_by_default(),
    })
}

fn workers_by_default() -> usize {
    from_environment(WORKERS_VARIABLE).unwrap_or_else(|| pool::cores().max(2))
}

fn io_by_default() -> usize {
    from_environment(IO_PARALLELISM_VARIABLE).unwrap_or_else(|| pool::cores().max(64))
}

fn from_environment(variable: &str) -> Option<usize> {
    let value = std::env::var_os(variable)?;
    let size = value.to_str().and_then(|value| value.trim().parse().ok());
    match size.filter(|size| (1..=MOST).contains(size)) {
        Some(size) => Some(size),
        None => panic!(
            "the environment variable {variable} is {value:?}, which is no size; give a number from 1 to {MOST}, or unset it"
        ),
    }
}

/// The sizes of the pools are settled already; see [`SchedulerConfig::apply`].
///
/// # Examples
/// ```
/// use corox_scheduler::{AlreadyConfigured, SchedulerConfig};
///
/// SchedulerConfig::new().apply().unwrap();
/// let late: AlreadyConfigured = SchedulerConfig::new().apply().unwrap_err();
/// assert!(late.to_string().contains("before the first coroutine"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlreadyConfigured(());

impl fmt::Debug for AlreadyConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AlreadyConfigured")
    }
}

impl fmt::Display for AlreadyConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the pools are in use or configured already; apply the configuration once, before the first coroutine",
        )
    }
}

impl std::error::Error for AlreadyConfigured {}
