//! From a wake to the poll.

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use corox_bench::{Engine, Program, StopWatch, Tasks};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

/// How long what keeps the runtime busy computes at a time.
const TURN: Duration = Duration::from_micros(50);
/// Between two wakes by a coroutine, and the timer.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Clone, Copy)]
pub(crate) enum Waker {
    Thread,
    Coroutine,
    Socket,
    Timer,
}

/// So many that keep the runtime busy.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    Yielding(usize),
    Launching(usize),
    Pairs(usize),
}

#[derive(Clone, Copy)]
pub(crate) struct Wake {
    pub(crate) waker: Waker,
    pub(crate) load: Load,
    /// How often.
    pub(crate) times: usize,
}

pub(crate) fn run(engine: &Engine, wake: Wake) -> Vec<Duration> {
    let (results, result) = mpsc::channel();
    engine.run(&StopWatch::default(), Measurement { wake, results });
    result.recv().expect("the program has sent its result")
}

struct Measurement {
    wake: Wake,
    results: mpsc::Sender<Vec<Duration>>,
}

impl Program for Measurement {
    async fn run(self, tasks: impl Tasks) {
        let Wake { waker, load, times } = self.wake;
        let busy = Arc::new(AtomicBool::new(true));
        let bell = Arc::new(Bell::new());
        let (done, result) = oneshot::channel();
        match waker {
            Waker::Thread => {
                load.start(&tasks, &busy);
                let answers = from_outside(times, ringing(bell.clone()));
                tasks.start_task(async move {
                    let mut latencies = Vec::with_capacity(times);
                    while latencies.len() < times {
                        bell.rings.notified().await;
                        latencies.push(bell.since());
                        let _ = answers.send(());
                    }
                    let _ = done.send(latencies);
                });
            }
            Waker::Socket => {
                let (mut near, far) = connected().await;
                load.start(&tasks, &busy);
                let answers = from_outside(times, writing(bell.clone(), far));
                tasks.start_task(async move {
                    let mut latencies = Vec::with_capacity(times);
                    while latencies.len() < times {
                        near.read_u8().await.expect("the other end writes");
                        latencies.push(bell.since());
                        let _ = answers.send(());
                    }
                    let _ = done.send(latencies);
                });
            }
            Waker::Coroutine => {
                load.start(&tasks, &busy);
                tasks.start_task(ring_from_inside(tasks.clone(), bell.clone(), times));
                tasks.start_task(async move {
                    let mut latencies = Vec::with_capacity(times);
                    while latencies.len() < times {
                        bell.rings.notified().await;
                        latencies.push(bell.since());
                        bell.answers.notify_one();
                    }
                    let _ = done.send(latencies);
                });
            }
            Waker::Timer => {
                load.start(&tasks, &busy);
                tasks.start_task(timed(tasks.clone(), times, done));
            }
        }
        let result = result.await.expect("the probe ends");
        busy.store(false, Release);
        self.results.send(result).expect("somebody waits for it");
    }
}

/// What wakes the probe, and when it did.
struct Bell {
    epoch: Instant,
    /// Nanoseconds since then.
    rang: AtomicU64,
    rings: Notify,
    /// The probe has heard it.
    answers: Notify,
}

impl Bell {
    fn new() -> Bell {
        Bell {
            epoch: Instant::now(),
            rang: AtomicU64::new(0),
            rings: Notify::new(),
            answers: Notify::new(),
        }
    }

    fn stamp(&self) {
        let now = self.epoch.elapsed().as_nanos() as u64;
        self.rang.store(now, Release);
    }

    fn since(&self) -> Duration {
        let now = self.epoch.elapsed();
        now.saturating_sub(Duration::from_nanos(self.rang.load(Acquire)))
    }
}

/// Calls `wake` from a thread, each time after the answer to the one before and a pause of 0.2 to 0.8 ms, in no order.
fn from_outside(times: usize, mut wake: impl FnMut() + Send + 'static) -> mpsc::Sender<()> {
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        for i in 0..times as u64 {
            thread::sleep(Duration::from_micros(200 + i * 7919 % 600));
            wake();
            if answered.recv().is_err() {
                return;
            }
        }
    });
    answer
}

fn ringing(bell: Arc<Bell>) -> impl FnMut() + Send {
    move || {
        bell.stamp();
        bell.rings.notify_one();
    }
}

fn writing(bell: Arc<Bell>, mut far: std::net::TcpStream) -> impl FnMut() + Send {
    move || {
        bell.stamp();
        far.write_all(&[1]).expect("the probe reads");
    }
}

async fn connected() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let far = std::net::TcpStream::connect(address).expect("it listens");
    far.set_nodelay(true).expect("a socket");
    let (near, _) = listener.accept().await.expect("one has connected");
    (near, far)
}

async fn ring_from_inside<T: Tasks>(_: T, bell: Arc<Bell>, times: usize) {
    for _ in 0..times {
        T::sleep(PAUSE).await;
        bell.stamp();
        bell.rings.notify_one();
        bell.answers.notified().await;
    }
}

async fn timed<T: Tasks>(_: T, times: usize, done: oneshot::Sender<Vec<Duration>>) {
    let mut latencies = Vec::with_capacity(times);
    while latencies.len() < times {
        let due = Instant::now() + PAUSE;
        T::sleep(PAUSE).await;
        latencies.push(due.elapsed());
    }
    let _ = done.send(latencies);
}

impl Load {
    /// Until `busy` is false.
    fn start(self, tasks: &impl Tasks, busy: &Arc<AtomicBool>) {
        match self {
            Load::Yielding(n) => {
                for _ in 0..n {
                    tasks.start_task(yielding(tasks.clone(), busy.clone()));
                }
            }
            Load::Launching(n) => {
                for _ in 0..n {
                    tasks.start_task(launching(tasks.clone(), busy.clone()));
                }
            }
            Load::Pairs(n) => {
                for _ in 0..n {
                    let (one, two) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
                    one.notify_one();
                    tasks.start_task(waking(one.clone(), two.clone(), busy.clone()));
                    tasks.start_task(waking(two, one, busy.clone()));
                }
            }
        }
    }
}

fn compute() {
    let begin = Instant::now();
    while begin.elapsed() < TURN {
        std::hint::spin_loop();
    }
}

async fn yielding<T: Tasks>(_: T, busy: Arc<AtomicBool>) {
    while busy.load(Acquire) {
        compute();
        T::yield_now().await;
    }
}

fn launching(tasks: impl Tasks, busy: Arc<AtomicBool>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if busy.load(Acquire) {
            compute();
            tasks.start_task(launching(tasks.clone(), busy));
        }
    })
}

async fn waking(own: Arc<Notify>, other: Arc<Notify>, busy: Arc<AtomicBool>) {
    while busy.load(Acquire) {
        own.notified().await;
        other.notify_one();
    }
    // It may wait for its turn still.
    other.notify_one();
}
