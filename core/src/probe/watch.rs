//! Polls that take long: who looks for them sees them, and is told when one that it has asked for has ended.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::known::{KnownWait, known_wait};
use super::live;
use super::registry::{self, REGISTRY};
use super::running::{Thread, is_asked, now, threads};
use crate::job::Job;

/// Names a poll among all that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PollId {
    pub(super) thread: u64,
    pub(super) since: u64,
}

/// A thread that is inside of polls that are timed.
pub struct PollingThread {
    thread: Arc<Thread>,
    /// The outermost first.
    pub polls: Vec<TimedPoll>,
    /// Whether it is allowed to block at this moment.
    pub is_allowed: bool,
}

/// One of them.
#[derive(Debug)]
pub struct TimedPoll {
    /// Which one.
    pub id: PollId,
    /// That of the job.
    pub token: u64,
    /// How long it goes on, without what was allowed.
    pub takes: Duration,
    depth: usize,
}

impl PollingThread {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.thread.name
    }

    /// Has the end of a poll told to every [`Inbox`].
    pub fn ask(&self, poll: &TimedPoll) {
        self.thread.ask(poll.depth, poll.id.since);
    }
}

impl std::fmt::Debug for PollingThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollingThread")
            .field("name", &self.name())
            .field("polls", &self.polls)
            .finish()
    }
}

/// The threads inside of polls that are timed.
#[must_use]
pub fn polling_threads() -> Vec<PollingThread> {
    let mut polling = Vec::new();
    for thread in threads() {
        let (look, is_exact) = thread.look();
        if !is_exact {
            continue;
        }
        let (now, number) = (now(), thread.number);
        let polls = look.polls.iter().enumerate();
        let polls = polls.filter(|(_, poll)| poll.since != 0);
        let polls: Vec<_> = polls
            .map(|(depth, poll)| TimedPoll {
                id: PollId {
                    thread: number,
                    since: poll.since,
                },
                token: poll.token,
                takes: Duration::from_nanos(now.saturating_sub(poll.since + poll.allowed)),
                depth,
            })
            .collect();
        if !polls.is_empty() {
            polling.push(PollingThread {
                thread,
                polls,
                is_allowed: look.allowing,
            });
        }
    }
    polling
}

/// The live job that `token` names, if the probes know it.
#[must_use]
pub fn job_of(token: u64) -> Option<Job> {
    let entry = {
        let registry = REGISTRY.lock();
        registry.jobs.get(&token).map(|entry| entry.job.clone())
    };
    let noted = entry.and_then(|entry| entry.upgrade()).map(Job);
    noted.or_else(|| live().into_iter().find(|job| job.core().has_token(token)))
}

/// A poll that has ended.
#[derive(Clone, Debug)]
pub struct Over {
    /// Which one.
    pub id: PollId,
    /// How long it took, with what was allowed.
    pub took: Duration,
    /// The first suspension point that it came to since its end was asked for, with its stack.
    pub next: Option<KnownWait>,
}

/// Where the ends of polls arrive.
#[derive(Debug, Default)]
pub struct Inbox {
    content: Mutex<Content>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Content {
    over: Vec<Over>,
    is_closed: bool,
}

static INBOXES: Mutex<Vec<Weak<Inbox>>> = Mutex::new(Vec::new());

thread_local! {
    /// See [`Over::next`], of the poll of this thread.
    static NEXT: RefCell<Option<KnownWait>> = const { RefCell::new(None) };
}

impl Inbox {
    /// One that is told from now on.
    #[must_use]
    pub fn open() -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::default());
        let mut inboxes = INBOXES.lock();
        inboxes.retain(|inbox| inbox.strong_count() > 0);
        inboxes.push(Arc::downgrade(&inbox));
        inbox
    }

    /// Blocks the thread until there is something, or for `limit`; `None` once it is closed.
    pub fn wait(&self, limit: Duration) -> Option<Vec<Over>> {
        let mut content = self.content.lock();
        if content.over.is_empty() && !content.is_closed {
            self.changed.wait_for(&mut content, limit);
        }
        if content.is_closed {
            return None;
        }
        Some(std::mem::take(&mut content.over))
    }

    /// Nothing comes any more.
    pub fn close(&self) {
        self.content.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.content.lock().is_closed
    }
}

/// The thread has come to a suspension point, whose wait has this key.
pub(super) fn note(key: (u64, u64)) {
    if !is_asked() {
        return;
    }
    let is_first = NEXT.try_with(|next| next.borrow().is_none());
    if is_first != Ok(true) {
        return;
    }
    registry::add_stack(key);
    let noted = REGISTRY.lock().waits.get(&key).cloned();
    let noted = noted.map(|wait| known_wait(0, &wait));
    let _ = NEXT.try_with(|next| next.replace(noted));
}

/// A poll of this thread has ended whose end was asked for.
pub(super) fn over(id: PollId, took: Duration) {
    let next = NEXT.try_with(|next| next.take()).ok().flatten();
    let over = Over { id, took, next };
    let inboxes = INBOXES.lock().clone();
    for inbox in inboxes.iter().filter_map(Weak::upgrade) {
        inbox.content.lock().over.push(over.clone());
        inbox.changed.notify_all();
    }
}
