//! [`Rejected`]: a dispatcher's refusal, which gives the task back.

use std::borrow::Cow;
use std::fmt;

use crate::Task;

/// A dispatcher's refusal to run a task. It gives the task back, so that it can run elsewhere.
///
/// Kotlin: `RejectedExecutionException` of a closed executor.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task, Wakeup};
///
/// struct Closed;
/// impl Dispatch for Closed {
///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
///         Err(Rejected::new(task, "closed for today"))
///     }
/// }
///
/// let task = Task::new(async {}, |_, _| {});
/// let rejected = Dispatcher::new(Closed).dispatch(task, Wakeup::Launch).unwrap_err();
/// assert_eq!(rejected.reason(), "closed for today");
/// corox_scheduler::fallback().dispatch(rejected.into_task(), Wakeup::Launch).unwrap();
/// ```
#[doc(alias = "RejectedExecutionException")]
pub struct Rejected {
    task: Task,
    reason: Cow<'static, str>,
}

impl Rejected {
    /// A refusal of `task` for `reason`.
    pub fn new(task: Task, reason: impl Into<Cow<'static, str>>) -> Rejected {
        Rejected {
            task,
            reason: reason.into(),
        }
    }

    /// Why the task was refused.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The task, to be run elsewhere. Dropping it drops its future.
    pub fn into_task(self) -> Task {
        self.task
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the dispatcher rejected a task: {}", self.reason)
    }
}

impl std::error::Error for Rejected {}
