//! What a [`Watchdog`](crate::Watchdog) reports.

use std::fmt;
use std::time::Duration;

use crate::coroutine_info::CoroutineInfo;
use crate::dump_text::coroutine_text;
use crate::stack_frame::StackFrame;

/// A poll of a coroutine that has blocked its thread for longer than the limit of a [`Watchdog`](crate::Watchdog), which gives it to
/// [`Watchdog::on_report`](crate::Watchdog::on_report).
///
/// `Display` is the report as a text. See the example of [`Watchdog`](crate::Watchdog).
///
/// Kotlin: `BlockingOperationError` of BlockHound.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
#[doc(alias = "BlockingOperationError")]
pub struct LongPoll {
    /// The coroutine, as it was when it was reported first: where it was launched, and from where it waited last, before the code
    /// that blocks.
    pub coroutine: CoroutineInfo,
    /// The name of the thread.
    pub thread: String,
    /// How long the poll takes already, or has taken; while it goes on without what was [allowed](corox_core::allow_blocking).
    pub took: Duration,
    /// Whether the poll has ended.
    pub is_over: bool,
    /// If it has ended: the first suspension point after the code that blocked, and the functions around it, innermost first. Empty
    /// if there was none: the coroutine has ended, or waits for the future of another library.
    pub next: Vec<StackFrame>,
}

impl fmt::Display for LongPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (thread, took) = (&self.thread, self.took);
        let mut text = String::new();
        if !self.is_over {
            coroutine_text(&self.coroutine, &mut text);
            return write!(
                f,
                "A coroutine blocks the thread {thread} for {took:?} already: blocking code belongs into `blocking` or on `IO`, \
                 or, if it is meant, into `allow_blocking`.\n{text}"
            );
        }
        let coroutine = &self.coroutine.description;
        write!(
            f,
            "A coroutine has blocked the thread {thread} for {took:?}.\nCoroutine {coroutine}, "
        )?;
        if self.next.is_empty() {
            return f.write_str("which came to no suspension point that is known, or has ended.\n");
        }
        f.write_str("which came to this suspension point next:\n")?;
        for line in &self.next {
            writeln!(f, "\tat {line}")?;
        }
        Ok(())
    }
}
