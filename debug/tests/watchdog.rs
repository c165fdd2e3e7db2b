//! Polls that take too long, and those that may.
//!
//! What is not to be reported is blocked until the *witness*, a coroutine that blocks `DEFAULT`, was reported at least twice.

mod support;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use corox_core::{
    CoroutineName, CoroutineScope, Dispatcher, GlobalScope, Job, allow_blocking,
    await_cancellation, blocking, coroutine_scope, delay, probe, run_blocking, with_context,
    yield_now,
};
use corox_debug::{LongPoll, Watchdog, Watching};
use support::alone;

const LIMIT: Duration = Duration::from_millis(50);

/// Begins to watch, with the reports in a channel.
fn watch(watchdog: Watchdog) -> (Watching, Receiver<LongPoll>) {
    let (send, reports) = channel();
    let watchdog = watchdog.on_report(move |poll| {
        let _ = send.send(poll.clone());
    });
    (watchdog.start().unwrap(), reports)
}

fn on_default(name: &'static str) -> corox_core::Launcher {
    GlobalScope.with(Dispatcher::DEFAULT + CoroutineName::new(name))
}

fn name(poll: &LongPoll) -> &str {
    poll.coroutine.name.as_deref().unwrap_or_default()
}

/// Blocks a thread of `DEFAULT` until it was reported twice by a watchdog of its own.
fn witness() {
    let (_watching, reports) = watch(Watchdog::new(LIMIT).again_after(2));
    let (go, gone) = channel::<()>();
    let job = on_default("witness").launch(async move {
        let _ = gone.recv();
    });
    let mut times = 0;
    while times < 2 {
        let report = reports.recv().unwrap();
        times += usize::from(name(&report) == "witness");
    }
    go.send(()).unwrap();
    join(job);
}

fn join(job: Job) {
    run_blocking(async move |_| {
        job.join().await;
        Ok(())
    })
    .unwrap();
}

/// The names of what was reported, apart from the witness.
fn others(reports: &Receiver<LongPoll>) -> Vec<String> {
    let names = reports.try_iter().map(|poll| name(&poll).to_owned());
    names.filter(|name| name != "witness").collect()
}

// ---- what is reported

async fn waits_before() {
    delay(Duration::from_micros(1)).await;
}

async fn waits_after() {
    await_cancellation().await
}

#[test]
fn a_poll_that_blocks_is_reported_while_it_goes_on_and_when_it_has_ended() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let (go, gone) = channel::<()>();
        let line = line!() + 1;
        let job = on_default("loader").launch(async move {
            waits_before().await;
            gone.recv().unwrap();
            waits_after().await
        });
        let first = reports.recv().unwrap();
        assert!(!first.is_over && first.took >= LIMIT && first.next.is_empty());
        assert_eq!(first.coroutine.launched.line, Some(line));
        assert_eq!(first.coroutine.thread.as_ref(), Some(&first.thread));
        assert!(first.thread.starts_with("corox-"), "{first}");
        assert!(first.coroutine.last_observed_is_over);
        let text = first.to_string();
        let expected = format!("A coroutine blocks the thread {} for ", first.thread);
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains("Coroutine \"loader#"), "{text}");
        assert!(text.contains("state: RUNNING on corox-"), "{text}");
        assert!(text.contains("\tat delay ("), "{text}");
        assert!(text.contains("\tat launch ("), "{text}");

        go.send(()).unwrap();
        let last = reports.recv().unwrap();
        assert!(last.is_over && last.took >= first.took);
        assert_eq!(last.next[0].function, "await_cancellation");
        let functions: Vec<_> = last.next.iter().map(|frame| &*frame.function).collect();
        let after = functions.iter().any(|name| name.contains("waits_after"));
        assert!(after, "{functions:?}");
        let text = last.to_string();
        assert!(text.contains(" has blocked the thread corox-"), "{text}");
        assert!(text.contains("\tat await_cancellation ("), "{text}");
        job.cancel();
        join(job);
        assert_eq!(others(&reports), Vec::<String>::new());
    });
}

#[test]
fn a_coroutine_that_ends_has_no_next_suspension_point() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let (go, gone) = channel::<()>();
        let job = on_default("short").launch(async move { gone.recv().unwrap() });
        assert!(!reports.recv().unwrap().is_over);
        go.send(()).unwrap();
        join(job);
        let last = reports.recv().unwrap();
        assert!(last.is_over && last.next.is_empty());
        assert!(last.to_string().ends_with(", or has ended.\n"), "{last}");
    });
}

/// A scope is a part of its coroutine, and what is blocked is that.
#[test]
fn a_scope_that_blocks_is_reported_as_its_coroutine() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let (go, gone) = channel::<()>();
        let job = on_default("outer").launch(async move {
            coroutine_scope(async move |_| {
                gone.recv()?;
                Ok(())
            })
            .await
        });
        let first = reports.recv().unwrap();
        assert_eq!(name(&first), "outer");
        assert_eq!(first.coroutine.launched.function, "launch");
        go.send(()).unwrap();
        join(job);
        assert!(reports.recv().unwrap().is_over);
        assert!(reports.try_recv().is_err());
    });
}

/// The witness is reported twice as long later, and this one only once.
#[test]
fn a_poll_is_reported_again_only_when_it_takes_so_many_times_as_long() {
    alone(|| {
        let (_watching, rarely) = watch(Watchdog::new(LIMIT).again_after(1000));
        let (_watching, often) = watch(Watchdog::new(LIMIT).again_after(2));
        let (go, gone) = channel::<()>();
        let job = on_default("long").launch(async move { gone.recv().unwrap() });
        let times: Vec<_> = (0..4).map(|_| often.recv().unwrap().took).collect();
        for pair in times.windows(2) {
            assert!(pair[1] >= pair[0] * 2, "{times:?}");
        }
        assert!(!rarely.recv().unwrap().is_over);
        assert!(rarely.try_recv().is_err());
        go.send(()).unwrap();
        join(job);
        assert!(rarely.recv().unwrap().is_over);
        assert!(often.recv().unwrap().is_over);
    });
}

/// Each poll for itself: the second one of the same coroutine, too.
#[test]
fn the_next_poll_that_blocks_is_reported_again() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let (go, gone) = channel::<()>();
        let job = on_default("twice").launch(async move {
            gone.recv().unwrap();
            delay(Duration::from_micros(1)).await;
            gone.recv().unwrap();
        });
        for next in [Some("delay (1µs)"), None] {
            assert!(!reports.recv().unwrap().is_over);
            go.send(()).unwrap();
            let last = reports.recv().unwrap();
            assert!(last.is_over);
            assert_eq!(last.next.first().map(|frame| &*frame.function), next);
        }
        join(job);
    });
}

// ---- what is not

/// Runs `f` with a watchdog of its own; what was reported apart from the witness.
fn reported(watchdog: Watchdog, f: impl FnOnce()) -> Vec<String> {
    let (watching, reports) = watch(watchdog);
    f();
    drop(watching);
    others(&reports)
}

#[test]
fn what_runs_on_io_is_not_reported() {
    alone(|| {
        for all in [false, true] {
            let names = reported(Watchdog::new(LIMIT).all_dispatchers(all), || {
                let (go, gone) = channel::<()>();
                let (go_there, gone_there) = channel::<()>();
                let calls = on_default("blocking").launch(blocking(move |_| Ok(gone.recv()?)));
                let (go_later, gone_later) = channel::<()>();
                let there = on_default("there").launch(with_context(Dispatcher::IO, async move {
                    gone_there.recv()?;
                    delay(Duration::from_micros(1)).await;
                    Ok(gone_later.recv()?)
                }));
                witness();
                go.send(()).unwrap();
                go_there.send(()).unwrap();
                witness();
                go_later.send(()).unwrap();
                join(calls);
                join(there);
            });
            assert_eq!(names, Vec::<String>::new());
        }
    });
}

#[test]
fn event_loops_are_reported_only_if_all_dispatchers_are() {
    alone(|| {
        let (go, gone) = channel::<()>();
        let names = reported(Watchdog::new(LIMIT), || {
            let blocked = std::thread::spawn(move || run_blocking(async |_| Ok(gone.recv()?)));
            witness();
            go.send(()).unwrap();
            blocked.join().unwrap().unwrap();
        });
        assert_eq!(names, Vec::<String>::new());

        let (_watching, reports) = watch(Watchdog::new(LIMIT).all_dispatchers(true));
        let thread = std::thread::Builder::new().name("loop".to_owned());
        let blocked = thread.spawn(move || run_blocking(async move |_| Ok(reports.recv()?)));
        assert_eq!(blocked.unwrap().join().unwrap().unwrap().thread, "loop");
    });
}

#[test]
fn what_is_allowed_is_not_reported() {
    alone(|| {
        let names = reported(Watchdog::new(LIMIT), || {
            let (go, gone) = channel::<()>();
            let job = on_default("allowed").launch(async move {
                allow_blocking(|| {
                    // Inside of another one it is the outer one that counts, and so it does with coroutines.
                    allow_blocking(|| ());
                    run_blocking(async |_| Ok(gone.recv()?)).unwrap();
                });
            });
            witness();
            go.send(()).unwrap();
            join(job);
        });
        assert_eq!(names, Vec::<String>::new());
    });
}

/// It is the time that is allowed, and not the poll.
#[test]
fn what_blocks_after_an_allowed_call_is_reported_with_its_own_time() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let (go, gone) = channel::<()>();
        let (tell, told) = channel();
        let job = on_default("both").launch(async move {
            let begun = Instant::now();
            allow_blocking(|| gone.recv().unwrap());
            tell.send(begun.elapsed()).unwrap();
            gone.recv().unwrap();
        });
        witness();
        let since = Instant::now();
        go.send(()).unwrap();
        let allowed = told.recv().unwrap();
        let report = loop {
            let report = reports.recv().unwrap();
            if name(&report) == "both" {
                break report;
            }
        };
        // It began to block after `since`, so it cannot have blocked for longer.
        assert!(report.took >= LIMIT && report.took <= since.elapsed() + Duration::from_millis(1));
        assert!(allowed >= LIMIT * 2);
        go.send(()).unwrap();
        join(job);
    });
}

/// Its panic ends the permission.
#[test]
fn an_allowed_call_that_panics_leaves_no_permission_behind() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let (go, gone) = channel::<()>();
        let job = on_default("panics").launch(async move {
            let call = || allow_blocking(|| std::panic::resume_unwind(Box::new("its own")));
            let caught: std::thread::Result<()> =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
            assert!(caught.is_err());
            gone.recv().unwrap();
        });
        assert_eq!(name(&reports.recv().unwrap()), "panics");
        go.send(()).unwrap();
        join(job);
    });
}

#[test]
fn an_allowed_call_gives_what_it_gives_with_and_without_a_watchdog() {
    alone(|| {
        assert_eq!(allow_blocking(|| 7), 7);
        let _watching = watch(Watchdog::new(LIMIT));
        assert_eq!(allow_blocking(|| 7), 7);
        let job = run_blocking(async |_| Ok(allow_blocking(|| 7)));
        assert_eq!(job.unwrap(), 7);
    });
}

/// As with every probe (P-1).
#[test]
fn what_was_launched_before_is_not_reported() {
    alone(|| {
        let (begin, begun) = channel();
        let (go, gone) = channel::<()>();
        let job = on_default("before").launch(async move {
            begin.send(()).unwrap();
            yield_now().await;
            gone.recv().unwrap();
        });
        begun.recv().unwrap();
        assert_eq!(
            reported(Watchdog::new(LIMIT), witness),
            Vec::<String>::new()
        );
        go.send(()).unwrap();
        join(job);
    });
}

// ---- the watchdog

#[test]
fn a_report_that_panics_is_not_the_last_one() {
    alone(|| {
        let (send, reports): (Sender<bool>, _) = channel();
        let watchdog = Watchdog::new(LIMIT).on_report(move |poll| {
            send.send(poll.is_over).unwrap();
            std::panic::resume_unwind(Box::new("of the report"));
        });
        let _watching = watchdog.start().unwrap();
        let (go, gone) = channel::<()>();
        let job = on_default("one").launch(async move { gone.recv().unwrap() });
        assert_eq!(reports.recv(), Ok(false));
        go.send(()).unwrap();
        join(job);
        assert_eq!(reports.recv(), Ok(true));
    });
}

/// It may ask for a dump, and use the library.
#[test]
fn a_report_may_do_what_it_likes() {
    alone(|| {
        let (send, texts) = channel();
        let watchdog = Watchdog::new(LIMIT).on_report(move |_| {
            let dump = corox_debug::DebugProbes::dump_coroutines().unwrap();
            let two = run_blocking(async |scope| scope.spawn(async { Ok(2) }).await);
            let _ = send.send((dump, two.unwrap()));
        });
        let _watching = watchdog.start().unwrap();
        let (go, gone) = channel::<()>();
        let job = on_default("one").launch(async move { gone.recv().unwrap() });
        let (dump, two) = texts.recv().unwrap();
        assert!(two == 2 && dump.contains("\"one#"), "{dump}");
        go.send(()).unwrap();
        join(job);
    });
}

#[test]
fn nothing_is_reported_after_the_guard_was_dropped_and_the_probes_are_gone_with_it() {
    alone(|| {
        let (watching, reports) = watch(Watchdog::new(LIMIT));
        assert!(probe::is_installed());
        drop(watching);
        assert!(!probe::is_installed());
        witness();
        // The thread has ended, or at least has let the channel go unused.
        assert!(reports.try_recv().is_err());
        match reports.recv_timeout(Duration::from_secs(20)) {
            Err(RecvTimeoutError::Disconnected) => {}
            other => panic!("the thread of the watchdog lives on: {other:?}"),
        }
    });
}

#[test]
fn a_guard_may_be_dropped_by_a_report() {
    alone(|| {
        let guard: Arc<Mutex<Option<Watching>>> = Arc::default();
        let (send, dropped) = channel();
        let own = guard.clone();
        let watchdog = Watchdog::new(LIMIT).on_report(move |_| {
            let watching = own.lock().unwrap().take();
            let was_there = watching.is_some();
            drop(watching);
            let _ = send.send(was_there);
        });
        *guard.lock().unwrap() = Some(watchdog.start().unwrap());
        let (go, gone) = channel::<()>();
        let job = on_default("one").launch(async move { gone.recv().unwrap() });
        assert_eq!(dropped.recv(), Ok(true));
        go.send(()).unwrap();
        join(job);
        assert!(!probe::is_installed());
    });
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let text = |f: fn()| {
        let payload = std::panic::catch_unwind(f).unwrap_err();
        (*payload.downcast_ref::<&str>().unwrap()).to_owned()
    };
    let zero = text(|| _ = Watchdog::new(Duration::ZERO));
    assert!(zero.ends_with("give Watchdog a limit above zero"), "{zero}");
    let again = text(|| _ = Watchdog::new(LIMIT).again_after(1));
    assert!(
        again.ends_with("give Watchdog::again_after 2 or more"),
        "{again}"
    );
}

/// A scope of one's own on a view of `DEFAULT`.
#[test]
fn views_of_default_are_watched() {
    alone(|| {
        let (_watching, reports) = watch(Watchdog::new(LIMIT));
        let scope = CoroutineScope::new(Dispatcher::DEFAULT.limited_parallelism(1));
        let (go, gone) = channel::<()>();
        let job = scope.launch(async move { gone.recv().unwrap() });
        assert!(!reports.recv().unwrap().is_over);
        go.send(()).unwrap();
        join(job);
    });
}
