//! Drops a collection after its k-th poll, for all k, and counts what it leaves behind.
//!
//! ```text
//! drop_at_each_poll(|guards| {
//!     let closure = guards.guard();
//!     guards.source(3).map(move |item| { let _ = &closure; item }).to_vec()
//! });
//! ```

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use corox_flow::{Flow, flow, prelude::*};

/// So many polls, and the collection is said to go on for ever.
const MOST_POLLS: usize = 10_000;

/// Drops what `make` gives after its k-th poll, for k = 0, 1, 2 .. until it completes; returns the number of polls that this
/// takes. Each time all guards have run once when the drop returns, and nothing holds `guards` any more.
///
/// For what runs in one task: it is polled outside of any coroutine, and panics if it waits and nothing has woken it.
#[track_caller]
pub fn drop_at_each_poll<Fut: Future>(make: impl Fn(Guards) -> Fut) -> usize {
    let mut most = 0;
    for polls in 0..MOST_POLLS {
        let guards = Guards::default();
        let completed = {
            let mut future = Box::pin(make(guards.clone()));
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            (0..polls).any(|nth| {
                woken.0.store(false, Ordering::SeqCst);
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                let ready = polled.is_ready();
                assert!(
                    ready || woken.0.load(Ordering::SeqCst),
                    "poll {nth} has left it waiting for nothing"
                );
                ready
            })
        };
        most = most.max(guards.check(&format!("after {polls} polls, at once")));
        if completed {
            assert!(most > 0, "there was no guard in the collection");
            return polls;
        }
    }
    panic!("it has not completed after {MOST_POLLS} polls");
}

/// [`drop_at_each_poll`] for what starts coroutines or waits for time: each time in a test of its own, with virtual time, whose
/// coroutine drops it and ends. All guards have run when the test is over, that is when what was launched in it has ended.
#[cfg(not(corox_loom))]
#[track_caller]
pub fn drop_at_each_poll_in_a_test<Fut: Future>(make: impl Fn(Guards) -> Fut) -> usize {
    let mut most = 0;
    for polls in 0..MOST_POLLS {
        let guards = Guards::default();
        let mut completed = false;
        corox_test::run_test(async |_| {
            let mut future = Box::pin(make(guards.clone()));
            let mut left = polls;
            poll_fn(|cx| {
                while left > 0 {
                    left -= 1;
                    if future.as_mut().poll(cx).is_ready() {
                        completed = true;
                        return Poll::Ready(());
                    }
                    if left > 0 {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(())
            })
            .await;
        });
        most = most.max(guards.check(&format!("after {polls} polls, when the test was over")));
        if completed {
            assert!(most > 0, "there was no guard in the collection");
            return polls;
        }
    }
    panic!("it has not completed after {MOST_POLLS} polls");
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The guards of one collection. Whoever holds it counts as one that was leaked.
#[derive(Clone, Default)]
pub struct Guards(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    made: usize,
    /// By their numbers, those that have not run.
    living: BTreeSet<usize>,
    ran_again: Vec<usize>,
}

impl Guards {
    /// One to be moved into a closure or kept beside a value; a clone is a further one.
    pub fn guard(&self) -> Guard {
        let mut ledger = self.0.lock().unwrap();
        let number = ledger.made;
        ledger.made += 1;
        ledger.living.insert(number);
        Guard {
            guards: self.clone(),
            number,
        }
    }

    /// A value with a guard.
    pub fn item(&self, number: u32) -> Item {
        Item {
            number,
            _guard: self.guard(),
        }
    }

    /// Emits the items 0 to `count` - 1, waits before each and at the end, and holds guards in its block and in the
    /// closure that makes it.
    pub fn source(&self, count: u32) -> impl Flow<Item = Item> + use<> {
        let of_closure = self.guard();
        flow(async move |emitter| {
            let of_block = of_closure.guards.guard();
            for number in 0..count {
                pause().await;
                emitter.emit(of_block.guards.item(number)).await;
            }
            pause().await;
        })
    }

    /// How many there were; panics unless each has run once.
    #[track_caller]
    fn check(&self, when: &str) -> usize {
        let ledger = self.0.lock().unwrap();
        assert!(
            ledger.living.is_empty() && ledger.ran_again.is_empty(),
            "{when}, of {} guards {:?} had not run, and {:?} had run more than once",
            ledger.made,
            ledger.living,
            ledger.ran_again,
        );
        let held = Arc::strong_count(&self.0) - 1;
        assert_eq!(held, 0, "{when}, something held the guards that is leaked");
        ledger.made
    }
}

/// Runs when it is dropped.
pub struct Guard {
    guards: Guards,
    number: usize,
}

impl Guard {
    /// As [`Guards::source`], with this guard in it, too.
    pub fn source(self, count: u32) -> impl Flow<Item = Item> + use<> {
        self.guards.source(count).map(move |item| {
            let _ = &self;
            item
        })
    }
}

impl Clone for Guard {
    fn clone(&self) -> Self {
        self.guards.guard()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut ledger = self.guards.0.lock().unwrap();
        if !ledger.living.remove(&self.number) {
            ledger.ran_again.push(self.number);
        }
    }
}

/// A number with a guard, which counts for nothing in a comparison.
#[derive(Clone)]
pub struct Item {
    pub number: u32,
    _guard: Guard,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number.fmt(f)
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Item {}

impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// Waits until it is polled once more, which it asks for.
pub async fn pause() {
    struct Pause(bool);
    impl Future for Pause {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Pause(false).await;
}
