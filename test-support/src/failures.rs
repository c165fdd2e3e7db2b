//! The failures that nobody takes, while a test runs and between tests (V-12, V-13).

use std::sync::{Arc, Weak};

use corox_core::harness_protocol::set_collector;
use corox_core::{Error, ExceptionHandler, Job};
use parking_lot::Mutex;

/// The failures that a test is told of.
#[derive(Default)]
pub(crate) struct Failures(Mutex<Vec<Error>>);

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

    /// Adds a failure, but for one that is there already.
    pub(crate) fn add(&self, error: &Error) {
        let mut failures = self.0.lock();
        if !failures.iter().any(|known| known.ptr_eq(error)) {
            failures.push(error.clone());
        }
    }

    pub(crate) fn take(&self) -> Vec<Error> {
        std::mem::take(&mut self.0.lock())
    }

    /// The handler of the test's coroutines.
    pub(crate) fn handler(self: &Arc<Self>) -> ExceptionHandler {
        let failures = self.clone();
        ExceptionHandler::new(move |_, error| failures.add(error))
    }

    /// From here on the failures of roots outside of every test are told, those since the last test at once.
    pub(crate) fn begin(self: &Arc<Self>) -> Running {
        let unclaimed = {
            let mut process = PROCESS.lock();
            process.running.push(Arc::downgrade(self));
            std::mem::take(&mut process.unclaimed)
        };
        unclaimed.iter().for_each(|error| self.add(error));
        Running(self.clone())
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

/// Nobody took the failure of `_job`, and it is not known which test launched it.
fn collect(_job: &Job, error: &Error) -> bool {
    let running: Vec<_> = {
        let mut process = PROCESS.lock();
        let running: Vec<_> = process.running.iter().filter_map(Weak::upgrade).collect();
        if running.is_empty() {
            process.unclaimed.push(error.clone());
        }
        running
    };
    running.iter().for_each(|failures| failures.add(error));
    // Without a test that runs it is told at once, too: there may be no next one.
    !running.is_empty()
}
