//! `kill -3`.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use corox_core::probe::{self, Installed};
use corox_core::probe_protocol as protocol;
use parking_lot::Mutex;

use crate::debug_probes::DebugProbes;
use crate::stack;

/// Has `kill -3` print a dump until it is dropped; made by [`DebugProbes::dump_on_sigquit`].
///
/// Kotlin: no counterpart; the virtual machine prints its threads at that signal.
#[derive(Debug)]
#[must_use = "dropping it ends what it is there for"]
pub struct DumpOnSigquit {
    _probes: Installed,
}

impl DebugProbes {
    /// Has the signal SIGQUIT (`kill -3`, Ctrl-\\ in a terminal) print a dump of all coroutines to standard error, until the guard is
    /// dropped.
    ///
    /// The signal arrives at a thread of its own, so the dump comes also while all workers and event loops are blocked, and the
    /// process goes on. The probes are [installed](DebugProbes::install) as long as the guard lives. There may be several guards;
    /// each signal gives one dump. After the last one the signal is ignored: it does not end the process any more.
    ///
    /// Kotlin: no counterpart; the virtual machine prints its threads at that signal.
    ///
    /// # Errors
    ///
    /// If the system gives no thread, or does not let the process listen to signals; of the kind
    /// [`Unsupported`](io::ErrorKind::Unsupported) where there is no such signal, which is everywhere but on Unix.
    ///
    /// ```
    /// use corox_debug::DebugProbes;
    ///
    /// let dumps = DebugProbes::dump_on_sigquit();
    /// assert_eq!(dumps.is_ok(), cfg!(unix));
    /// assert_eq!(DebugProbes::is_installed(), cfg!(unix));
    /// drop(dumps);
    /// assert!(!DebugProbes::is_installed());
    /// ```
    pub fn dump_on_sigquit() -> io::Result<DumpOnSigquit> {
        {
            let mut is_heard = IS_HEARD.lock();
            if !*is_heard {
                listen()?;
                *is_heard = true;
            }
        }
        GUARDS.fetch_add(1, Ordering::Relaxed);
        protocol::set_take_stack(stack::take);
        Ok(DumpOnSigquit {
            _probes: probe::install(),
        })
    }
}

impl Drop for DumpOnSigquit {
    fn drop(&mut self) {
        GUARDS.fetch_sub(1, Ordering::Relaxed);
    }
}

static GUARDS: AtomicUsize = AtomicUsize::new(0);

/// Whether there is a thread that hears the signal. It stays, for the process hears it without end, and a signal that finds no guard is
/// not to be found by the next one.
static IS_HEARD: Mutex<bool> = Mutex::new(false);

#[cfg(not(unix))]
fn listen() -> io::Result<()> {
    let text = "DebugProbes::dump_on_sigquit needs SIGQUIT, which only Unix has: take a dump with DebugProbes::dump_coroutines";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Listens on a thread of its own, with a runtime of its own.
#[cfg(unix)]
fn listen() -> io::Result<()> {
    use std::future::poll_fn;
    use std::io::Write as _;

    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let mut signals = {
        let _entered = runtime.enter();
        signal(SignalKind::quit())?
    };
    let thread = std::thread::Builder::new().name("corox-sigquit".to_owned());
    thread.spawn(move || {
        while runtime
            .block_on(poll_fn(|cx| signals.poll_recv(cx)))
            .is_some()
        {
            if GUARDS.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // Outside of the runtime: here the thread may block for the stacks.
            let dump = DebugProbes::dump_coroutines().unwrap_or_else(|error| format!("{error}\n"));
            // Nobody is left to be told of a failure.
            let _ = io::stderr().lock().write_all(dump.as_bytes());
        }
    })?;
    Ok(())
}
