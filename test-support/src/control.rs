//! The calls that move the clock: `advance_time_by`, `run_current`, `advance_until_idle`.
//!
//! ```text
//!   new ── first poll ──> waiting, in the list of the scheduler ── the loop: its condition holds ──> done
//!    │                       │
//!    └── dropped ────────────┴──> gone, nothing moves any more for its sake
//! ```
//!
//! A control moves nothing itself: it tells the loop how far to go, and the loop goes on sleeping until its own next event or
//! that target, so that tokio's timers on the way fire in their order.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use corox_core::probe::{Reason, WaitReason};

use crate::TestScheduler;
use crate::scheduler::{MAX, whole_millis};

static ADVANCE_TIME_BY: Reason = Reason("advance_time_by");
static RUN_CURRENT: Reason = Reason("run_current");
static ADVANCE_UNTIL_IDLE: Reason = Reason("advance_until_idle");

/// What a control waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The clock shows this, and nothing of that time has run.
    Time(Duration),
    /// What has this time or an earlier one has run.
    Ran(Duration),
    /// No event of the foreground is left.
    Idle,
}

struct Control {
    until: Until,
    done: Arc<AtomicBool>,
    waker: Waker,
}

/// The controls of a scheduler that wait.
#[derive(Default)]
pub(crate) struct Controls(Vec<Control>);

impl Controls {
    /// Takes out those for which `test` holds.
    pub(crate) fn take(&mut self, mut test: impl FnMut(Until) -> bool) -> Vec<Waker> {
        if !self.any(&mut test) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.0).into_iter();
        let (done, left): (Vec<_>, _) = all.partition(|control| test(control.until));
        self.0 = left;
        // Moved: a waker is foreign code, which is not to be called under the lock of the scheduler.
        done.into_iter()
            .map(|control| {
                control.done.store(true, Ordering::Relaxed);
                control.waker
            })
            .collect()
    }

    pub(crate) fn any(&self, test: impl FnMut(Until) -> bool) -> bool {
        self.0.iter().map(|control| control.until).any(test)
    }

    /// How far the clock may go for those that wait for a time.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        let times = self.0.iter().filter_map(|control| match control.until {
            Until::Time(time) => Some(time),
            _ => None,
        });
        times.min()
    }
}

enum Kind {
    AdvanceBy(Duration),
    RunCurrent,
    UntilIdle,
}

/// The future of a control.
struct Move {
    scheduler: TestScheduler,
    kind: Kind,
    waiting: Option<Arc<AtomicBool>>,
    over: bool,
    reason: WaitReason,
}

impl Future for Move {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        // Up to date also in a task of tokio.
        let _ = this.scheduler.current_time();
        let mut state = this.scheduler.0.state.lock();
        let old = match &this.waiting {
            Some(done) if done.load(Ordering::Relaxed) => {
                drop(state);
                this.over = true;
                return Poll::Ready(());
            }
            Some(done) => {
                let mut controls = state.controls.0.iter_mut();
                let own = controls.find(|control| Arc::ptr_eq(&control.done, done));
                own.map(|control| std::mem::replace(&mut control.waker, waker))
            }
            None => {
                if !state.running {
                    drop(state);
                    let location = this.reason.location();
                    panic!(
                        "the clock was to be moved at {location}, and no test runs on this scheduler: call this inside of `run_test`, \
                         in the test or one of its coroutines"
                    );
                }
                let until = match this.kind {
                    Kind::AdvanceBy(duration) => {
                        let target = state.now.saturating_add(whole_millis(duration)).min(MAX);
                        Until::Time(target)
                    }
                    Kind::RunCurrent => Until::Ran(state.now),
                    Kind::UntilIdle => Until::Idle,
                };
                if matches!(until, Until::Time(time) if time <= state.now) {
                    // What is due now must not run before the caller has gone on.
                    drop(state);
                    this.over = true;
                    return Poll::Ready(());
                }
                let done = Arc::new(AtomicBool::new(false));
                state.controls.0.push(Control {
                    until,
                    done: done.clone(),
                    waker,
                });
                this.waiting = Some(done);
                None
            }
        };
        drop(state);
        drop(old);
        // Polled by something that the loop does not run, it has to look again.
        this.scheduler.0.wake_loop();
        let kind = &this.kind;
        this.reason.note(|| match kind {
            Kind::AdvanceBy(duration) => format!("{duration:?}"),
            _ => String::new(),
        });
        Poll::Pending
    }
}

impl Drop for Move {
    fn drop(&mut self) {
        if let Some(done) = &self.waiting {
            let own = {
                let mut state = self.scheduler.0.state.lock();
                let controls = &mut state.controls.0;
                let at = controls
                    .iter()
                    .position(|control| Arc::ptr_eq(&control.done, done));
                at.map(|at| controls.remove(at))
            };
            drop(own);
        }
    }
}

impl TestScheduler {
    fn go(&self, kind: Kind, what: &'static Reason, location: &'static Location<'static>) -> Move {
        Move {
            scheduler: self.clone(),
            kind,
            waiting: None,
            over: false,
            // Called elsewhere it must not hold the clock that it moves.
            reason: WaitReason::at(what, location).by_coroutines(),
        }
    }

    /// Lets `duration` of virtual time go by: what is due before the new time runs, in order, then the clock shows it.
    ///
    /// What is due at exactly the new time does not run before the caller has gone on; [`run_current`](Self::run_current) runs
    /// it. The duration is rounded up to whole milliseconds; what the clock cannot hold takes it to its maximum, 292 million
    /// years, where nothing is ever due.
    ///
    /// tokio's timers fire on the way, in order with the rest. Those further away than 32 years fire all at once. Several
    /// coroutines may move the clock at the same time; each goes on when its own time has come.
    ///
    /// Suspends, unless the duration is zero. While the clock is [held](crate::TestScope::real_time) it waits for that.
    ///
    /// Kotlin: `TestCoroutineScheduler.advanceTimeBy`.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way the clock stays where it is.
    ///
    /// # Panics
    ///
    /// When it is polled and no `run_test` drives this scheduler.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_test::{EventLog, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let log = EventLog::new();
    ///     for seconds in [1, 2, 3] {
    ///         let log = log.clone();
    ///         t.launch(async move {
    ///             delay(Duration::from_secs(seconds)).await;
    ///             log.add(seconds);
    ///         });
    ///     }
    ///     t.advance_time_by(Duration::from_secs(2)).await;
    ///     log.assert([1]);
    ///     t.run_current().await;
    ///     log.assert([1, 2]);
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "advanceTimeBy")]
    pub fn advance_time_by(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        let location = Location::caller();
        self.go(Kind::AdvanceBy(duration), &ADVANCE_TIME_BY, location)
    }

    /// Runs everything that is due at this moment, with what that adds for this moment; tasks of tokio that are ready, too.
    ///
    /// The moment is that of the first poll. The clock does not move for it. Suspends until that has run.
    ///
    /// Kotlin: `TestCoroutineScheduler.runCurrent`.
    ///
    /// # Cancel safety
    ///
    /// There is nothing to lose.
    ///
    /// # Panics
    ///
    /// As [`advance_time_by`](Self::advance_time_by).
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let now = t.launch(async {});
    ///     let later = t.launch(async { delay(Duration::from_millis(1)).await });
    ///     t.run_current().await;
    ///     assert!(now.is_completed() && !later.is_completed());
    ///     assert!(t.current_time().is_zero());
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "runCurrent")]
    pub fn run_current(&self) -> impl Future<Output = ()> + Send + use<> {
        self.go(Kind::RunCurrent, &RUN_CURRENT, Location::caller())
    }

    /// Runs everything, and moves the clock, until no delay, time-out or ready coroutine is left but those of
    /// [`background_scope`](crate::TestScope::background_scope).
    ///
    /// The clock stops at the last one.
    ///
    /// What is due in the background on the way runs in its turn. Coroutines that run on dispatchers outside of the test, and
    /// [`real_time`](crate::TestScope::real_time), are waited for.
    ///
    /// It cannot see tokio's timers: those fire that are due before the last delay of corox, and a coroutine that waits for a
    /// later one is not waited for. Join it, or use [`advance_time_by`](Self::advance_time_by).
    ///
    /// Suspends until then.
    ///
    /// Kotlin: `TestCoroutineScheduler.advanceUntilIdle`.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way the clock stays where it is.
    ///
    /// # Panics
    ///
    /// As [`advance_time_by`](Self::advance_time_by).
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let job = t.launch(async { delay(Duration::from_secs(3600)).await });
    ///     t.advance_until_idle().await;
    ///     assert!(job.is_completed());
    ///     assert_eq!(t.current_time(), Duration::from_secs(3600));
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "advanceUntilIdle")]
    pub fn advance_until_idle(&self) -> impl Future<Output = ()> + Send + use<> {
        self.go(Kind::UntilIdle, &ADVANCE_UNTIL_IDLE, Location::caller())
    }
}
