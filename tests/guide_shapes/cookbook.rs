//! The cookbook.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use corox::{
    Capacity, Channel, CompletableJob, ContextElement, CoroutineContext, CoroutineName, DEFAULT,
    FinallyExt, GlobalScope, IO, NonCancellable, Result, coroutine_scope, delay, is_active,
    join_all, suspend_cancellable, with_context, with_timeout_or_none,
};
use corox_test::run_test;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

// ---- callbacks

/// An interface with two callbacks, of which it calls one, on a thread of its own.
fn load(
    id: u32,
    on_success: impl FnOnce(String) + Send + 'static,
    on_error: impl FnOnce(std::io::Error) + Send + 'static,
) {
    thread::spawn(move || match id {
        0 => on_error(std::io::ErrorKind::NotFound.into()),
        _ => on_success(format!("record {id}")),
    });
}

async fn load_suspending(id: u32) -> Result<String> {
    suspend_cancellable(|continuation| {
        let failing = continuation.clone();
        load(
            id,
            move |record| drop(continuation.resume(record)),
            move |error| drop(failing.fail(error)),
        );
    })
    .await
}

#[test]
fn cookbook_callback_wrapping_gives_the_value_of_one_callback_and_the_error_of_the_other() {
    run_test(async |_| {
        assert_eq!(load_suspending(7).await?, "record 7");
        let error = load_suspending(0).await.unwrap_err();
        let error = error.downcast_ref::<std::io::Error>().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        Ok(())
    });
}

/// The handle is not consumed, for both callbacks need one: it is the second resume that is refused, with what it brings.
#[test]
fn cookbook_callback_wrapping_a_continuation_is_resumed_once() {
    run_test(async |_| {
        let value = suspend_cancellable(|continuation| {
            assert!(continuation.resume(1).is_ok());
            let refused = continuation.resume(2).unwrap_err();
            assert!(!refused.was_cancelled());
            assert_eq!(refused.into_inner(), 2);
        });
        assert_eq!(value.await?, 1);
        Ok(())
    });
}

// ---- contexts

#[derive(Clone, Debug, PartialEq)]
struct AuthUser {
    name: &'static str,
}
impl ContextElement for AuthUser {}

fn name_in(context: &CoroutineContext) -> Option<&str> {
    context.name().map(CoroutineName::as_str)
}

#[test]
fn cookbook_context_set_plus_replaces_elements_of_a_kind_by_those_on_the_right() {
    let left =
        DEFAULT + CoroutineName::new("left") + CoroutineContext::from(AuthUser { name: "anna" });
    let both = left.clone() + CoroutineName::new("right") + AuthUser { name: "otto" };
    assert_eq!(
        both.dispatcher(),
        Some(&DEFAULT),
        "nothing was laid over it"
    );
    assert_eq!(name_in(&both), Some("right"));
    assert_eq!(both.get::<AuthUser>().unwrap().name, "otto");
    // A context is never changed.
    assert_eq!(name_in(&left), Some("left"));
    assert_eq!(left.get::<AuthUser>().unwrap().name, "anna");
}

#[test]
fn cookbook_context_set_an_element_is_a_context_by_itself() {
    let single = CoroutineContext::from(CoroutineName::new("a"));
    assert_eq!(name_in(&single), Some("a"));
    assert!(single.dispatcher().is_none() && single.job().is_none());
    let same = CoroutineContext::empty() + single + CoroutineContext::empty();
    assert_eq!(name_in(&same), Some("a"));
    assert!(CoroutineContext::empty().is_empty() && !same.is_empty());
}

/// `minusKey` is `without` for elements of one's own. Those of the library are not taken out but laid over: `NonCancellable` takes
/// the place of the parent.
#[test]
fn cookbook_context_set_without_removes_an_element_and_leaves_the_others() {
    let context = CoroutineName::new("a") + AuthUser { name: "anna" };
    let rest = context.clone().without::<AuthUser>();
    assert_eq!(rest.get::<AuthUser>(), None);
    assert_eq!(name_in(&rest), Some("a"));
    assert!(context.get::<AuthUser>().is_some());
    let child = context + (*CompletableJob::new()).clone();
    assert!(child.job().is_some());
    assert!((child + NonCancellable).job().is_none());
}

/// What `fold` is for, to see all elements, `{:?}` does.
#[test]
fn cookbook_context_set_its_debug_form_shows_every_element() {
    let context =
        DEFAULT + CoroutineName::new("a") + CoroutineContext::from(AuthUser { name: "anna" });
    let text = format!("{context:?}");
    for element in ["Dispatchers.Default", r#"CoroutineName("a")"#, "AuthUser"] {
        assert!(text.contains(element), "{text}");
    }
}

/// A function that knows nothing of who calls it.
async fn current_user() -> Option<&'static str> {
    let context = CoroutineContext::current();
    context.get::<AuthUser>().map(|user| user.name)
}

#[test]
fn cookbook_context_element_is_read_by_whatever_runs_in_its_context() {
    run_test(async |t| {
        let anna = AuthUser { name: "anna" };
        let users = t.with(anna.clone()).spawn(coroutine_scope(async |scope| {
            let child = scope.spawn(async { Ok(current_user().await) });
            let elsewhere = scope
                .with(DEFAULT)
                .spawn(async { Ok(current_user().await) });
            let part = with_context(IO, async { Ok(current_user().await) });
            Ok([
                current_user().await,
                child.await?,
                elsewhere.await?,
                part.await?,
            ])
        }));
        assert_eq!(users.await?, [Some("anna"); 4]);
        let part = with_context(anna, async { Ok(current_user().await) });
        assert_eq!(part.await?, Some("anna"));
        Ok(())
    });
}

#[test]
fn cookbook_context_element_is_none_where_nobody_has_added_it() {
    run_test(async |t| {
        let job = t.with(AuthUser { name: "anna" }).launch(async {});
        assert_eq!(current_user().await, None, "the scope has none");
        let sibling = t.spawn(async { Ok(current_user().await) });
        assert_eq!(sibling.await?, None);
        job.join().await;
        Ok(())
    });
}

#[test]
fn cookbook_name_override_is_the_name_of_the_child_alone_whose_job_is_its_own() {
    run_test(async |t| {
        let parent = t.with(CoroutineName::new("parent"));
        parent.launch(coroutine_scope(async |scope| {
            let child = scope.with(CoroutineName::new("child")).spawn(async {
                let context = CoroutineContext::current();
                assert_eq!(name_in(&context), Some("child"));
                assert!(format!("{context:?}").contains(r#"CoroutineName("child")"#));
                Ok(context.job().cloned())
            });
            assert_eq!(name_in(&scope.context()), Some("parent"));
            assert!(child.parent().unwrap().ptr_eq(scope.job()));
            let job = child.job().clone();
            assert!(child.await?.unwrap().ptr_eq(&job));
            Ok(())
        }));
    });
}

// ---- scopes and jobs

#[test]
fn cookbook_global_join_their_jobs_are_all_that_waits_for_them() {
    run_test(async |_| {
        let gate = CompletableJob::new();
        let worked = Arc::new(AtomicU32::new(0));
        let mut jobs = Vec::new();
        coroutine_scope(async |_| {
            for i in 1..=2 {
                let (gate, worked) = (gate.clone(), worked.clone());
                jobs.push(GlobalScope.launch(async move {
                    gate.join().await;
                    worked.fetch_add(i, Ordering::Relaxed);
                }));
            }
            Ok(())
        })
        .await?;
        // No scope has waited for them.
        assert!(jobs.iter().all(|job| job.parent().is_none()));
        assert!(jobs.iter().all(|job| !job.is_completed()));
        gate.complete();
        join_all(&jobs).await;
        assert_eq!(worked.load(Ordering::Relaxed), 3);
        Ok(())
    });
}

/// The program `cookbook-inner-cancellation`, with the clock of the test.
#[test]
fn cookbook_inner_cancellation_ends_the_child_and_not_its_parent() {
    let marks = Arc::new(Mutex::new(String::new()));
    let mark = {
        let marks = marks.clone();
        move |text: &str| marks.lock().unwrap().push_str(text)
    };
    run_test(async move |t| {
        let (dot, plus, end) = (mark.clone(), mark.clone(), mark);
        let parent = t.launch(coroutine_scope(async move |scope| {
            let child = async move {
                while is_active() {
                    delay(ms(10)).await;
                    plus("+");
                }
            };
            scope.launch(child.finally(async move { end("Child is cancelled") }));
            while is_active() {
                delay(ms(10)).await;
                dot(".");
            }
            Ok(())
        }));
        delay(ms(100)).await;
        // The scope in it, and in that the child.
        let child = &parent.children()[0].children()[0];
        child.cancel();
        delay(ms(150)).await;
        assert!(child.is_cancelled() && child.is_completed());
        assert!(parent.is_active());
        parent.cancel();
    });
    let marks = marks.lock().unwrap();
    let (before, after) = marks.split_once("Child is cancelled").unwrap();
    assert_eq!(before.matches('+').count(), 9, "{before}");
    assert_eq!(
        before.matches('.').count() + after.matches('.').count(),
        24,
        "{marks}"
    );
    assert!(after.len() >= 14 && !after.contains('+'), "{after}");
}

// ---- channels

/// `cookbook-channel-close` without the close. As long as the receiver has the channel itself, no end of the sender closes it; the
/// ends of a split channel do.
#[test]
fn cookbook_channel_no_close_waits_for_ever() {
    run_test(async |t| {
        let channel = Channel::new(Capacity::Rendezvous);
        let numbers = channel.clone();
        let sender = t.launch(async move {
            numbers.send(1).await?;
            delay(ms(100)).await;
            Ok(numbers.send(2).await?)
        });
        let mut seen = Vec::new();
        let ended = with_timeout_or_none(ms(60_000), async |_| {
            while let Some(n) = channel.next().await? {
                seen.push(n);
            }
            Ok(())
        });
        assert_eq!(ended.await?, None);
        assert!(sender.is_completed());
        assert_eq!(seen, [1, 2]);

        let (tx, rx) = Channel::new(Capacity::Rendezvous).split();
        t.launch(async move {
            tx.send(1).await?;
            delay(ms(100)).await;
            Ok(tx.send(2).await?)
        });
        assert_eq!(rx.to_vec().await?, [1, 2]);
        assert_eq!(t.current_time(), ms(60_100));
        Ok(())
    });
}

#[test]
fn cookbook_buffer_kinds_differ_in_what_they_accept_while_nobody_receives() {
    let accepted = |capacity| {
        let channel = Channel::new(capacity);
        let mut accepted = 0;
        while accepted < 1000 && channel.try_send(accepted).is_ok() {
            accepted += 1;
        }
        (accepted, channel.try_receive().ok())
    };
    assert_eq!(accepted(Capacity::Rendezvous), (0, None));
    assert_eq!(accepted(Capacity::Exactly(3)), (3, Some(0)));
    assert_eq!(accepted(Capacity::Unlimited), (1000, Some(0)));
    assert_eq!(accepted(Capacity::Conflated), (1000, Some(999)));
}
