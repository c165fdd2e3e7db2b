//! The switch and the queries.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use corox_core::probe::{self, Installed};
use corox_core::probe_protocol as protocol;
use corox_core::waiters_protocol::may_block;
use corox_core::{CoroutineScope, Job, with_timeout_or_none};
use parking_lot::Mutex;

use crate::coroutine_info::CoroutineInfo;
use crate::deadlock::Deadlock;
use crate::dump_text::dump_text;
use crate::job_tree::job_tree;
use crate::not_installed::NotInstalled;
use crate::stack;
use crate::traces::{Options, infos};

/// What each [`DebugProbes::install`] has put there, until it is taken back.
static INSTALLED: Mutex<Vec<Installed>> = Mutex::new(Vec::new());

static SANITIZED: AtomicBool = AtomicBool::new(true);
static MERGED: AtomicBool = AtomicBool::new(true);

/// How long a dump waits for stacks of coroutines whose threads do not come to it.
const PATIENCE: Duration = Duration::from_millis(200);

/// The probes of the process: while they are installed, each live coroutine is known, with its state and what it waits for.
///
/// Coroutines that were launched before are unknown, and so are scopes that were opened before. What was installed several
/// times is taken back as often.
///
/// Kotlin: `DebugProbes`.
///
/// ```
/// use corox_core::{await_cancellation, run_blocking, yield_now};
/// use corox_debug::DebugProbes;
///
/// DebugProbes::install();
/// run_blocking(async |scope| {
///     let job = scope.launch(async { await_cancellation().await });
///     yield_now().await;
///     let dump = DebugProbes::dump_coroutines()?;
///     assert!(dump.starts_with("Coroutines dump "));
///     assert!(dump.contains("{Active}@") && dump.contains(", state: SUSPENDED\n\tat await_cancellation ("));
///     job.cancel();
///     Ok(())
/// }).unwrap();
/// DebugProbes::uninstall().unwrap();
/// ```
#[derive(Debug)]
pub struct DebugProbes(());

impl DebugProbes {
    /// Installs the probes, or counts one more who wants them.
    ///
    /// Kotlin: `DebugProbes.install`.
    ///
    /// ```
    /// use corox_debug::DebugProbes;
    ///
    /// DebugProbes::install();
    /// assert!(DebugProbes::is_installed());
    /// DebugProbes::uninstall().unwrap();
    /// ```
    #[doc(alias = "DebugProbes.install")]
    pub fn install() {
        protocol::set_take_stack(stack::take);
        INSTALLED.lock().push(probe::install());
    }

    /// Takes one [`install`](DebugProbes::install) back. With the last one everything that was recorded is forgotten.
    ///
    /// Kotlin: `DebugProbes.uninstall`.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`] if each `install` was taken back already. Guards of [`corox_core::probe::install`] are not taken away.
    ///
    /// ```
    /// use corox_debug::DebugProbes;
    ///
    /// DebugProbes::install();
    /// assert!(DebugProbes::uninstall().is_ok());
    /// assert!(DebugProbes::uninstall().is_err());
    /// ```
    #[doc(alias = "DebugProbes.uninstall")]
    pub fn uninstall() -> Result<(), NotInstalled> {
        let guard = INSTALLED.lock().pop();
        match guard {
            Some(_) => Ok(()),
            None => Err(NotInstalled::for_call("uninstall")),
        }
    }

    /// Whether the probes are installed, by whomever.
    ///
    /// Kotlin: `DebugProbes.isInstalled`.
    ///
    /// ```
    /// assert!(!corox_debug::DebugProbes::is_installed());
    /// ```
    #[must_use]
    #[doc(alias = "DebugProbes.isInstalled")]
    pub fn is_installed() -> bool {
        probe::is_installed()
    }

    /// Runs `f` with the probes installed, until it returns or panics.
    ///
    /// Kotlin: `DebugProbes.withDebugProbes`.
    ///
    /// ```
    /// use corox_debug::DebugProbes;
    ///
    /// assert!(DebugProbes::with_probes(DebugProbes::is_installed));
    /// assert!(!DebugProbes::is_installed());
    /// ```
    #[doc(alias = "withDebugProbes")]
    pub fn with_probes<R>(f: impl FnOnce() -> R) -> R {
        protocol::set_take_stack(stack::take);
        let _probes = probe::install();
        f()
    }

    /// Whether coroutines that are launched from now on keep the stack of whoever launches them. Off at first: it costs some
    /// microseconds a launch. The line of the launch is known in any case.
    ///
    /// Kotlin: `DebugProbes.enableCreationStackTraces`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_debug::DebugProbes;
    ///
    /// DebugProbes::set_creation_stacks(true);
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     scope.launch(async {});
    ///     assert!(!DebugProbes::dump_coroutines_info()?[1].creation_stack.is_empty());
    ///     Ok(())
    /// })).unwrap();
    /// ```
    #[doc(alias = "enableCreationStackTraces")]
    pub fn set_creation_stacks(on: bool) {
        protocol::set_creation_stacks(on);
    }

    /// Whether stacks are shown without most frames of libraries: of each run of them only the first and the last. On at first.
    ///
    /// Kotlin: `DebugProbes.sanitizeStackTraces`.
    ///
    /// ```
    /// corox_debug::DebugProbes::set_sanitized_stacks(false);
    /// assert!(!corox_debug::DebugProbes::has_sanitized_stacks());
    /// ```
    #[doc(alias = "sanitizeStackTraces")]
    pub fn set_sanitized_stacks(on: bool) {
        SANITIZED.store(on, Ordering::Relaxed);
    }

    /// See [`set_sanitized_stacks`](DebugProbes::set_sanitized_stacks).
    ///
    /// ```
    /// assert!(corox_debug::DebugProbes::has_sanitized_stacks());
    /// ```
    #[must_use]
    pub fn has_sanitized_stacks() -> bool {
        SANITIZED.load(Ordering::Relaxed)
    }

    /// Whether scopes inside coroutines (`coroutine_scope`, `with_timeout`, `with_context`) are shown as a part of their
    /// coroutine only. On at first; without it each is listed besides, and of each only what it waits for itself.
    ///
    /// Kotlin: `DebugProbes.ignoreCoroutinesWithEmptyContext`, which leaves out what is no coroutine by itself there.
    ///
    /// ```
    /// use corox_core::{coroutine_scope, run_blocking};
    /// use corox_debug::DebugProbes;
    ///
    /// DebugProbes::with_probes(|| run_blocking(async |_| coroutine_scope(async |_| {
    ///     assert_eq!(DebugProbes::dump_coroutines_info()?.len(), 1);
    ///     DebugProbes::set_ignore_inline_scopes(false);
    ///     assert_eq!(DebugProbes::dump_coroutines_info()?.len(), 2);
    ///     Ok(())
    /// }).await)).unwrap();
    /// ```
    #[doc(alias = "ignoreCoroutinesWithEmptyContext")]
    pub fn set_ignore_inline_scopes(on: bool) {
        MERGED.store(on, Ordering::Relaxed);
    }

    /// Has each suspended coroutine say from which functions it waits; how many had not answered within `limit`.
    ///
    /// It is polled once more, where it belongs, and tells its stack meanwhile. The dumps that follow show it, as long as the
    /// coroutine waits for the same. One whose thread is blocked does not answer, and neither does one that only waits for
    /// its children; a wait for a future of another library has no stack. [`dump_coroutines`](DebugProbes::dump_coroutines)
    /// does this by itself when it may block; await this before one inside a coroutine.
    ///
    /// Kotlin: no counterpart; stacks of suspended coroutines are always known there.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`].
    ///
    /// # Cancel safety
    ///
    /// Whoever was asked answers all the same.
    ///
    /// ```
    /// use corox_core::{await_cancellation, run_blocking, yield_now};
    /// use corox_debug::DebugProbes;
    /// use std::time::Duration;
    ///
    /// async fn patient() {
    ///     await_cancellation().await
    /// }
    ///
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     let job = scope.launch(async { patient().await });
    ///     yield_now().await;
    ///     assert_eq!(DebugProbes::capture_stacks(Duration::from_secs(5)).await?, 0);
    ///     assert!(DebugProbes::dump_coroutines()?.contains("::patient"));
    ///     job.cancel();
    ///     Ok(())
    /// })).unwrap();
    /// ```
    pub async fn capture_stacks(limit: Duration) -> Result<usize, NotInstalled> {
        checked("capture_stacks")?;
        let asked = protocol::ask_for_stacks();
        let _ = with_timeout_or_none(limit, async |_| {
            asked.all().await;
            Ok(())
        })
        .await;
        Ok(asked.left())
    }

    /// The live coroutines in the order of their creation: a snapshot.
    ///
    /// Kotlin: `DebugProbes.dumpCoroutinesInfo`.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`].
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_debug::DebugProbes;
    ///
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     let job = scope.launch(async {});
    ///     let infos = DebugProbes::dump_coroutines_info()?;
    ///     assert!(infos[0].job().ptr_eq(scope.job()) && infos[1].job().ptr_eq(&job));
    ///     Ok(())
    /// })).unwrap();
    /// ```
    #[doc(alias = "dumpCoroutinesInfo")]
    pub fn dump_coroutines_info() -> Result<Vec<CoroutineInfo>, NotInstalled> {
        checked("dump_coroutines_info")?;
        ask_if_allowed();
        Ok(current())
    }

    /// The live coroutines as a text: each with its state, and from where it waits, the suspension point first.
    ///
    /// Of a lock it says who holds it, and at the end of the dump it names [deadlocks](DebugProbes::deadlocks).
    ///
    /// It may be called anywhere, also inside coroutines, destructors and panic hooks. Where the thread may block, it first has
    /// the coroutines tell their stacks, as [`capture_stacks`](DebugProbes::capture_stacks) does, and waits up to 200 ms for
    /// that; elsewhere it shows the stacks that were told last.
    ///
    /// Kotlin: `DebugProbes.dumpCoroutines`.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`].
    ///
    /// ```
    /// use corox_core::{delay, run_blocking, yield_now};
    /// use corox_debug::DebugProbes;
    /// use std::time::Duration;
    ///
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     let job = scope.launch(async { delay(Duration::from_secs(60)).await });
    ///     yield_now().await;
    ///     assert!(DebugProbes::dump_coroutines()?.contains("\tat delay (60s) ("));
    ///     job.cancel();
    ///     Ok(())
    /// })).unwrap();
    /// ```
    #[doc(alias = "dumpCoroutines")]
    pub fn dump_coroutines() -> Result<String, NotInstalled> {
        checked("dump_coroutines")?;
        ask_if_allowed();
        Ok(dump_text(&current(), &deadlocks(), SystemTime::now()))
    }

    /// The coroutines of this moment that wait for one another, so that none of them can go on: for locks that others of them hold,
    /// for jobs and for children. Empty if there are none.
    ///
    /// It takes for a deadlock what only a cancellation or a failure can end, and only what is certain:
    ///
    /// - A coroutine that waits for several things at once, as in a select, is in one only if none of them can come.
    /// - A wait that has a limit of time around it, or that a channel, a clock or a device ends, is in none.
    /// - A lock has a holder while the probes know one: who has taken it in a coroutine, after they were installed. A guard without
    ///   a lifetime may be given to another coroutine; such a lock is said to be *taken by* the one that has locked it, and is in
    ///   no deadlock. Neither is one that was left locked without a guard.
    /// - Futures of other libraries are not seen, nor is `yield_now`. In a `tokio::select!` of a lock and a timer of tokio, only the
    ///   lock is.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`].
    ///
    /// ```
    /// use corox_core::{coroutine_scope, run_blocking, yield_now};
    /// use corox_debug::DebugProbes;
    /// use corox_sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     let parent = scope.launch(async {
    ///         let mutex = Arc::new(Mutex::new(1));
    ///         let _guard = mutex.lock().await;
    ///         // The scope waits for the child, and the child for the guard.
    ///         let _ = coroutine_scope(async |scope| {
    ///             let mutex = mutex.clone();
    ///             scope.launch(async move { *mutex.lock().await += 1 });
    ///             Ok(())
    ///         }).await;
    ///     });
    ///     yield_now().await;
    ///     yield_now().await;
    ///     let deadlocks = DebugProbes::deadlocks()?;
    ///     assert_eq!((deadlocks.len(), deadlocks[0].members.len()), (1, 2));
    ///     assert!(deadlocks[0].to_string().contains(" waits for its child \""));
    ///     parent.cancel();
    ///     Ok(())
    /// })).unwrap();
    /// ```
    pub fn deadlocks() -> Result<Vec<Deadlock>, NotInstalled> {
        checked("deadlocks")?;
        Ok(deadlocks())
    }

    /// The tree of `job` and what is below it: a line each, with a tab for each level. Scopes inside coroutines have no line.
    ///
    /// Below a depth of 40 the indentation stops, and each line begins with its depth.
    ///
    /// Kotlin: `DebugProbes.jobToString`.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`].
    ///
    /// ```
    /// use corox_core::{CoroutineName, run_blocking};
    /// use corox_debug::DebugProbes;
    ///
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     scope.with(CoroutineName::new("loader")).launch(async {});
    ///     let tree = DebugProbes::job_to_string(scope.job())?;
    ///     let line = tree.lines().nth(1).unwrap();
    ///     assert!(line.starts_with("\t\"loader#"));
    ///     assert!(line.ends_with("\":StandaloneCoroutine{Active}, continuation is CREATED"));
    ///     Ok(())
    /// })).unwrap();
    /// ```
    #[doc(alias = "jobToString")]
    pub fn job_to_string(job: &Job) -> Result<String, NotInstalled> {
        checked("job_to_string")?;
        Ok(tree(job))
    }

    /// As [`job_to_string`](DebugProbes::job_to_string), of the job of `scope`.
    ///
    /// Kotlin: `DebugProbes.scopeToString`.
    ///
    /// # Errors
    ///
    /// [`NotInstalled`].
    ///
    /// ```
    /// use corox_core::{CoroutineScope, Dispatcher};
    /// use corox_debug::DebugProbes;
    ///
    /// let scope = CoroutineScope::new(Dispatcher::DEFAULT);
    /// let tree = DebugProbes::with_probes(|| DebugProbes::scope_to_string(&scope));
    /// assert_eq!(tree.unwrap(), "JobImpl{Active}\n");
    /// ```
    #[doc(alias = "scopeToString")]
    pub fn scope_to_string(scope: &CoroutineScope) -> Result<String, NotInstalled> {
        checked("scope_to_string")?;
        Ok(tree(scope.job()))
    }

    /// Writes what [`job_to_string`](DebugProbes::job_to_string) gives to `out`.
    ///
    /// Kotlin: `DebugProbes.printJob`.
    ///
    /// # Errors
    ///
    /// Those of `out`; or one whose source is [`NotInstalled`].
    ///
    /// ```
    /// use corox_core::CompletableJob;
    /// use corox_debug::DebugProbes;
    ///
    /// let mut out = Vec::new();
    /// let job = CompletableJob::new();
    /// DebugProbes::with_probes(|| DebugProbes::print_job(job.as_ref(), &mut out)).unwrap();
    /// assert_eq!(out, b"JobImpl{Active}\n");
    /// ```
    #[doc(alias = "printJob")]
    pub fn print_job(job: &Job, out: &mut impl Write) -> io::Result<()> {
        checked("print_job").map_err(io::Error::other)?;
        out.write_all(tree(job).as_bytes())
    }

    /// Writes what [`scope_to_string`](DebugProbes::scope_to_string) gives to `out`.
    ///
    /// Kotlin: `DebugProbes.printScope`.
    ///
    /// # Errors
    ///
    /// As [`print_job`](DebugProbes::print_job).
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_debug::DebugProbes;
    ///
    /// let mut out = Vec::new();
    /// DebugProbes::with_probes(|| run_blocking(async |scope| {
    ///     DebugProbes::print_scope(&scope, &mut out)?;
    ///     Ok(())
    /// })).unwrap();
    /// assert!(String::from_utf8(out).unwrap().contains(":BlockingCoroutine{Active}, continuation is RUNNING"));
    /// ```
    #[doc(alias = "printScope")]
    pub fn print_scope(scope: &CoroutineScope, out: &mut impl Write) -> io::Result<()> {
        checked("print_scope").map_err(io::Error::other)?;
        out.write_all(tree(scope.job()).as_bytes())
    }
}

fn checked(asked: &'static str) -> Result<(), NotInstalled> {
    if probe::is_installed() {
        // Also for probes that somebody has installed without this crate.
        protocol::set_take_stack(stack::take);
        Ok(())
    } else {
        Err(NotInstalled::for_call(asked))
    }
}

/// A dump for a thread of this crate that may block: it waits for the stacks as long as `limit`.
#[cfg(feature = "inspector")]
pub(crate) fn dump_within(limit: Duration) -> Result<String, NotInstalled> {
    checked("dump_coroutines")?;
    protocol::ask_for_stacks().wait(limit);
    Ok(dump_text(&current(), &deadlocks(), SystemTime::now()))
}

fn current() -> Vec<CoroutineInfo> {
    infos(options())
}

/// As the user has said.
pub(crate) fn options() -> Options {
    Options {
        sanitized: SANITIZED.load(Ordering::Relaxed),
        merged: MERGED.load(Ordering::Relaxed),
        stacks: true,
    }
}

pub(crate) fn deadlocks() -> Vec<Deadlock> {
    let known = protocol::deadlocks();
    known.into_iter().map(Deadlock::new).collect()
}

fn tree(job: &Job) -> String {
    let infos = infos(Options {
        sanitized: true,
        merged: true,
        stacks: false,
    });
    job_tree(job, &infos)
}

/// Has the coroutines tell their stacks, unless they may need this very thread for that.
fn ask_if_allowed() {
    if !std::thread::panicking() && Job::current().is_none() && may_block() {
        protocol::ask_for_stacks().wait(PATIENCE);
    }
}
