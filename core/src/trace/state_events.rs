//! Events for what happens to a coroutine, inside of its span.
//!
//! | event | level | when |
//! |---|---|---|
//! | `created` | DEBUG | it is lazy, and waits for its start |
//! | `started` | DEBUG | its body begins to run |
//! | `suspended`, `resumed` | TRACE | a poll ends, the next one begins |
//! | `completing` | DEBUG | its body has ended, children have not |
//! | `cancelling` | DEBUG | its cancellation or failure begins: `cause` |
//! | `completed` | DEBUG | it has ended normally |
//! | `cancelled` | DEBUG | it has ended, cancelled: `cause` |
//! | `failed` | DEBUG | it has ended, failed: `error` |
//!
//! What nobody takes is an ERROR besides (`exception_handler`).

use tracing::level_filters::LevelFilter;
use tracing::{debug, trace};

use super::span::{JobSpan, TARGET};
use crate::error::Error;
use crate::job::{CANCELLING, Job};

fn wants_changes() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

fn wants_suspensions() -> bool {
    LevelFilter::current() >= LevelFilter::TRACE
}

/// The span of a coroutine of which something is to be told.
fn span_of(job: &Job) -> JobSpan {
    if wants_changes() && job.core().kind.is_a_coroutine() {
        JobSpan::of_job(job)
    } else {
        JobSpan::none()
    }
}

/// A lazy coroutine waits for its start.
pub(crate) fn created(job: &Job) {
    span_of(job).write(|span| debug!(target: TARGET, parent: span, "created"));
}

/// The body is about to be polled, for the first time if it has not `began`.
#[cold]
pub(super) fn polling(span: &JobSpan, began: bool) {
    if !began {
        if wants_changes() {
            span.write(|span| debug!(target: TARGET, parent: span, "started"));
        }
    } else if wants_suspensions() {
        span.write(|span| trace!(target: TARGET, parent: span, "resumed"));
    }
}

/// A poll has ended before the body.
#[cold]
pub(super) fn suspended(span: &JobSpan) {
    if wants_suspensions() {
        span.write(|span| trace!(target: TARGET, parent: span, "suspended"));
    }
}

/// The cancellation or failure of `job` begins.
pub(crate) fn cancelling(job: &Job, cause: &Error) {
    span_of(job).write(|span| debug!(target: TARGET, parent: span, %cause, "cancelling"));
}

/// The body of `job` has ended. Called before the job is told: its end comes after this.
pub(crate) fn completing(job: &Job) {
    if wants_changes() && job.has_children() && !job.core().flags.any(CANCELLING) {
        span_of(job).write(|span| debug!(target: TARGET, parent: span, "completing"));
    }
}

/// The job is final, and its span, taken out of it, closes.
pub(crate) fn ended(job: &Job, span: JobSpan) {
    if span.is_none() || !wants_changes() {
        return;
    }
    span.write(|span| match job.final_cause() {
        None => debug!(target: TARGET, parent: span, "completed"),
        Some(cause) if cause.is_cancellation() => {
            debug!(target: TARGET, parent: span, %cause, "cancelled");
        }
        Some(error) => debug!(target: TARGET, parent: span, %error, "failed"),
    });
}
