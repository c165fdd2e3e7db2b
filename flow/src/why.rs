//! Why a flow is dropped.

use std::cell::RefCell;
use std::fmt;

use corox_core::{Error, Job};

thread_local! {
    static WHY: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// The failure of a stage that wants no more, on its way to the one that makes an end of it and no further: not why a flow is dropped.
#[derive(Debug)]
pub(crate) struct Enough;

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the closure wants no more items")
    }
}

impl std::error::Error for Enough {}

impl Enough {
    pub(crate) fn is(error: &Error) -> bool {
        error.downcast_ref::<Enough>().is_some()
    }
}

/// Runs `drop`, which drops a flow because of `failure`, or because nobody wants more of it.
pub(crate) fn because(failure: Option<&Error>, drop: impl FnOnce()) {
    /// Puts back what was there, on unwinding, too.
    struct Outer(Option<Error>);
    impl Drop for Outer {
        fn drop(&mut self) {
            WHY.replace(self.0.take());
        }
    }
    let failure = failure.filter(|error| !Enough::is(error));
    let _outer = Outer(WHY.replace(failure.cloned()));
    drop();
}

/// The failure because of which a flow is being dropped here, or what the coroutine that runs here was cancelled with.
pub(crate) fn why() -> Option<Error> {
    let failure = WHY.with_borrow(Clone::clone);
    failure.or_else(|| Job::current().filter(Job::is_cancelled)?.cause())
}
