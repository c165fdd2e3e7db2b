//! One line of a trace.

use std::fmt;

use corox_core::probe::WaitInfo;

/// A line of a trace: a function, a suspension point or a builder, and where that is in the sources.
///
/// Kotlin: `StackTraceElement`.
///
/// ```
/// use corox_debug::DebugProbes;
/// use corox_core::{delay, run_blocking, yield_now};
/// use std::time::Duration;
///
/// DebugProbes::with_probes(|| run_blocking(async |scope| {
///     let line = line!() + 1;
///     let job = scope.launch(async { delay(Duration::from_secs(60)).await });
///     yield_now().await;
///     let infos = DebugProbes::dump_coroutines_info()?;
///     let first = &infos[1].last_observed[0][0];
///     assert_eq!((&*first.function, first.line), ("delay (60s)", Some(line)));
///     job.cancel();
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StackFrame {
    /// The function, or what is waited for.
    pub function: String,
    /// The file, if it is known.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl StackFrame {
    pub(crate) fn at(
        function: impl Into<String>,
        location: &std::panic::Location<'_>,
    ) -> StackFrame {
        StackFrame {
            function: function.into(),
            file: Some(location.file().to_owned()),
            line: Some(location.line()),
            column: Some(location.column()),
        }
    }

    pub(crate) fn of_wait(wait: &WaitInfo) -> StackFrame {
        let function = if wait.detail.is_empty() {
            wait.what.to_owned()
        } else {
            format!("{} ({})", wait.what, wait.detail)
        };
        StackFrame::at(function, wait.location)
    }
}

/// `function (file:line:column)`.
impl fmt::Display for StackFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        let Some(file) = &self.file else {
            return Ok(());
        };
        write!(f, " ({file}")?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        f.write_str(")")
    }
}
