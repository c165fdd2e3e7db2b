//! The error of whoever asks without probes.

use std::error::Error;
use std::fmt;

/// The probes are not installed; see [`DebugProbes::install`](crate::DebugProbes::install).
///
/// Kotlin: the `IllegalStateException` of `DebugProbes`.
///
/// ```
/// use corox_debug::DebugProbes;
///
/// let error = DebugProbes::dump_coroutines().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "DebugProbes::dump_coroutines needs the debug probes: call DebugProbes::install() before, and before the coroutines are launched"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInstalled {
    asked: &'static str,
}

impl NotInstalled {
    pub(crate) fn for_call(asked: &'static str) -> NotInstalled {
        NotInstalled { asked }
    }
}

impl fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.asked;
        if asked == "uninstall" {
            return f.write_str(
                "DebugProbes::uninstall was called more often than DebugProbes::install: each install is taken back once",
            );
        }
        write!(
            f,
            "DebugProbes::{asked} needs the debug probes: call DebugProbes::install() before, and before the coroutines are launched"
        )
    }
}

impl Error for NotInstalled {}
