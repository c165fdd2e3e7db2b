//! All that the probes know of the live jobs, in one piece.

use std::sync::Weak;

use super::WaitInfo;
use super::registry::{REGISTRY, Stack, Wait};
use super::running::by_thread;
use crate::job::{BODY_ENDED, FINAL, Job, JobState};

/// A live job.
#[derive(Debug)]
pub struct Known {
    /// Itself.
    pub job: Job,
    /// What it said of itself, and its state, when the rest was looked at.
    pub description: String,
    /// See there.
    pub state: JobState,
    /// What names it in the other fields; in the order of creation.
    pub token: u64,
    /// The coroutine that this scope is a part of; its own token, if it is none.
    pub owner: u64,
    /// The job around it.
    pub parent: Option<u64>,
    /// What has made it: `launch`, `coroutine_scope`.
    pub builder: &'static str,
    /// Whether it is polled by itself, and not inside of the poll of another one.
    pub is_task: bool,
    /// Whether it has a body at all.
    pub has_body: bool,
    /// Whether that has ended.
    pub body_ended: bool,
    /// Whether that was polled.
    pub began: bool,
    /// The thread that polls it now.
    pub thread: Option<String>,
    /// What it waits for.
    pub waits: Vec<KnownWait>,
    /// Of a coroutine and the scopes in it: the wait that has ended last.
    pub last_wait: Option<KnownWait>,
    /// The stack of whoever made it, if that was to be recorded.
    pub creation: Option<Stack>,
}

/// A wait of a job.
#[derive(Debug)]
pub struct KnownWait {
    /// For what, and where.
    pub info: WaitInfo,
    /// The stack when it was last asked for.
    pub stack: Option<Stack>,
}

fn known_wait(wait: &Wait) -> KnownWait {
    KnownWait {
        info: wait.info(),
        stack: wait.stack.clone(),
    }
}

/// The live jobs in the order of their creation.
#[must_use]
pub fn known() -> Vec<Known> {
    let (jobs, waits) = {
        let registry = REGISTRY.lock();
        let jobs: Vec<_> = registry
            .jobs
            .iter()
            .map(|(token, entry)| {
                let last = entry.last.as_ref().map(known_wait);
                let creation = entry.creation.clone();
                (
                    *token,
                    entry.job.clone(),
                    entry.owner,
                    entry.began,
                    last,
                    creation,
                )
            })
            .collect();
        let waits: Vec<_> = registry
            .waits
            .iter()
            .map(|((job, _), wait)| (*job, known_wait(wait)))
            .collect();
        (jobs, waits)
    };
    // Read after the waits: one that has gone on meanwhile runs and has waits, too, instead of neither.
    let mut running = by_thread();
    let mut waits = waits.into_iter().peekable();
    let mut known = Vec::with_capacity(jobs.len());
    for (token, job, owner, began, last_wait, creation) in jobs {
        while waits.next_if(|(job, _)| *job < token).is_some() {}
        let mut own = Vec::new();
        while let Some((_, wait)) = waits.next_if(|(job, _)| *job == token) {
            own.push(wait);
        }
        let Some(job) = Weak::upgrade(&job).map(Job) else {
            continue;
        };
        let core = job.core();
        if core.flags.any(FINAL) {
            // It has ended meanwhile (P-3).
            continue;
        }
        known.push(Known {
            description: job.to_string(),
            state: job.state(),
            token,
            owner,
            parent: job.parent().map(|parent| parent.core().token()),
            builder: core.kind.builder(),
            is_task: core.kind.is_a_task() || !core.kind.is_part(),
            has_body: !core.kind.is_body_less(),
            body_ended: core.flags.any(BODY_ENDED),
            began,
            thread: running.remove(&token),
            waits: own,
            last_wait,
            creation,
            job,
        });
    }
    known
}

/// Whether the job is a scope inside a coroutine, and no coroutine by itself.
#[must_use]
pub fn is_part(job: &Job) -> bool {
    job.core().kind.is_part()
}
