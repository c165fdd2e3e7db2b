//! Which coroutines run, and on which threads.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::capture;
use super::is_installed;
use super::registry::REGISTRY;
use crate::frame::FrameRef;

/// How many polls inside one another a thread tells of. The ones further in are not seen to run.
const DEEPEST: usize = 32;

/// What a thread polls, for others to see: written by that thread alone, and without a lock.
struct Thread {
    name: String,
    depth: AtomicUsize,
    /// Their tokens, the outermost first.
    polled: [AtomicU64; DEEPEST],
}

static THREADS: Mutex<Vec<Weak<Thread>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: OnceCell<Arc<Thread>> = const { OnceCell::new() };
}

impl Thread {
    fn new() -> Arc<Thread> {
        let thread = Arc::new(Thread {
            name: std::thread::current()
                .name()
                .unwrap_or("unnamed")
                .to_owned(),
            depth: AtomicUsize::new(0),
            polled: [const { AtomicU64::new(0) }; DEEPEST],
        });
        let mut threads = THREADS.lock();
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&thread));
        thread
    }
}

/// Has others see a poll until it is dropped. Without probes it is nothing, and nothing but a look at it is compiled into the poll.
pub(crate) struct Seen {
    /// How deep the thread is in polls, this one included; 0 if it is not seen.
    depth: usize,
}

impl Seen {
    /// The body of the frame that `of` gives is polled by this thread, and was before, or not.
    #[inline]
    pub(crate) fn new<'a>(of: impl FnOnce() -> (&'a FrameRef, bool)) -> Seen {
        let depth = if is_installed() {
            let (frame, began) = of();
            begin(frame, began)
        } else {
            0
        };
        Seen { depth }
    }
}

impl Drop for Seen {
    #[inline]
    fn drop(&mut self) {
        if self.depth != 0 {
            end(self.depth);
        }
    }
}

#[cold]
#[inline(never)]
fn begin(frame: &FrameRef, began: bool) -> usize {
    // Sections are inside a poll of their job.
    let FrameRef::Root(job) = frame else {
        return 0;
    };
    let token = job.core().token();
    if !began {
        if let Some(entry) = REGISTRY.lock().jobs.get_mut(&token) {
            entry.began = true;
        }
    }
    let depth = OWN.try_with(|own| {
        let own = own.get_or_init(Thread::new);
        let outer = own.depth.load(Ordering::Relaxed);
        if let Some(place) = own.polled.get(outer) {
            place.store(token, Ordering::Relaxed);
        }
        own.depth.store(outer + 1, Ordering::Release);
        outer + 1
    });
    // The thread is about to end, and has nothing left to tell it with.
    let Ok(depth) = depth else { return 0 };
    capture::begin(token, depth);
    depth
}

#[cold]
#[inline(never)]
fn end(depth: usize) {
    let _ = OWN.try_with(|own| {
        if let Some(own) = own.get() {
            own.depth.store(depth - 1, Ordering::Release);
        }
    });
    // Whoever has asked is to see that it does not run any more.
    capture::end(depth);
}

/// The jobs that are being polled, and the names of the threads.
pub(super) fn by_thread() -> BTreeMap<u64, String> {
    let threads = THREADS.lock().clone();
    let mut running = BTreeMap::new();
    for thread in threads.iter().filter_map(Weak::upgrade) {
        let depth = thread.depth.load(Ordering::Acquire).min(DEEPEST);
        for place in &thread.polled[..depth] {
            running.insert(place.load(Ordering::Relaxed), thread.name.clone());
        }
    }
    running
}
