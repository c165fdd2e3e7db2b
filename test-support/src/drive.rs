//! The loop of a test: one future inside a tokio runtime with a paused clock.
//!
//! ```text
//!   run what is ready and due ── nothing is left at this time ──> a control is done? ── yes ──> run on
//!        ▲                                                            │ no
//!        │                                                            ▼
//!        │                                        held? ── yes ──> tokio's clock is stopped, wait to be woken
//!        │                                          │ no
//!        └── the time has come, or woken ── sleep on tokio's clock until the next timer or the target of a control
//! ```
//!
//! tokio moves its paused clock by itself when it has nothing to run, to the earliest of its timers: that of this loop, or one
//! of the code under test. So the timers of both worlds fire in one order. Two things of tokio are made use of beside that:
//! the hook for a thread about to park tells that no task of tokio is ready; and a call in `spawn_blocking` stops the clock.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::{self, Duration};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, advance, sleep_until};

use crate::TestScheduler;
use crate::control::Until;
use crate::explore::Chooser;
use crate::hold::TreeWatch;
use crate::limit::{Limit, TURNS};
use crate::root::RootWaker;
use crate::scheduler::{Clock, MAX, Next, Runnable, in_loop};

/// How many events run before tokio gets its turn.
const BATCH: u32 = 128;

/// How far the loop sleeps at once. tokio's "never" is thirty years.
const FAR: Duration = Duration::from_secs(32 * 366 * 24 * 3600);

/// How many events may follow the end of a test.
const AFTERWARDS: u32 = 100_000;

/// Asks tokio whether it has anything to run.
#[derive(Default)]
pub(crate) struct Quiet {
    asked: AtomicBool,
    answered: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Quiet {
    /// The thread is about to park.
    pub(crate) fn parking(&self) {
        if self.asked.swap(false, Ordering::Relaxed) {
            self.answered.store(true, Ordering::Relaxed);
            let waker = self.waker.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn ask(&self, waker: &Waker) {
        let old = self.waker.lock().replace(waker.clone());
        drop(old);
        self.asked.store(true, Ordering::Relaxed);
    }

    fn take_answer(&self) -> bool {
        self.asked.store(false, Ordering::Relaxed);
        self.answered.swap(false, Ordering::Relaxed)
    }
}

/// Stops tokio's clock while it is there: a call in `spawn_blocking` that waits to be dropped.
struct Stopped(#[allow(dead_code)] Sender<()>);

impl Stopped {
    fn now() -> Stopped {
        let (guard, dropped) = channel();
        tokio::task::spawn_blocking(move || {
            // Ends with the guard.
            let _ = dropped.recv();
        });
        Stopped(guard)
    }
}

/// Why a test has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The body, its children and what came after them.
    All,
    /// Events went on and on after the end.
    Endless,
    /// The limit of real time, and the cleanup did not end either.
    GivenUp,
    /// Nothing can ever run again. Looked for only when exploring.
    Deadlock,
}

/// What the loop has to know of a test.
pub(crate) struct Test<'a, R> {
    pub(crate) scheduler: &'a TestScheduler,
    pub(crate) watch: &'a TreeWatch,
    pub(crate) limit: &'a Limit,
    pub(crate) quiet: Arc<Quiet>,
    /// The body with its children.
    pub(crate) root: Pin<&'a mut R>,
    /// Called once when the root has ended.
    pub(crate) ended: &'a mut dyn FnMut(),
    /// Whether what is waited for after that has ended, too.
    pub(crate) is_over: &'a dyn Fn() -> bool,
    /// Called once when the limit is over.
    pub(crate) expired: &'a mut dyn FnMut(),
    /// Called when a waker has panicked.
    pub(crate) panicked: &'a dyn Fn(Box<dyn Any + Send>),
    /// Chooses among what is ready.
    pub(crate) chooser: Option<&'a mut Chooser>,
}

/// Drives a test to its end. To be awaited by `block_on` of a runtime with a paused clock whose hook for parking is `quiet`.
pub(crate) async fn drive<R: Future<Output = ()>>(test: Test<'_, R>) -> End {
    let begin = Instant::now();
    let scheduler = test.scheduler;
    scheduler.0.begins_at(begin.into_std());
    let explored = test.chooser.is_some();
    scheduler.0.explored.store(explored, Ordering::Relaxed);
    {
        let mut state = scheduler.0.state.lock();
        state.running = true;
        state.clock = Some(Clock {
            runtime: Handle::current().id(),
            began: begin,
            at: state.now,
        });
    }
    let mut driver = Driver {
        root_waker: RootWaker::new(scheduler.clone()),
        stopped: None,
        sleeps: None,
        expired: false,
        root_ended: false,
        noisy: None,
        afterwards: 0,
        test,
    };
    Waker::from(driver.root_waker.clone()).wake();
    let mut sleep = pin!(None);
    loop {
        let step = poll_fn(|cx| in_loop(|| driver.poll(cx, sleep.as_mut()))).await;
        match step {
            Step::End(end) => return end,
            // Further than tokio's timers go: nothing is to be kept in order with.
            Step::Jump(duration) => advance(duration).await,
        }
    }
}

enum Step {
    End(End),
    Jump(Duration),
}

/// What the loop sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// This virtual time.
    Reach(Duration),
    /// Something of tokio's: a sleep beyond all of its timers finds out whether there is one.
    Probe,
}

struct Driver<'a, R> {
    test: Test<'a, R>,
    root_waker: Arc<RootWaker>,
    stopped: Option<Stopped>,
    /// For what, and until when at first.
    sleeps: Option<(Goal, Instant)>,
    expired: bool,
    root_ended: bool,
    /// Since when, in real time, tasks of tokio are ready all the time.
    noisy: Option<time::Instant>,
    /// Events since the root has ended.
    afterwards: u32,
}

/// What the loop may sleep for.
struct Wait {
    /// Until the next timer or the target of a control.
    target: Option<Duration>,
    now: Duration,
}

impl<R: Future<Output = ()>> Driver<'_, R> {
    fn poll(&mut self, cx: &mut Context<'_>, mut sleep: Pin<&mut Option<Sleep>>) -> Poll<Step> {
        let mut is_quiet = self.test.quiet.take_answer();
        loop {
            self.look_at_the_limit();
            if self.test.limit.is_given_up() {
                return Poll::Ready(Step::End(End::GivenUp));
            }
            self.look_at_the_clock();
            if let Some(ran) = self.run() {
                is_quiet = false;
                self.noisy = None;
                self.sleeps = self.sleeps.filter(|(goal, _)| *goal != Goal::Probe);
                if self.root_ended && self.afterwards > AFTERWARDS {
                    return Poll::Ready(Step::End(End::Endless));
                }
                if ran == BATCH {
                    self.complete_beside_the_background();
                    // Others of the runtime wait, perhaps for ever if it is not their turn now.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                continue;
            }
            // Whoever changes something from here on wakes this loop.
            let Some(wait) = self.wait(cx) else {
                continue;
            };
            // Nothing is left at this time.
            let held = self.test.watch.is_held();
            if is_quiet {
                self.noisy = None;
            } else if self.asks(held) && !self.is_too_noisy() {
                self.test.quiet.ask(cx.waker());
                return Poll::Pending;
            }
            if is_quiet && self.complete(held) {
                continue;
            }
            if self.is_all(held) && (is_quiet || self.is_too_noisy()) {
                return Poll::Ready(Step::End(End::All));
            }
            if held {
                sleep.set(None);
                self.stopped.get_or_insert_with(Stopped::now);
                return Poll::Pending;
            }
            self.stopped = None;
            let explores = self.test.chooser.is_some() && !self.root_ended;
            let goal = match wait.target {
                Some(target) => Goal::Reach(target),
                None if explores => Goal::Probe,
                None => {
                    sleep.set(None);
                    return Poll::Pending;
                }
            };
            let until = match self.sleeps {
                Some((for_goal, until)) if for_goal == goal => until,
                _ => {
                    let step = match goal {
                        Goal::Reach(target) => FAR.min(target.saturating_sub(wait.now)),
                        Goal::Probe => FAR,
                    };
                    Instant::now() + step
                }
            };
            self.sleeps = Some((goal, until));
            if Instant::now() >= until {
                self.sleeps = None;
                sleep.set(None);
                match goal {
                    Goal::Reach(target) => match target.saturating_sub(self.refreshed()) {
                        // The code under test may have let the clock go: it is later than it was a moment ago.
                        Duration::ZERO => continue,
                        left => return Poll::Ready(Step::Jump(left)),
                    },
                    Goal::Probe => return Poll::Ready(Step::End(End::Deadlock)),
                }
            }
            if sleep.as_ref().get_ref().as_ref().map(Sleep::deadline) != Some(until) {
                sleep.set(Some(sleep_until(until)));
            }
            if let Some(sleep) = sleep.as_mut().as_pin_mut() {
                if sleep.poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether what comes next has to know that no task of tokio is ready.
    fn asks(&self, held: bool) -> bool {
        if self.root_ended {
            return self.is_all(held);
        }
        let state = self.test.scheduler.0.state.lock();
        let idle = !held && !state.has_foreground();
        state.controls.any(|until| match until {
            Until::Time(_) => false,
            Until::Ran(_) => true,
            Until::Idle => idle,
        })
    }

    /// Completes the controls that wait for what has run; whether there were any.
    fn complete(&self, held: bool) -> bool {
        let core = &self.test.scheduler.0;
        let wakers = {
            let mut state = core.state.lock();
            if !state.is_nothing_ready() {
                return true;
            }
            let idle = !held && !state.has_foreground();
            let now = state.now;
            state.controls.take(|until| match until {
                Until::Time(_) => false,
                Until::Ran(time) => time <= now,
                Until::Idle => idle,
            })
        };
        let any = !wakers.is_empty();
        wakers.into_iter().for_each(|waker| self.fire(waker));
        any
    }

    /// The background may be ready again and again: nobody waits until it is not.
    fn complete_beside_the_background(&self) {
        let core = &self.test.scheduler.0;
        let waits = core.state.lock().controls.any(|until| until == Until::Idle);
        if !waits || self.test.watch.is_held() {
            return;
        }
        let wakers = {
            let mut state = core.state.lock();
            let idle = !state.has_foreground();
            state.controls.take(|until| idle && until == Until::Idle)
        };
        wakers.into_iter().for_each(|waker| self.fire(waker));
    }

    /// Whether nothing is left of the test but, perhaps, tasks of tokio.
    fn is_all(&self, held: bool) -> bool {
        self.root_ended && !held && self.is_idle() && (self.test.is_over)()
    }

    /// Whether tasks of tokio go on and on after the end of everything else. They are dropped then, as others are that wait.
    fn is_too_noisy(&mut self) -> bool {
        self.root_ended && self.noisy.get_or_insert_with(time::Instant::now).elapsed() >= TURNS
    }

    fn is_idle(&self) -> bool {
        let state = self.test.scheduler.0.state.lock();
        let next = state.timers.earliest();
        // What is due at the end of time is never due.
        state.is_nothing_ready() && next.is_none_or(|next| next >= MAX)
    }

    fn look_at_the_limit(&mut self) {
        if !self.expired && self.test.limit.is_over() {
            self.expired = true;
            (self.test.expired)();
        }
    }

    /// The time, taken over from tokio.
    fn refreshed(&self) -> Duration {
        let mut state = self.test.scheduler.0.state.lock();
        state.refresh();
        state.now
    }

    /// Takes over the time from tokio, and completes the controls that wait for it.
    fn look_at_the_clock(&self) {
        let core = &self.test.scheduler.0;
        let wakers = {
            let mut state = core.state.lock();
            state.refresh();
            let now = state.now;
            state
                .controls
                .take(|until| matches!(until, Until::Time(time) if time <= now))
        };
        wakers.into_iter().for_each(|waker| self.fire(waker));
    }

    /// Runs what is ready and due, up to a batch of events; how many, if any.
    fn run(&mut self) -> Option<u32> {
        let mut ran = 0;
        while ran < BATCH {
            let next = {
                let mut state = self.test.scheduler.0.state.lock();
                match &mut self.test.chooser {
                    Some(chooser) => chooser.next(&mut state),
                    None => state.next(),
                }
            };
            let Some(next) = next else { break };
            ran += 1;
            if self.root_ended {
                self.afterwards += 1;
            }
            match next {
                Next::Fire(waker) => self.fire(waker),
                Next::Run(Runnable::Task(task, _)) => task.run(),
                Next::Run(Runnable::Root(waker)) => self.poll_root(waker),
            }
        }
        (ran > 0).then_some(ran)
    }

    /// Wakers are foreign code: of a combinator, for example.
    fn fire(&self, waker: Waker) {
        let fired = catch_unwind(AssertUnwindSafe(|| self.test.scheduler.0.fire(waker)));
        if let Err(payload) = fired {
            (self.test.panicked)(payload);
        }
    }

    fn poll_root(&mut self, waker: Arc<RootWaker>) {
        // A waker that the body of an earlier test on this scheduler has left somewhere wakes nobody.
        if self.root_ended || !Arc::ptr_eq(&waker, &self.root_waker) {
            return;
        }
        waker.begin_poll();
        let task_waker = Waker::from(waker.clone());
        let mut cx = Context::from_waker(&task_waker);
        if self.test.root.as_mut().poll(&mut cx).is_ready() {
            self.root_ended = true;
            (self.test.ended)();
        } else {
            waker.end_poll();
        }
    }

    /// Has the loop woken by the next change; `None` if something is ready by now.
    fn wait(&self, cx: &Context<'_>) -> Option<Wait> {
        let mut state = self.test.scheduler.0.state.lock();
        if !state.wait(cx.waker()) {
            return None;
        }
        let timer = state.timers.earliest();
        let control = state.controls.next_time();
        let target = [timer, control].into_iter().flatten().min();
        Some(Wait {
            target,
            now: state.now,
        })
    }
}
