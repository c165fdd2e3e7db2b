//! The stacks of suspended coroutines: each is polled once more where it belongs, and says meanwhile from where it waits.
//!
//! Whoever wants the stacks marks the coroutines and wakes them. The next poll of a marked one is an ordinary poll, on its own
//! dispatcher and with its own waker, but a suspension point that is still pending adds the stack of the thread to what it
//! has noted. So nothing is lost: a future whose time has come goes on as after any other wake.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::registry::{REGISTRY, owner_of, with_entry};
use super::running::by_thread;
use crate::job::{BODY_ENDED, FINAL, Job};

/// How many tickets there are, so that a poll need not look for one.
static TICKETS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The polls of this thread that were asked for their stack, by depth; the innermost last.
    static CAPTURED: RefCell<Vec<Captured>> = const { RefCell::new(Vec::new()) };
}

struct Captured {
    depth: usize,
    /// Given back when the poll has ended.
    _tickets: Vec<Ticket>,
}

/// Whether a poll that is going on was asked for its stack.
pub(super) fn is_capturing() -> bool {
    let asked = CAPTURED.try_with(|captured| !captured.borrow().is_empty());
    asked.unwrap_or(false)
}

/// Those who were asked at once.
#[derive(Debug)]
pub struct Asked {
    left: Mutex<Left>,
    answered: Condvar,
}

#[derive(Debug)]
struct Left {
    count: usize,
    waker: Option<Waker>,
}

/// At a coroutine that was asked, until it has answered or ended.
pub(super) struct Ticket(Arc<Asked>);

impl Ticket {
    fn new(asked: &Arc<Asked>) -> Ticket {
        TICKETS.fetch_add(1, Ordering::Relaxed);
        asked.left.lock().count += 1;
        Ticket(asked.clone())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        TICKETS.fetch_sub(1, Ordering::Relaxed);
        let waker = {
            let mut left = self.0.left.lock();
            left.count -= 1;
            if left.count > 0 {
                return;
            }
            left.waker.take()
        };
        self.0.answered.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Asks every coroutine that is suspended for its stack.
#[must_use]
pub fn ask_for_stacks() -> Arc<Asked> {
    let asked = Arc::new(Asked {
        left: Mutex::new(Left {
            count: 0,
            waker: None,
        }),
        answered: Condvar::new(),
    });
    let running = by_thread();
    let mut marked: Vec<Job> = Vec::new();
    for job in super::live() {
        let core = job.core();
        let token = core.token();
        if core.flags.any(BODY_ENDED | FINAL) || running.contains_key(&token) {
            continue;
        }
        // What would run in this very thread might wait for it.
        if !job.context().dispatcher.is_dispatch_needed() {
            continue;
        }
        // The others are polled inside of one of these, or have nothing to tell.
        let is_polled_by_itself = core.kind.is_a_task() || owner_of(&job).ptr_eq(&job);
        if !is_polled_by_itself || core.frame.polls.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let mut ticket = Some(Ticket::new(&asked));
        // In what is given to the entry, it stays there; otherwise it is dropped outside of the locks.
        if with_entry(&job, |entry| entry.asked.extend(ticket.take())).is_some() {
            marked.push(job);
        }
    }
    for job in marked {
        job.wake(|| job.wake_body());
    }
    asked
}

impl Asked {
    /// Blocks the thread until all have answered, or for `limit`; how many have not.
    pub fn wait(&self, limit: Duration) -> usize {
        let end = Instant::now().checked_add(limit);
        let mut left = self.left.lock();
        while left.count > 0 {
            match end {
                Some(end) => {
                    if self.answered.wait_until(&mut left, end).timed_out() {
                        break;
                    }
                }
                None => self.answered.wait(&mut left),
            }
        }
        left.count
    }

    /// Suspends until all have answered. One that is never polled again never does.
    pub async fn all(&self) {
        poll_fn(|cx| {
            // Cloned before the lock, and dropped after it: it may be anybody's.
            let waker = cx.waker().clone();
            let replaced = {
                let mut left = self.left.lock();
                if left.count == 0 {
                    return Poll::Ready(());
                }
                left.waker.replace(waker)
            };
            drop(replaced);
            Poll::Pending
        })
        .await;
    }

    /// How many have not answered.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.lock().count
    }
}

/// A poll begins, so many polls deep.
#[inline]
pub(super) fn begin(token: u64, depth: usize) {
    if TICKETS.load(Ordering::Relaxed) != 0 {
        take_tickets(token, depth);
    }
}

#[cold]
fn take_tickets(token: u64, depth: usize) {
    let tickets = {
        let mut registry = REGISTRY.lock();
        let asked = registry.jobs.get_mut(&token).map(|entry| &mut entry.asked);
        asked.map(std::mem::take).unwrap_or_default()
    };
    if !tickets.is_empty() {
        let captured = Captured {
            depth,
            _tickets: tickets,
        };
        // Otherwise the tickets are given back at once.
        let _ = CAPTURED.try_with(|all| all.borrow_mut().push(captured));
    }
}

/// It ends: whoever has asked it is answered.
#[inline]
pub(super) fn end(depth: usize) {
    // Those of a poll that was asked are given back below.
    if TICKETS.load(Ordering::Relaxed) != 0 {
        give_back(depth);
    }
}

#[cold]
fn give_back(depth: usize) {
    let ended = CAPTURED.try_with(|all| {
        let mut all = all.borrow_mut();
        match all.last() {
            Some(last) if last.depth >= depth => all.pop(),
            _ => None,
        }
    });
    drop(ended);
}
