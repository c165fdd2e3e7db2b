//! What this thread is running right now.

use std::cell::Cell;

/// The dispatcher whose task this thread is running. Addresses are only compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    Nothing,
    Pool(usize),
    Io(usize),
    Unconfined,
    Loop(usize),
    Custom(usize),
}

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here::Nothing) };
}

impl Here {
    pub(crate) fn current() -> Here {
        HERE.get()
    }

    /// Makes this the current one until the guard is dropped.
    pub(crate) fn enter(self) -> Entered {
        Entered(HERE.replace(self))
    }
}

/// Restores what was current before.
#[derive(Debug)]
pub(crate) struct Entered(Here);

impl Drop for Entered {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}
