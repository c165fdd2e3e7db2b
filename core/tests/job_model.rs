//! Random trees of coroutines, scopes, supervisors and shields against a small sequential model.
//!
//! Everything runs on one event loop. The operations come from the root body; bodies do what their mailbox says. After each
//! operation, and after each time the loop has come to rest, the whole log of events and the state of every job must be
//! those of the model: who starts, who is cancelled with what and in which order, who waits for whom, which failure wins,
//! which are suppressed, what handlers are told, in which order jobs complete.
mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use corox_core::{
    CompletableJob, CoroutineScope, CoroutineStart, Error, ExceptionHandler, Job, JobState, Result,
    SupervisorJob, coroutine_scope, non_cancellable, run_blocking, supervisor_scope, yield_now,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use support::{Log, checked};

/// What a node of the tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Launch(CoroutineStart),
    Spawn(CoroutineStart),
    /// `CompletableJob`
    Job,
    /// `SupervisorJob`
    Supervisor,
    Scope,
    SupervisorScope,
    Shield,
}

impl Kind {
    fn is_task(self) -> bool {
        matches!(self, Kind::Launch(_) | Kind::Spawn(_))
    }

    fn is_body_less(self) -> bool {
        matches!(self, Kind::Job | Kind::Supervisor)
    }

    fn is_inline(self) -> bool {
        matches!(self, Kind::Scope | Kind::SupervisorScope | Kind::Shield)
    }

    fn isolates(self) -> bool {
        matches!(self, Kind::Supervisor | Kind::SupervisorScope)
    }

    fn start(self) -> CoroutineStart {
        match self {
            Kind::Launch(start) | Kind::Spawn(start) => start,
            _ => CoroutineStart::Default,
        }
    }
}

/// Nodes are named by a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
enum Op {
    /// A new child of a node; an inline kind goes into the body of the node, and its failure is caught there or not.
    Launch {
        parent: usize,
        kind: Kind,
        caught: bool,
    },
    Complete(usize),
    Fail(usize),
    Cancel(usize),
    Start(usize),
    /// Two more callbacks.
    Watch(usize),
    /// The body of a node is to join another one, unless that is the job itself or above it.
    Join(usize, usize),
    /// Lets the loop run until nothing is left to do.
    Settle,
}

fn op() -> impl Strategy<Value = Op> {
    let start = prop_oneof![
        4 => Just(CoroutineStart::Default),
        2 => Just(CoroutineStart::Lazy),
        2 => Just(CoroutineStart::Atomic),
        2 => Just(CoroutineStart::Undispatched),
    ];
    let kind = prop_oneof![
        6 => start.clone().prop_map(Kind::Launch),
        2 => start.prop_map(Kind::Spawn),
        1 => Just(Kind::Job),
        1 => Just(Kind::Supervisor),
        3 => Just(Kind::Scope),
        2 => Just(Kind::SupervisorScope),
        2 => Just(Kind::Shield),
    ];
    let node = 0..64_usize;
    prop_oneof![
        8 => (node.clone(), kind, any::<bool>())
            .prop_map(|(parent, kind, caught)| Op::Launch { parent, kind, caught }),
        3 => node.clone().prop_map(Op::Complete),
        2 => node.clone().prop_map(Op::Fail),
        2 => node.clone().prop_map(Op::Cancel),
        1 => node.clone().prop_map(Op::Start),
        1 => node.clone().prop_map(Op::Watch),
        2 => (node.clone(), node).prop_map(|(id, target)| Op::Join(id, target)),
        5 => Just(Op::Settle),
    ]
}

// ---- the model

#[derive(Clone, PartialEq, Debug)]
enum Cause {
    /// By its index in `Model::failures`.
    Failure(usize),
    Cancelled(usize),
    /// What children get of a failed parent (J-10).
    ParentFailed(usize),
    /// The parent had ended.
    Late,
}

impl Cause {
    fn failure(&self) -> Option<usize> {
        match self {
            Cause::Failure(index) => Some(*index),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Complete,
    Fail(usize),
    Open(usize),
    Join(usize),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Entry {
    Child(usize),
    /// With the step at which they were registered.
    OnCancelling(usize),
    OnCompletion(usize),
    /// A body that joins.
    Waiter(usize),
}

/// A job, and its frame and task if it has them.
#[derive(Debug)]
struct Node {
    kind: Kind,
    /// An inline scope exists from the moment at which its body is reached.
    exists: bool,
    parent: Option<usize>,
    started: bool,
    cancelling: bool,
    body_ended: bool,
    sealed: bool,
    over: bool,
    causes: Vec<Cause>,
    /// The body and the attached children.
    pending: usize,
    entries: Vec<Entry>,
    /// The coroutine that polls the body.
    task: usize,
    mailbox: VecDeque<Command>,
    /// Whether the body waits at its mailbox and has left its waker there.
    at_mailbox: bool,
    /// Whether the frame has a waker, and whether it had one before.
    waker: bool,
    had_waker: bool,
    polled: bool,
    begun: bool,
    joining: Option<usize>,
    /// The scope that is open in the body.
    inner: Option<usize>,
    caught: bool,
    unstarted: bool,
    queued: bool,
    running: bool,
    woken_while_running: bool,
}

enum Ended {
    Returned(std::result::Result<(), Cause>),
    Dropped,
}

struct Model {
    nodes: Vec<Node>,
    queue: VecDeque<usize>,
    log: Vec<String>,
    /// The name of each failure, and what it suppresses.
    failures: Vec<(String, Vec<usize>)>,
}

impl Model {
    fn new() -> Self {
        let mut model = Model {
            nodes: Vec::new(),
            queue: VecDeque::new(),
            log: Vec::new(),
            failures: Vec::new(),
        };
        let root = model.add(Kind::Supervisor, false);
        model.nodes[root].exists = true;
        model.watch(root, 0);
        model
    }

    fn add(&mut self, kind: Kind, caught: bool) -> usize {
        let id = self.nodes.len();
        self.nodes.push(Node {
            kind,
            exists: false,
            parent: None,
            started: kind.start() != CoroutineStart::Lazy,
            cancelling: false,
            body_ended: false,
            sealed: false,
            over: false,
            causes: Vec::new(),
            pending: 1,
            entries: Vec::new(),
            task: id,
            mailbox: VecDeque::new(),
            at_mailbox: false,
            waker: false,
            had_waker: false,
            polled: false,
            begun: false,
            joining: None,
            inner: None,
            caught,
            unstarted: false,
            queued: false,
            running: false,
            woken_while_running: false,
        });
        id
    }

    fn new_failure(&mut self, name: String) -> usize {
        self.failures.push((name, Vec::new()));
        self.failures.len() - 1
    }

    fn show(&self, cause: Option<&Cause>) -> String {
        match cause {
            None => "normally".to_owned(),
            Some(Cause::Failure(index)) => {
                let (name, suppressed) = &self.failures[*index];
                let names: Vec<_> = suppressed
                    .iter()
                    .map(|index| &*self.failures[*index].0)
                    .collect();
                format!("{name}{names:?}")
            }
            Some(Cause::Cancelled(number)) => format!("C{number}"),
            Some(Cause::ParentFailed(index)) => format!("parent {}", self.failures[*index].0),
            Some(Cause::Late) => "late".to_owned(),
        }
    }

    fn add_log(&mut self, what: &str, id: usize, cause: Option<&Cause>) {
        let text = format!("{what} {id}: {}", self.show(cause));
        self.log.push(text);
    }

    /// The cause that a job is known to have, before and after its end (J-24).
    fn cause(&self, id: usize) -> Option<Cause> {
        self.nodes[id].causes.first().cloned()
    }

    fn state(&self, id: usize) -> JobState {
        let node = &self.nodes[id];
        match (node.over, node.cancelling) {
            (true, true) => JobState::Cancelled,
            (true, false) => JobState::Completed,
            (false, true) => JobState::Cancelling,
            (false, false) if !node.started => JobState::New,
            (false, false) if node.body_ended => JobState::Completing,
            (false, false) => JobState::Active,
        }
    }

    fn children(&self, id: usize) -> Vec<usize> {
        let child = |entry: &Entry| match entry {
            Entry::Child(child) => Some(*child),
            _ => None,
        };
        self.nodes[id].entries.iter().filter_map(child).collect()
    }

    /// The test registers two callbacks (J-16, J-17).
    fn watch(&mut self, id: usize, step: usize) {
        for entry in [Entry::OnCancelling(step), Entry::OnCompletion(step)] {
            let early = matches!(entry, Entry::OnCancelling(_)) && self.nodes[id].cancelling;
            if self.nodes[id].over || early {
                self.call(id, entry);
            } else {
                self.nodes[id].entries.push(entry);
            }
        }
    }

    fn call(&mut self, id: usize, entry: Entry) {
        let cause = self.show(self.cause(id).as_ref());
        match entry {
            Entry::OnCancelling(step) => self.log.push(format!("cancelling {id}.{step}: {cause}")),
            Entry::OnCompletion(step) => self.log.push(format!("completed {id}.{step}: {cause}")),
            Entry::Waiter(waiting) => self.wake_task(self.nodes[waiting].task),
            Entry::Child(_) => {}
        }
    }

    /// Unless the end of the job, in the course of its own cancellation, was faster.
    fn call_once(&mut self, id: usize, entry: Entry) {
        let entries = &mut self.nodes[id].entries;
        if let Some(at) = entries.iter().position(|other| *other == entry) {
            entries.remove(at);
            self.call(id, entry);
        }
    }

    // Cancelling and failing.

    fn below(&self, cause: &Cause) -> Cause {
        match cause {
            Cause::Failure(index) => Cause::ParentFailed(*index),
            other => other.clone(),
        }
    }

    /// J-10, J-37: notes the cause; begins the cancellation if it is the first. `None`: too late (J-25).
    fn cancel_down(&mut self, id: usize, cause: &Cause) -> Option<bool> {
        let node = &mut self.nodes[id];
        if node.sealed {
            return None;
        }
        if node.cancelling {
            if cause.failure().is_some() && !node.causes.contains(cause) {
                node.causes.push(cause.clone());
            }
            return Some(false);
        }
        node.cancelling = true;
        node.causes.push(cause.clone());
        if !node.started {
            // J-5: ends at once.
            node.started = true;
            if std::mem::take(&mut node.unstarted) {
                self.add_log("end", id, None);
                self.end_body(id);
            }
            return Some(true);
        }
        let told = node.entries.clone();
        let below = self.below(cause);
        for entry in told {
            match entry {
                Entry::Child(child) if self.nodes[child].kind == Kind::Shield => {}
                Entry::Child(child) => {
                    let begun = self.cancel_down(child, &below) == Some(true);
                    if begun && self.nodes[child].kind.is_body_less() {
                        self.end_body_less(child);
                    }
                }
                Entry::OnCancelling(_) => self.call_once(id, entry),
                Entry::OnCompletion(_) | Entry::Waiter(_) => {}
            }
        }
        self.wake_frame(id);
        Some(true)
    }

    fn cancel(&mut self, id: usize, cause: &Cause) -> bool {
        let Some(begun) = self.cancel_down(id, cause) else {
            return false;
        };
        if begun && cause.failure().is_some() {
            self.offer_up(id, cause);
        }
        if self.nodes[id].kind.is_body_less() {
            self.end_body_less(id);
        }
        true
    }

    /// J-11 to J-13, J-26: the failure goes to the parent, and on to its parent if it is news there. Says whether somebody
    /// above accounts for it.
    fn offer_up(&mut self, id: usize, cause: &Cause) -> bool {
        if self.nodes[id].kind.is_inline() {
            return true;
        }
        let Some(parent) = self.nodes[id].parent else {
            return false;
        };
        if self.nodes[parent].kind.isolates() {
            return false;
        }
        let Some(begun) = self.cancel_down(parent, cause) else {
            return false;
        };
        let handles = self.handles(parent);
        if begun {
            self.offer_up(parent, cause);
        }
        if self.nodes[parent].kind.is_body_less() {
            self.end_body_less(parent);
        }
        handles
    }

    /// J-26: a job without body only passes on.
    fn handles(&self, id: usize) -> bool {
        if !self.nodes[id].kind.is_body_less() {
            return true;
        }
        self.nodes[id]
            .parent
            .is_some_and(|parent| self.handles(parent))
    }

    // Ending.

    fn end_body_less(&mut self, id: usize) {
        if !self.nodes[id].body_ended {
            self.end_body(id);
        }
    }

    fn end_body(&mut self, id: usize) {
        assert!(!std::mem::replace(&mut self.nodes[id].body_ended, true));
        self.count_down(id);
    }

    fn count_down(&mut self, id: usize) {
        self.nodes[id].pending -= 1;
        if self.nodes[id].pending == 0 {
            self.nodes[id].sealed = true;
            self.complete(id);
        }
    }

    /// J-15, from step 5.
    fn complete(&mut self, id: usize) {
        // J-24: the first failure wins, else the first cancellation; other failures are suppressed.
        let mut causes = std::mem::take(&mut self.nodes[id].causes);
        let first = causes
            .iter()
            .position(|cause| cause.failure().is_some())
            .unwrap_or(0);
        if !causes.is_empty() {
            let cause = causes.remove(first);
            if let Some(index) = cause.failure() {
                for other in causes.iter().filter_map(Cause::failure) {
                    if other != index && !self.failures[index].1.contains(&other) {
                        self.failures[index].1.push(other);
                    }
                }
            }
            self.nodes[id].causes.push(cause);
        }
        let cause = self.cause(id);
        if let Some(cause @ Cause::Failure(_)) = &cause {
            let reports = matches!(self.nodes[id].kind, Kind::Launch(_));
            if !self.offer_up(id, cause) && reports {
                self.add_log("handler", id, Some(cause));
            }
        }
        let node = &mut self.nodes[id];
        node.over = true;
        node.started = true;
        let parent = node.parent.take();
        for entry in std::mem::take(&mut node.entries) {
            self.call(id, entry);
        }
        if self.nodes[id].kind.is_inline() {
            self.wake_frame(id);
        }
        if let Some(parent) = parent {
            self.nodes[parent]
                .entries
                .retain(|entry| *entry != Entry::Child(id));
            self.count_down(parent);
        }
    }

    // Attaching.

    /// J-8, J-9; `false` if the parent had ended.
    fn attach(&mut self, id: usize, parent: usize) -> bool {
        self.nodes[id].exists = true;
        self.start(parent);
        if self.nodes[parent].sealed {
            let cause = self.cause(parent).map(|cause| self.below(&cause));
            self.cancel(id, &cause.unwrap_or(Cause::Late));
            return false;
        }
        self.nodes[id].parent = Some(parent);
        self.nodes[parent].entries.push(Entry::Child(id));
        self.nodes[parent].pending += 1;
        if self.nodes[parent].cancelling && self.nodes[id].kind != Kind::Shield {
            let cause = self.cause(parent).map(|cause| self.below(&cause));
            self.cancel(id, &cause.unwrap());
        }
        true
    }

    fn launch(&mut self, parent: usize, kind: Kind, caught: bool) -> usize {
        let id = self.add(kind, caught);
        if kind.is_inline() {
            self.send(parent, Command::Open(id));
            return id;
        }
        let attached = self.attach(id, parent);
        if kind.is_task() {
            if !attached {
                self.end_body(id);
                self.add_log("end", id, None);
            } else {
                match kind.start() {
                    CoroutineStart::Undispatched => self.poll_task(id),
                    CoroutineStart::Lazy if self.nodes[id].started => {
                        self.add_log("end", id, None);
                        self.end_body(id);
                    }
                    CoroutineStart::Lazy => self.nodes[id].unstarted = true,
                    _ => self.wake_task(id),
                }
            }
        }
        self.watch(id, 0);
        id
    }

    /// J-4.
    fn start(&mut self, id: usize) -> bool {
        if std::mem::replace(&mut self.nodes[id].started, true) {
            return false;
        }
        if std::mem::take(&mut self.nodes[id].unstarted) {
            self.wake_task(id);
        }
        true
    }

    // J-35.

    fn complete_job(&mut self, id: usize) -> bool {
        if self.nodes[id].cancelling || self.nodes[id].body_ended {
            return false;
        }
        self.end_body(id);
        true
    }

    fn fail_job(&mut self, id: usize, index: usize) -> bool {
        if self.nodes[id].cancelling || self.nodes[id].body_ended {
            return false;
        }
        self.cancel(id, &Cause::Failure(index))
    }

    // The loop.

    fn send(&mut self, id: usize, command: Command) {
        self.nodes[id].mailbox.push_back(command);
        if std::mem::take(&mut self.nodes[id].at_mailbox) {
            self.wake_task(self.nodes[id].task);
        }
    }

    fn wake_frame(&mut self, id: usize) {
        if std::mem::take(&mut self.nodes[id].waker) {
            self.wake_task(self.nodes[id].task);
        }
    }

    fn wake_task(&mut self, id: usize) {
        let node = &mut self.nodes[id];
        if node.running {
            node.woken_while_running = true;
        } else if !node.queued && !node.body_ended {
            node.queued = true;
            self.queue.push_back(id);
        }
    }

    fn settle(&mut self) {
        while let Some(id) = self.queue.pop_front() {
            self.nodes[id].queued = false;
            self.poll_task(id);
        }
    }

    fn poll_task(&mut self, id: usize) {
        self.nodes[id].running = true;
        let atomic = matches!(
            self.nodes[id].kind.start(),
            CoroutineStart::Atomic | CoroutineStart::Undispatched
        );
        // J-6: cancelled before its turn.
        let ended = if !atomic && !self.nodes[id].polled && self.nodes[id].cancelling {
            self.add_log("end", id, None);
            Some(Ended::Dropped)
        } else {
            self.poll_frame(id)
        };
        if let Some(ended) = ended {
            let cause = match ended {
                Ended::Returned(Err(cause)) => {
                    // J-11 as the design has it: the cancellation of another job that was let escape is a failure.
                    if cause.failure().is_none() && !self.nodes[id].cancelling {
                        let name = format!("escaped {}", self.show(Some(&cause)));
                        Some(Cause::Failure(self.new_failure(name)))
                    } else {
                        Some(cause)
                    }
                }
                _ => None,
            };
            self.end_with(id, cause);
        }
        let node = &mut self.nodes[id];
        node.running = false;
        if std::mem::take(&mut node.woken_while_running) {
            self.wake_task(id);
        }
    }

    fn end_with(&mut self, id: usize, cause: Option<Cause>) {
        if let Some(cause) = cause {
            self.cancel(id, &cause);
        }
        self.end_body(id);
    }

    /// Decisions 1 and 2: the first poll always happens; from then on a cancelled body that nothing holds is dropped.
    fn poll_frame(&mut self, id: usize) -> Option<Ended> {
        loop {
            let cancelled = self.nodes[id].cancelling;
            if cancelled && self.nodes[id].polled && self.nodes[id].inner.is_none() {
                return Some(self.drop_body(id));
            }
            self.nodes[id].polled = true;
            if cancelled {
                self.nodes[id].waker = true;
                self.nodes[id].had_waker = true;
            }
            if let Some(result) = self.poll_body(id) {
                return Some(Ended::Returned(result));
            }
            if cancelled && self.nodes[id].inner.is_none() {
                return Some(self.drop_body(id));
            }
            // A task leaves its waker once, for it is always the same.
            if !(self.nodes[id].kind.is_task() && self.nodes[id].had_waker) {
                self.nodes[id].waker = true;
                self.nodes[id].had_waker = true;
            }
            if cancelled || !self.nodes[id].cancelling {
                return None;
            }
        }
    }

    fn drop_body(&mut self, id: usize) -> Ended {
        self.nodes[id].at_mailbox = false;
        if let Some(target) = self.nodes[id].joining.take() {
            self.nodes[target]
                .entries
                .retain(|entry| *entry != Entry::Waiter(id));
        }
        self.add_log("end", id, None);
        Ended::Dropped
    }

    fn poll_body(&mut self, id: usize) -> Option<std::result::Result<(), Cause>> {
        if !std::mem::replace(&mut self.nodes[id].begun, true) {
            if self.nodes[id].kind.is_inline() {
                self.watch(id, 0);
            }
            self.add_log("start", id, None);
        }
        self.nodes[id].at_mailbox = false;
        loop {
            if let Some(scope) = self.nodes[id].inner {
                let result = self.poll_scope(scope, id)?;
                self.nodes[id].inner = None;
                let cause = result.as_ref().err();
                self.add_log("back from", scope, cause);
                if result.is_err() && !self.nodes[scope].caught {
                    self.add_log("end", id, None);
                    return Some(result);
                }
            }
            if let Some(target) = self.nodes[id].joining {
                if self.nodes[id].cancelling {
                    return None;
                }
                if !self.nodes[target].over {
                    if !self.nodes[target].entries.contains(&Entry::Waiter(id)) {
                        self.nodes[target].entries.push(Entry::Waiter(id));
                    }
                    return None;
                }
                self.nodes[id].joining = None;
                self.log.push(format!("{id} joined {target}"));
            }
            match self.nodes[id].mailbox.pop_front() {
                None => {
                    self.nodes[id].at_mailbox = true;
                    return None;
                }
                Some(Command::Complete) => {
                    self.add_log("end", id, None);
                    return Some(Ok(()));
                }
                Some(Command::Fail(index)) => {
                    self.add_log("end", id, None);
                    return Some(Err(Cause::Failure(index)));
                }
                Some(Command::Open(scope)) => {
                    self.nodes[scope].task = self.nodes[id].task;
                    self.attach(scope, id);
                    self.nodes[id].inner = Some(scope);
                }
                Some(Command::Join(target)) => {
                    if !self.is_above(target, id) {
                        self.nodes[id].joining = Some(target);
                        // J-4, but J-20: a cancelled coroutine gets no further than the call.
                        if !self.nodes[id].cancelling {
                            self.start(target);
                        }
                    }
                }
            }
        }
    }

    fn is_above(&self, target: usize, id: usize) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == target {
                return true;
            }
            at = self.nodes[id].parent;
        }
        false
    }

    /// J-13: what an inline scope gives, once its body and its children have ended.
    fn poll_scope(&mut self, id: usize, outer: usize) -> Option<std::result::Result<(), Cause>> {
        if !self.nodes[id].body_ended {
            let cause = match self.poll_frame(id)? {
                Ended::Returned(Err(cause)) => Some(cause),
                _ => None,
            };
            self.end_with(id, cause);
        }
        if !self.nodes[id].over {
            self.nodes[id].waker = true;
            return None;
        }
        // Decision 4: the end of the last hold wakes the frame around.
        if self.nodes[outer].cancelling {
            self.wake_frame(outer);
        }
        Some(match self.cause(id) {
            Some(cause) => Err(cause),
            None => Ok(()),
        })
    }
}

// ---- the real thing

#[derive(Default)]
struct Mailbox(Mutex<(VecDeque<Order>, Option<Waker>)>);

type Callback = Box<dyn FnOnce(Option<&Error>) + Send>;

/// [`Command`] for a real body.
enum Order {
    Complete,
    Fail(Error),
    Join(Job, usize),
    Open { id: usize, kind: Kind, caught: bool },
}

impl Mailbox {
    fn send(&self, order: Order) {
        let waker = {
            let mut inner = self.0.lock().unwrap();
            inner.0.push_back(order);
            inner.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    async fn next(&self) -> Order {
        struct Leave<'a>(&'a Mailbox);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.0.lock().unwrap().1 = None;
            }
        }
        let _leave = Leave(self);
        poll_fn(|cx| {
            let mut inner = self.0.lock().unwrap();
            match inner.0.pop_front() {
                Some(order) => Poll::Ready(order),
                None => {
                    inner.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

#[derive(Clone, Default)]
struct RealNode {
    mailbox: Arc<Mailbox>,
    /// `None` until an inline scope is reached.
    job: Option<Job>,
    by_hand: Option<CompletableJob>,
}

#[derive(Clone, Default)]
struct World {
    log: Log,
    nodes: Arc<Mutex<Vec<RealNode>>>,
}

fn name(error: &Error) -> String {
    match error.cause() {
        Some(escaped) if !error.is_cancellation() => format!("escaped {}", show(Some(escaped))),
        _ => error.to_string(),
    }
}

fn show(cause: Option<&Error>) -> String {
    let Some(error) = cause else {
        return "normally".to_owned();
    };
    if !error.is_cancellation() {
        let suppressed: Vec<_> = error.suppressed().iter().map(name).collect();
        return format!("{}{suppressed:?}", name(error));
    }
    match error.cause() {
        Some(failure) => format!("parent {}", name(failure)),
        None if error.to_string().starts_with("the parent, ") => "late".to_owned(),
        None => error.to_string(),
    }
}

impl World {
    fn new() -> Self {
        let world = World::default();
        let id = world.add();
        world.add_by_hand(id, (*SupervisorJob::new()).clone());
        world
    }

    fn add(&self) -> usize {
        let mut nodes = self.nodes.lock().unwrap();
        nodes.push(RealNode::default());
        nodes.len() - 1
    }

    fn add_by_hand(&self, id: usize, job: CompletableJob) {
        self.born(id, &job);
        self.nodes.lock().unwrap()[id].by_hand = Some(job);
    }

    fn node(&self, id: usize) -> RealNode {
        self.nodes.lock().unwrap()[id].clone()
    }

    fn born(&self, id: usize, job: &Job) {
        self.nodes.lock().unwrap()[id].job = Some(job.clone());
        self.watch(id, 0, job);
    }

    fn watch(&self, id: usize, step: usize, job: &Job) {
        for (what, register) in [
            ("cancelling", Job::on_cancelling as fn(&Job, _) -> _),
            ("completed", Job::on_completion),
        ] {
            let log = self.log.clone();
            let callback: Callback =
                Box::new(move |cause| log.add(format!("{what} {id}.{step}: {}", show(cause))));
            let _stays = register(job, callback);
        }
    }

    fn body(self, id: usize) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        let guard = self.log.guard(format!("end {id}: normally"));
        Box::pin(async move {
            let _guard = guard;
            self.log.add(format!("start {id}: normally"));
            let mailbox = self.node(id).mailbox;
            loop {
                match mailbox.next().await {
                    Order::Complete => return Ok(()),
                    Order::Fail(error) => return Err(error),
                    Order::Join(target, number) => {
                        let own = Job::current();
                        let mut above = std::iter::successors(own, Job::parent);
                        if !above.any(|job| job.ptr_eq(&target)) {
                            target.join().await;
                            self.log.add(format!("{id} joined {number}"));
                        }
                    }
                    Order::Open { id, kind, caught } => {
                        let world = self.clone();
                        let inner = async move |scope: CoroutineScope| {
                            world.born(id, scope.job());
                            world.body(id).await
                        };
                        let result = match kind {
                            Kind::Scope => coroutine_scope(inner).await,
                            Kind::SupervisorScope => supervisor_scope(inner).await,
                            _ => non_cancellable(inner).await,
                        };
                        let cause = result.as_ref().err();
                        self.log.add(format!("back from {id}: {}", show(cause)));
                        if !caught {
                            result?;
                        }
                    }
                }
            }
        })
    }

    fn launch(&self, scope: &CoroutineScope, parent: usize, kind: Kind, caught: bool) {
        let id = self.add();
        if kind.is_inline() {
            self.node(parent)
                .mailbox
                .send(Order::Open { id, kind, caught });
            return;
        }
        let parent = self.node(parent).job.unwrap();
        let handler = {
            let log = self.log.clone();
            ExceptionHandler::new(move |_, error| {
                log.add(format!("handler {id}: {}", show(Some(error))));
            })
        };
        let launcher = scope.with(handler + parent.clone()).start(kind.start());
        match kind {
            Kind::Launch(_) => self.born(id, &launcher.launch(self.clone().body(id))),
            Kind::Spawn(_) => self.born(id, &launcher.spawn(self.clone().body(id))),
            Kind::Job => self.add_by_hand(id, CompletableJob::child_of(&parent)),
            _ => self.add_by_hand(id, (*SupervisorJob::child_of(&parent)).clone()),
        }
    }
}

// ---- both together

struct Run {
    model: Model,
    world: World,
    scope: CoroutineScope,
    /// Names failures and cancellations.
    steps: usize,
    /// All that was logged.
    log: Vec<String>,
    /// Each child with the parent that it was seen under.
    attached: BTreeSet<(usize, usize)>,
}

impl Run {
    /// With numbers of nodes that exist. The root, a supervisor, is left alone: else most trees would end at once.
    fn resolve(&self, op: &Op) -> Op {
        let count = self.model.nodes.len();
        let below = |number: usize| match count {
            1 => None,
            _ => Some(1 + number % (count - 1)),
        };
        let resolved = match *op {
            Op::Launch {
                parent,
                kind,
                caught,
            } => Some(Op::Launch {
                parent: parent % count,
                kind,
                caught,
            }),
            Op::Complete(id) => below(id).map(Op::Complete),
            Op::Fail(id) => below(id).map(Op::Fail),
            Op::Cancel(id) => below(id).map(Op::Cancel),
            Op::Start(id) => below(id).map(Op::Start),
            Op::Watch(id) => Some(Op::Watch(id % count)),
            Op::Join(id, target) => below(id).map(|id| Op::Join(id, target % count)),
            Op::Settle => None,
        };
        resolved.unwrap_or(Op::Settle)
    }

    async fn apply(&mut self, op: &Op) -> std::result::Result<(), String> {
        self.steps += 1;
        let step = self.steps;
        match *op {
            Op::Launch {
                parent,
                kind,
                caught,
            } => {
                let node = &self.model.nodes[parent];
                if !node.exists || kind.is_inline() && node.kind.is_body_less() {
                    return Ok(());
                }
                self.model.launch(parent, kind, caught);
                self.world.launch(&self.scope, parent, kind, caught);
            }
            Op::Complete(id) => {
                let node = self.world.node(id);
                if let Some(job) = node.by_hand {
                    same("complete", self.model.complete_job(id), job.complete())?;
                } else {
                    self.model.send(id, Command::Complete);
                    node.mailbox.send(Order::Complete);
                }
            }
            Op::Fail(id) => {
                let node = self.world.node(id);
                let failure = Error::msg(format!("F{step}"));
                let index = self.model.new_failure(format!("F{step}"));
                if let Some(job) = node.by_hand {
                    same("fail", self.model.fail_job(id, index), job.fail(failure))?;
                } else {
                    self.model.send(id, Command::Fail(index));
                    node.mailbox.send(Order::Fail(failure));
                }
            }
            Op::Cancel(id) => {
                if let Some(job) = self.world.node(id).job {
                    self.model.cancel(id, &Cause::Cancelled(step));
                    job.cancel_with(Error::cancellation(format!("C{step}")));
                }
            }
            Op::Start(id) => {
                if let Some(job) = self.world.node(id).job {
                    same("start", self.model.start(id), job.start())?;
                }
            }
            Op::Watch(id) => {
                if let Some(job) = self.world.node(id).job {
                    self.model.watch(id, step);
                    self.world.watch(id, step, &job);
                }
            }
            Op::Join(id, target) => {
                if let Some(job) = self.world.node(target).job {
                    self.model.send(id, Command::Join(target));
                    self.world.node(id).mailbox.send(Order::Join(job, target));
                }
            }
            Op::Settle => {
                self.model.settle();
                for _ in 0..40 {
                    yield_now().await;
                }
            }
        }
        self.compare()
            .map_err(|what| format!("after step {step}, {op:?}: {what}"))
    }

    fn compare(&mut self) -> std::result::Result<(), String> {
        let log = std::mem::take(&mut self.model.log);
        self.log.extend(log.iter().cloned());
        same("log", log, self.world.log.take())?;
        let nodes = self.world.nodes.lock().unwrap().clone();
        same("nodes", self.model.nodes.len(), nodes.len())?;
        let id_of = |job: &Job| {
            let is = |node: &RealNode| node.job.as_ref().is_some_and(|own| own.ptr_eq(job));
            nodes.iter().position(is)
        };
        for (id, node) in nodes.iter().enumerate() {
            let of = |what| format!("{what} of {id}");
            same(
                &of("existence"),
                self.model.nodes[id].exists,
                node.job.is_some(),
            )?;
            let Some(job) = &node.job else { continue };
            same(&of("state"), self.model.state(id), job.state())?;
            let parent = job.parent().map(|parent| id_of(&parent).unwrap());
            same(&of("parent"), self.model.nodes[id].parent, parent)?;
            self.attached.extend(parent.map(|parent| (id, parent)));
            let children: Vec<_> = job.children().iter().filter_map(id_of).collect();
            same(&of("children"), self.model.children(id), children)?;
            let cause = self.model.show(self.model.cause(id).as_ref());
            same(&of("cause"), cause, show(job.cause().as_ref()))?;
        }
        Ok(())
    }

    /// Ends everything: shields by their mailboxes if they still listen, else one by one.
    async fn end(&mut self) -> std::result::Result<(), String> {
        self.apply(&Op::Cancel(0)).await?;
        self.apply(&Op::Settle).await?;
        for id in 0..self.model.nodes.len() {
            self.apply(&Op::Complete(id)).await?;
        }
        self.apply(&Op::Settle).await?;
        // What hangs in a shield: not started, or joining one another.
        for id in 0..self.model.nodes.len() {
            self.apply(&Op::Cancel(id)).await?;
        }
        self.apply(&Op::Settle).await?;
        self.check_log()
    }

    /// What holds of every log, whatever the model says.
    fn check_log(&self) -> std::result::Result<(), String> {
        // "cancelling 7.0", and so on: where it stands.
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, event) in self.log.iter().enumerate() {
            let key = event.split(':').next().unwrap_or(event);
            let once = places.insert(key, place).is_none() || key.contains("joined");
            same(&format!("once {event}"), true, once)?;
        }
        let before = |first: &str, then: &str| match (places.get(first), places.get(then)) {
            (Some(first), Some(then)) => first < then,
            _ => true,
        };
        for (id, node) in self
            .model
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.exists)
        {
            for (first, then) in [
                (format!("start {id}"), format!("end {id}")),
                (format!("end {id}"), format!("completed {id}.0")),
                (format!("handler {id}"), format!("completed {id}.0")),
            ] {
                // A refused body is dropped after its job has ended.
                let refused =
                    node.kind.is_task() && !self.attached.iter().any(|(child, _)| *child == id);
                same(
                    &format!("{first} before {then}"),
                    true,
                    refused || before(&first, &then),
                )?;
            }
            same(
                "completed",
                true,
                places.contains_key(&*format!("completed {id}.0")),
            )?;
        }
        for key in places.keys() {
            if let Some(watched) = key.strip_prefix("cancelling ") {
                let right = before(key, &format!("completed {watched}"));
                same(&format!("order of the callbacks {watched}"), true, right)?;
            }
        }
        for (child, parent) in &self.attached {
            let right = before(
                &format!("completed {child}.0"),
                &format!("completed {parent}.0"),
            );
            same(&format!("{child} before its parent {parent}"), true, right)?;
        }
        Ok(())
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: T,
    found: T,
) -> std::result::Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "{what}: the model has {expected:#?}, the jobs have {found:#?}"
    ))
}

fn run(ops: &[Op]) -> std::result::Result<(), String> {
    let outcome = run_blocking(async |scope| {
        let mut run = Run {
            model: Model::new(),
            world: World::new(),
            scope,
            steps: 0,
            log: Vec::new(),
            attached: BTreeSet::new(),
        };
        let mut outcome = Ok(());
        for op in ops {
            outcome = run.apply(&run.resolve(op)).await;
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = run.end().await;
        }
        if outcome.is_err() {
            // So that this is what the test says, and not that something was left behind.
            for node in run.world.nodes.lock().unwrap().clone() {
                node.job.inspect(|job| job.cancel());
            }
            for _ in 0..40 {
                yield_now().await;
            }
        }
        Ok(outcome)
    });
    outcome.unwrap()
}

/// J-1 to J-16, J-22, J-24 to J-27, J-35, J-37; decisions 1, 2, 4, 5.
#[test]
fn random_trees_behave_as_the_model_says() {
    let config = ProptestConfig {
        cases: 2000,
        max_shrink_time: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let ops = proptest::collection::vec(op(), 1..50);
    let outcome = TestRunner::new(config).run(&ops, |ops| {
        checked(move || run(&ops)).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
