//! Who reports polls that take too long.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use corox_core::probe::{self, Installed};
use corox_core::probe_protocol::{self as protocol, Inbox, Over, PollId, PollingThread, TimePolls};

use crate::coroutine_info::CoroutineInfo;
use crate::debug_probes::options;
use crate::long_poll::LongPoll;
use crate::stack;
use crate::traces::{info_of, trace_of};

/// How long it rests at least between two looks.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// After so many looks that do not find a poll nobody waits for its end any more.
const MOST_MISSED: u8 = 4;

/// Reports polls of coroutines that take longer than a limit: code that blocks a thread, or computes without a pause, where others wait
/// for that thread.
///
/// It looks at the threads of pools: of `DEFAULT`, of tokio's runtimes that coroutines run on, and of fixed pools; at all that is not
/// `IO` after [`all_dispatchers`](Watchdog::all_dispatchers). [`blocking`](corox_core::blocking) and what runs on `IO` are not
/// reported, and [`allow_blocking`](corox_core::allow_blocking) marks what is meant.
///
/// A poll is reported once when its limit is over, again whenever it takes [ten times](Watchdog::again_after) as long, and once more
/// when it has ended. The stack of a thread cannot be taken from outside, so a report brackets the code that blocks: the first one
/// says from where the coroutine waited before it, and the last one to which suspension point it came after it, with the functions
/// around that.
///
/// While it runs the probes are [installed](crate::DebugProbes::install), and each poll reads the clock twice. Coroutines that were
/// launched before it or the probes are unknown, and not reported.
///
/// Kotlin: `CoroutinesBlockHoundIntegration`, which knows the calls that block, and not how long they take.
///
/// ```
/// use corox_core::{Dispatcher, GlobalScope, run_blocking, yield_now};
/// use corox_debug::Watchdog;
/// use std::sync::mpsc::channel;
/// use std::time::Duration;
///
/// let (send, reports) = channel();
/// let watchdog = Watchdog::new(Duration::from_millis(20)).on_report(move |poll| {
///     let _ = send.send(poll.clone());
/// });
/// let watching = watchdog.start().unwrap();
///
/// let (go, gone) = channel::<()>();
/// let line = line!() + 1;
/// let job = GlobalScope.with(Dispatcher::DEFAULT).launch(async move {
///     let _ = gone.recv(); // blocks a thread that others need
///     yield_now().await;
/// });
/// let report = reports.recv().unwrap();
/// assert!(report.took >= Duration::from_millis(20) && !report.is_over);
/// assert_eq!(report.coroutine.launched.line, Some(line));
///
/// go.send(()).unwrap();
/// let report = reports.recv().unwrap();
/// assert!(report.is_over && report.to_string().contains("has blocked the thread corox-"));
/// drop(watching);
/// ```
#[derive(Clone)]
#[must_use = "it does nothing until `start` is called"]
#[doc(alias = "CoroutinesBlockHoundIntegration")]
#[doc(alias = "BlockHound")]
pub struct Watchdog {
    limit: Duration,
    again_after: u32,
    all: bool,
    report: Arc<dyn Fn(&LongPoll) + Send + Sync>,
}

impl Watchdog {
    /// One that reports polls that take longer than `limit`, to standard error.
    ///
    /// A limit below some milliseconds reports what the system does to threads.
    ///
    /// # Panics
    ///
    /// If `limit` is zero.
    #[track_caller]
    pub fn new(limit: Duration) -> Watchdog {
        assert!(
            !limit.is_zero(),
            "every poll takes longer than no time: give Watchdog a limit above zero"
        );
        Watchdog {
            limit,
            again_after: 10,
            all: false,
            report: Arc::new(|poll| {
                // Nobody is left to be told of a failure.
                let _ = write!(io::stderr().lock(), "{poll}");
            }),
        }
    }

    /// Has a poll that goes on reported again when it takes `times` as long as when it was reported last. Ten times, if this is not
    /// called.
    ///
    /// # Panics
    ///
    /// If `times` is below 2.
    ///
    /// ```
    /// use corox_debug::Watchdog;
    /// use std::time::Duration;
    ///
    /// // After 1, 2, 4, 8, ... seconds.
    /// let watchdog = Watchdog::new(Duration::from_secs(1)).again_after(2);
    /// assert!(format!("{watchdog:?}").contains("again_after: 2"));
    /// ```
    #[track_caller]
    pub fn again_after(self, times: u32) -> Watchdog {
        assert!(
            times >= 2,
            "a poll would be reported without end: give Watchdog::again_after 2 or more"
        );
        Watchdog {
            again_after: times,
            ..self
        }
    }

    /// Whether polls on all dispatchers but `IO` are looked at: also on event loops, those of `run_blocking` among them, in place, and
    /// on dispatchers of one's own. For tests, and for programs whose user interface must not stand still.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_debug::Watchdog;
    /// use std::sync::mpsc::channel;
    /// use std::time::Duration;
    ///
    /// let (send, reports) = channel();
    /// let watchdog = Watchdog::new(Duration::from_millis(20)).all_dispatchers(true);
    /// let watchdog = watchdog.on_report(move |poll| _ = send.send(poll.thread.clone()));
    /// let _watching = watchdog.start().unwrap();
    /// let thread = run_blocking(async move |_| Ok(reports.recv()?)).unwrap();
    /// assert_eq!(thread, std::thread::current().name().unwrap());
    /// ```
    pub fn all_dispatchers(self, all: bool) -> Watchdog {
        Watchdog { all, ..self }
    }

    /// Has `report` called with each report, instead of writing it to standard error.
    ///
    /// It is called on the thread of the watchdog, outside of any lock; while it runs nobody watches. Its panic is shown by the panic
    /// hook, and the watchdog goes on.
    pub fn on_report(self, report: impl Fn(&LongPoll) + Send + Sync + 'static) -> Watchdog {
        Watchdog {
            report: Arc::new(report),
            ..self
        }
    }

    /// Begins to watch, on a thread of its own, until the guard is dropped. Several may watch at the same time.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(self) -> io::Result<Watching> {
        protocol::set_take_stack(stack::take);
        let inbox = Inbox::open();
        let watching = Watching {
            inbox: inbox.clone(),
            _probes: probe::install(),
            _times: protocol::time_polls(),
        };
        let thread = std::thread::Builder::new().name("corox-watchdog".to_owned());
        thread.spawn(move || Rounds::new(self, inbox).run())?;
        Ok(watching)
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog")
            .field("limit", &self.limit)
            .field("again_after", &self.again_after)
            .field("all_dispatchers", &self.all)
            .finish_non_exhaustive()
    }
}

/// Has a watchdog watch until it is dropped; made by [`Watchdog::start`].
///
/// A report that is being given when it is dropped comes to its end; none begins afterwards.
///
/// Kotlin: no counterpart; BlockHound stays installed.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Watching {
    inbox: Arc<Inbox>,
    _probes: Installed,
    _times: TimePolls,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

/// What the thread of a watchdog has.
struct Rounds {
    watchdog: Watchdog,
    inbox: Arc<Inbox>,
    reported: HashMap<PollId, Reported>,
}

/// A poll that goes on.
struct Reported {
    coroutine: CoroutineInfo,
    thread: String,
    /// When it is reported again.
    due: Duration,
    /// How often it was not found.
    missed: u8,
}

impl Rounds {
    fn new(watchdog: Watchdog, inbox: Arc<Inbox>) -> Rounds {
        Rounds {
            watchdog,
            inbox,
            reported: HashMap::new(),
        }
    }

    fn run(mut self) {
        let mut rest = self.watchdog.limit;
        while let Some(over) = self.inbox.wait(rest.max(SHORTEST_REST)) {
            // The last owner of a job may be this thread: destructors of users may panic.
            let round = catch_unwind(AssertUnwindSafe(|| {
                for over in over {
                    self.end(over);
                }
                self.look()
            }));
            rest = round.unwrap_or(self.watchdog.limit);
        }
    }

    /// Reports what is due; how long nothing will be.
    fn look(&mut self) -> Duration {
        for reported in self.reported.values_mut() {
            reported.missed += 1;
        }
        let mut rest = self.watchdog.limit;
        for thread in protocol::polling_threads() {
            if let Some(until) = self.look_at(&thread) {
                rest = rest.min(until);
            }
        }
        self.reported
            .retain(|_, reported| reported.missed < MOST_MISSED);
        rest
    }

    /// How long nothing will be due at this thread; `None` if nobody knows.
    fn look_at(&mut self, thread: &PollingThread) -> Option<Duration> {
        if thread.is_allowed {
            for poll in &thread.polls {
                if let Some(reported) = self.reported.get_mut(&poll.id) {
                    reported.missed = 0;
                }
            }
            return None;
        }
        let limit = self.watchdog.limit;
        let long = thread.polls.iter().find(|poll| {
            poll.takes >= limit
                && (self.reported.contains_key(&poll.id) || self.is_watched(poll.token))
        });
        let Some(poll) = long else {
            let short = thread.polls.iter().filter(|poll| poll.takes < limit);
            return short.map(|poll| limit - poll.takes).min();
        };
        if let Some(reported) = self.reported.get_mut(&poll.id) {
            reported.missed = 0;
            if poll.takes < reported.due {
                return Some(reported.due - poll.takes);
            }
        }
        thread.ask(poll);
        // The code that blocks is in the innermost one.
        let innermost = thread.polls.iter().rev().find(|poll| poll.takes >= limit);
        let coroutine = info_of(innermost.unwrap_or(poll).token, options())?;
        let due = poll.takes.saturating_mul(self.watchdog.again_after);
        self.report(&LongPoll {
            coroutine: coroutine.clone(),
            thread: thread.name().to_owned(),
            took: poll.takes,
            is_over: false,
            next: Vec::new(),
        });
        let reported = Reported {
            coroutine,
            thread: thread.name().to_owned(),
            due,
            missed: 0,
        };
        let before = self.reported.insert(poll.id, reported);
        drop(before);
        Some(due - poll.takes)
    }

    fn is_watched(&self, token: u64) -> bool {
        protocol::job_of(token).is_some_and(|job| {
            let dispatcher = protocol::dispatcher_of(&job);
            dispatcher.is_pool() || self.watchdog.all && !dispatcher.is_io()
        })
    }

    /// A poll has ended.
    fn end(&mut self, over: Over) {
        let Some(reported) = self.reported.remove(&over.id) else {
            return;
        };
        let next = over.next.as_ref();
        let next = next.map(|wait| trace_of(wait, options()));
        self.report(&LongPoll {
            coroutine: reported.coroutine,
            thread: reported.thread,
            took: over.took,
            is_over: true,
            next: next.unwrap_or_default(),
        });
    }

    fn report(&self, poll: &LongPoll) {
        if !self.inbox.is_closed() {
            // Said by the panic hook; there is nobody else to tell.
            let _ = catch_unwind(AssertUnwindSafe(|| (self.watchdog.report)(poll)));
        }
    }
}
