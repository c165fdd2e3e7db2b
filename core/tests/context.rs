//! Contexts, elements of users, and scopes made by hand (J-14, J-38, J-40).

mod support;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corox_core::{
    CompletableJob, ContextElement, CoroutineContext, CoroutineName, CoroutineScope, Dispatcher,
    Error, ExceptionHandler, GlobalScope, Job, LocalKeyExt, NonCancellable, SupervisorJob,
    ThreadLocalElement, await_cancellation, coroutine_scope, new_single_thread_context,
    run_blocking, with_context, yield_now,
};
use support::{Log, checked, forever, root};

#[derive(Debug, PartialEq)]
struct RequestId(u32);
impl ContextElement for RequestId {}

#[derive(Debug, PartialEq)]
struct Tenant(&'static str);
impl ContextElement for Tenant {}

fn id() -> Option<u32> {
    CoroutineContext::current()
        .get::<RequestId>()
        .map(|id| id.0)
}

fn tenant() -> Option<&'static str> {
    CoroutineContext::current().get::<Tenant>().map(|t| t.0)
}

/// J-40
#[test]
fn of_two_elements_of_a_type_the_right_one_counts_and_others_stay() {
    let context = RequestId(1).plus(Tenant("a")) + CoroutineName::new("n") + RequestId(2);
    assert_eq!(context.get::<RequestId>(), Some(&RequestId(2)));
    assert_eq!(context.get::<Tenant>(), Some(&Tenant("a")));
    assert_eq!(context.name().map(CoroutineName::as_str), Some("n"));
    let less = context.clone().without::<RequestId>();
    assert_eq!(less.get::<RequestId>(), None);
    assert_eq!(less.get::<Tenant>(), Some(&Tenant("a")));
    assert!(!less.is_empty());
    let none = CoroutineContext::from(Tenant("a")).without::<Tenant>();
    assert!(none.is_empty());
    let names = format!("{context:?}");
    assert!(
        names.contains("RequestId") && names.contains("Tenant"),
        "{names}"
    );
}

#[test]
fn jobs_made_by_hand_are_added_from_either_side() {
    let (supervisor, completable) = (SupervisorJob::new(), CompletableJob::new());
    let name = CoroutineName::new("session");
    for (sum, job) in [
        (Dispatcher::IO + supervisor.clone(), supervisor.job()),
        (supervisor.clone() + Dispatcher::IO, supervisor.job()),
        (Dispatcher::IO + completable.clone(), &*completable),
        (completable.clone() + Dispatcher::IO, &*completable),
    ] {
        assert!(sum.job().unwrap().ptr_eq(job));
        assert_eq!(sum.dispatcher(), Some(&Dispatcher::IO));
    }
    let both = supervisor.clone() + name + completable.clone();
    assert!(both.job().unwrap().ptr_eq(&completable));
    assert_eq!(both.name().unwrap().as_str(), "session");
}

/// A dispatcher comes first as well as any other element, also one that is lent.
#[test]
fn a_dispatcher_is_joined_with_each_element_of_the_library() {
    thread_local!(static LEVEL: Cell<u8> = const { Cell::new(0) });
    checked(|| {
        let job = CompletableJob::new();
        let supervisor = SupervisorJob::new();
        let owned = new_single_thread_context("one");
        let quiet = || ExceptionHandler::new(|_, _| {});
        for (dispatcher, sums) in [
            (
                Dispatcher::IO,
                [
                    Dispatcher::IO + CoroutineName::new("n"),
                    Dispatcher::IO + quiet(),
                    Dispatcher::IO + NonCancellable,
                    Dispatcher::IO + LEVEL.as_context_element(1),
                    Dispatcher::IO + CoroutineContext::empty(),
                    Dispatcher::IO + supervisor.clone(),
                    Dispatcher::IO + job.clone(),
                    Dispatcher::IO + supervisor.job(),
                    Dispatcher::IO + supervisor.job().clone(),
                ],
            ),
            (
                Dispatcher::from(&owned),
                [
                    &owned + CoroutineName::new("n"),
                    &owned + quiet(),
                    &owned + NonCancellable,
                    &owned + LEVEL.as_context_element(1),
                    &owned + CoroutineContext::empty(),
                    &owned + supervisor.clone(),
                    &owned + job.clone(),
                    &owned + supervisor.job(),
                    &owned + supervisor.job().clone(),
                ],
            ),
        ] {
            for sum in &sums {
                assert_eq!(sum.dispatcher(), Some(&dispatcher));
            }
            let [name, handler, none, level, empty, parents @ ..] = sums;
            assert_eq!(name.name().map(CoroutineName::as_str), Some("n"));
            assert!(handler.exception_handler().is_some());
            assert!(none.job().is_none() && !none.is_empty());
            assert!(level.get::<ThreadLocalElement<Cell<u8>>>().is_some());
            assert!(empty.job().is_none());
            let expected = [&**supervisor, &*job, supervisor.job(), supervisor.job()];
            for (sum, expected) in parents.iter().zip(expected) {
                assert!(sum.job().unwrap().ptr_eq(expected));
            }
        }
        assert_eq!(
            CoroutineContext::from(&Dispatcher::IO).dispatcher(),
            Some(&Dispatcher::IO)
        );
        job.complete();
        supervisor.complete();
    });
}

/// J-40
#[test]
fn elements_are_inherited_by_children_and_scopes_and_not_by_the_surroundings() {
    root(async |scope| {
        assert_eq!((id(), tenant()), (None, None));
        let seen = scope.with(RequestId(1).plus(Tenant("a"))).spawn(async {
            let own = (id(), tenant());
            let inner = coroutine_scope(async |s| {
                let child = s.spawn(async { Ok((id(), tenant())) });
                let other = s.with(RequestId(2)).spawn(async { Ok((id(), tenant())) });
                Ok((id(), child.await?, other.await?))
            })
            .await?;
            let moved = with_context(Dispatcher::DEFAULT, async { Ok((id(), tenant())) }).await?;
            let part = with_context(Tenant("b"), async { Ok((id(), tenant())) }).await?;
            Ok((own, inner, moved, part, (id(), tenant())))
        });
        let a = (Some(1), Some("a"));
        assert_eq!(
            seen.await?,
            (
                a,
                (Some(1), a, (Some(2), Some("a"))),
                a,
                (Some(1), Some("b")),
                a
            )
        );
        assert_eq!((id(), tenant()), (None, None));
        Ok(())
    });
}

#[test]
fn the_current_context_has_job_dispatcher_and_elements_and_outside_it_is_empty() {
    assert!(CoroutineContext::current().is_empty());
    root(async |scope| {
        scope
            .with(CoroutineName::new("c").plus_id(3))
            .spawn(async {
                let context = CoroutineContext::current();
                let job = Job::current().unwrap();
                assert!(context.job().unwrap().ptr_eq(&job));
                assert_eq!(context.name().unwrap().as_str(), "c");
                assert!(context.dispatcher().is_some());
                assert_eq!(context.get::<RequestId>(), Some(&RequestId(3)));
                Ok(())
            })
            .await
    });
}

trait PlusId {
    fn plus_id(self, id: u32) -> CoroutineContext;
}

impl PlusId for CoroutineName {
    fn plus_id(self, id: u32) -> CoroutineContext {
        self + RequestId(id)
    }
}

/// J-38
#[test]
fn a_context_without_job_is_active_and_cancelling_it_does_nothing() {
    let context = CoroutineContext::from(CoroutineName::new("n"));
    assert!(context.is_active() && context.ensure_active().is_ok());
    context.cancel();
    context.cancel_children();
    assert!(context.is_active() && context.job().is_none());
}

#[test]
fn a_context_with_a_job_stands_for_it() {
    root(async |scope| {
        let job = scope.launch(forever());
        let child_of = CompletableJob::child_of(&job);
        let context = CoroutineContext::from(&job);
        assert!(context.is_active());
        context.cancel_children();
        assert!(child_of.is_cancelled() && job.is_active());
        context.cancel();
        assert!(job.is_cancelled() && !context.is_active());
        assert!(context.ensure_active().unwrap_err().is_cancellation());
        Ok(())
    });
}

#[test]
fn what_a_launcher_collects_is_laid_over_in_turn() {
    root(async |scope| {
        let launcher = scope
            .with(RequestId(1))
            .with(Dispatcher::DEFAULT)
            .with(Tenant("x"));
        let launcher = launcher.with(RequestId(5));
        assert_eq!(
            launcher.spawn(async { Ok((id(), tenant())) }).await?,
            (Some(5), Some("x"))
        );
        Ok(())
    });
}

#[test]
fn global_coroutines_begin_without_elements() {
    root(async |scope| {
        let seen = scope
            .with(RequestId(1))
            .spawn(async { GlobalScope.spawn(async { Ok(id()) }).await });
        assert_eq!(seen.await?, None);
        assert_eq!(
            GlobalScope
                .with(RequestId(4))
                .spawn(async { Ok(id()) })
                .await?,
            Some(4)
        );
        Ok(())
    });
}

/// An element is freed with the last coroutine that has it.
#[test]
fn elements_are_dropped_with_the_coroutines_that_have_them() {
    struct Held(#[allow(dead_code)] Arc<()>);
    impl ContextElement for Held {}
    let held = Arc::new(());
    let given = held.clone();
    root(async move |scope| {
        scope.with(Held(given)).launch(async { yield_now().await });
        Ok(())
    });
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_scope_of_its_own_launches_until_it_is_cancelled() {
    checked(|| {
        let scope = CoroutineScope::new(RequestId(9).plus(CoroutineName::new("own")));
        assert!(scope.is_active());
        let first = scope.spawn(async { Ok((id(), Job::current().unwrap().name())) });
        let second = scope.launch(async { await_cancellation().await });
        let log = Log::new();
        let third = scope.launch({
            let guard = log.guard("dropped");
            async move {
                let _guard = guard;
                await_cancellation().await;
            }
        });
        run_blocking(async |_| {
            assert_eq!(first.await?, (Some(9), Some("own".to_owned())));
            scope.cancel_with(Error::cancellation("closed"));
            second.join().await;
            third.join().await;
            scope.job().join().await;
            Ok(())
        })
        .unwrap();
        assert_eq!(second.cause().unwrap().to_string(), "closed");
        assert_eq!(log.take(), ["dropped"]);
        assert!(!scope.is_active() && scope.ensure_active().is_err());
        let late = scope.launch(async { unreachable!("the scope is cancelled") });
        assert!(late.is_cancelled() && late.is_completed());
    });
}

/// J-26: the job of such a scope does not handle failures, so the first one is reported, and cancels the others.
#[test]
fn a_failure_in_a_scope_of_its_own_cancels_it_and_is_reported_once() {
    checked(|| {
        let log = Log::new();
        let told = log.clone();
        let handler = ExceptionHandler::new(move |_, error| told.add(error.to_string()));
        let scope = CoroutineScope::new(handler);
        let other = scope.launch(forever());
        scope.launch(async { Err::<(), _>(Error::msg("bad")) });
        run_blocking(async |_| {
            other.join().await;
            scope.job().join().await;
            Ok(())
        })
        .unwrap();
        assert!(other.is_cancelled());
        assert_eq!(log.take(), ["bad"]);
    });
}

#[test]
fn a_job_given_to_a_scope_is_the_scopes_job_and_the_elements_are_those_given() {
    root(async |scope| {
        let supervisor = SupervisorJob::child_of(scope.job());
        let quiet = ExceptionHandler::new(|_, _| {});
        let own = CoroutineScope::new(RequestId(1).plus(quiet) + supervisor.clone());
        assert!(own.job().ptr_eq(&supervisor));
        let failing = own.launch(async { Err::<(), _>(Error::msg("alone")) });
        failing.join().await;
        assert!(supervisor.is_active());
        assert_eq!(own.spawn(async { Ok(id()) }).await?, Some(1));
        // Its pool, without a dispatcher among the elements, is not the event loop of this thread.
        let here = std::thread::current().id();
        let there = own.spawn(async { Ok(std::thread::current().id()) }).await?;
        assert_ne!(here, there);
        supervisor.complete();
        Ok(())
    });
}

/// J-14
#[test]
fn non_cancellable_in_the_context_of_a_new_scope_changes_nothing() {
    checked(|| {
        let scope = CoroutineScope::new(NonCancellable);
        let job = scope.launch(forever());
        assert!(job.parent().unwrap().ptr_eq(scope.job()));
        scope.cancel();
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn plus_gives_a_scope_with_changed_elements_and_the_same_job_unless_one_is_given() {
    root(async |scope| {
        let plus = &scope + RequestId(1).plus(Dispatcher::DEFAULT);
        assert!(plus.job().ptr_eq(scope.job()));
        assert_eq!(plus.spawn(async { Ok(id()) }).await?, Some(1));
        assert_eq!(scope.spawn(async { Ok(id()) }).await?, None);
        let twice = plus.clone() + Tenant("t") + RequestId(2);
        assert_eq!(
            twice.spawn(async { Ok((id(), tenant())) }).await?,
            (Some(2), Some("t"))
        );
        assert_eq!(twice.context().get::<Tenant>(), Some(&Tenant("t")));
        let group = CompletableJob::child_of(scope.job());
        let grouped = plus + group.clone();
        let child = grouped.launch(forever());
        assert!(child.parent().unwrap().ptr_eq(&group));
        group.cancel();
        Ok(())
    });
}

#[test]
fn the_context_for_a_builder_of_ones_own_is_what_a_launched_child_would_get() {
    struct Counted(Arc<AtomicUsize>);
    impl ContextElement for Counted {
        fn copy_for_child(&self) -> Option<Self> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Some(Counted(self.0.clone()))
        }
    }
    root(async |scope| {
        let copies = Arc::new(AtomicUsize::new(0));
        let scope = scope + Counted(copies.clone());
        let before = copies.load(Ordering::Relaxed);
        let context = scope.child_context(RequestId(1));
        assert_eq!(copies.load(Ordering::Relaxed), before + 1);
        assert_eq!(context.get::<RequestId>(), Some(&RequestId(1)));
        assert!(context.job().unwrap().ptr_eq(scope.job()));
        assert!(scope.child_context(NonCancellable).job().is_none());
        Ok(())
    });
}
