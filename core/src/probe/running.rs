//! Which coroutines run, on which threads and, on request, for how long.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::registry::{REGISTRY, with_entry};
use super::watch::{self, PollId};
use super::{capture, is_installed};
use crate::frame::FrameRef;
use crate::job::Job;

/// How many polls inside one another a thread tells of. The ones further in are not seen to run.
const DEEPEST: usize = 32;

/// How often a thread is looked at anew that changes meanwhile.
const LOOKS: usize = 16;

/// What a thread polls, for others to see: written by that thread alone, and without a lock.
pub(super) struct Thread {
    pub(super) name: String,
    /// No other thread has, or had, the same.
    pub(super) number: u64,
    /// Odd while the rest changes, for polls that are timed. Of others nothing is told that would have to be of one moment.
    version: AtomicUsize,
    depth: AtomicUsize,
    /// Whether it is inside of `allow_blocking`.
    allowing: AtomicBool,
    /// The outermost first.
    polled: [Polled; DEEPEST],
}

/// A poll.
struct Polled {
    /// That of the job.
    token: AtomicU64,
    /// When it began, in nanoseconds after [`base`]; 0 if polls were not timed.
    since: AtomicU64,
    /// How many nanoseconds of it were in `allow_blocking`.
    allowed: AtomicU64,
    /// The `since` of the poll whose end somebody wants to know.
    asked: AtomicU64,
}

/// What was seen of a poll.
pub(super) struct SeenPoll {
    pub(super) token: u64,
    pub(super) since: u64,
    pub(super) allowed: u64,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

static THREADS: Mutex<Vec<Weak<Thread>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: OnceCell<Arc<Thread>> = const { OnceCell::new() };
}

impl Thread {
    #[cold]
    #[inline(never)]
    fn new() -> Arc<Thread> {
        let thread = Arc::new(Thread {
            name: std::thread::current()
                .name()
                .unwrap_or("unnamed")
                .to_owned(),
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            version: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
            allowing: AtomicBool::new(false),
            polled: [const {
                Polled {
                    token: AtomicU64::new(0),
                    since: AtomicU64::new(0),
                    allowed: AtomicU64::new(0),
                    asked: AtomicU64::new(0),
                }
            }; DEEPEST],
        });
        let mut threads = THREADS.lock();
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&thread));
        thread
    }

    /// By the thread itself: others see all of a change, or look again.
    #[inline]
    fn change(&self, change: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change();
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// By the thread itself: a poll begins inside of so many others.
    #[inline]
    fn begin(&self, outer: usize, token: u64, since: u64) {
        if since != 0 {
            return self.begin_timed(outer, token, since);
        }
        if let Some(poll) = self.polled.get(outer) {
            // In this order, for those who look: it is timed no more, then another job's, then the thread is in it.
            poll.since.store(0, Ordering::Relaxed);
            poll.token.store(token, Ordering::Release);
        }
        self.depth.store(outer + 1, Ordering::Release);
    }

    #[cold]
    fn begin_timed(&self, outer: usize, token: u64, since: u64) {
        self.change(|| {
            if let Some(poll) = self.polled.get(outer) {
                poll.token.store(token, Ordering::Relaxed);
                poll.since.store(since, Ordering::Relaxed);
                poll.allowed.store(0, Ordering::Relaxed);
            }
            self.depth.store(outer + 1, Ordering::Relaxed);
        });
    }

    /// By the thread itself: the innermost poll ends; what is to be told of it, if it was timed.
    #[inline]
    fn end(&self, depth: usize) -> Option<TimedEnd> {
        let poll = self.polled.get(depth - 1);
        if let Some(poll) = poll.filter(|poll| poll.since.load(Ordering::Relaxed) != 0) {
            return Some(self.end_timed(poll, depth));
        }
        self.depth.store(depth - 1, Ordering::Release);
        None
    }

    #[cold]
    fn end_timed(&self, poll: &Polled, depth: usize) -> TimedEnd {
        self.change(|| self.depth.store(depth - 1, Ordering::Relaxed));
        TimedEnd {
            token: poll.token.load(Ordering::Relaxed),
            since: poll.since.load(Ordering::Relaxed),
            asked: poll.is_asked().then_some(self.number),
        }
    }

    /// By others: what it polls, the outermost first, and whether it is inside of `allow_blocking`. The second value says whether
    /// that was so at one moment; a thread that changes all the time lets nobody see that.
    pub(super) fn look(&self) -> (Look, bool) {
        self.look_by(|| self.look_once())
    }

    fn look_by(&self, look_once: impl Fn() -> Look) -> (Look, bool) {
        for _ in 0..LOOKS {
            let before = self.version.load(Ordering::Acquire);
            let look = look_once();
            fence(Ordering::Acquire);
            if before % 2 == 0 && self.version.load(Ordering::Relaxed) == before {
                return (look, true);
            }
            std::hint::spin_loop();
        }
        (look_once(), false)
    }

    fn look_once(&self) -> Look {
        let depth = self.depth.load(Ordering::Acquire).min(DEEPEST);
        let polls = self.polled[..depth].iter();
        Look {
            polls: polls
                .map(|poll| SeenPoll {
                    token: poll.token.load(Ordering::Acquire),
                    since: poll.since.load(Ordering::Relaxed),
                    allowed: poll.allowed.load(Ordering::Relaxed),
                })
                .collect(),
            allowing: self.allowing.load(Ordering::Relaxed),
        }
    }

    /// By others: has the end of the poll told that is so deep and began at `since`.
    pub(super) fn ask(&self, depth: usize, since: u64) {
        if let Some(poll) = self.polled.get(depth) {
            poll.asked.store(since, Ordering::Relaxed);
        }
    }

    fn is_asked(&self) -> bool {
        let depth = self.depth.load(Ordering::Relaxed).min(DEEPEST);
        self.polled[..depth].iter().any(Polled::is_asked)
    }
}

impl Polled {
    fn is_asked(&self) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        since != 0 && self.asked.load(Ordering::Relaxed) == since
    }
}

/// See [`Thread::look`].
pub(super) struct Look {
    pub(super) polls: Vec<SeenPoll>,
    pub(super) allowing: bool,
}

/// The threads that have polled.
pub(super) fn threads() -> Vec<Arc<Thread>> {
    let threads = THREADS.lock().clone();
    threads.iter().filter_map(Weak::upgrade).collect()
}

/// Whether the end of a poll of this thread is to be told.
pub(super) fn is_asked() -> bool {
    let asked = OWN.try_with(|own| own.get().is_some_and(|own| own.is_asked()));
    asked.unwrap_or(false)
}

/// How many guards of [`time_polls`] there are.
static TIMED: AtomicUsize = AtomicUsize::new(0);

/// As long as it lives, polls are timed; see [`time_polls`].
#[derive(Debug)]
#[must_use = "dropping it ends the timing"]
pub struct TimePolls(());

/// Has polls timed, and jobs note when they are made, until the guard is dropped; while probes are installed. Each poll then reads
/// the clock twice and takes the lock of the registry at its end.
pub fn time_polls() -> TimePolls {
    base();
    TIMED.fetch_add(1, Ordering::Relaxed);
    TimePolls(())
}

impl Drop for TimePolls {
    fn drop(&mut self) {
        TIMED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether some guard of [`time_polls`] is alive.
pub(super) fn are_timed() -> bool {
    TIMED.load(Ordering::Relaxed) != 0
}

/// An instant before all that are noted.
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

/// The nanoseconds since [`base`], never 0.
pub(super) fn now() -> u64 {
    u64::try_from(base().elapsed().as_nanos()).map_or(u64::MAX, |nanos| nanos.max(1))
}

fn instant(nanos: u64) -> Option<Instant> {
    if nanos == 0 {
        return None;
    }
    base().checked_add(Duration::from_nanos(nanos))
}

/// Has others see a poll until it is dropped. Without probes it is nothing, and nothing but a look at it is compiled into the poll.
pub(crate) struct Seen {
    /// How deep the thread is in polls, this one included; 0 if it is not seen.
    depth: usize,
}

impl Seen {
    /// The body of the frame that `of` gives is polled by this thread.
    #[inline]
    pub(crate) fn new<'a>(of: impl FnOnce() -> &'a FrameRef) -> Seen {
        let depth = if is_installed() { begin(of()) } else { 0 };
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

#[inline(never)]
fn begin(frame: &FrameRef) -> usize {
    // Sections are inside a poll of their job.
    let FrameRef::Root(job) = frame else {
        return 0;
    };
    count(job);
    let token = job.core().token();
    let since = if are_timed() { begin_timed(job) } else { 0 };
    let depth = OWN.try_with(|own| {
        let own = own.get_or_init(Thread::new);
        let outer = own.depth.load(Ordering::Relaxed);
        own.begin(outer, token, since);
        outer + 1
    });
    // The thread is about to end, and has nothing left to tell it with.
    let Ok(depth) = depth else { return 0 };
    capture::begin(token, depth);
    depth
}

/// When the poll begins, whose end will tell the entry of the job how long it took.
#[cold]
fn begin_timed(job: &Job) -> u64 {
    with_entry(job, |_| ());
    now()
}

/// One poll more. The polls of a job come one after another, so nobody else writes meanwhile.
#[inline]
fn count(job: &Job) {
    let polls = &job.core().frame.polls;
    let before = polls.load(Ordering::Relaxed);
    if before < u32::MAX {
        polls.store(before + 1, Ordering::Relaxed);
    } else {
        carry(job);
    }
}

#[cold]
fn carry(job: &Job) {
    let carried = with_entry(job, |entry| entry.carried += u64::from(u32::MAX));
    if carried.is_some() {
        job.core().frame.polls.store(1, Ordering::Relaxed);
    }
}

#[inline(never)]
fn end(depth: usize) {
    let timed = OWN.try_with(|own| own.get()?.end(depth));
    if let Ok(Some(timed)) = timed {
        end_timed(timed);
    }
    // Whoever has asked is to see that it does not run any more.
    capture::end(depth);
}

/// A poll that was timed has ended.
struct TimedEnd {
    token: u64,
    since: u64,
    /// The number of the thread, if somebody wants to know of this end.
    asked: Option<u64>,
}

#[cold]
fn end_timed(ended: TimedEnd) {
    let TimedEnd {
        token,
        since,
        asked,
    } = ended;
    let took = Duration::from_nanos(now().saturating_sub(since));
    if let Some(entry) = REGISTRY.lock().jobs.get_mut(&token) {
        entry.busy = Some(entry.busy.unwrap_or_default() + took);
    }
    if let Some(thread) = asked {
        watch::over(PollId { thread, since }, took);
    }
}

/// Of a job that is being polled.
pub(super) struct Running {
    /// The name of the thread.
    pub(super) thread: String,
    /// When the poll has begun, if it is timed.
    pub(super) since: Option<Instant>,
}

/// The jobs that are being polled.
pub(super) fn by_thread() -> BTreeMap<u64, Running> {
    let mut running = BTreeMap::new();
    for thread in threads() {
        for poll in thread.look().0.polls {
            let on = Running {
                thread: thread.name.clone(),
                since: instant(poll.since),
            };
            running.insert(poll.token, on);
        }
    }
    running
}

/// Notes that this thread is meant to block, until it is dropped.
pub(crate) struct Allowed {
    /// 0 if nothing is noted: nobody looks, or it is inside of another one.
    since: u64,
}

impl Allowed {
    #[inline]
    pub(crate) fn begin() -> Allowed {
        let since = if are_timed() { begin_allowed() } else { 0 };
        Allowed { since }
    }
}

impl Drop for Allowed {
    #[inline]
    fn drop(&mut self) {
        if self.since != 0 {
            end_allowed(self.since);
        }
    }
}

#[cold]
fn begin_allowed() -> u64 {
    let begun = OWN.try_with(|own| {
        let own = own.get()?;
        if own.depth.load(Ordering::Relaxed) == 0 || own.allowing.load(Ordering::Relaxed) {
            return None;
        }
        own.change(|| own.allowing.store(true, Ordering::Relaxed));
        Some(now())
    });
    begun.ok().flatten().unwrap_or(0)
}

#[cold]
fn end_allowed(since: u64) {
    let took = now().saturating_sub(since);
    let _ = OWN.try_with(|own| {
        let Some(own) = own.get() else { return };
        let depth = own.depth.load(Ordering::Relaxed).min(DEEPEST);
        own.change(|| {
            own.allowing.store(false, Ordering::Relaxed);
            for poll in &own.polled[..depth] {
                let allowed = poll.allowed.load(Ordering::Relaxed);
                poll.allowed
                    .store(allowed.saturating_add(took), Ordering::Relaxed);
            }
        });
    });
}

#[cfg(all(test, not(corox_loom)))]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::probe::install;
    use crate::probe::known::known;
    use crate::{run_blocking, yield_now};

    /// By the thread itself: it polls these. They are no job's, for others look at the same threads.
    fn polls(thread: &Thread, count: u64) {
        thread.change(|| {
            for (number, poll) in (0..count).zip(&thread.polled) {
                poll.token
                    .store(u64::MAX - count - number, Ordering::Relaxed);
            }
            thread.depth.store(count as usize, Ordering::Relaxed);
        });
    }

    fn tokens(look: &Look) -> Vec<u64> {
        look.polls
            .iter()
            .map(|poll| u64::MAX - poll.token)
            .collect()
    }

    #[test]
    fn a_thread_that_changes_while_it_is_looked_at_is_looked_at_again() {
        let thread = Thread::new();
        polls(&thread, 2);
        let looks = Cell::new(0);
        let (look, is_exact) = thread.look_by(|| {
            let look = thread.look_once();
            looks.set(looks.get() + 1);
            if looks.get() < 3 {
                polls(&thread, 2 + looks.get());
            }
            look
        });
        assert_eq!(
            (tokens(&look), is_exact, looks.get()),
            (vec![4, 5, 6, 7], true, 3)
        );
    }

    #[test]
    fn what_is_seen_in_the_midst_of_changes_is_not_said_to_be_of_one_moment() {
        let thread = Thread::new();
        thread.change(|| assert!(!thread.look().1));
        assert!(thread.look().1);
        let looks = Cell::new(0);
        let (look, is_exact) = thread.look_by(|| {
            looks.set(looks.get() + 1);
            polls(&thread, 1);
            thread.look_once()
        });
        assert_eq!((tokens(&look), is_exact), (vec![1], false));
        assert_eq!(looks.get(), LOOKS + 1);
    }

    #[test]
    fn a_count_of_polls_goes_on_where_the_word_for_it_ends() {
        let _probes = install();
        run_blocking(async |scope| {
            let job = scope.launch(async { std::future::pending::<()>().await });
            yield_now().await;
            let core = job.core();
            core.frame.polls.store(u32::MAX - 1, Ordering::Relaxed);
            let polls = || {
                let known = known();
                let own = known.iter().find(|known| known.job.ptr_eq(&job));
                own.map(|own| own.polls)
            };
            for more in 0..3 {
                assert_eq!(polls(), Some(u64::from(u32::MAX) - 1 + more));
                count(&job);
            }
            job.cancel();
            Ok(())
        })
        .unwrap();
    }
}
