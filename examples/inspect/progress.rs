//! Takes the place of the progress bars of the example `contributors`: the page shows what is going on.

/// The variants tell it how far they are.
#[derive(Debug)]
pub(crate) struct Progress;

impl Progress {
    pub(crate) fn repositories(&self, _count: usize) {}

    pub(crate) fn loaded(&self) {}

    pub(crate) fn loaded_so_far(&self, _contributors: usize) {}
}
