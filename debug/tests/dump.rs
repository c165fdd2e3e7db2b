//! The text of a dump (P-5) and of a tree (P-6), and a dump as JSON.

mod support;

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use corox_core::{
    CompletableJob, CoroutineName, CoroutineScope, Dispatcher, Job, SupervisorJob,
    await_cancellation, coroutine_scope, delay, run_blocking, supervisor_scope, yield_now,
};
use corox_debug::DebugProbes;
use support::{plain, probed};

/// P-5: header, empty line, a paragraph each; the marker where no suspension is known.
#[test]
fn a_dump_has_a_paragraph_for_each_coroutine() {
    let (text, first) = probed(|| {
        let first = line!() + 1;
        let text = run_blocking(async |scope| {
            let loader = scope.with(CoroutineName::new("loader"));
            let loader = loader.launch(coroutine_scope(async |_| {
                delay(Duration::from_secs(60)).await;
                Ok(())
            }));
            let lazy = scope.lazy().spawn(async { Ok(()) });
            let both = scope.launch(async {
                let minute = delay(Duration::from_secs(60));
                futures::future::join(minute, async { await_cancellation().await }).await;
            });
            yield_now().await;
            let text = DebugProbes::dump_coroutines()?;
            loader.cancel();
            lazy.cancel();
            both.cancel();
            Ok(text)
        });
        (text.unwrap(), first)
    });
    let year = text
        .strip_prefix("Coroutines dump 2")
        .map(|rest| rest.find('\n'));
    assert_eq!(year, Some(Some("026-11-21 23:15:03 UTC".len())), "{text}");
    let expected = "\
Coroutines dump

Coroutine \"coroutine\":BlockingCoroutine{Active}, state: RUNNING on tester
	(no suspension is known; it was created)
	at run_blocking (line 0)

Coroutine \"loader\":StandaloneCoroutine{Active}, state: SUSPENDED
	at delay (60s) (line 3)
	at coroutine_scope (line 2)
	at launch (line 2)

Coroutine \"coroutine\":LazyDeferredCoroutine{New}, state: CREATED
	(no suspension is known; it was created)
	at spawn (line 6)

Coroutine \"coroutine\":StandaloneCoroutine{Active}, state: SUSPENDED
	at delay (60s) (line 8)
	at launch (line 7)
	and at the same time
	at await_cancellation (line 9)
	at launch (line 7)
";
    assert_eq!(plain(&text, file!(), first), expected);
}

/// P-5: a running one is marked as one that shows where it was.
#[test]
fn a_dump_says_where_a_running_coroutine_was() {
    let (text, first) = probed(|| {
        let first = line!() + 1;
        let text = run_blocking(async |scope| {
            let (dump, dumped) = sync_channel(1);
            let job = scope.launch(async move {
                delay(Duration::from_millis(1)).await;
                dump.send(DebugProbes::dump_coroutines()).unwrap();
            });
            job.join().await;
            Ok(dumped.recv()??)
        });
        (text.unwrap(), first)
    });
    let expected = "
Coroutine \"coroutine\":StandaloneCoroutine{Active}, state: RUNNING on tester (from where it waited last, not where it is now)
	at delay (1ms) (line 3)
	at launch (line 2)
";
    let text = plain(&text, file!(), first);
    assert!(text.ends_with(expected), "{text}");
}

/// P-6.
#[test]
fn a_tree_has_a_tab_for_each_level_and_no_line_for_scopes() {
    let (text, first) = probed(|| {
        let first = line!() + 1;
        let text = run_blocking(async |scope| {
            let root = scope.with(CoroutineName::new("root"));
            let root = root.launch(supervisor_scope(async |scope| {
                let leaf = async |_: CoroutineScope| Ok(());
                scope
                    .with(CoroutineName::new("leaf"))
                    .launch(await_cancellation());
                scope.lazy().launch(coroutine_scope(leaf));
                let sub = SupervisorJob::child_of(scope.job());
                drop(CompletableJob::child_of(sub.as_ref()));
                await_cancellation().await
            }));
            yield_now().await;
            yield_now().await;
            let text = DebugProbes::job_to_string(&root)?;
            let mut out = Vec::new();
            DebugProbes::print_job(&root, &mut out)?;
            assert_eq!(String::from_utf8(out)?, text);
            root.cancel();
            let cancelling = DebugProbes::job_to_string(&root)?;
            assert!(cancelling.contains("StandaloneCoroutine{Cancelling}, continuation"));
            Ok(text)
        });
        (text.unwrap(), first)
    });
    let expected = "\
\"root\":StandaloneCoroutine{Active}, continuation is SUSPENDED at line await_cancellation (line 10)
	\"leaf\":StandaloneCoroutine{Active}, continuation is SUSPENDED at line await_cancellation (line 6)
	\"root\":LazyStandaloneCoroutine{New}, continuation is CREATED
	SupervisorJobImpl{Active}
		JobImpl{Active}
";
    assert_eq!(plain(&text, file!(), first), expected);
}

/// P-6: of a scope, whose own line is left out; of one with a job of its own.
#[test]
fn the_tree_of_a_scope_is_that_of_its_job() {
    probed(|| {
        run_blocking(async |scope| {
            coroutine_scope(async |inner| {
                let job = inner.launch(async {});
                let tree = DebugProbes::scope_to_string(&inner)?;
                assert_eq!(tree, DebugProbes::job_to_string(&job)?);
                let mut out = Vec::new();
                DebugProbes::print_scope(&scope, &mut out)?;
                let out = String::from_utf8(out)?;
                let (first, rest) = out.split_once('\n').unwrap();
                assert!(
                    first.contains(":BlockingCoroutine{Active}, continuation is RUNNING"),
                    "{out}"
                );
                assert_eq!(rest, format!("\t{tree}"));
                Ok(())
            })
            .await?;
            let own = CoroutineScope::new(Dispatcher::DEFAULT);
            assert_eq!(DebugProbes::scope_to_string(&own)?, "JobImpl{Active}\n");
            Ok(())
        })
        .unwrap();
    });
}

/// P-6: the words of all states.
#[test]
fn a_tree_has_the_words_of_the_states() {
    probed(|| {
        let states = |job: &Job| {
            let tree = DebugProbes::job_to_string(job).unwrap();
            tree.trim_end().trim_start_matches("JobImpl").to_owned()
        };
        let job = CompletableJob::new();
        let child = CompletableJob::child_of(&job);
        assert_eq!(states(job.as_ref()), "{Active}\n\tJobImpl{Active}");
        job.complete();
        assert_eq!(states(job.as_ref()), "{Completing}\n\tJobImpl{Active}");
        child.complete();
        assert_eq!(states(job.as_ref()), "{Completed}");
        let job = CompletableJob::new();
        job.cancel();
        assert_eq!(states(job.as_ref()), "{Cancelled}");
    });
}

/// A chain of jobs has a tree that grows with their number, and not with its square.
#[test]
fn the_tree_of_a_long_chain_stays_readable() {
    probed(|| {
        const DEPTH: usize = 5_000;
        let mut jobs = vec![CompletableJob::new()];
        for _ in 0..DEPTH {
            let parent = jobs.last().unwrap();
            jobs.push(CompletableJob::child_of(parent));
        }
        let text = DebugProbes::job_to_string(jobs[0].as_ref()).unwrap();
        assert_eq!(text.lines().count(), DEPTH + 1);
        assert!(text.lines().all(|line| line.len() < 100));
        let last = text.lines().last().unwrap();
        assert_eq!(last.trim_start(), format!("[{DEPTH}] JobImpl{{Active}}"));
        jobs[0].cancel();
    });
}

#[cfg(feature = "serde")]
#[test]
fn a_dump_can_be_serialized() {
    probed(|| {
        run_blocking(async |scope| {
            let line = line!() + 3;
            let job = scope
                .with(CoroutineName::new("loader"))
                .launch(await_cancellation());
            yield_now().await;
            let infos = support::infos();
            let json = serde_json::to_value(&infos)?;
            let loader = &json[1];
            assert_eq!(loader["name"], "loader");
            assert_eq!(loader["id"], job.id().unwrap());
            assert_eq!(loader["parent"], scope.job().id().unwrap());
            assert_eq!(loader["state"], "SUSPENDED");
            assert_eq!(loader["job_state"], "Active");
            assert_eq!(loader["thread"], serde_json::Value::Null);
            assert_eq!(loader["launched"]["function"], "launch");
            assert_eq!(loader["launched"]["line"], line);
            assert_eq!(
                loader["last_observed"][0][0]["function"],
                "await_cancellation"
            );
            assert_eq!(json[0]["thread"], "tester");
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}
