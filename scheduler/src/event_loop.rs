//! The event loop.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::dispatcher::Kind;
use crate::here::Here;
use crate::{Dispatcher, Task, TimeSource};

#[derive(Default)]
pub(crate) struct EventLoop {
    state: Mutex<State>,
}
#[derive(Default)]
struct State {
    queue: VecDeque<Task>,
    timers: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    waker: Option<Waker>,
    root: bool,
}

thread_local! { static CURRENT: std::cell::RefCell<Option<Arc<EventLoop>>> = const { std::cell::RefCell::new(None) }; }

pub(crate) fn current(_handle: Option<&Handle>) -> Option<Dispatcher> {
    CURRENT.with_borrow(|c| c.clone().map(|c| Kind::Loop(c).into()))
}

impl Wake for EventLoop {
    fn wake(self: Arc<Self>) {
        let waker = {
            let mut s = self.state.lock();
            s.root = true;
            s.waker.take()
        };
        if let Some(w) = waker {
            w.wake();
        }
    }
}

impl EventLoop {
    pub(crate) fn push_task(&self, task: Task) {
        let waker = {
            let mut s = self.state.lock();
            s.queue.push_back(task);
            s.waker.take()
        };
        if let Some(w) = waker {
            w.wake();
        }
    }
}

impl TimeSource for EventLoop {
    fn now(&self) -> Instant {
        Instant::now()
    }
    fn register(&self, deadline: Instant, waker: &Waker) -> u64 {
        let mut s = self.state.lock();
        let key = s.next;
        s.next += 1;
        s.timers.insert((deadline, key), waker.clone());
        key
    }
    fn set_waker(&self, key: u64, waker: &Waker) {
        let mut s = self.state.lock();
        for (k, w) in &mut s.timers {
            if k.1 == key {
                w.clone_from(waker);
            }
        }
    }
    fn cancel(&self, key: u64) {
        self.state.lock().timers.retain(|k, _| k.1 != key);
    }
    fn is_elapsed(&self, key: u64) -> bool {
        !self.state.lock().timers.keys().any(|k| k.1 == key)
    }
}

/// Blocks this thread: runs the future that `make` returns as the root of this thread's event loop.
#[track_caller]
pub fn block_on<F: Future>(make: impl FnOnce(Dispatcher) -> F) -> F::Output {
    let events = Arc::new(EventLoop::default());
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    let prev = CURRENT.replace(Some(events.clone()));
    let mut root = pin!(make(Kind::Loop(events.clone()).into()));
    let waker = Waker::from(events.clone());
    let mut cx = Context::from_waker(&waker);
    events.state.lock().root = true;
    let out = loop {
        let due: Vec<_> = {
            let mut s = events.state.lock();
            let now = Instant::now();
            let mut due = vec![];
            while let Some(e) = s.timers.first_entry() {
                if e.key().0 > now {
                    break;
                }
                due.push(e.remove());
            }
            due
        };
        for w in due {
            w.wake();
        }
        let _g = rt.enter();
        let _here = Here::Loop(Arc::as_ptr(&events).addr()).enter();
        let root_due = std::mem::take(&mut events.state.lock().root);
        if root_due {
            if let Poll::Ready(v) = root.as_mut().poll(&mut cx) {
                break v;
            }
            continue;
        }
        let task = events.state.lock().queue.pop_front();
        if let Some(t) = task {
            t.run();
            continue;
        }
        drop(_g);
        let next = events.state.lock().timers.keys().next().map(|k| k.0);
        rt.block_on(async {
            let woken = poll_fn(|cx| {
                let mut s = events.state.lock();
                if s.root || !s.queue.is_empty() {
                    return Poll::Ready(());
                }
                s.waker = Some(cx.waker().clone());
                Poll::Pending
            });
            match next {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at.into(), woken).await;
                }
                None => woken.await,
            }
        });
    };
    CURRENT.set(prev);
    let left = std::mem::take(&mut events.state.lock().queue);
    for task in left {
        task.reschedule();
    }
    out
}
