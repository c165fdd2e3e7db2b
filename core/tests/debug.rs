//! Numbers, names and strings of jobs, and the label of a thread.

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use corox_core::{
    CompletableDeferred, CompletableJob, CoroutineName, Dispatcher, Error, Job, NonCancellable,
    Result, SupervisorJob, await_cancellation, catch_cancellation, coroutine_scope, debug_mode,
    non_cancellable, run_blocking, set_debug_mode, supervisor_scope, thread_label, with_context,
    yield_now,
};

/// Runs `test` on a thread named `tester`, in the given mode and without probes, which give numbers, too.
fn in_mode<T: Send + 'static>(on: bool, test: impl FnOnce() -> T + Send + 'static) -> T {
    static MODE: Mutex<()> = Mutex::new(());
    let _alone = MODE.lock().unwrap_or_else(PoisonError::into_inner);
    set_debug_mode(on);
    let (over, ended) = sync_channel::<()>(1);
    let thread = std::thread::Builder::new()
        .name("tester".to_owned())
        .spawn(move || {
            let _over = over;
            test()
        })
        .unwrap();
    if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_secs(20)) {
        panic!("the test hangs");
    }
    thread
        .join()
        .unwrap_or_else(|payload| resume_unwind(payload))
}

/// The string of a job without its address and, if it is that of a coroutine, with `#` for `#number`.
fn label(job: &Job) -> String {
    let text = job.to_string();
    let (label, address) = text.split_once('@').unwrap();
    assert!(!address.is_empty() && address.chars().all(|c| c.is_ascii_hexdigit()));
    match job.id() {
        Some(id) => label.replace(&format!("#{id}\""), "#\""),
        None => label.to_owned(),
    }
}

fn current() -> Job {
    Job::current().unwrap()
}

// ---- numbers

/// P-8.
#[test]
fn each_coroutine_gets_the_next_number_in_debug_mode() {
    in_mode(true, || {
        run_blocking(async |scope| {
            let root = current().id().unwrap();
            let jobs = [
                scope.launch(async {}),
                scope.lazy().launch(async {}),
                scope.spawn(async { Ok(()) }).job().clone(),
            ];
            let ids = jobs.each_ref().map(|job| job.id().unwrap());
            assert_eq!(ids, [root + 1, root + 2, root + 3]);
            jobs[1].cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// P-8.
#[test]
fn a_scope_has_the_number_of_its_coroutine() {
    in_mode(true, || {
        run_blocking(async |scope| {
            let inside = scope.spawn(async {
                let own = current().id();
                let scope = coroutine_scope(async |_| Ok(current().id())).await?;
                let shield = non_cancellable(async |_| Ok(current().id())).await?;
                let moved = with_context(Dispatcher::DEFAULT, async { Ok(current().id()) }).await?;
                Ok([own, scope, shield, moved])
            });
            let id = inside.id();
            assert!(id.is_some());
            assert_eq!(inside.await?, [id; 4]);
            Ok(())
        })
        .unwrap();
    });
}

/// P-8.
#[test]
fn a_job_without_body_has_no_number() {
    in_mode(true, || {
        assert_eq!(CompletableJob::new().id(), None);
        assert_eq!(SupervisorJob::new().id(), None);
        assert_eq!(CompletableDeferred::<()>::new().id(), None);
    });
}

/// P-8.
#[test]
fn outside_debug_mode_there_are_no_numbers() {
    let label = in_mode(false, || {
        run_blocking(async |scope| {
            let job = scope.with(CoroutineName::new("v1")).launch(async {});
            assert_eq!(job.id(), None);
            assert_eq!(job.name().as_deref(), Some("v1"));
            Ok(label(&job))
        })
        .unwrap()
    });
    assert_eq!(label, "StandaloneCoroutine{Active}");
}

/// Not with the state that it had a moment before: `..{Active} was cancelled`.
#[test]
fn the_message_of_a_cancellation_names_the_job_and_not_its_state() {
    let texts = in_mode(false, || {
        run_blocking(async |scope| {
            let by_hand = scope.launch(await_cancellation());
            by_hand.cancel();
            let for_a_cause = scope.launch(await_cancellation());
            for_a_cause.cancel_with(Error::msg("not needed"));
            Ok([by_hand, for_a_cause].map(|job| {
                let text = job.cause().unwrap().to_string();
                (text, format!("{job}"))
            }))
        })
        .unwrap()
    });
    for (text, job) in texts {
        let (_, address) = job.split_once('@').unwrap();
        assert_eq!(text, format!("StandaloneCoroutine@{address} was cancelled"));
    }
}

#[test]
fn the_mode_of_its_creation_counts_for_a_coroutine() {
    in_mode(true, || {
        run_blocking(async |scope| {
            let before = scope.launch(async {});
            set_debug_mode(false);
            let after = scope.launch(async {});
            assert!(before.id().is_some());
            assert_eq!(after.id(), None);
            Ok(())
        })
        .unwrap();
    });
}

/// The mode is read once in a process, so each case is a process: this very test, which then only says what it found.
#[test]
fn the_environment_chooses_the_mode() {
    const TEST: &str = "the_environment_chooses_the_mode";
    const CHILD: &str = "COROX_TEST_SAYS_ITS_MODE";
    if std::env::var_os(CHILD).is_some() {
        println!("the mode is {}", debug_mode());
        return;
    }
    let default = cfg!(debug_assertions);
    for (value, expected) in [
        (Some("on"), true),
        (Some("1"), true),
        (Some("true"), true),
        (Some("off"), false),
        (Some("0"), false),
        (Some("false"), false),
        (Some("perhaps"), default),
        (None, default),
    ] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", TEST, "--nocapture"]).env(CHILD, "1");
        match value {
            Some(value) => child.env("COROX_DEBUG", value),
            None => child.env_remove("COROX_DEBUG"),
        };
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let expected = format!("the mode is {expected}");
        assert!(said.contains(&expected), "{value:?}: {said}");
    }
}

// ---- strings

/// Whoever logs a handle, by `{:?}` or `{}`, sees which coroutine it is of.
#[test]
fn handles_show_name_and_number_in_debug_mode_and_not_without() {
    for on in [true, false] {
        in_mode(on, move || {
            run_blocking(async |scope| {
                let named = scope.with(CoroutineName::new("v1"));
                let deferred = named.spawn(async { Ok(()) });
                let job = deferred.job();
                let name = match job.id() {
                    Some(id) => format!("\"v1#{id}\":DeferredCoroutine{{Active}}@"),
                    None => "DeferredCoroutine{Active}@".to_owned(),
                };
                assert_eq!(job.id().is_some(), on);
                for text in [format!("{job}"), format!("{job:?}")] {
                    assert!(text.starts_with(&name), "{text}");
                }
                let text = format!("{deferred:?}");
                assert!(text.contains(&name), "{text}");
                let text = format!("{scope:?}");
                assert_eq!(text.contains("\"coroutine#"), on, "{text}");
                assert!(text.contains(":BlockingCoroutine{") || !on, "{text}");
                Ok(())
            })
            .unwrap();
        });
    }
}

/// P-8: `"name#number":Kind{State}`.
#[test]
fn each_kind_of_job_has_its_name() {
    let labels = in_mode(true, || {
        run_blocking(async |scope| {
            let lazy = [
                scope.lazy().launch(async {}),
                scope.lazy().spawn(async { Ok(()) }).job().clone(),
            ];
            let mut labels = vec![
                label(&current()),
                label(&scope.launch(async {})),
                label(&lazy[0]),
                label(scope.spawn(async { Ok(()) }).job()),
                label(&lazy[1]),
            ];
            for job in lazy {
                job.cancel();
            }
            async fn own() -> Result<String> {
                Ok(label(&current()))
            }
            labels.push(coroutine_scope(async |_| own().await).await?);
            labels.push(supervisor_scope(async |_| own().await).await?);
            labels.push(non_cancellable(async |_| own().await).await?);
            labels.push(with_context(CoroutineName::new("same"), own()).await?);
            labels.push(with_context(Dispatcher::DEFAULT, own()).await?);
            labels.push(label(&CompletableJob::new()));
            labels.push(label(&SupervisorJob::new()));
            labels.push(label(&CompletableDeferred::<()>::new()));
            Ok(labels)
        })
        .unwrap()
    });
    assert_eq!(
        labels,
        [
            r##""coroutine#":BlockingCoroutine{Active}"##,
            r##""coroutine#":StandaloneCoroutine{Active}"##,
            r##""coroutine#":LazyStandaloneCoroutine{New}"##,
            r##""coroutine#":DeferredCoroutine{Active}"##,
            r##""coroutine#":LazyDeferredCoroutine{New}"##,
            r##""coroutine#":ScopeCoroutine{Active}"##,
            r##""coroutine#":SupervisorCoroutine{Active}"##,
            r##""coroutine#":NonCancellableCoroutine{Active}"##,
            r##""same#":UndispatchedCoroutine{Active}"##,
            r##""coroutine#":DispatchedCoroutine{Active}"##,
            "JobImpl{Active}",
            "SupervisorJobImpl{Active}",
            "CompletableDeferredImpl{Active}",
        ]
    );
}

/// J-1, P-8.
#[test]
fn the_string_of_a_job_shows_its_state() {
    in_mode(false, || {
        run_blocking(async |scope| {
            let job = scope.lazy().launch(async {
                let _ = catch_cancellation(await_cancellation()).await;
            });
            let mut seen = vec![label(&job)];
            job.start();
            seen.push(label(&job));
            yield_now().await;
            job.cancel();
            seen.push(label(&job));
            job.join().await;
            seen.push(label(&job));
            let done = scope.launch(async {});
            done.join().await;
            seen.push(label(&done));
            let by_hand = CompletableJob::new();
            let child = CompletableJob::child_of(&by_hand);
            by_hand.complete();
            seen.push(label(&by_hand));
            child.complete();
            assert_eq!(
                seen,
                [
                    "LazyStandaloneCoroutine{New}",
                    "LazyStandaloneCoroutine{Active}",
                    "LazyStandaloneCoroutine{Cancelling}",
                    "LazyStandaloneCoroutine{Cancelled}",
                    "StandaloneCoroutine{Completed}",
                    "JobImpl{Completing}",
                ]
            );
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn the_string_is_that_of_the_job_and_not_of_the_handle() {
    in_mode(true, || {
        let (one, two) = (CompletableJob::new(), CompletableJob::new());
        assert_eq!(one.to_string(), one.clone().to_string());
        assert_ne!(one.to_string(), two.to_string());
        assert_eq!(format!("{one:?}"), one.to_string());
        let supervisor = SupervisorJob::new();
        assert_eq!(format!("{supervisor:?}"), supervisor.to_string());
        let deferred = CompletableDeferred::ready(1);
        assert_eq!(format!("{deferred:?}"), deferred.to_string());
        assert_eq!(
            format!("{:?}", deferred.as_deferred()),
            deferred.to_string()
        );
    });
}

// ---- names

/// J-40, P-8.
#[test]
fn a_name_is_inherited_until_it_is_replaced() {
    let names = in_mode(true, || {
        run_blocking(async |scope| {
            scope
                .with(CoroutineName::new("outer"))
                .spawn(async {
                    coroutine_scope(async |scope| {
                        let own = current().name();
                        let child = scope.launch(async {}).name();
                        let named = scope.with(CoroutineName::new("inner")).launch(async {});
                        Ok([own, child, named.name()])
                    })
                    .await
                })
                .await
        })
        .unwrap()
    });
    assert_eq!(
        names.map(Option::unwrap_or_default),
        ["outer", "outer", "inner"]
    );
}

// ---- the label of a thread

/// P-8, with the number replaced by `#`.
#[test]
fn the_label_of_a_thread_names_the_coroutine_that_runs_there() {
    fn here() -> String {
        let id = current().id().unwrap();
        thread_label().replace(&format!("#{id}"), "#")
    }

    in_mode(true, || {
        assert_eq!(thread_label(), "tester");
        run_blocking(async |scope| {
            assert_eq!(here(), "tester @coroutine#");
            let named = scope.with(CoroutineName::new("v1"));
            assert_eq!(named.spawn(async { Ok(here()) }).await?, "tester @v1#");
            let inner = named.spawn(coroutine_scope(async |_| Ok(here())));
            assert_eq!(inner.await?, "tester @v1#");
            let pooled = named.with(Dispatcher::DEFAULT).spawn(async { Ok(here()) });
            let pooled = pooled.await?;
            assert!(
                pooled.starts_with("corox-default-") && pooled.ends_with(" @v1#"),
                "{pooled}"
            );
            assert_eq!(here(), "tester @coroutine#");
            Ok(())
        })
        .unwrap();
        assert_eq!(thread_label(), "tester");
    });
}

#[test]
fn the_label_is_the_name_of_the_thread_outside_debug_mode() {
    in_mode(false, || {
        run_blocking(async |_| {
            assert_eq!(thread_label(), "tester");
            Ok(())
        })
        .unwrap();
        let unnamed = std::thread::spawn(thread_label).join().unwrap();
        assert_eq!(unnamed, "unnamed");
    });
}

// ---- places

/// Section 9 of the design: where it was launched.
#[test]
fn a_job_knows_where_it_was_made() {
    #[track_caller]
    fn here() -> &'static Location<'static> {
        Location::caller()
    }

    in_mode(false, || {
        run_blocking(async |scope| {
            let (job, at) = (scope.launch(async {}), here());
            same_line(&job, at);
            let (job, at) = (scope.with(NonCancellable).launch(async {}), here());
            same_line(&job, at);
            let (deferred, at) = (scope.spawn(async { Ok(()) }), here());
            same_line(&deferred, at);
            let (job, at) = (CompletableJob::new(), here());
            same_line(&job, at);
            let (job, at) = (SupervisorJob::new(), here());
            same_line(&job, at);
            let (deferred, at) = (CompletableDeferred::<()>::new(), here());
            same_line(&deferred, at);
            let (inner, at) = (coroutine_scope(async |_| Ok(current())), here());
            same_line(&inner.await?, at);
            let (inner, at) = (supervisor_scope(async |_| Ok(current())), here());
            same_line(&inner.await?, at);
            let (inner, at) = (non_cancellable(async |_| Ok(current())), here());
            same_line(&inner.await?, at);
            let (inner, at) = (moved(async { Ok(current()) }), here());
            same_line(&inner.await?, at);
            Ok(())
        })
        .unwrap();
    });

    #[track_caller]
    fn moved<T: Send + 'static>(
        body: impl Future<Output = Result<T>> + Send + 'static,
    ) -> impl Future<Output = Result<T>> {
        with_context(Dispatcher::DEFAULT, body)
    }

    #[track_caller]
    fn same_line(job: &Job, at: &Location<'_>) {
        let found = (job.location().file(), job.location().line());
        assert_eq!(found, (at.file(), at.line()));
    }
}
