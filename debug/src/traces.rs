//! From what the probes know of jobs to what is told of coroutines.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;

use corox_core::probe_protocol::{Known, KnownWait, Stack, known, short_name};

use crate::awaited::{Awaited, HeldLock};
#[cfg(feature = "inspector")]
use crate::coroutine_info::Inspected;
use crate::coroutine_info::{CoroutineInfo, CoroutineState};
use crate::sanitized::{is_of_a_library, sanitize};
use crate::stack;
use crate::stack_frame::StackFrame;

/// How it is told.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) sanitized: bool,
    /// Scopes are told of as parts of their coroutines only (P-4).
    pub(crate) merged: bool,
    /// With functions and lines, which takes a while.
    pub(crate) stacks: bool,
}

/// The live coroutines, in the order of their creation.
pub(crate) fn infos(options: Options) -> Vec<CoroutineInfo> {
    let jobs = Jobs::new(known(), options);
    let listed = jobs.known.iter().filter(|job| jobs.is_listed(job));
    listed.map(|job| jobs.info(job)).collect()
}

/// The live coroutine that the job named by `token` is a part of.
pub(crate) fn info_of(token: u64, options: Options) -> Option<CoroutineInfo> {
    let jobs = Jobs::new(known(), options);
    let job = jobs.get(Some(token))?;
    let listed = jobs.get(Some(job.owner)).unwrap_or(job);
    Some(jobs.info(listed))
}

/// A wait, and the functions around it.
pub(crate) fn trace_of(wait: &KnownWait, options: Options) -> Vec<StackFrame> {
    let mut lines = vec![StackFrame::of_wait(&wait.info)];
    lines.extend(read(wait.stack.as_ref(), stack::Of::Wait, options));
    lines
}

/// What it is of, and its addresses.
type StackKey = (stack::Of, Vec<usize>);

struct Jobs {
    known: Vec<Known>,
    /// By token: the place in `known`.
    places: BTreeMap<u64, usize>,
    /// By the token of what is listed: the jobs whose waits are its own, itself the first.
    parts: BTreeMap<u64, Vec<usize>>,
    /// Those that wait for something, and the scopes around them.
    telling: BTreeSet<u64>,
    /// Parts that are polled by themselves, as what waits for them knows them.
    tasks: BTreeMap<Waiter, usize>,
    /// The first wait of a job at a place.
    waits: BTreeMap<Waiter, usize>,
    /// By token, of all jobs: the token of what is listed that it is, or is inside of.
    #[cfg(feature = "inspector")]
    inside: BTreeMap<u64, u64>,
    /// What was read already, by addresses.
    stacks: RefCell<BTreeMap<StackKey, Vec<StackFrame>>>,
    options: Options,
}

/// The token of a job, and the place where it waits for a part of itself.
type Waiter = (u64, usize);

fn waiter(token: u64, place: &'static Location<'static>) -> Waiter {
    (token, std::ptr::from_ref(place).addr())
}

impl Jobs {
    fn new(known: Vec<Known>, options: Options) -> Jobs {
        let mut jobs = Jobs {
            places: BTreeMap::new(),
            parts: BTreeMap::new(),
            telling: BTreeSet::new(),
            tasks: BTreeMap::new(),
            waits: BTreeMap::new(),
            #[cfg(feature = "inspector")]
            inside: inside(&known, options),
            stacks: RefCell::default(),
            options,
            known,
        };
        for (place, job) in jobs.known.iter().enumerate() {
            jobs.places.insert(job.token, place);
            let of = if options.merged { job.owner } else { job.token };
            jobs.parts.entry(of).or_default().push(place);
            for (number, wait) in job.waits.iter().enumerate() {
                let waiter = waiter(job.token, wait.info.location);
                jobs.waits.entry(waiter).or_insert(number);
            }
            if let (true, Some(parent)) = (job.is_task && job.owner != job.token, job.parent) {
                jobs.tasks.insert(waiter(parent, job.job.location()), place);
            }
        }
        for job in &jobs.known {
            let mut at = Some(job).filter(|job| !job.waits.is_empty());
            while let Some(job) = at {
                if !jobs.telling.insert(job.token) || job.owner == job.token {
                    break;
                }
                let around = job.parent.and_then(|parent| jobs.places.get(&parent));
                at = around.map(|place| &jobs.known[*place]);
            }
        }
        jobs
    }

    fn is_listed(&self, job: &Known) -> bool {
        is_listed(job, self.options)
    }

    fn get(&self, token: Option<u64>) -> Option<&Known> {
        self.places
            .get(&token?)
            .and_then(|place| self.known.get(*place))
    }

    fn parts_of(&self, job: &Known) -> impl Iterator<Item = &Known> + Clone {
        let places = self.parts.get(&job.token).map_or(&[][..], Vec::as_slice);
        places.iter().map(|place| &self.known[*place])
    }

    fn info(&self, listed: &Known) -> CoroutineInfo {
        let parts = self.parts_of(listed);
        let thread = parts.clone().find_map(|part| part.thread.clone());
        let state = if thread.is_some() {
            CoroutineState::Running
        } else if listed.began {
            CoroutineState::Suspended
        } else {
            CoroutineState::Created
        };
        let mut last_observed = Vec::new();
        let mut awaits = Vec::new();
        for part in parts.clone() {
            let named = |token| self.get(Some(token)).map(|job| short_name(&job.job));
            let waits = part.waits.iter().map(|wait| Awaited::of(wait, named));
            awaits.extend(waits);
            let waits = part.waits.iter().filter(|wait| !self.goes_on(part, wait));
            last_observed.extend(waits.map(|wait| self.trace(part, wait)));
        }
        let mut last_observed_is_over = false;
        if last_observed.is_empty() {
            if let Some(wait) = &listed.last_wait {
                last_observed_is_over = true;
                last_observed.push(self.trace(listed, wait));
            }
        }
        let holds = parts.flat_map(|part| {
            let own = part.holds.iter();
            own.map(|hold| HeldLock::new(hold, Some(short_name(&part.job))))
        });
        CoroutineInfo {
            id: listed.job.id(),
            name: listed.job.name(),
            description: listed.description.clone(),
            parent: self.around(listed),
            state,
            job_state: listed.state,
            thread,
            launched: launched(listed),
            last_observed,
            last_observed_is_over,
            awaits,
            holds: holds.collect(),
            creation_stack: self.read(listed.creation.as_ref(), stack::Of::Launch),
            job: listed.job.clone(),
            #[cfg(feature = "inspector")]
            inspected: self.inspected(listed),
        }
    }

    #[cfg(feature = "inspector")]
    fn inspected(&self, listed: &Known) -> Inspected {
        let around = listed.parent.and_then(|parent| self.inside.get(&parent));
        let mut inspected = Inspected {
            token: listed.token,
            around: around.copied(),
            polls: 0,
            busy: None,
            running_since: None,
            created: listed.created,
        };
        // Polls of parts are inside of those of the coroutine, unless the parts are tasks of their own.
        let is_apart = |part: &&Known| part.is_task || part.token == listed.token;
        for part in self.parts_of(listed).filter(is_apart) {
            inspected.polls += part.polls;
            inspected.running_since = inspected.running_since.or(part.running_since);
            if let Some(busy) = part.busy {
                inspected.busy = Some(inspected.busy.unwrap_or_default() + busy);
            }
        }
        inspected
    }

    /// The number of the coroutine around.
    fn around(&self, job: &Known) -> Option<u64> {
        job.job.parent().and_then(|parent| parent.id())
    }

    /// Whether `job` waits for a part of itself that is a task of its own, and has more to tell.
    fn goes_on(&self, job: &Known, wait: &KnownWait) -> bool {
        let task = self.tasks.get(&waiter(job.token, wait.info.location));
        let task = task.map(|place| &self.known[*place]);
        self.options.merged && task.is_some_and(|task| self.telling.contains(&task.token))
    }

    /// From `wait` of `job` up to the launch of its coroutine.
    fn trace(&self, job: &Known, wait: &KnownWait) -> Vec<StackFrame> {
        let mut lines = vec![StackFrame::of_wait(&wait.info)];
        let (mut at, mut wait) = (job, Some(wait));
        loop {
            // Of one task the stack, or else the scopes in it.
            let stack = wait.and_then(|wait| wait.stack.as_ref());
            let stack = stack.filter(|_| self.options.stacks);
            lines.extend(self.read(stack, stack::Of::Wait));
            while at.owner != at.token && !at.is_task {
                if stack.is_none() {
                    lines.push(launched(at));
                }
                let Some(parent) = self.get(at.parent) else {
                    return lines;
                };
                at = parent;
            }
            lines.push(launched(at));
            let parent = self.get(at.parent).filter(|_| at.owner != at.token);
            let Some(parent) = parent else {
                return lines;
            };
            let number = self.waits.get(&waiter(parent.token, at.job.location()));
            wait = number.map(|number| &parent.waits[*number]);
            at = parent;
        }
    }

    fn read(&self, stack: Option<&Stack>, of: stack::Of) -> Vec<StackFrame> {
        let stack = stack.filter(|_| self.options.stacks);
        let Some(stack) = stack else {
            return Vec::new();
        };
        // Many wait at the same place, and names are slow to find.
        let key = (of, stack::addresses(stack));
        let mut read = self.stacks.borrow_mut();
        let frames = read.entry(key);
        frames
            .or_insert_with(|| named(stack, of, self.options))
            .clone()
    }
}

fn read(stack: Option<&Stack>, of: stack::Of, options: Options) -> Vec<StackFrame> {
    let stack = stack.filter(|_| options.stacks);
    stack
        .map(|stack| named(stack, of, options))
        .unwrap_or_default()
}

/// The functions of a stack, sanitized if that is wanted.
fn named(stack: &Stack, of: stack::Of, options: Options) -> Vec<StackFrame> {
    let frames = stack::read(stack, of);
    if !options.sanitized {
        return frames;
    }
    let mut frames = sanitize(frames);
    // Between a wait and its launch the machinery at the end says nothing.
    while of == stack::Of::Wait && frames.last().is_some_and(is_of_a_library) {
        frames.pop();
    }
    frames
}

fn is_listed(job: &Known, options: Options) -> bool {
    job.has_body && (!options.merged || job.owner == job.token)
}

#[cfg(feature = "inspector")]
fn inside(known: &[Known], options: Options) -> BTreeMap<u64, u64> {
    let mut inside = BTreeMap::new();
    // A job is younger than the one around it.
    for job in known {
        let of = if is_listed(job, options) {
            Some(job.token)
        } else if job.has_body {
            Some(job.owner)
        } else {
            job.parent.and_then(|parent| inside.get(&parent).copied())
        };
        inside.extend(of.map(|of| (job.token, of)));
    }
    inside
}

fn launched(job: &Known) -> StackFrame {
    StackFrame::at(job.builder, job.job.location())
}
