//! Callbacks of which each is called, whatever another one does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use crate::error::Error;
use crate::exception_handler::report_lost;
use crate::frame;

/// The first panic of several callbacks; the others are reported.
///
/// The location is where the callbacks were given, or what they belong to was made.
#[derive(Default, Debug)]
#[must_use = "it may hold a panic"]
pub struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Calls `f`, and keeps or reports its panic.
    pub fn run(&mut self, location: &'static Location<'static>, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            if self.0.is_none() {
                self.0 = Some(payload);
            } else {
                report(payload, location);
            }
        }
    }

    /// To whoever has called.
    pub fn resume(self) {
        if let Some(payload) = self.0 {
            resume_unwind(payload);
        }
    }

    /// Where nothing may unwind: in a destructor.
    pub fn report(self, location: &'static Location<'static>) {
        if let Some(payload) = self.0 {
            report(payload, location);
        }
    }
}

fn report(payload: Box<dyn Any + Send>, location: &'static Location<'static>) {
    let error = Error::from_panic(payload, location);
    report_lost(frame::current_job().as_ref(), &error);
}
