//! What holds the clock: work that takes real time.
//!
//! The clock of a test jumps as soon as nothing of the test can run. It must not while a part of the test runs elsewhere, which
//! is so for a coroutine of the test on another dispatcher:
//!
//! ```text
//!                 handed over              run
//!   (suspended) ───────────────> in flight ────> (suspended)      in flight: counted, exactly
//!        │
//!        ├── waits for coroutines only ──> does not hold: what it waits for does, or is of the test
//!        └── waits for anything else: a real delay, a socket, another library ──> holds, unless it is of the background
//! ```

use std::collections::BTreeMap;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use corox_core::harness_protocol::{Watch, dispatcher_of, has_element, token_of};
use corox_core::{Error, Job, Task};
use parking_lot::Mutex;
use tokio::runtime::{self, Handle};

use crate::TestScheduler;
use crate::dispatcher::scheduler_of;
use crate::failures::Failures;
use crate::outside::Outside;
use crate::scheduler::Background;

/// Watches the tree of a test.
pub(crate) struct TreeWatch {
    scheduler: TestScheduler,
    failures: Arc<Failures>,
    /// tokio's runtime of the test, once that runs.
    runtime: OnceLock<runtime::Id>,
    /// The token of the background scope's job, whose context has this watch.
    background: OnceLock<u64>,
    /// Coroutines of the test on other dispatchers.
    outside: Outside,
    in_flight: AtomicUsize,
    /// How often something went in flight.
    flights: AtomicUsize,
    /// Where `real_time` waits.
    real: Mutex<BTreeMap<u64, &'static Location<'static>>>,
    /// Itself, for the guards.
    this: Weak<TreeWatch>,
}

impl TreeWatch {
    pub(crate) fn new(scheduler: TestScheduler, failures: Arc<Failures>) -> Arc<TreeWatch> {
        Arc::new_cyclic(|this| TreeWatch {
            scheduler,
            failures,
            runtime: OnceLock::new(),
            background: OnceLock::new(),
            outside: Outside::default(),
            in_flight: AtomicUsize::new(0),
            flights: AtomicUsize::new(0),
            real: Mutex::default(),
            this: this.clone(),
        })
    }

    pub(crate) fn runs_on(&self, runtime: runtime::Id) {
        let _ = self.runtime.set(runtime);
    }

    pub(crate) fn set_background(&self, job: &Job) {
        let _ = self.background.set(token_of(job));
    }

    fn is_outside(&self, job: &Job) -> bool {
        let dispatcher = dispatcher_of(job);
        let own = self.runtime.get().copied();
        let of_runtime = dispatcher.runtime_id();
        let in_place_here = || {
            let here = Handle::try_current().ok().map(|here| here.id());
            dispatcher.runs_in_place() && here.is_some() && here == own
        };
        !dispatcher.is_unconfined()
            && scheduler_of(dispatcher).is_none()
            && (of_runtime.is_none() || of_runtime != own)
            && !in_place_here()
    }

    /// Holds the clock until the guard is dropped.
    pub(crate) fn hold(&self, location: &'static Location<'static>) -> RealTime {
        let mut real = self.real.lock();
        let key = real.keys().last().map_or(0, |last| last + 1);
        real.insert(key, location);
        drop(real);
        self.scheduler.0.wake_loop();
        RealTime {
            watch: self.this.clone(),
            key,
        }
    }

    /// Whether the clock must stand still.
    pub(crate) fn is_held(&self) -> bool {
        if !self.real.lock().is_empty() {
            return true;
        }
        // What begins to run after this count, and ends before the next one, has changed what is seen between them.
        let flights = self.flights.load(Ordering::Acquire);
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return true;
        }
        self.outside.waits()
            || self.in_flight.load(Ordering::Acquire) > 0
            || self.flights.load(Ordering::Acquire) != flights
    }

    /// What holds the clock, in words.
    pub(crate) fn holders(&self) -> Vec<String> {
        let real = self.real.lock();
        let mut lines: Vec<_> = real
            .values()
            .map(|location| format!("real_time at {location}"))
            .collect();
        drop(real);
        let in_flight = self.in_flight.load(Ordering::Acquire);
        if in_flight > 0 {
            lines.push(format!(
                "{in_flight} that run on other dispatchers, or wait there for their turn"
            ));
        }
        for job in self.outside.waiting() {
            let dispatcher = dispatcher_of(&job);
            lines.push(format!(
                "{job} on {dispatcher:?}, launched at {}",
                job.location()
            ));
        }
        lines
    }

    /// Forgets the coroutines on other dispatchers.
    pub(crate) fn end(&self) {
        self.outside.clear();
    }

    fn fly(&self, job: &Job) -> Flight {
        self.flights.fetch_add(1, Ordering::AcqRel);
        if self.in_flight.fetch_add(1, Ordering::AcqRel) == 0 {
            // A task of tokio may have launched it while the loop sleeps.
            self.scheduler.0.wake_loop();
        }
        Flight {
            watch: self.this.clone(),
            token: token_of(job),
        }
    }
}

/// A task that runs `task`, in flight until then.
fn carry(task: Task, flight: Flight) -> Task {
    let cargo = Arc::new(Mutex::new(Some((task, flight))));
    let given_back = Arc::downgrade(&cargo);
    let carrier = async move {
        let cargo = cargo.lock().take();
        if let Some((task, flight)) = cargo {
            task.run();
            drop(flight);
        }
    };
    Task::new(carrier, move |carrier, _| {
        // A dispatcher that cannot run what it holds gives it back, to be handed over once more.
        let cargo = given_back.upgrade().and_then(|cargo| cargo.lock().take());
        drop(carrier);
        if let Some((task, flight)) = cargo {
            task.reschedule();
            drop(flight);
        }
    })
}

impl Watch for TreeWatch {
    fn attached(&self, job: &Job) {
        if let Some(other) = scheduler_of(dispatcher_of(job)) {
            if !other.is(&self.scheduler) {
                let error = Error::msg(format!(
                    "{job}, launched at {}, is on a test dispatcher with another TestScheduler than its test: make the dispatcher \
                     with `StandardTestDispatcher::on(t.scheduler())`",
                    job.location()
                ));
                self.failures.add(job, &error);
                job.cancel_with(Error::cancellation_caused_by(
                    "two schedulers in one context",
                    error,
                ));
            }
            self.watch_background(job);
            return;
        }
        self.watch_background(job);
        if self.is_outside(job) {
            self.outside.attached(job);
        }
    }

    fn handing_over(&self, job: &Job, task: Task) -> Task {
        if scheduler_of(dispatcher_of(job)).is_some_and(|other| !other.is(&self.scheduler)) {
            // Nobody may ever run that scheduler; the coroutine was cancelled when it was made.
            drop(task);
            return Task::new(async {}, |_, _| {});
        }
        if !self.is_outside(job) {
            return task;
        }
        carry(task, self.fly(job))
    }

    fn uncaught(&self, job: &Job, error: &Error) {
        self.failures.add(job, error);
    }
}

impl TreeWatch {
    /// The failures of the background, which is a supervisor, are told also where somebody might have awaited them.
    fn watch_background(&self, job: &Job) {
        let Some(background) = self.background.get() else {
            return;
        };
        if has_element::<Background>(job)
            && job
                .parent()
                .is_some_and(|parent| token_of(&parent) == *background)
        {
            let (failures, child) = (self.failures.clone(), job.clone());
            job.on_completion(move |cause| {
                if let Some(error) = cause.filter(|error| !error.is_cancellation()) {
                    failures.add(&child, error);
                }
            });
        }
    }
}

/// A task that has been handed to another dispatcher, until it has run.
struct Flight {
    watch: Weak<TreeWatch>,
    token: u64,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            // Before it counts as landed.
            watch.outside.has_run(self.token);
            if watch.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
                watch.scheduler.0.wake_loop();
            }
        }
    }
}

/// Holds the clock until it is dropped.
pub(crate) struct RealTime {
    watch: Weak<TreeWatch>,
    key: u64,
}

impl Drop for RealTime {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            let _ = watch.real.lock().remove(&self.key);
            watch.scheduler.0.wake_loop();
        }
    }
}
