//! [`TestScheduler`]: the virtual clock, and what is to run when.
//!
//! Everything is an event with a key (time, number); the smallest key runs first (V-1). What is ready has the time at which it
//! was handed over, a timer that of its deadline; numbers are given out in the order of registration.
//!
//! ```text
//!   dispatch ──────────────> queue, by number ─┐
//!   dispatch while a timer fires ──> front ────┼──> the loop of `run_test` runs the first one
//!   TimeSource::register ──> timers, by time ──┘
//! ```
//!
//! What a timer wakes takes over the timer's place: it runs before the next event.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use corox_core::harness_protocol::{
    being_handed_over, current_has_element, has_element, is_inline, token_of,
};
use corox_core::{ContextElement, CoroutineContext, Dispatcher, Job, Rejected, Task, TimeSource};
use corox_scheduler::{Sleep, fallback};
use parking_lot::Mutex;
use tokio::runtime::{self, Handle};

use crate::control::Controls;
use crate::root::RootWaker;
use crate::time_source::TestTimeSource;

/// The greatest time that the clock can show.
pub(crate) const MAX: Duration = Duration::from_millis(i64::MAX as u64);

thread_local! {
    /// The loop of this thread fires a timer at this moment.
    static FIRING: Cell<bool> = const { Cell::new(false) };
    /// The loop of this thread runs, so that the clock is where it was when the loop began its turn.
    static IN_LOOP: Cell<bool> = const { Cell::new(false) };
}

/// Marks the coroutines of [`background_scope`](crate::TestScope::background_scope).
pub(crate) struct Background;
impl ContextElement for Background {}

/// The virtual clock of a test, and the queue of what is to run. Dispatchers that share one share the time and the order.
///
/// A scheduler is a handle, cheap to clone, and an element of a context: a [`TestScope`](crate::TestScope) that is made with
/// one uses it. Nothing moves it but the loop of [`run_test`](crate::run_test).
///
/// Kotlin: `TestCoroutineScheduler`.
///
/// ```
/// use corox_test::{StandardTestDispatcher, TestScheduler, TestScope};
/// use corox_core::delay;
/// use std::time::Duration;
///
/// let scheduler = TestScheduler::new();
/// let other = StandardTestDispatcher::on(&scheduler);
/// TestScope::new(&scheduler).run_test(async |t| {
///     t.with(&other).launch(async { delay(Duration::from_secs(60)).await }).join().await;
///     assert_eq!(t.current_time(), Duration::from_secs(60));
/// });
/// ```
#[derive(Clone)]
#[doc(alias = "TestCoroutineScheduler")]
pub struct TestScheduler(pub(crate) Arc<Core>);

impl ContextElement for TestScheduler {}

impl From<&TestScheduler> for CoroutineContext {
    fn from(scheduler: &TestScheduler) -> CoroutineContext {
        scheduler.clone().into()
    }
}

impl TestScheduler {
    /// A scheduler at time zero.
    ///
    /// Kotlin: `TestCoroutineScheduler()`.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> TestScheduler {
        TestScheduler(Arc::new_cyclic(|this| Core {
            this: this.clone(),
            begin: OnceLock::new(),
            explored: AtomicBool::new(false),
            state: Mutex::new(State {
                now: Duration::ZERO,
                sequence: 0,
                front: VecDeque::new(),
                queue: VecDeque::new(),
                foreground: 0,
                timers: Timers::default(),
                driver: None,
                controls: Controls::default(),
                clock: None,
                has_test: false,
                running: false,
                scopes: 0,
                over: false,
            }),
        }))
    }

    /// The virtual time since the scheduler was made. It stands still while anything runs and never goes back.
    ///
    /// Kotlin: `TestCoroutineScheduler.currentTime`, in milliseconds.
    ///
    /// ```
    /// assert!(corox_test::TestScheduler::new().current_time().is_zero());
    /// ```
    #[must_use]
    #[doc(alias = "currentTime")]
    pub fn current_time(&self) -> Duration {
        self.0.now()
    }

    /// The clock as a source of marks that can be compared and subtracted.
    ///
    /// Kotlin: `TestCoroutineScheduler.timeSource`.
    ///
    /// ```
    /// let scheduler = corox_test::TestScheduler::new();
    /// assert!(scheduler.time_source().now().since_begin().is_zero());
    /// ```
    #[must_use]
    #[doc(alias = "timeSource")]
    pub fn time_source(&self) -> TestTimeSource {
        TestTimeSource::new(self.clone())
    }

    /// How many delays and time-outs are pending.
    ///
    /// Those of coroutines that have been cancelled are not among them, nor are tokio's.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_test::run_test;
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let job = t.launch(async { delay(Duration::from_secs(60)).await });
    ///     t.run_current().await;
    ///     assert_eq!(t.scheduler().pending_timers(), 1);
    ///     job.cancel_and_join().await;
    ///     assert_eq!(t.scheduler().pending_timers(), 0);
    /// });
    /// ```
    #[must_use]
    pub fn pending_timers(&self) -> usize {
        self.0.state.lock().timers.order.len()
    }

    pub(crate) fn is(&self, other: &TestScheduler) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for TestScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("TestScheduler")
            .field("current_time", &state.now)
            .field("ready", &(state.front.len() + state.queue.len()))
            .field("timers", &state.timers.order.len())
            .finish()
    }
}

/// What the handles of a scheduler share.
pub(crate) struct Core {
    /// Itself, for the timers that are left.
    this: Weak<Core>,
    /// What the time zero is called as an [`Instant`].
    begin: OnceLock<Instant>,
    /// A schedule decides what runs next.
    pub(crate) explored: AtomicBool,
    pub(crate) state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) now: Duration,
    sequence: u64,
    front: VecDeque<Ready>,
    queue: VecDeque<Ready>,
    /// How many of `front` and `queue` are not of the background.
    foreground: usize,
    pub(crate) timers: Timers,
    /// Wakes the loop while it waits.
    driver: Option<Waker>,
    pub(crate) controls: Controls,
    /// tokio's clock, while a loop drives the scheduler.
    pub(crate) clock: Option<Clock>,
    /// A test has begun here and not ended.
    pub(crate) has_test: bool,
    /// A loop drives the scheduler.
    pub(crate) running: bool,
    /// How many scopes have a test that has not ended.
    scopes: usize,
    /// The last of them has gone: nobody will run anything here.
    over: bool,
}

/// How tokio's clock and that of a scheduler belong together.
pub(crate) struct Clock {
    pub(crate) runtime: runtime::Id,
    /// The same moment on both.
    pub(crate) began: tokio::time::Instant,
    pub(crate) at: Duration,
}

/// Something that can run now.
pub(crate) struct Ready {
    at: Duration,
    number: u64,
    foreground: bool,
    what: Runnable,
}

/// Where that is which can happen next.
#[derive(Clone, Copy)]
pub(crate) enum Choice {
    Front(usize),
    Queue(usize),
    Timer((Duration, u64)),
}

/// Whose event it is.
pub(crate) enum Owner<'a> {
    Root,
    Coroutine(Option<&'a Job>),
    /// By the token of its job.
    Timer(Option<u64>),
}

pub(crate) enum Runnable {
    /// A coroutine, as far as it is known whose task it is.
    Task(Task, Option<Job>),
    /// The body of the test.
    Root(Arc<RootWaker>),
}

#[derive(Default)]
pub(crate) struct Timers {
    order: BTreeMap<(Duration, u64), Timer>,
    /// From the keys of [`TimeSource`], which are the numbers, to the deadlines.
    deadlines: HashMap<u64, Duration, BuildHasherDefault<NumberHasher>>,
    foreground: usize,
}

struct Timer {
    waker: Waker,
    foreground: bool,
    /// The coroutine that has set it, by the token of its job, if a schedule decides what runs.
    owner: Option<u64>,
}

/// For numbers that nobody chooses: they are given out one after the other.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Timers {
    fn remove(&mut self, number: u64) -> Option<Timer> {
        let deadline = self.deadlines.remove(&number)?;
        let timer = self.order.remove(&(deadline, number))?;
        self.foreground -= usize::from(timer.foreground);
        Some(timer)
    }

    /// Those that are not cancelled or fired, each with the time that is left.
    fn left(&self, now: Duration) -> Vec<(u64, Duration)> {
        let keys = self.order.keys();
        keys.map(|(deadline, number)| (*number, deadline.saturating_sub(now)))
            .collect()
    }

    /// Takes out those from `deadline` on.
    fn split_off(&mut self, deadline: Duration) -> Vec<Timer> {
        let numbers: Vec<_> = self
            .order
            .range((deadline, 0)..)
            .map(|(key, _)| key.1)
            .collect();
        numbers
            .into_iter()
            .filter_map(|number| self.remove(number))
            .collect()
    }

    pub(crate) fn earliest(&self) -> Option<Duration> {
        self.order.keys().next().map(|(deadline, _)| *deadline)
    }
}

/// What the loop is to do next.
pub(crate) enum Next {
    Run(Runnable),
    Fire(Waker),
}

impl State {
    /// Takes over the time from tokio, whose runtime must be the current one.
    pub(crate) fn refresh(&mut self) {
        if let Some(clock) = &self.clock {
            // tokio's clock never goes back.
            self.now = clock.at.saturating_add(clock.began.elapsed()).min(MAX);
        }
    }

    fn number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn push(&mut self, what: Runnable, foreground: bool, front: bool) {
        let ready = Ready {
            at: self.now,
            number: self.number(),
            foreground,
            what,
        };
        self.foreground += usize::from(foreground);
        if front {
            self.front.push_back(ready);
        } else {
            self.queue.push_back(ready);
        }
    }

    /// Takes out the first event whose time has come.
    pub(crate) fn next(&mut self) -> Option<Next> {
        if let Some(ready) = self.front.pop_front() {
            return Some(self.taken(ready));
        }
        let timer = self.due_timer();
        match (self.queue.front(), timer) {
            (Some(ready), Some(timer)) if timer < (ready.at, ready.number) => self.fire(timer),
            (Some(_), _) => {
                let ready = self.queue.pop_front()?;
                Some(self.taken(ready))
            }
            (None, Some(timer)) => self.fire(timer),
            (None, None) => None,
        }
    }

    fn due_timer(&self) -> Option<(Duration, u64)> {
        let (key, _) = self.timers.order.first_key_value()?;
        (key.0 <= self.now).then_some(*key)
    }

    /// All that can happen at this time, in the order in which [`next`](State::next) has it happen.
    pub(crate) fn choices(&self) -> Vec<Choice> {
        let mut choices: Vec<_> = (0..self.front.len()).map(Choice::Front).collect();
        let due = |key: &&(Duration, u64)| key.0 <= self.now;
        let mut timers = self.timers.order.keys().take_while(due).peekable();
        for (at, ready) in self.queue.iter().enumerate() {
            let key = (ready.at, ready.number);
            while let Some(timer) = timers.next_if(|timer| **timer < key) {
                choices.push(Choice::Timer(*timer));
            }
            choices.push(Choice::Queue(at));
        }
        choices.extend(timers.copied().map(Choice::Timer));
        choices
    }

    /// Whose a choice is.
    pub(crate) fn owner(&self, choice: Choice) -> Owner<'_> {
        let ready = match choice {
            Choice::Front(at) => &self.front[at],
            Choice::Queue(at) => &self.queue[at],
            Choice::Timer(key) => {
                let timer = self.timers.order.get(&key);
                return Owner::Timer(timer.and_then(|timer| timer.owner));
            }
        };
        match &ready.what {
            Runnable::Root(_) => Owner::Root,
            Runnable::Task(_, job) => Owner::Coroutine(job.as_ref()),
        }
    }

    /// Takes out what was chosen.
    pub(crate) fn take(&mut self, choice: Choice) -> Option<Next> {
        let ready = match choice {
            Choice::Front(at) => self.front.remove(at)?,
            Choice::Queue(at) => self.queue.remove(at)?,
            Choice::Timer(key) => return self.fire(key),
        };
        Some(self.taken(ready))
    }

    fn fire(&mut self, (_, number): (Duration, u64)) -> Option<Next> {
        self.timers
            .remove(number)
            .map(|timer| Next::Fire(timer.waker))
    }

    fn taken(&mut self, ready: Ready) -> Next {
        self.foreground -= usize::from(ready.foreground);
        Next::Run(ready.what)
    }

    /// Takes out what is ready for which `test` holds.
    fn take_ready(&mut self, mut test: impl FnMut(&Runnable) -> bool) -> Vec<Ready> {
        let mut taken = Vec::new();
        for queue in [&mut self.front, &mut self.queue] {
            for ready in std::mem::take(queue) {
                if test(&ready.what) {
                    self.foreground -= usize::from(ready.foreground);
                    taken.push(ready);
                } else {
                    queue.push_back(ready);
                }
            }
        }
        taken
    }

    fn scope_gone(&mut self) {
        self.scopes -= 1;
        self.over = self.scopes == 0;
    }

    pub(crate) fn is_nothing_ready(&self) -> bool {
        self.front.is_empty() && self.queue.is_empty()
    }

    /// Whether an event is left that is not of the background.
    pub(crate) fn has_foreground(&self) -> bool {
        self.foreground > 0 || self.timers.foreground > 0
    }

    /// Has `waker` woken by the next change, unless there is something to do already.
    pub(crate) fn wait(&mut self, waker: &Waker) -> bool {
        let waits = self.is_nothing_ready();
        if waits && !self.driver.as_ref().is_some_and(|old| old.will_wake(waker)) {
            self.driver = Some(waker.clone());
        }
        waits
    }
}

/// Whether a timer that fires at this moment wakes what is being handed over. A coroutine that it has resumed in place does not
/// do so in the timer's stead.
fn is_fired() -> bool {
    FIRING.get() && Job::current().is_none()
}

/// Runs a turn of the loop.
pub(crate) fn in_loop<R>(f: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            IN_LOOP.set(false);
        }
    }
    let _reset = Reset;
    IN_LOOP.set(true);
    f()
}

impl Core {
    /// The virtual time.
    fn now(&self) -> Duration {
        self.refresh();
        self.state.lock().now
    }

    /// Between the turns of the loop tokio moves its clock, and its tasks run.
    fn refresh(&self) {
        if IN_LOOP.get() {
            return;
        }
        let Ok(handle) = Handle::try_current() else {
            return;
        };
        let mut state = self.state.lock();
        let is_own = |clock: &Clock| clock.runtime == handle.id();
        if state.clock.as_ref().is_some_and(is_own) {
            state.refresh();
        }
    }

    pub(crate) fn begin(&self) -> Instant {
        *self.begin.get_or_init(Instant::now)
    }

    /// The first loop of a scheduler has the two clocks agree on what they call time zero.
    pub(crate) fn begins_at(&self, instant: Instant) {
        let _ = self.begin.set(instant);
    }

    /// Adds a task; gives it back if the test is over.
    pub(crate) fn dispatch(&self, task: Task) -> Result<(), Rejected> {
        let job = being_handed_over();
        let foreground = !job.as_ref().is_some_and(has_element::<Background>);
        let front = is_fired();
        let driver = {
            let mut state = self.state.lock();
            if state.over {
                drop(state);
                return Err(Rejected::new(task, "its test is over"));
            }
            state.push(Runnable::Task(task, job), foreground, front);
            state.driver.take()
        };
        wake(driver);
        Ok(())
    }

    pub(crate) fn push_root(&self, root: Arc<RootWaker>) {
        let front = is_fired();
        let driver = {
            let mut state = self.state.lock();
            state.push(Runnable::Root(root), true, front);
            state.driver.take()
        };
        wake(driver);
    }

    /// A scope is made: what is launched in it waits for its test.
    pub(crate) fn scope_made(&self) {
        let mut state = self.state.lock();
        state.scopes += 1;
        state.over = false;
    }

    /// The test of a scope has ended. After the last one, what is ready yet is refused, so that it is cancelled and cleaned up
    /// elsewhere; before that it waits for the next test.
    pub(crate) fn test_ended(&self) {
        let (ready, left, never, controls) = {
            let mut state = self.state.lock();
            state.running = false;
            state.clock = None;
            state.driver = None;
            state.scope_gone();
            let controls = std::mem::take(&mut state.controls);
            if state.over {
                let never = state.timers.split_off(MAX);
                let left = state.timers.left(state.now);
                (state.take_ready(|_| true), left, never, controls)
            } else {
                (Vec::new(), Vec::new(), Vec::new(), controls)
            }
        };
        for ready in ready {
            if let Runnable::Task(task, _) = ready.what {
                task.reschedule();
            }
        }
        for (number, left) in left {
            self.go_on(number, left);
        }
        // Nobody moves the clock any more, and to its end it does not go by itself.
        drop((never, controls));
    }

    /// Nothing moves the clock any more. Cleanup that waits still, elsewhere, gets the rest of its time in real time.
    fn go_on(&self, number: u64, left: Duration) {
        let core = self.this.clone();
        let sleep = async move {
            Sleep::after(&Dispatcher::DEFAULT, left).await;
            let timer = core.upgrade().and_then(|core| {
                let mut state = core.state.lock();
                state.timers.remove(number)
            });
            if let Some(timer) = timer {
                timer.waker.wake();
            }
        };
        let task = Task::new(sleep, |task, how| {
            drop(fallback().dispatch(task, how));
        });
        task.reschedule();
    }

    /// A scope has gone without a test: what of it is ready is dropped; after the last scope, everything.
    pub(crate) fn dropped_without_test(&self, is_of_scope: impl Fn(&Job) -> bool) {
        let ready = {
            let mut state = self.state.lock();
            state.scope_gone();
            let all = state.over;
            state.take_ready(|what| match what {
                Runnable::Task(_, Some(job)) => all || is_of_scope(job),
                Runnable::Task(_, None) | Runnable::Root(_) => all,
            })
        };
        drop(ready);
    }

    /// The current coroutine, not the scope inside of it.
    fn owner(&self) -> Option<u64> {
        if !self.explored.load(Ordering::Relaxed) {
            return None;
        }
        let mut job = Job::current()?;
        while is_inline(&job) {
            job = job.parent()?;
        }
        Some(token_of(&job))
    }

    /// Has the loop look at its state again.
    pub(crate) fn wake_loop(&self) {
        let driver = self.state.lock().driver.take();
        wake(driver);
    }

    /// Wakes `waker` as a timer or a control does: what it wakes runs before the next event.
    pub(crate) fn fire(&self, waker: Waker) {
        struct Reset(bool);
        impl Drop for Reset {
            fn drop(&mut self) {
                FIRING.set(self.0);
            }
        }
        let _reset = Reset(FIRING.replace(true));
        waker.wake();
    }
}

fn wake(driver: Option<Waker>) {
    if let Some(driver) = driver {
        driver.wake();
    }
}

impl TimeSource for Core {
    fn now(&self) -> Instant {
        self.begin() + Core::now(self)
    }

    fn register(&self, deadline: Instant, waker: &Waker) -> u64 {
        let deadline = whole_millis(deadline.saturating_duration_since(self.begin()));
        let timer = Timer {
            waker: waker.clone(),
            foreground: !current_has_element::<Background>(),
            owner: self.owner(),
        };
        let mut state = self.state.lock();
        let number = state.number();
        state.timers.foreground += usize::from(timer.foreground);
        state.timers.deadlines.insert(number, deadline);
        state.timers.order.insert((deadline, number), timer);
        // A loop that waits would wait for too long.
        let driver = state.driver.take();
        let left = deadline.saturating_sub(state.now);
        let over = state.over;
        drop(state);
        wake(driver);
        if over {
            self.go_on(number, left);
        }
        number
    }

    fn set_waker(&self, key: u64, waker: &Waker) {
        let waker = waker.clone();
        let old = {
            let mut state = self.state.lock();
            let timers = &mut state.timers;
            let deadline = timers.deadlines.get(&key).copied();
            let timer = deadline.and_then(|deadline| timers.order.get_mut(&(deadline, key)));
            timer.map(|timer| std::mem::replace(&mut timer.waker, waker))
        };
        drop(old);
    }

    fn cancel(&self, key: u64) {
        let timer = self.state.lock().timers.remove(key);
        drop(timer);
    }

    fn is_virtual(&self) -> bool {
        true
    }

    fn is_elapsed(&self, key: u64) -> bool {
        !self.state.lock().timers.deadlines.contains_key(&key)
    }
}

/// Rounded up to milliseconds, tokio's resolution; at most [`MAX`].
pub(crate) fn whole_millis(time: Duration) -> Duration {
    let nanos = time.subsec_nanos() % 1_000_000;
    let missing = if nanos == 0 { 0 } else { 1_000_000 - nanos };
    time.saturating_add(Duration::from_nanos(missing.into()))
        .min(MAX)
}
