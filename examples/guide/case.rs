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
    pub(crate) code: Code,
}

#[derive(Clone, Copy)]
pub(crate) enum Code {
    /// The body of a root: of `run_blocking` in the program, of `run_test` in a test.
    Body(fn(CoroutineScope) -> Body),
    /// A function that makes its roots itself, as a test does and a `main`: it is run as it is.
    Function(fn()),
}

/// It gets the scope of the root.
pub(crate) type Body = Pin<Box<dyn Future<Output = Result<()>>>>;

/// The table of a chapter: a line for each case, with its id, its function, and what it shows. Where the function is no body of a
/// root, `fn` stands before its name.
macro_rules! cases {
    ($($id:literal $($function:ident)+ $about:literal;)*) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[
            $($crate::case::Case {
                id: $id,
                about: $about,
                code: code!($($function)+),
            },)*
        ];
    };
}

macro_rules! code {
    (fn $function:ident) => {
        $crate::case::Code::Function($function)
    };
    ($function:ident) => {
        $crate::case::Code::Body(|scope| Box::pin($function(scope)))
    };
}

/// Errors of a chapter, which print as their names.
macro_rules! exceptions {
    ($($name:ident)*) => {$(
        #[derive(Debug)]
        struct $name;

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl std::error::Error for $name {}
    )*};
}
