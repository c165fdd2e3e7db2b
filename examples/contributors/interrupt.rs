//! Ctrl-C: cancel, let the cleanup run, and exit in time even if something does not stop.
//!
//! A thread of its own waits for the signal, so that it is heard also while the threads that load
//! are busy or blocked. It cancels the scope of the program. The program then ends by itself, and
//! exits with 130; when it has not done so after the grace, the thread says what could not stop
//! and ends the process.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::process;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use corox::{CoroutineScope, Job};

/// The exit code after Ctrl-C: 128 and the number of the signal, as shells report it.
pub(crate) const EXIT_CODE: u8 = 130;

/// What of the grace is kept for ending the process itself.
const MARGIN: Duration = Duration::from_millis(20);

/// Listens for Ctrl-C.
#[derive(Debug)]
pub(crate) struct Interrupt(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    happened: bool,
    scope: Option<CoroutineScope>,
}

impl Interrupt {
    /// From its return on, Ctrl-C is caught. After Ctrl-C the process ends within `grace`.
    pub(crate) fn arm(grace: Duration) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(State::default()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (armed, is_armed) = mpsc::channel();
        thread::Builder::new().name("ctrl-c".into()).spawn({
            let state = Arc::clone(&state);
            move || runtime.block_on(watch(&state, grace, &armed))
        })?;
        is_armed
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread ended")))?;
        Ok(Self(state))
    }

    /// Cancels `scope` on Ctrl-C, or now if that has happened.
    pub(crate) fn cancels(&self, scope: CoroutineScope) {
        let mut state = lock(&self.0);
        if state.happened {
            drop(state);
            scope.cancel();
        } else {
            state.scope = Some(scope);
        }
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn happened(&self) -> bool {
        lock(&self.0).happened
    }
}

async fn watch(state: &Mutex<State>, grace: Duration, armed: &mpsc::Sender<io::Result<()>>) {
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    // The first poll installs the handler.
    let first = poll_fn(|cx| Poll::Ready(ctrl_c.as_mut().poll(cx))).await;
    match first {
        Poll::Pending => {
            let _ = armed.send(Ok(()));
            if ctrl_c.await.is_err() {
                return;
            }
        }
        Poll::Ready(result) => {
            let _ = armed.send(result);
            return;
        }
    }

    // Listens before it says that it does: a second Ctrl-C in between would be lost.
    let mut second = pin!(tokio::signal::ctrl_c());
    let _ = poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx))).await;
    eprintln!("interrupted");
    let scope = {
        let mut state = lock(state);
        state.happened = true;
        state.scope.take()
    };
    let root = scope.as_ref().map(|scope| scope.job().clone());
    if let Some(scope) = scope {
        scope.cancel();
    }
    tokio::select! {
        () = tokio::time::sleep(grace.saturating_sub(MARGIN)) => {}
        // A second Ctrl-C: the user does not want to wait.
        _ = second => {}
    }
    eprintln!("could not stop: {}", remaining(root.as_ref()));
    process::exit(EXIT_CODE.into());
}

/// Names what still runs, in one line: the coroutines that wait for no child, by the line that
/// started them, with their number. The root is left out, since it waits for them too.
fn remaining(root: Option<&Job>) -> String {
    let mut sites: BTreeMap<String, usize> = BTreeMap::new();
    for job in corox::probe::live() {
        let is_root = root.is_some_and(|root| root.ptr_eq(&job));
        if !is_root && job.children().is_empty() {
            *sites.entry(job.location().to_string()).or_default() += 1;
        }
    }
    if sites.is_empty() {
        return "the program itself".to_owned();
    }
    let named = sites
        .iter()
        .map(|(site, count)| format!("{site} ({count})"));
    let named = named.collect::<Vec<_>>().join(", ");
    format!("coroutines started at {named}")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|e| e.into_inner())
}
