//! What things cost in memory: exact numbers of allocations and bytes, and sizes of futures.
//!
//! A number that has changed is shown beside the one expected. If it got better, the new one goes into its line here.
#[path = "support/counting.rs"]
mod counting;

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Barrier, LazyLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use corox_core::{
    CoroutineContext, CoroutineScope, Deferred, Dispatcher, IntoContext, Job, OwnedDispatcher,
    Result, await_cancellation, coroutine_scope, delay, new_single_thread_context, non_cancellable,
    run_blocking, set_debug_mode, supervisor_scope, with_context, with_timeout, yield_now,
};
use counting::{Count, are_bytes_comparable};

const HOUR: Duration = Duration::from_secs(3600);

type Counted<'a> = Pin<Box<dyn Future<Output = Result<Count>> + Send + 'a>>;

/// What is counted, what is expected of one operation, and what counts so many of them.
type Case = (&'static str, Count, Measured);
type Measured = for<'a> fn(&'a CoroutineScope, usize) -> Counted<'a>;

const fn expected(allocations: usize, bytes: usize) -> Count {
    Count { allocations, bytes }
}

/// On the event loop of `run_blocking`.
#[rustfmt::skip]
const ON_THE_LOOP: &[Case] = &[
    ("a launch", expected(1, 216), |s, n| Box::pin(launch(s, n))),
    ("a launch of a body of 1000 bytes", expected(1, 1216), |s, n| Box::pin(launch_large(s, n))),
    ("a launch that suspends once", expected(1, 216), |s, n| Box::pin(launch_that_suspends(s, n))),
    ("a spawn and its await", expected(2, 352), |s, n| Box::pin(spawn_and_await(s, n))),
    ("coroutine_scope", expected(1, 176), |_, n| Box::pin(scope(n))),
    ("coroutine_scope with a child", expected(3, 472), |_, n| Box::pin(scope_with_a_child(n))),
    ("supervisor_scope", expected(1, 176), |_, n| Box::pin(supervisor(n))),
    ("non_cancellable", expected(1, 176), |_, n| Box::pin(shield(n))),
    ("with_timeout", expected(2, 288), |_, n| Box::pin(timeout(n))),
    ("with_timeout that suspends once", expected(2, 288), |_, n| Box::pin(timeout_that_suspends(n))),
    ("delay", expected(1, 64), |_, n| Box::pin(delays(n))),
    ("yield_now", expected(0, 0), |_, n| Box::pin(yields(n))),
    ("a cancel of a suspended child", expected(3, 264), |s, n| Box::pin(cancel(s, n))),
    ("a cancel of a child that has not begun", expected(3, 264), |s, n| Box::pin(cancel_at_once(s, n))),
    ("with_context to the same dispatcher", expected(1, 176), |_, n| Box::pin(context(n))),
    ("with_context to another thread", expected(4, 552), |_, n| Box::pin(other_thread(n))),
    ("the other thread's part of that", expected(0, 0), |_, n| Box::pin(part_of_the_other_thread(n))),
    // What tokio allocates for its blocking thread is counted, too.
    ("with_context to IO", expected(5, 808), |_, n| Box::pin(io(n))),
];

/// On the only worker of a pool.
#[rustfmt::skip]
const ON_THE_POOL: &[Case] = &[
    ("a launch", expected(1, 216), |s, n| Box::pin(launch(s, n))),
    ("a launch that suspends once", expected(1, 216), |s, n| Box::pin(launch_that_suspends(s, n))),
    ("a spawn and its await", expected(2, 352), |s, n| Box::pin(spawn_and_await(s, n))),
    ("coroutine_scope with a child", expected(3, 472), |_, n| Box::pin(scope_with_a_child(n))),
    ("with_timeout that suspends once", expected(2, 288), |_, n| Box::pin(timeout_that_suspends(n))),
    ("delay", expected(0, 0), |_, n| Box::pin(delays(n))),
    // The queue of those who yield is in blocks of so many.
    ("63 times yield_now", expected(1, 1520), |_, n| Box::pin(yields(n * 63))),
    ("a cancel of a suspended child", expected(3, 264), |s, n| Box::pin(cancel(s, n))),
    // What tokio allocates for the thread that takes over is counted, too.
    ("with_context to IO, on this thread", expected(3, 464), |_, n| Box::pin(io_in_place(n))),
];

/// What this thread allocates in the block.
macro_rules! count {
    ($operations:block) => {{
        let thread = thread::current().id();
        let before = Count::of_this_thread();
        $operations
        let count = Count::of_this_thread() - before;
        assert_eq!(thread::current().id(), thread, "counted on one thread");
        Ok(count)
    }};
}

/// The last of them has ended: in these dispatchers, on one thread, so have the others.
async fn ended(last: Option<Job>) {
    if let Some(last) = last {
        last.join().await;
    }
}

async fn launch(scope: &CoroutineScope, n: usize) -> Result<Count> {
    count!({
        let mut last = None;
        for _ in 0..n {
            last = Some(scope.launch(ready(())));
        }
        ended(last).await;
    })
}

/// A body whose size no compiler changes.
struct Large([u8; 1000]);

impl Future for Large {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert!(self.0.iter().all(|&byte| byte == 0));
        Poll::Ready(())
    }
}

async fn launch_large(scope: &CoroutineScope, n: usize) -> Result<Count> {
    count!({
        let mut last = None;
        for _ in 0..n {
            last = Some(scope.launch(Large([0; 1000])));
        }
        ended(last).await;
    })
}

async fn launch_that_suspends(scope: &CoroutineScope, n: usize) -> Result<Count> {
    count!({
        let mut last = None;
        for _ in 0..n {
            last = Some(scope.launch(async { yield_now().await }));
        }
        ended(last).await;
    })
}

async fn spawn_and_await(scope: &CoroutineScope, n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            scope.spawn(ready(Ok(1_u64))).await?;
        }
    })
}

async fn scope(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            coroutine_scope(async |_| Ok(())).await?;
        }
    })
}

async fn scope_with_a_child(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            coroutine_scope(async |scope| {
                scope.launch(ready(()));
                Ok(())
            })
            .await?;
        }
    })
}

async fn supervisor(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            supervisor_scope(async |_| Ok(())).await?;
        }
    })
}

async fn shield(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            non_cancellable(async |_| Ok(())).await?;
        }
    })
}

async fn timeout(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            with_timeout(HOUR, async |_| Ok(())).await?;
        }
    })
}

async fn timeout_that_suspends(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            let once = async |_| {
                yield_now().await;
                Ok(())
            };
            with_timeout(HOUR, once).await?;
        }
    })
}

/// So many that have waited: on a busy machine one may be over before it has begun, which is for nothing.
async fn delays(n: usize) -> Result<Count> {
    count!({
        let mut waited = 0;
        while waited < n {
            let mut delay = pin!(delay(Duration::from_millis(1)));
            let is_over = poll_fn(|cx| Poll::Ready(delay.as_mut().poll(cx).is_ready())).await;
            if !is_over {
                delay.await;
                waited += 1;
            }
        }
    })
}

async fn yields(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            yield_now().await;
        }
    })
}

async fn cancel(scope: &CoroutineScope, n: usize) -> Result<Count> {
    let mut jobs = Vec::with_capacity(n);
    for _ in 0..n {
        jobs.push(scope.launch(await_cancellation()));
    }
    // One more, behind them.
    scope.launch(ready(())).join().await;
    count!({
        for job in &jobs {
            job.cancel();
        }
        ended(jobs.pop()).await;
    })
}

async fn cancel_at_once(scope: &CoroutineScope, n: usize) -> Result<Count> {
    let mut jobs = Vec::with_capacity(n);
    for _ in 0..n {
        jobs.push(scope.launch(await_cancellation()));
    }
    count!({
        for job in &jobs {
            job.cancel();
        }
        ended(jobs.pop()).await;
    })
}

async fn context(n: usize) -> Result<Count> {
    count!({
        for _ in 0..n {
            with_context(CoroutineContext::empty(), ready(Ok(()))).await?;
        }
    })
}

const TRIES: usize = 50;

static OTHER: LazyLock<OwnedDispatcher> = LazyLock::new(|| new_single_thread_context("other"));

/// Goes there and back; here must have suspended before there ends, or it may have nothing to wait for.
async fn there_and_back(to: impl IntoContext, meet: &Arc<Barrier>) -> Result<()> {
    let there = meet.clone();
    let body = async move {
        there.wait();
        Ok(())
    };
    let (result, ()) = tokio::join!(with_context(to, body), async {
        meet.wait();
    });
    result
}

async fn other_thread(n: usize) -> Result<Count> {
    least_of_tries(&*OTHER, n).await
}

async fn part_of_the_other_thread(n: usize) -> Result<Count> {
    let there = || with_context(&*OTHER, async { Ok(Count::of_this_thread()) });
    let meet = Arc::new(Barrier::new(2));
    let before = there().await?;
    for _ in 0..n {
        there_and_back(&*OTHER, &meet).await?;
    }
    Ok(there().await? - before)
}

async fn io(n: usize) -> Result<Count> {
    least_of_tries(Dispatcher::IO, n).await
}

/// Which thread has to make room for more, and whether tokio has an idle one or starts one, is a matter of luck: so one by one,
/// and the least of many counts.
async fn least_of_tries(to: impl IntoContext + Clone, n: usize) -> Result<Count> {
    let meet = Arc::new(Barrier::new(2));
    let mut least = None;
    for _ in 0..TRIES {
        let count: Result<Count> = count!({
            there_and_back(to.clone(), &meet).await?;
        });
        least = least.into_iter().chain([count?]).min();
        thread::yield_now();
    }
    Ok(least.unwrap_or_default() * n)
}

async fn io_in_place(n: usize) -> Result<Count> {
    let mut least = None;
    for _ in 0..TRIES {
        let before = (thread::current().id(), Count::of_this_thread());
        with_context(Dispatcher::IO, ready(Ok(()))).await?;
        if thread::current().id() == before.0 {
            let count = Count::of_this_thread() - before.1;
            least = least.into_iter().chain([count]).min();
        }
        thread::yield_now();
    }
    Ok(least.unwrap_or_default() * n)
}

const OPERATIONS: usize = 20;
/// More than enough for each of them to be measured without the things that happen now and then.
const ROUNDS: usize = 12;

/// Many of them less one of them, so that what they have in common is not counted; of several rounds the least, so that what
/// is only warming up, or done once in 63 or 128 turns, is not counted either.
async fn measure(scope: &CoroutineScope, case: Measured) -> Result<Count> {
    let (mut many, mut one) = (case(scope, OPERATIONS + 1).await?, case(scope, 1).await?);
    for _ in 1..ROUNDS {
        many = many.min(case(scope, OPERATIONS + 1).await?);
        one = one.min(case(scope, 1).await?);
    }
    Ok(many - one)
}

/// A line for each that has changed.
async fn changed(scope: &CoroutineScope, cases: &[Case]) -> Result<Vec<String>> {
    let bytes = are_bytes_comparable();
    let mut changed = Vec::new();
    for &(what, expected, case) in cases {
        let all = measure(scope, case).await?;
        changed.extend(difference(what, expected, all, OPERATIONS, bytes));
    }
    Ok(changed)
}

fn assert_none(changed: &[String]) {
    assert!(
        changed.is_empty(),
        "\n{}\nIf that is an improvement, write the new numbers into the table.",
        changed.join("\n")
    );
}

/// A line if the count of so many operations is another than expected.
fn difference(
    what: &str,
    expected: Count,
    all: Count,
    operations: usize,
    bytes: bool,
) -> Option<String> {
    let same = all.allocations == expected.allocations * operations
        && (!bytes || all.bytes == expected.bytes * operations);
    let each = |n: usize| {
        if n % operations == 0 {
            (n / operations).to_string()
        } else {
            format!("{n}/{operations}")
        }
    };
    (!same).then(|| {
        format!(
            "{what}: expected({}, {}), is now ({}, {})",
            expected.allocations,
            expected.bytes,
            each(all.allocations),
            each(all.bytes),
        )
    })
}

#[test]
fn on_the_event_loop_each_thing_costs_what_it_is_known_to_cost() {
    set_debug_mode(false);
    let changed = run_blocking(async |scope| changed(&scope, ON_THE_LOOP).await).unwrap();
    assert_none(&changed);
}

#[test]
fn on_the_pool_each_thing_costs_what_it_is_known_to_cost() {
    set_debug_mode(false);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let on_the_worker = coroutine_scope(async |scope| {
        let body =
            async { coroutine_scope(async |scope| changed(&scope, ON_THE_POOL).await).await };
        scope.spawn(body).await
    });
    let changed = runtime.block_on(on_the_worker).unwrap();
    assert_none(&changed);
}

/// Without what the body keeps: these keep nothing.
#[test]
fn futures_are_as_large_as_they_are_known_to_be() {
    #[rustfmt::skip]
    let sizes = [
        ("Job", 16, size_of::<Job>()),
        ("Deferred", 16, size_of::<Deferred<u64>>()),
        ("delay", 176, size_of_val(&delay(HOUR))),
        ("yield_now", 1, size_of_val(&yield_now())),
        ("coroutine_scope", 272, size_of_val(&coroutine_scope(async |_| Ok(())))),
        ("supervisor_scope", 272, size_of_val(&supervisor_scope(async |_| Ok(())))),
        ("non_cancellable", 272, size_of_val(&non_cancellable(async |_| Ok(())))),
        ("with_timeout", 552, size_of_val(&with_timeout(HOUR, async |_| Ok(())))),
        ("with_context", 496, size_of_val(&with_context(Dispatcher::IO, ready(Ok(()))))),
    ];
    if !are_bytes_comparable() {
        return;
    }
    let changed: Vec<_> = sizes
        .iter()
        .filter(|(_, expected, size)| expected != size)
        .map(|(what, expected, size)| format!("{what}: {expected}, is now {size}"))
        .collect();
    assert_none(&changed);
}
