//! Bugs that exploration has to find: mistakes of concurrent code, each in a small program that the usual order does not
//! disturb, each beside its repair.
//!
//! A module is a bug. Its tests: the order of `run_test` passes; exploration finds it within [`SCHEDULES`] schedules, and so do
//! its two strategies alone; the printed seed replays it; repaired, the program passes all schedules.
//!
//! A *step* of a coroutine is what it does up to its next suspension. In the order of `run_test` two coroutines that only give
//! way take turns, a step each; so each further step that one of them makes in a row takes one forced switch.

use std::any::Any;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output};
use std::time::Duration;

use corox_core::yield_now;
use corox_test::{Explore, Explored, SEED_VARIABLE, TestScope, explore, run_test};

/// How many schedules may be needed.
const SCHEDULES: usize = 1000;

/// How many times a bug is looked for, each time under other schedules.
const SEEDS: u64 = 10;

/// Printed at the beginning of each run of a body that is replayed.
const BEGINS: &str = "a run of the body begins";

/// Which of the two programs is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Planted,
    Repaired,
}

/// What the report of a bug has to say.
struct Expected {
    says: &'static str,
    /// How many forced switches are left: from what the bug needs, to a few more where shrinking may stop at a list of which
    /// none can be left out.
    switches: RangeInclusive<usize>,
}

/// A failed exploration.
struct Found {
    report: String,
    /// The first schedule that failed, counted from 1.
    schedule: usize,
    /// How many forced switches are left.
    switches: usize,
    seed: String,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Asks something else and waits for the answer: `trips` times, others may run in between.
async fn ask(trips: u32) {
    for _ in 0..trips {
        yield_now().await;
    }
}

/// What `explore` panics with.
fn find(explore: &Explore, body: impl AsyncFn(TestScope)) -> Found {
    let outcome = catch_unwind(AssertUnwindSafe(|| explore.run(body)));
    let report = match outcome {
        Ok(explored) => panic!("nothing was found: {explored:?}"),
        Err(payload) => text_of(payload),
    };
    let number = |before: &str, after: &str| {
        let (_, rest) = report.split_once(before)?;
        rest.split_once(after)?.0.parse().ok()
    };
    let Some(schedule) = number("schedule ", " of ") else {
        panic!("no schedule is named: {report}");
    };
    let start = format!("replay: {SEED_VARIABLE}=");
    let mut seeds = report.lines().filter_map(|line| line.strip_prefix(&start));
    let (Some(seed), None) = (seeds.next(), seeds.next()) else {
        panic!("not one line to replay it: {report}");
    };
    let Some((_, switches)) = seed.rsplit_once(':') else {
        panic!("no switches: {seed}");
    };
    let switches = switches.split(',').filter(|switch| !switch.is_empty());
    let switches = switches.count();
    if let Some(left) = number(" were shrunk to ", "\n") {
        assert_eq!(switches, left, "{report}");
    }
    let described = report.lines().filter(|line| line.contains("runs before"));
    assert_eq!(described.count(), switches, "{report}");
    assert!(!report.contains("depends on something else"), "{report}");
    Found {
        schedule,
        switches,
        seed: seed.to_owned(),
        report,
    }
}

fn text_of(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => panic!("the report is no text"),
    }
}

fn is_found(explore: &Explore, expected: &Expected, body: impl AsyncFn(TestScope)) -> Found {
    let found = find(explore, body);
    let report = &found.report;
    assert!(report.contains(expected.says), "{report}");
    assert!(expected.switches.contains(&found.switches), "{report}");
    // The first schedule is that of `run_test`.
    assert!((2..=SCHEDULES).contains(&found.schedule), "{report}");
    found
}

/// By these schedules, and not by good luck: by others, too.
fn is_found_again(explore: &Explore, expected: &Expected, body: impl AsyncFn(TestScope)) {
    for seed in 0..SEEDS {
        let found = is_found(&explore.clone().seed(seed), expected, &body);
        println!(
            "seed {seed}: schedule {}, {} switches",
            found.schedule, found.switches
        );
    }
}

/// The only line of `report` that begins with `start`, but for blanks.
fn line_of<'a>(report: &'a str, start: &str) -> &'a str {
    let mut lines = report.lines().map(str::trim_start);
    let line = lines.find(|line| line.starts_with(start));
    match (line, lines.any(|line| line.starts_with(start))) {
        (Some(line), false) => line,
        _ => panic!("not one line begins with {start}: {report}"),
    }
}

/// Runs one test of this file in a process of its own, under the schedule of `seed`.
fn replayed(test: &str, seed: &str) -> Output {
    let this = std::env::current_exe().expect("a test is a program");
    let output = Command::new(this)
        .args([test, "--exact", "--nocapture"])
        .env(SEED_VARIABLE, seed)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the tests start once more");
    assert!(
        told_by(&output).contains("running 1 test\n"),
        "no test {test}"
    );
    output
}

/// What a process has written.
fn told_by(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    format!("{out}{err}")
}

/// Whether this is the process that [`replayed`] has started.
fn is_replay() -> bool {
    std::env::var_os(SEED_VARIABLE).is_some()
}

/// The name of a test of the module that asks, as the test runner has it.
macro_rules! name_of_test {
    ($name:ident) => {
        match module_path!().split_once("::") {
            Some((_, module)) => format!("{module}::{}", stringify!($name)),
            None => stringify!($name).to_owned(),
        }
    };
}

/// The tests of a bug, whose program is `body` of the module. `repaired` is what the number of distinct schedules exceeds.
macro_rules! planted {
    (says: $says:expr, switches: $switches:expr, repaired: $distinct:expr) => {
        const EXPECTED: Expected = Expected {
            says: $says,
            switches: $switches,
        };

        async fn planted(t: TestScope) {
            body(&t, Version::Planted).await;
        }

        async fn repaired(t: TestScope) {
            body(&t, Version::Repaired).await;
        }

        #[test]
        fn the_order_of_run_test_does_not_show_it() {
            run_test(planted);
        }

        #[test]
        fn exploration_finds_it() {
            is_found_again(&Explore::new(SCHEDULES), &EXPECTED, planted);
        }

        #[test]
        fn random_schedules_find_it() {
            is_found_again(&Explore::new(SCHEDULES).only_random(), &EXPECTED, planted);
        }

        #[test]
        fn priorities_find_it() {
            let explore = Explore::new(SCHEDULES).only_priorities();
            is_found_again(&explore, &EXPECTED, planted);
        }

        #[test]
        fn the_printed_seed_replays_it_at_once() {
            let explore = Explore::new(SCHEDULES);
            if is_replay() {
                explore.run(async |t| {
                    println!("{BEGINS}");
                    planted(t).await;
                });
                return;
            }
            let seed = is_found(&explore, &EXPECTED, planted).seed;
            let test = name_of_test!(the_printed_seed_replays_it_at_once);
            let output = replayed(&test, &seed);
            let told = told_by(&output);
            assert!(!output.status.success(), "{told}");
            assert!(told.contains("the replayed schedule fails"), "{told}");
            assert!(told.contains(EXPECTED.says), "{told}");
            assert!(
                told.contains(&format!("{SEED_VARIABLE}={seed}\n")),
                "{told}"
            );
            assert_eq!(told.matches(BEGINS).count(), 1, "{told}");
        }

        #[test]
        fn repaired_it_passes_all_schedules() {
            let explored = Explore::new(SCHEDULES).run(repaired);
            passes(explored, $distinct);
        }
    };
}

fn passes(explored: Explored, distinct: usize) {
    println!("{explored:?}");
    assert_eq!(explored.schedules(), SCHEDULES);
    assert!(explored.distinct() > distinct, "{explored:?}");
}

/// A teller reads the balance, has the deposit booked, and writes the sum of the two. The other one writes in between.
///
/// Fails if the teller of the cheque reads the balance before the cash is written: one switch, for the cheque is looked at
/// before.
mod lost_update {
    use super::*;
    use corox_core::join_all;
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Default)]
    struct Account {
        balance: Mutex<u64>,
        /// Held during a deposit, by the repaired version.
        turn: tokio::sync::Mutex<()>,
    }

    impl Account {
        async fn deposit(&self, amount: u64, version: Version) {
            let _turn = match version {
                Version::Planted => None,
                Version::Repaired => Some(self.turn.lock().await),
            };
            let balance = *self.balance.lock();
            // It is booked.
            ask(1).await;
            *self.balance.lock() = balance + amount;
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let account = Arc::new(Account::default());
        let (cash, cheque) = (account.clone(), account.clone());
        let cash = t.launch(async move { cash.deposit(10, version).await });
        let cheque = t.launch(async move {
            // The cheque is looked at.
            ask(1).await;
            cheque.deposit(5, version).await;
        });
        join_all(&[cash, cheque]).await;
        assert_eq!(*account.balance.lock(), 15, "a deposit was lost");
    }

    planted! {
        says: "a deposit was lost",
        switches: 1..=1,
        repaired: 10
    }
}

/// A session is opened for a user who has none. Two logins of one user find none, and both open one.
///
/// Fails if the slower login looks before the session of the faster one is in the map: two switches, for it has two round trips
/// to make before.
mod check_then_act {
    use super::*;
    use corox_core::join_all;
    use parking_lot::Mutex;
    use std::collections::HashMap;
    use std::sync::Arc;
    use tokio::sync::OnceCell;

    type Session = Arc<str>;

    #[derive(Default)]
    struct Sessions {
        open: Mutex<HashMap<&'static str, Session>>,
        /// The repaired version has the cell in the map before the session.
        cells: Mutex<HashMap<&'static str, Arc<OnceCell<Session>>>>,
        opened: Mutex<Vec<&'static str>>,
    }

    impl Sessions {
        async fn of(&self, user: &'static str, version: Version) -> Session {
            match version {
                Version::Planted => {
                    let known = self.open.lock().get(user).cloned();
                    if let Some(session) = known {
                        return session;
                    }
                    let session = self.connect(user).await;
                    self.open.lock().insert(user, session.clone());
                    session
                }
                Version::Repaired => {
                    let cell = self.cells.lock().entry(user).or_default().clone();
                    cell.get_or_init(|| self.connect(user)).await.clone()
                }
            }
        }

        async fn connect(&self, user: &'static str) -> Session {
            self.opened.lock().push(user);
            ask(1).await;
            format!("session of {user}").into()
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let sessions = Arc::new(Sessions::default());
        // Who, and how long the password takes to be checked.
        let logins = [("ada", 0), ("ada", 2), ("bob", 1)].map(|(user, trips)| {
            let sessions = sessions.clone();
            t.launch(async move {
                ask(trips).await;
                sessions.of(user, version).await;
            })
        });
        join_all(&logins).await;
        let mut opened = sessions.opened.lock().clone();
        opened.sort_unstable();
        assert_eq!(opened, ["ada", "bob"], "a session was opened twice");
    }

    planted! {
        says: "a session was opened twice",
        switches: 2..=5,
        repaired: 300
    }
}

/// A gate that wakes those who wait at it. Who has seen it shut and does not wait yet is not woken, and waits for ever.
///
/// Fails if the gate opens between the look and the wait of the guest: three switches, for the opener has three round trips to
/// make before, and they all have to be made while the guest makes one.
mod missed_wake_up {
    use super::*;
    use corox_core::{CoroutineName, join_all};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::Notify;

    #[derive(Default)]
    struct Gate {
        open: AtomicBool,
        opened: Notify,
    }

    impl Gate {
        fn open(&self) {
            self.open.store(true, Ordering::Release);
            self.opened.notify_waiters();
        }

        fn is_open(&self) -> bool {
            self.open.load(Ordering::Acquire)
        }

        async fn pass(&self, version: Version) {
            match version {
                Version::Planted => {
                    while !self.is_open() {
                        tell_that_it_is_shut().await;
                        self.opened.notified().await;
                    }
                }
                Version::Repaired => loop {
                    let mut opened = pin!(self.opened.notified());
                    opened.as_mut().enable();
                    if self.is_open() {
                        break;
                    }
                    tell_that_it_is_shut().await;
                    opened.await;
                },
            }
        }
    }

    async fn tell_that_it_is_shut() {
        ask(1).await;
    }

    async fn body(t: &TestScope, version: Version) {
        let gate = Arc::new(Gate::default());
        let (at, by) = (gate.clone(), gate);
        let guest = t
            .with(CoroutineName::new("guest"))
            .launch(async move { at.pass(version).await });
        let opener = t.launch(async move {
            // The key is looked for.
            ask(3).await;
            by.open();
        });
        join_all(&[guest, opener]).await;
    }

    planted! {
        says: "deadlock: nothing of the test can ever run again",
        switches: 3..=3,
        repaired: 10
    }

    #[test]
    fn the_report_names_who_waits_and_the_body_that_joins_it() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        let guest = line_of(&report, "\"guest#");
        assert!(guest.contains(file!()), "{report}");
        let waits = line_of(&report, "waits for join ");
        assert!(
            waits.contains("\"guest#") && waits.contains(file!()),
            "{report}"
        );
        assert!(!report.contains("opener"), "{report}");
    }
}

/// A connection is closed by whoever comes first: the one who finds it idle, or the shutdown. It is marked as closed only after
/// the farewell, so both may come first.
///
/// Fails if the shutdown looks between the look and the mark of the other: one switch at the instant when both are due.
mod double_close {
    use super::*;
    use corox_core::{delay, join_all};
    use parking_lot::Mutex;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::watch;

    struct Socket;

    struct Connection {
        closed: AtomicBool,
        socket: Mutex<Option<Socket>>,
    }

    impl Connection {
        async fn close(&self, version: Version) {
            let closed = match version {
                Version::Planted => self.closed.load(Ordering::Acquire),
                Version::Repaired => self.closed.swap(true, Ordering::AcqRel),
            };
            if closed {
                return;
            }
            // The other side is told.
            ask(1).await;
            self.closed.store(true, Ordering::Release);
            let socket = self.socket.lock().take();
            assert!(socket.is_some(), "the connection was closed twice");
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let connection = Arc::new(Connection {
            closed: AtomicBool::new(false),
            socket: Mutex::new(Some(Socket)),
        });
        let (stop, mut stopped) = watch::channel(false);
        let (idle, shutdown) = (connection.clone(), connection);
        let idle = t.launch(async move {
            delay(ms(30)).await;
            idle.close(version).await;
        });
        let shutdown = t.launch(async move {
            stopped.wait_for(|stopped| *stopped).await?;
            // The last question is answered.
            ask(1).await;
            shutdown.close(version).await;
            Ok(())
        });
        delay(ms(30)).await;
        stop.send_replace(true);
        join_all(&[idle, shutdown]).await;
    }

    planted! {
        says: "the connection was closed twice",
        switches: 1..=3,
        repaired: 80
    }
}

/// A transfer locks the account that it takes from and then the one that it gives to. Two transfers in opposite directions
/// wait for each other.
///
/// Fails if the refund has its first lock before the rent has its second: three switches, for the refund makes three round trips
/// before, and the rent makes one between its locks.
mod lock_order {
    use super::*;
    use corox_core::{CoroutineName, Job, join_all};
    use std::cell::RefCell;
    use std::sync::Arc;
    use tokio::sync::{Mutex, MutexGuard};

    type Account = Mutex<i64>;

    async fn transfer(accounts: Arc<[Account; 2]>, from: usize, to: usize, version: Version) {
        let lock = async |at: usize| accounts[at].lock().await;
        let give_and_take = |mut from: MutexGuard<'_, i64>, mut to: MutexGuard<'_, i64>| {
            *from -= 1;
            *to += 1;
        };
        if version == Version::Repaired && to < from {
            let to = lock(to).await;
            ask(1).await;
            give_and_take(lock(from).await, to);
        } else {
            let from = lock(from).await;
            ask(1).await;
            give_and_take(from, lock(to).await);
        }
    }

    fn start(t: &TestScope, version: Version) -> [Job; 2] {
        let accounts = Arc::new([Account::new(100), Account::new(100)]);
        let (here, there) = (accounts.clone(), accounts);
        let rent = t
            .with(CoroutineName::new("rent"))
            .launch(async move { transfer(here, 0, 1, version).await });
        let refund = t.with(CoroutineName::new("refund")).launch(async move {
            // Whether there is a claim.
            ask(3).await;
            transfer(there, 1, 0, version).await;
        });
        [rent, refund]
    }

    async fn body(t: &TestScope, version: Version) {
        join_all(&start(t, version)).await;
    }

    planted! {
        says: "deadlock: nothing of the test can ever run again",
        switches: 3..=3,
        repaired: 30
    }

    #[test]
    fn the_report_names_both_and_where_they_were_launched() {
        let sites = RefCell::new(Vec::new());
        let report = find(&Explore::new(SCHEDULES), async |t| {
            let jobs = start(&t, Version::Planted);
            *sites.borrow_mut() = jobs.iter().map(|job| job.location()).collect();
            join_all(&jobs).await;
        })
        .report;
        let sites = sites.take();
        assert_ne!(sites[0], sites[1]);
        for (name, site) in ["rent", "refund"].iter().zip(sites) {
            assert_eq!(site.file(), file!());
            let line = line_of(&report, &format!("\"{name}#"));
            let end = format!(", launched at {site}");
            assert!(
                line.contains("{Active}") && line.ends_with(&end),
                "{report}"
            );
        }
    }
}

/// An upload writes its parts to the store and removes them in the end, also if it is cancelled. But between the first part and
/// what makes sure of that there is a suspension.
///
/// Fails if the user cancels exactly there: two switches, for the user makes four steps while the upload makes two.
mod lost_cleanup {
    use super::*;
    use corox_core::FinallyExt;
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Default)]
    struct Store {
        parts: Mutex<Vec<&'static str>>,
    }

    impl Store {
        async fn create(&self, part: &'static str) {
            ask(1).await;
            self.parts.lock().push(part);
        }

        async fn announce(&self) {
            ask(1).await;
        }

        async fn send(&self) {
            ask(4).await;
        }

        async fn remove(&self, part: &'static str) {
            ask(1).await;
            self.parts.lock().retain(|other| *other != part);
        }
    }

    async fn upload(store: &Store, version: Version) {
        let part = "part 1";
        match version {
            Version::Planted => {
                store.create(part).await;
                store.announce().await;
                store.send().finally(store.remove(part)).await;
            }
            Version::Repaired => {
                let all = async {
                    store.create(part).await;
                    store.announce().await;
                    store.send().await;
                };
                all.finally(store.remove(part)).await;
            }
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let store = Arc::new(Store::default());
        let uploading = store.clone();
        let upload = t.launch(async move { upload(&uploading, version).await });
        let uploading = upload.clone();
        let user = t.launch(async move {
            // Time to think.
            ask(3).await;
            uploading.cancel();
        });
        user.join().await;
        upload.join().await;
        let parts = store.parts.lock().clone();
        assert!(parts.is_empty(), "left behind: {parts:?}");
    }

    planted! {
        says: "left behind: [\"part 1\"]",
        switches: 2..=2,
        repaired: 200
    }
}

/// A cache asks a server for the rate, for 15 milliseconds at most, and keeps what the server says. The question that is given
/// up goes on, and its answer comes together with that of the next one.
///
/// Fails if the late answer is the last to be kept: one switch at the instant when both come.
mod stale_cache {
    use super::*;
    use corox_core::{CoroutineScope, delay, with_timeout_or_none};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Server {
        questions: AtomicU32,
    }

    impl Server {
        /// Each question is answered with a newer rate, the first one slowly.
        async fn rate(&self) -> u32 {
            let number = self.questions.fetch_add(1, Ordering::Relaxed) + 1;
            delay(if number == 1 { ms(20) } else { ms(5) }).await;
            // The answer is decoded.
            ask(1).await;
            number
        }
    }

    #[derive(Default)]
    struct Cache {
        server: Server,
        rate: AtomicU32,
    }

    impl Cache {
        async fn refresh(self: &Arc<Self>, app: &CoroutineScope, version: Version) -> bool {
            let cache = self.clone();
            let ask = async move {
                let rate = cache.server.rate().await;
                cache.rate.store(rate, Ordering::Relaxed);
            };
            let answered = with_timeout_or_none(ms(15), async |scope| {
                match version {
                    Version::Planted => app.launch(ask).join().await,
                    Version::Repaired => scope.launch(ask).join().await,
                }
                Ok(())
            });
            matches!(answered.await, Ok(Some(())))
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let cache = Arc::new(Cache::default());
        // Others use the cache at the same instant.
        for _ in 0..3 {
            let cache = cache.clone();
            t.launch(async move {
                delay(ms(20)).await;
                let rate = cache.rate.load(Ordering::Relaxed);
                ask(1).await;
                assert!(rate <= 2);
            });
        }
        assert!(!cache.refresh(t, version).await);
        assert!(cache.refresh(t, version).await);
        t.advance_until_idle().await;
        let rate = cache.rate.load(Ordering::Relaxed);
        assert_eq!(rate, 2, "the cache has an old rate");
        assert_eq!(t.current_time(), ms(20));
    }

    planted! {
        says: "the cache has an old rate",
        switches: 1..=4,
        repaired: 800
    }
}

/// Free slots are a list in a shared table: the head, and for each slot the next one. To take a slot is to read the head and
/// its next, and to exchange the head if it has not changed. That it is the same does not say that the list is.
///
/// Fails if, while the first taker has read slot 0 and its next 1, the other one takes 0 and 1 and gives 0 back: the first one
/// makes 1 the head, which is in use. Three switches, for the other makes its last three steps in a row.
mod aba {
    use super::*;
    use corox_core::join_all;
    use parking_lot::Mutex;
    use std::sync::Arc;

    const SLOTS: usize = 4;

    /// The first free slot, and how often the head was exchanged.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Head {
        slot: usize,
        exchanges: u32,
    }

    struct Slots {
        head: Mutex<Head>,
        next: Mutex<[usize; SLOTS]>,
        in_use: Mutex<[bool; SLOTS]>,
        version: Version,
    }

    impl Slots {
        fn new(version: Version) -> Slots {
            let head = Head {
                slot: 0,
                exchanges: 0,
            };
            Slots {
                head: Mutex::new(head),
                next: Mutex::new([1, 2, 3, SLOTS]),
                in_use: Mutex::new([false; SLOTS]),
                version,
            }
        }

        /// Makes `slot` the head if the head is what was `seen`.
        fn exchange(&self, seen: Head, slot: usize) -> bool {
            let mut head = self.head.lock();
            let same = match self.version {
                Version::Planted => head.slot == seen.slot,
                Version::Repaired => *head == seen,
            };
            if same {
                head.slot = slot;
                head.exchanges += 1;
            }
            same
        }

        async fn take(&self) -> usize {
            loop {
                let head = *self.head.lock();
                assert!(head.slot < SLOTS, "no slot is free");
                let next = self.next.lock()[head.slot];
                // The table is elsewhere.
                ask(1).await;
                if self.exchange(head, next) {
                    let was = std::mem::replace(&mut self.in_use.lock()[head.slot], true);
                    assert!(!was, "slot {} was given out twice", head.slot);
                    return head.slot;
                }
            }
        }

        async fn give_back(&self, slot: usize) {
            self.in_use.lock()[slot] = false;
            loop {
                let head = *self.head.lock();
                self.next.lock()[slot] = head.slot;
                ask(1).await;
                if self.exchange(head, slot) {
                    return;
                }
            }
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let slots = Arc::new(Slots::new(version));
        let (one, other) = (slots.clone(), slots);
        let one = t.launch(async move {
            one.take().await;
            one.take().await;
        });
        let other = t.launch(async move {
            let first = other.take().await;
            other.take().await;
            other.give_back(first).await;
        });
        join_all(&[one, other]).await;
    }

    planted! {
        says: "was given out twice",
        switches: 3..=3,
        repaired: 70
    }
}

/// A page is sent in two parts by two coroutines, the head first. The reader takes for granted that it comes first, for it is
/// rendered faster.
///
/// Fails if the rest is sent before the head: two switches, for the rest has two round trips to make and the head one.
mod order_of_sends {
    use super::*;
    use tokio::sync::mpsc;

    #[derive(Debug, PartialEq, Eq)]
    enum Part {
        Head,
        Rest,
    }

    async fn head() -> Part {
        ask(1).await;
        Part::Head
    }

    async fn rest() -> Part {
        ask(2).await;
        Part::Rest
    }

    async fn body(t: &TestScope, version: Version) {
        let (tx, mut page) = mpsc::channel(1);
        match version {
            Version::Planted => {
                let other = tx.clone();
                t.launch(async move {
                    tx.send(head().await).await?;
                    Ok(())
                });
                t.launch(async move {
                    other.send(rest().await).await?;
                    Ok(())
                });
            }
            Version::Repaired => {
                // Rendered at the same time, and sent in order.
                let (head, rest) = (
                    t.spawn(async { Ok(head().await) }),
                    t.spawn(async { Ok(rest().await) }),
                );
                t.launch(async move {
                    tx.send(head.await?).await?;
                    tx.send(rest.await?).await?;
                    Ok(())
                });
            }
        }
        let first = page.recv().await;
        assert_eq!(first, Some(Part::Head), "the page begins in the middle");
        assert_eq!(page.recv().await, Some(Part::Rest));
        assert_eq!(page.recv().await, None);
    }

    planted! {
        says: "the page begins in the middle",
        switches: 2..=2,
        repaired: 100
    }
}

/// A journal writes its records in the background. Its reader does something else for a while and does not wait for them.
///
/// Fails if the reader is done before the second record is written: three switches, for it takes five round trips and the
/// writer two.
mod forgotten_join {
    use super::*;
    use corox_core::{CoroutineScope, Job};
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Default)]
    struct Journal {
        written: Mutex<Vec<&'static str>>,
    }

    impl Journal {
        fn write(self: &Arc<Self>, scope: &CoroutineScope, records: [&'static str; 2]) -> Job {
            let journal = self.clone();
            scope.launch(async move {
                for record in records {
                    ask(1).await;
                    journal.written.lock().push(record);
                }
            })
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let journal = Arc::new(Journal::default());
        let writing = journal.write(t, ["open", "shut"]);
        // The index is brought up to date.
        ask(5).await;
        if version == Version::Repaired {
            writing.join().await;
        }
        let written = journal.written.lock().clone();
        assert_eq!(written, ["open", "shut"], "the journal has a gap");
    }

    planted! {
        says: "the journal has a gap",
        switches: 3..=3,
        repaired: 35
    }
}

/// A sheet computes its cells side by side. A cell that finds another one begun waits for it.
///
/// Fails if both are begun before one of them looks: one switch, the launcher before the first cell.
mod circle_of_awaits {
    use super::*;
    use corox_core::{CoroutineName, Deferred};
    use parking_lot::Mutex;
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::panic::Location;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Sheet {
        cells: Mutex<HashMap<&'static str, Deferred<u32>>>,
        /// The line where a cell is awaited.
        awaited_at: AtomicU32,
    }

    impl Sheet {
        async fn value_of(&self, name: &'static str) -> corox_core::Result<u32> {
            let cell = self.cells.lock().get(name).cloned();
            let Some(cell) = cell else { return Ok(0) };
            self.awaited_at.store(line!() + 1, Ordering::Relaxed);
            (&cell).await
        }

        /// Where it launches the cell.
        fn begin(
            self: &Arc<Self>,
            t: &TestScope,
            name: &'static str,
            needs: Option<&'static str>,
        ) -> &'static Location<'static> {
            let sheet = self.clone();
            let cell = t.with(CoroutineName::new(name)).spawn(async move {
                let base = match needs {
                    Some(other) => sheet.value_of(other).await?,
                    None => 0,
                };
                // The formula is computed.
                ask(2).await;
                Ok(base + 1)
            });
            let site = cell.location();
            self.cells.lock().insert(name, cell);
            site
        }

        async fn fill(
            self: &Arc<Self>,
            t: &TestScope,
            version: Version,
        ) -> [&'static Location<'static>; 2] {
            let back = (version == Version::Planted).then_some("gross");
            let net = self.begin(t, "net", back);
            // The next line is read.
            ask(1).await;
            [net, self.begin(t, "gross", Some("net"))]
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let sheet = Arc::new(Sheet::default());
        sheet.fill(t, version).await;
        assert_eq!(sheet.value_of("gross").await.ok(), Some(2));
    }

    planted! {
        says: "deadlock: nothing of the test can ever run again",
        switches: 1..=1,
        repaired: 6
    }

    #[test]
    fn the_report_names_what_each_awaits_and_where() {
        let noted = RefCell::new(None);
        let report = find(&Explore::new(SCHEDULES), async |t| {
            let sheet = Arc::new(Sheet::default());
            let sites = sheet.fill(&t, Version::Planted).await;
            *noted.borrow_mut() = Some((sheet, sites));
        })
        .report;
        let (sheet, sites) = noted.take().unwrap();
        let line = sheet.awaited_at.load(Ordering::Relaxed);
        let place = format!(" at {}:{line}:", file!());
        let lines: Vec<_> = report.lines().map(str::trim_start).collect();
        for (name, other, site) in [("net", "gross", sites[0]), ("gross", "net", sites[1])] {
            let start = format!("\"{name}#");
            let launched = lines.iter().position(|line| line.starts_with(&start));
            let launched = launched.unwrap_or_else(|| panic!("{report}"));
            let end = format!(", launched at {site}");
            assert!(lines[launched].ends_with(&end), "{report}");
            let waits = lines[launched + 1];
            let what = format!("waits for await (\"{other}#");
            assert!(
                waits.starts_with(&what) && waits.contains(&place),
                "{report}"
            );
        }
    }
}

mod channels_and_locks;

/// A program without a bug passes whatever the schedule is.
mod correct {
    use super::*;
    use corox_core::{
        FinallyExt, Result, await_cancellation, delay, join_all, with_timeout_or_none,
    };
    use parking_lot::Mutex;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::{Semaphore, mpsc};

    type Order = u32;

    const ORDERS: Order = 12;

    /// A shop: producers fetch orders, a few at a time, and consumers handle them.
    struct Shop {
        lines: Semaphore,
        open: tokio::sync::Mutex<mpsc::Receiver<Order>>,
        done: Mutex<Vec<Order>>,
        late: Mutex<Vec<Order>>,
        returned: Mutex<Vec<Order>>,
        hung_up: AtomicBool,
    }

    /// An order in somebody's hands goes back if that one is cancelled.
    struct InHand<'a>(&'a Shop, Option<Order>);

    impl InHand<'_> {
        fn put(mut self, list: &Mutex<Vec<Order>>) {
            list.lock().extend(self.1.take());
        }
    }

    impl Drop for InHand<'_> {
        fn drop(&mut self) {
            self.0.returned.lock().extend(self.1.take());
        }
    }

    async fn silence() -> Result<()> {
        await_cancellation().await
    }

    impl Shop {
        async fn produce(&self, orders: Vec<Order>, to: mpsc::Sender<Order>) -> Result<()> {
            for order in orders {
                let line = self.lines.acquire().await?;
                ask(1).await;
                drop(line);
                to.send(order).await?;
            }
            Ok(())
        }

        /// Never answers, and is cut off.
        async fn produce_nothing(&self, to: mpsc::Sender<Order>) -> Result<()> {
            let line = self.lines.acquire().await?;
            let answer = with_timeout_or_none(ms(20), async |_| {
                let _to = to;
                let hang_up = async {
                    ask(1).await;
                    self.hung_up.store(true, Ordering::Relaxed);
                };
                silence().finally(hang_up).await
            });
            assert!(answer.await?.is_none());
            drop(line);
            Ok(())
        }

        async fn consume(&self) -> Result<()> {
            loop {
                let next = self.open.lock().await.recv().await;
                let Some(order) = next else { return Ok(()) };
                let in_hand = InHand(self, Some(order));
                let handled = with_timeout_or_none(ms(4), async |_| {
                    delay(if order % 5 == 0 { ms(10) } else { ms(1) }).await;
                    ask(1).await;
                    Ok(())
                });
                match handled.await? {
                    Some(()) => in_hand.put(&self.done),
                    None => in_hand.put(&self.late),
                }
            }
        }
    }

    async fn body(t: TestScope) -> Result<()> {
        let (to, open) = mpsc::channel(2);
        let shop = Arc::new(Shop {
            lines: Semaphore::new(2),
            open: tokio::sync::Mutex::new(open),
            done: Mutex::default(),
            late: Mutex::default(),
            returned: Mutex::default(),
            hung_up: AtomicBool::new(false),
        });
        let mut jobs = Vec::new();
        for first in 0..3 {
            let (shop, to) = (shop.clone(), to.clone());
            let orders = (0..ORDERS).filter(|order| order % 3 == first).collect();
            jobs.push(t.launch(async move { shop.produce(orders, to).await }));
        }
        let silent = shop.clone();
        jobs.push(t.launch(async move { silent.produce_nothing(to).await }));
        for _ in 0..2 {
            let shop = shop.clone();
            jobs.push(t.launch(async move { shop.consume().await }));
        }
        let [.., fired, _] = &jobs[..] else {
            unreachable!("there are two consumers");
        };
        delay(ms(3)).await;
        fired.cancel();
        join_all(&jobs).await;

        assert!(fired.is_cancelled());
        assert_eq!(t.current_time(), ms(20));
        assert!(shop.hung_up.load(Ordering::Relaxed));
        assert_eq!(shop.lines.available_permits(), 2);
        let (done, late) = (shop.done.lock().clone(), shop.late.lock().clone());
        let returned = shop.returned.lock().clone();
        assert!(returned.len() <= 1, "{returned:?}");
        assert!(late.iter().all(|order| order % 5 == 0), "{late:?}");
        assert!(done.iter().all(|order| order % 5 != 0), "{done:?}");
        let mut all = [done, late, returned].concat();
        all.sort_unstable();
        assert_eq!(all, (0..ORDERS).collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn a_larger_program_passes_all_schedules() {
        passes(Explore::new(SCHEDULES).run(body), 900);
    }

    #[test]
    fn the_same_number_gives_the_same_schedules() {
        let explored = Explore::new(300).run(body);
        assert_eq!(explore(300, body), explored);
        // There are many more schedules than these.
        assert!(explored.distinct() > 250, "{explored:?}");
        assert!(explore(100, body).distinct() < explored.distinct());
    }
}

/// What a printed line of a schedule is good for, beside the replays of the bugs above.
mod seeds {
    use super::*;
    use corox_core::join_all;

    /// Two coroutines, so that there is something to decide.
    async fn body(t: TestScope) {
        println!("{BEGINS}");
        let jobs = [t.launch(ask(2)), t.launch(ask(2))];
        join_all(&jobs).await;
    }

    #[test]
    fn a_line_that_is_no_schedule_is_refused() {
        if is_replay() {
            explore(SCHEDULES, body);
            return;
        }
        let test = name_of_test!(a_line_that_is_no_schedule_is_refused);
        for seed in ["", "7", "random:x", "switches:1:2", "COROX_SEED=fifo"] {
            let output = replayed(&test, seed);
            let told = told_by(&output);
            assert!(!output.status.success(), "{told}");
            let what = format!("{SEED_VARIABLE} is {seed:?}, which is no schedule: give what");
            assert!(told.contains(&what), "{told}");
            // Where it was called, and nothing was run.
            assert!(told.contains(file!()), "{told}");
            assert!(!told.contains(BEGINS), "{told}");
        }
    }

    #[test]
    fn a_schedule_that_passes_passes_again() {
        if is_replay() {
            let explored = explore(SCHEDULES, body);
            assert_eq!((explored.schedules(), explored.distinct()), (1, 1));
            return;
        }
        let test = name_of_test!(a_schedule_that_passes_passes_again);
        for seed in [
            "fifo",
            "random:2a",
            "pct:2a:3,9",
            "switches:0:",
            "switches:0:1=1,2=1",
        ] {
            let output = replayed(&test, seed);
            let told = told_by(&output);
            assert!(output.status.success(), "{told}");
            assert_eq!(told.matches(BEGINS).count(), 1, "{told}");
        }
    }
}
