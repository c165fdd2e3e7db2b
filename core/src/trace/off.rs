//! Nothing of it, without the feature.

use std::panic::Location;
use std::task::Poll;

use crate::error::Error;
use crate::frame::FrameRef;
use crate::job::{Job, Kind};
use crate::job_context::JobContext;

#[derive(Clone, Default)]
pub(crate) struct JobSpan;

impl JobSpan {
    #[inline(always)]
    pub(crate) fn none() -> JobSpan {
        JobSpan
    }

    #[inline(always)]
    pub(crate) fn of_new(
        _kind: Kind,
        _id: u64,
        _context: &JobContext,
        _parent: Option<&Job>,
        _location: &'static Location<'static>,
    ) -> JobSpan {
        JobSpan
    }

    #[inline(always)]
    pub(crate) fn is_of(_frame: &FrameRef) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn of_job(_job: &Job) -> JobSpan {
        JobSpan
    }

    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) fn take(&mut self) -> JobSpan {
        JobSpan
    }

    #[inline(always)]
    pub(crate) fn inside<R>(&self, slice: impl FnOnce() -> R) -> R {
        slice()
    }

    #[inline(always)]
    pub(crate) fn poll<T>(&self, _began: bool, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        poll()
    }
}

#[inline(always)]
pub(crate) fn numbers_are_wanted() -> bool {
    false
}

#[inline(always)]
pub(crate) fn inside<R>(_job: &Job, f: impl FnOnce() -> R) -> R {
    f()
}

#[inline(always)]
pub(crate) fn created(_job: &Job) {}

#[inline(always)]
pub(crate) fn cancelling(_job: &Job, _cause: &Error) {}

#[inline(always)]
pub(crate) fn completing(_job: &Job) {}

#[inline(always)]
pub(crate) fn ended(_job: &Job, _span: JobSpan) {}
