//! What exactly a wait is for: a text only for whoever looks, since a wait comes more often than a look.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::awaited::Identity;
use super::holds::Which;
use crate::job::{Job, JobCell, Slot};

/// See the module.
#[derive(Clone, Debug)]
pub enum Detail {
    /// This.
    Text(String),
    /// So much time.
    Duration(Duration),
    /// The end of a job, which is told as it is when somebody looks.
    Job(WeakJob),
    /// Permits of a lock.
    Lock {
        /// Which one.
        which: Which,
        /// How many.
        permits: usize,
    },
    /// One end of a channel.
    Channel {
        /// `Channel`, with what is known of its capacity.
        kind: &'static str,
        /// Its capacity, if that is a number.
        capacity: Option<usize>,
        /// Which one.
        identity: Identity,
        /// Where it was made.
        made: &'static Location<'static>,
    },
}

/// A job that is not kept (P-9).
#[derive(Clone)]
pub struct WeakJob(Weak<JobCell<dyn Slot>>);

impl From<&Job> for WeakJob {
    fn from(job: &Job) -> WeakJob {
        WeakJob(Arc::downgrade(&job.0))
    }
}

impl fmt::Display for WeakJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.upgrade().map(Job) {
            Some(job) => job.fmt(f),
            None => f.write_str("a job that has ended"),
        }
    }
}

impl fmt::Debug for WeakJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Text(text) => f.write_str(text),
            Detail::Duration(duration) => write!(f, "{duration:?}"),
            Detail::Job(job) => job.fmt(f),
            Detail::Lock { which, permits: 1 } => which.fmt(f),
            Detail::Lock { which, permits } => write!(f, "{permits} of {which}"),
            Detail::Channel {
                kind,
                capacity,
                identity,
                made,
            } => {
                f.write_str(kind)?;
                if let Some(capacity) = capacity {
                    write!(f, "({capacity})")?;
                }
                write!(f, "{identity} made at {made}")
            }
        }
    }
}
