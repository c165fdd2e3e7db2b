//! What a dump says of a collector that waits.

use std::panic::Location;

use corox_core::probe::{Reason, WaitReason, is_installed};

/// Of a wait of a collector; not there while it does not wait, or the probes are not installed.
#[derive(Default)]
pub(super) struct Note(Option<Box<WaitReason>>);

impl Note {
    /// It waits for the next value of `what`, a flow that was made at `location`. Where it is collected nobody here knows.
    #[inline]
    pub(super) fn begin(&mut self, what: &'static str, location: &'static Location<'static>) {
        if is_installed() && self.0.is_none() {
            self.begin_slowly(what, location);
        }
    }

    #[cold]
    fn begin_slowly(&mut self, what: &'static str, location: &'static Location<'static>) {
        let mut reason = WaitReason::at(&Reason("collect"), location).by_coroutines();
        reason.note(|| format!("{what} made there"));
        self.0 = Some(Box::new(reason));
    }

    /// It waits no longer.
    #[inline]
    pub(super) fn end(&mut self) {
        self.0 = None;
    }
}
