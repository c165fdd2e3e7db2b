//! The failures that nobody takes, while a test runs and between tests (V-12, V-13).

use std::sync::{Arc, Weak};

use corox_core::harness_protocol::{report_unclaimed, set_collector};
use corox_core::{Error, ExceptionHandler, Job};
use parking_lot::Mutex;

/// The failures that a test is told of.
#[derive(Default)]
pub(crate) struct Failures(Mutex<State>);

#[derive(Default)]
struct State {
    errors: Vec<Error>,
    /// The test has told what it was told; whether it has failed.
    closed: Option<bool>,
}

/// Those of roots outside of every test go to the tests that run, or to the next one.
struct Process {
    running: Vec<Weak<Failures>>,
    unclaimed: Vec<Error>,
}

static PROCESS: Mutex<Process> = Mutex::new(Process {
    running: Vec::new(),
    unclaimed: Vec::new(),
});

impl Failures {
    pub(crate) fn new() -> Arc<Failures> {
        set_collector(collect);
        Arc::default()
    }

    /// Adds a failure of `job`, but for one that is there already. After the test it is told at once, and again by the next
    /// test of the process, unless its own has failed anyway.
    pub(crate) fn add(&self, job: &Job, error: &Error) {
        let has_failed = {
            let mut state = self.0.lock();
            match state.closed {
                Some(has_failed) => has_failed,
                None => return add(&mut state.errors, error),
            }
        };
        if !has_failed {
            add(&mut PROCESS.lock().unclaimed, error);
        }
        report_unclaimed(job, error);
    }

    pub(crate) fn take(&self) -> Vec<Error> {
        std::mem::take(&mut self.0.lock().errors)
    }

    /// The last of them that the test can tell; `has_failed` says whether it fails without them.
    pub(crate) fn close(&self, has_failed: bool) -> Vec<Error> {
        let mut state = self.0.lock();
        state.closed = Some(has_failed);
        std::mem::take(&mut state.errors)
    }

    /// The handler of the test's coroutines.
    pub(crate) fn handler(self: &Arc<Self>) -> ExceptionHandler {
        let failures = self.clone();
        ExceptionHandler::new(move |job, error| failures.add(job, error))
    }

    /// From here on the failures of roots outside of every test are told, those since the last test at once.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        let unclaimed = {
            let mut process = PROCESS.lock();
            process.running.push(Arc::downgrade(self));
            std::mem::take(&mut process.unclaimed)
        };
        let mut state = self.0.lock();
        unclaimed
            .iter()
            .for_each(|error| add(&mut state.errors, error));
        drop(state);
        Running(self.clone())
    }
}

fn add(errors: &mut Vec<Error>, error: &Error) {
    if !errors.iter().any(|known| known.ptr_eq(error)) {
        errors.push(error.clone());
    }
}

/// Ends with the test.
pub(crate) struct Running(Arc<Failures>);

impl Drop for Running {
    fn drop(&mut self) {
        let own = Arc::downgrade(&self.0);
        PROCESS
            .lock()
            .running
            .retain(|running| !running.ptr_eq(&own));
    }
}

/// Nobody took the failure of `job`, and it is not known which test launched it.
fn collect(job: &Job, error: &Error) -> bool {
    let running: Vec<_> = {
        let mut process = PROCESS.lock();
        let running: Vec<_> = process.running.iter().filter_map(Weak::upgrade).collect();
        if running.is_empty() {
            add(&mut process.unclaimed, error);
        }
        running
    };
    running.iter().for_each(|failures| failures.add(job, error));
    // Without a test that runs it is told at once, too: there may be no next one.
    !running.is_empty()
}
