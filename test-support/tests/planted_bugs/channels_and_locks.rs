//! Bugs in the use of corox's own channels and locks. Their waits are named: the report of each deadlock says who waits for what, which
//! channel or semaphore that is, and where.

use super::*;

/// What the coroutine of this name waits for, as the report of a deadlock has it.
fn wait_of<'a>(report: &'a str, name: &str) -> &'a str {
    assert!(report.contains(DEADLOCK), "{report}");
    let start = format!("\"{name}#");
    let mut lines = report.lines().map(str::trim_start);
    let coroutine = lines.find(|line| line.starts_with(&start));
    assert!(coroutine.is_some(), "{name} does not wait: {report}");
    lines.next().unwrap_or_default()
}

/// That it waits for `what`, which was made at the line `made`, and waits at the line `at`.
#[track_caller]
fn waits(report: &str, name: &str, what: &str, made: u32, at: u32) {
    let wait = wait_of(report, name);
    let file = file!();
    let what = format!("waits for {what}@");
    let made = format!(" made at {file}:{made}:");
    let place = format!(" at {file}:{at}:");
    assert!(wait.starts_with(&what), "{what}: {report}");
    assert!(wait.contains(&made), "{made}: {report}");
    let last = wait.rfind(" at ").map(|last| &wait[last..]);
    assert!(
        last.is_some_and(|last| last.starts_with(&place)),
        "{place}: {report}"
    );
}

const DEADLOCK: &str = "deadlock: nothing of the test can ever run again";

/// Two peers greet each other: who begins first waits for a greeting, and the other one gives it. Each looks whether the other has
/// begun, and says later that it has.
///
/// Fails if both look before either has said so: both receive, and nobody sends. Two switches, for the guest has two round trips to
/// make before it looks.
mod both_receive_first {
    use super::*;
    use corox_channels::{Capacity, Channel};
    use corox_core::{CoroutineName, Result, join_all};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Meeting {
        begun: AtomicBool,
        greetings: Channel<&'static str>,
        answers: Channel<&'static str>,
    }

    const GREETINGS_MADE: u32 = line!() + 5;

    fn meeting() -> Meeting {
        Meeting {
            begun: AtomicBool::new(false),
            greetings: Channel::new(Capacity::Rendezvous),
            answers: Channel::new(Capacity::Rendezvous),
        }
    }

    const RECEIVED: u32 = line!() + 15;

    async fn greet(meeting: Arc<Meeting>, version: Version) -> Result<()> {
        let is_second = match version {
            Version::Planted => meeting.begun.load(Ordering::Acquire),
            Version::Repaired => meeting.begun.swap(true, Ordering::AcqRel),
        };
        // The names are looked up.
        ask(1).await;
        meeting.begun.store(true, Ordering::Release);
        if is_second {
            meeting.greetings.send("hello").await?;
            assert_eq!(meeting.answers.receive().await?, "hello to you");
            return Ok(());
        }
        assert_eq!(meeting.greetings.receive().await?, "hello");
        meeting.answers.send("hello to you").await?;
        Ok(())
    }

    async fn body(t: &TestScope, version: Version) {
        let meeting = Arc::new(meeting());
        let (here, there) = (meeting.clone(), meeting);
        let host = t
            .with(CoroutineName::new("host"))
            .launch(greet(here, version));
        let guest = t.with(CoroutineName::new("guest")).launch(async move {
            // The way is looked for.
            ask(2).await;
            greet(there, version).await
        });
        join_all(&[host, guest]).await;
    }

    planted! {
        says: DEADLOCK,
        switches: 2..=2,
        repaired: 20
    }

    #[test]
    fn the_report_says_that_both_receive_and_where() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        for name in ["host", "guest"] {
            let what = "receive (Channel(Rendezvous)";
            waits(&report, name, what, GREETINGS_MADE, RECEIVED);
        }
    }
}

/// Two crawlers send what they find, and the last one closes the channel. Each reads how many are left, and writes one less later.
///
/// Fails if both read before either has written: both find that the other one is left, and nobody closes. Two switches, for the slow
/// crawler has two round trips to make before; or three, where it is the quick one that is late.
mod forgotten_close {
    use super::*;
    use corox_channels::{Capacity, Channel};
    use corox_core::{CoroutineName, Result, join_all};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Finds {
        pages: Channel<u32>,
        left: AtomicU32,
    }

    impl Finds {
        async fn end(&self, version: Version) {
            let before = match version {
                Version::Planted => {
                    let before = self.left.load(Ordering::Acquire);
                    // The log is written.
                    ask(1).await;
                    self.left.store(before - 1, Ordering::Release);
                    before
                }
                Version::Repaired => {
                    ask(1).await;
                    self.left.fetch_sub(1, Ordering::AcqRel)
                }
            };
            if before == 1 {
                self.pages.close();
            }
        }
    }

    const MADE: u32 = line!() + 4;

    fn finds() -> Finds {
        Finds {
            pages: Channel::new(Capacity::Unlimited),
            left: AtomicU32::new(2),
        }
    }

    const RECEIVED: u32 = line!() + 4;

    async fn index(finds: Arc<Finds>) -> Result<()> {
        let mut pages = Vec::new();
        while let Some(page) = finds.pages.next().await? {
            pages.push(page);
        }
        pages.sort_unstable();
        assert_eq!(pages, [0, 2]);
        Ok(())
    }

    async fn body(t: &TestScope, version: Version) {
        let finds = Arc::new(finds());
        let [quick, slow] = [0, 2].map(|trips| {
            let finds = finds.clone();
            t.launch(async move {
                ask(trips).await;
                finds.pages.send(trips).await?;
                finds.end(version).await;
                Ok(())
            })
        });
        let index = t.with(CoroutineName::new("index")).launch(index(finds));
        join_all(&[quick, slow, index]).await;
    }

    planted! {
        says: DEADLOCK,
        switches: 2..=3,
        repaired: 300
    }

    #[test]
    fn the_report_names_the_loop_and_its_channel() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        waits(
            &report,
            "index",
            "receive (Channel(Unlimited)",
            MADE,
            RECEIVED,
        );
    }
}

/// Two workers share a list of tasks. Each looks whether there are any, and takes one later.
///
/// Fails if the second worker takes the task that the first one has seen, or the other way round: who comes late waits for one that
/// never comes. Two switches, for the second worker makes four steps while the first one makes two.
mod look_then_receive {
    use super::*;
    use corox_channels::Channel;
    use corox_core::{CoroutineName, Result, join_all};

    const RECEIVED: u32 = line!() + 8;

    async fn work(tasks: Channel<u32>, version: Version) -> Result<()> {
        match version {
            Version::Planted => {
                while !tasks.is_empty() {
                    // The tools are fetched.
                    ask(1).await;
                    tasks.receive().await?;
                }
            }
            Version::Repaired => {
                while tasks.try_receive().is_ok() {
                    ask(1).await;
                }
            }
        }
        Ok(())
    }

    const MADE: u32 = line!() + 3;

    async fn body(t: &TestScope, version: Version) {
        let tasks = Channel::new(2);
        tasks.try_send(1).unwrap();
        tasks.try_send(2).unwrap();
        let first = t
            .with(CoroutineName::new("worker"))
            .launch(work(tasks.clone(), version));
        let others = tasks.clone();
        let second = t.with(CoroutineName::new("worker")).launch(async move {
            // It comes later.
            ask(3).await;
            work(others, version).await
        });
        join_all(&[first, second]).await;
        assert!(tasks.is_empty());
    }

    planted! {
        says: DEADLOCK,
        switches: 2..=2,
        repaired: 50
    }

    #[test]
    fn the_report_names_the_worker_and_the_list() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        waits(&report, "worker", "receive (Channel(2)", MADE, RECEIVED);
    }
}

/// A journal takes lines until it is closed. Who writes looks whether it is open, and sends the line later.
///
/// Fails if it is closed in between: two switches, for the shutdown has two round trips to make before.
mod look_then_send {
    use super::*;
    use corox_channels::{Capacity, Channel};
    use corox_core::{Result, join_all};
    use parking_lot::Mutex;
    use std::sync::Arc;

    #[derive(Clone)]
    struct Journal {
        lines: Channel<&'static str>,
        /// What came after the end.
        late: Arc<Mutex<Vec<&'static str>>>,
    }

    const SENT: u32 = line!() + 9;

    impl Journal {
        async fn write(&self, line: &'static str, version: Version) -> Result<()> {
            match version {
                Version::Planted if self.lines.is_closed_for_send() => self.late.lock().push(line),
                Version::Planted => {
                    // It is formatted.
                    ask(1).await;
                    self.lines.send(line).await?;
                }
                Version::Repaired => {
                    ask(1).await;
                    if let Err(closed) = self.lines.send(line).await {
                        self.late.lock().extend(closed.into_inner());
                    }
                }
            }
            Ok(())
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let journal = Journal {
            lines: Channel::new(Capacity::Unlimited),
            late: Arc::default(),
        };
        let (writing, lines) = (journal.clone(), journal.lines.clone());
        let writer = t.launch(async move { writing.write("the last one", version).await });
        let shutdown = t.launch(async move {
            // The others are told.
            ask(2).await;
            lines.close();
        });
        join_all(&[writer, shutdown]).await;
        let mut all = journal.lines.to_vec().await.unwrap();
        all.append(&mut journal.late.lock());
        assert_eq!(all, ["the last one"]);
    }

    planted! {
        says: "the channel is closed",
        switches: 2..=2,
        repaired: 10
    }

    #[test]
    fn the_report_names_the_failure_and_where_it_arose() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        let arose = format!("the channel is closed\n    at {}:{SENT}:", file!());
        assert!(report.contains(&arose), "{report}");
    }
}

/// An actor keeps the prices of a shop in euros. Who asks for one that it does not know is given that of its group, for which it sends a
/// message to its own mailbox.
///
/// Fails if the question comes before the price: the actor waits until somebody receives from its mailbox, which is itself. Two
/// switches, for the customer has two round trips to make and the catalogue one.
mod actor_that_asks_itself {
    use super::*;
    use corox_channels::{Capacity, ChannelBuilders};
    use corox_core::{CompletableDeferred, CoroutineName, join_all};
    use std::collections::HashMap;

    enum Message {
        Set(&'static str, u32),
        Ask(&'static str, CompletableDeferred<u32>),
    }

    const ANSWERED: u32 = line!() + 36;
    const ASKED_ITSELF: u32 = line!() + 16;
    const MADE: u32 = line!() + 5;

    async fn body(t: &TestScope, version: Version) {
        let prices =
            t.with(CoroutineName::new("prices"))
                .actor(Capacity::Rendezvous, async move |actor| {
                    let mut known = HashMap::from([("fruit", 3)]);
                    while let Some(message) = actor.next().await? {
                        match message {
                            Message::Set(what, price) => _ = known.insert(what, price),
                            Message::Ask(what, answer) => match (known.get(what), version) {
                                (Some(price), _) => _ = answer.complete(*price),
                                (None, Version::Repaired) => _ = answer.complete(known["fruit"]),
                                (None, Version::Planted) => {
                                    let group = Message::Ask("fruit", answer);
                                    actor.channel().send(group).await?;
                                }
                            },
                        }
                    }
                    Ok(())
                });
        let catalogue = prices.clone();
        let catalogue = t.launch(async move {
            // It is opened.
            ask(1).await;
            catalogue.send(Message::Set("apple", 4)).await?;
            Ok(())
        });
        let customer = t.with(CoroutineName::new("customer")).launch(async move {
            // The apples are looked at.
            ask(2).await;
            let answer = CompletableDeferred::new();
            prices.send(Message::Ask("apple", answer.clone())).await?;
            let price = (&answer).await?;
            assert!(price == 3 || price == 4);
            Ok(())
        });
        join_all(&[catalogue, customer]).await;
    }

    planted! {
        says: DEADLOCK,
        switches: 2..=2,
        repaired: 300
    }

    #[test]
    fn the_report_says_that_it_sends_to_its_own_mailbox() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        let what = "send (Channel(Rendezvous)";
        waits(&report, "prices", what, MADE, ASKED_ITSELF);
        let customer = wait_of(&report, "customer");
        assert!(customer.starts_with("waits for await "), "{report}");
        assert!(
            customer.contains(&format!("{}:{ANSWERED}:", file!())),
            "{report}"
        );
    }
}

/// A pool of one connection. Who finds it broken throws it away, and its permit with it, though the next one could open another.
///
/// Fails if the server restarts while ada has the connection: bob waits for ever. Three switches, for the server has three round trips
/// to make before, and ada one.
mod forgotten_permit {
    use super::*;
    use corox_core::{CoroutineName, join_all};
    use corox_sync::Semaphore;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Pool {
        free: Semaphore,
        is_broken: AtomicBool,
    }

    const MADE: u32 = line!() + 4;

    fn pool() -> Pool {
        Pool {
            free: Semaphore::new(1),
            is_broken: AtomicBool::new(false),
        }
    }

    const ACQUIRED: u32 = line!() + 3;

    async fn query(pool: Arc<Pool>, version: Version) {
        let permit = pool.free.acquire().await;
        ask(1).await;
        if pool.is_broken.load(Ordering::Acquire) && version == Version::Planted {
            permit.forget();
        }
    }

    async fn body(t: &TestScope, version: Version) {
        let pool = Arc::new(pool());
        let [ada, bob] = ["ada", "bob"].map(|name| {
            t.with(CoroutineName::new(name))
                .launch(query(pool.clone(), version))
        });
        let server = t.launch(async move {
            // The last questions are answered.
            ask(3).await;
            pool.is_broken.store(true, Ordering::Release);
        });
        join_all(&[ada, bob, server]).await;
    }

    planted! {
        says: DEADLOCK,
        switches: 3..=4,
        repaired: 300
    }

    #[test]
    fn the_report_names_who_waits_for_the_permit() {
        let report = find(&Explore::new(SCHEDULES), planted).report;
        // Whichever came second.
        let name = if report.contains("\"bob#") {
            "bob"
        } else {
            "ada"
        };
        waits(&report, name, "acquire (Semaphore", MADE, ACQUIRED);
    }
}
