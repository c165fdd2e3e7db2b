//! What a case of the guide is.

use std::future::Future;
use std::pin::Pin;

use corox::{CoroutineScope, Result};

/// A case of the guide.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// Its name on the command line.
    pub(crate) id: &'static str,
    /// What it shows, in one line.
    pub(crate) about: &'static str,
    /// Its code.
    pub(crate) body: fn(CoroutineScope) -> Body,
}

/// It gets the scope of the root.
pub(crate) type Body = Pin<Box<dyn Future<Output = Result<()>>>>;

/// The table of a chapter: a line for each case, with its id, its function, and what it shows.
macro_rules! cases {
    ($($id:literal $function:ident $about:literal;)*) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[
            $($crate::case::Case {
                id: $id,
                about: $about,
                body: |scope| Box::pin($function(scope)),
            },)*
        ];
    };
}
