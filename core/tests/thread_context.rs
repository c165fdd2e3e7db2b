//! Elements that surround the slices of a coroutine (D-19), their copies (D-20), and thread-locals as elements.

mod support;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use corox_core::{
    ContextElement, CoroutineContext, CoroutineStart, Dispatcher, FinallyExt, LocalKeyExt,
    coroutine_scope, delay, non_cancellable, run_blocking, with_context, yield_now,
};
use support::{Log, checked, forever, root};

thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
    static OTHER: Cell<u32> = const { Cell::new(0) };
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Puts its value into `CURRENT` and notes each slice.
struct Traced(u32, Log);

impl ContextElement for Traced {
    fn around(&self, slice: &mut dyn FnMut()) {
        let before = CURRENT.replace(self.0);
        self.1.add(format!("+{}", self.0));
        slice();
        self.1.add(format!("-{}", self.0));
        assert_eq!(CURRENT.replace(before), self.0);
    }
}

/// D-19
#[test]
fn each_slice_is_surrounded_and_the_thread_gets_back_what_it_had() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let one = log.clone();
        scope.with(Traced(1, log.clone())).launch(async move {
            one.add(format!("a{}", CURRENT.get()));
            yield_now().await;
            one.add(format!("b{}", CURRENT.get()));
        });
        let two = log.clone();
        scope.with(Traced(2, log.clone())).launch(async move {
            two.add(format!("c{}", CURRENT.get()));
            yield_now().await;
            two.add(format!("d{}", CURRENT.get()));
        });
        yield_now().await;
        log.add(format!("root{}", CURRENT.get()));
        Ok(())
    });
    assert_eq!(
        seen.take(),
        [
            "+1", "a1", "-1", "+2", "c2", "-2", "root0", "+1", "b1", "-1", "+2", "d2", "-2"
        ]
    );
}

/// D-19: undispatched slices, and parts with another value inside.
#[test]
fn undispatched_slices_and_nested_contexts_see_their_own_value() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let body = log.clone();
        let job = scope
            .with(Traced(1, log.clone()))
            .start(CoroutineStart::Undispatched)
            .launch(async move {
                body.add(format!("a{}", CURRENT.get()));
                let inner = body.clone();
                with_context(Traced(2, body.clone()), async move {
                    inner.add(format!("b{}", CURRENT.get()));
                    yield_now().await;
                    inner.add(format!("c{}", CURRENT.get()));
                    Ok(())
                })
                .await?;
                body.add(format!("d{}", CURRENT.get()));
                Ok(())
            });
        log.add(format!("launched{}", CURRENT.get()));
        job.join().await;
        Ok(())
    });
    assert_eq!(
        seen.take(),
        [
            "+1",
            "a1",
            "+2",
            "b2",
            "-2",
            "-1",
            "launched0",
            "+1",
            "+2",
            "c2",
            "-2",
            "d1",
            "-1"
        ]
    );
}

/// A scope with the context of its coroutine is no slice of its own.
#[test]
fn inline_scopes_shields_and_boundaries_do_not_surround_again() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let body = log.clone();
        scope.with(Traced(1, log.clone())).launch(async move {
            let inside = body.clone();
            coroutine_scope(async move |_| {
                non_cancellable(async |_| {
                    corox_core::catch_cancellation(async {
                        inside.add(format!("in{}", CURRENT.get()));
                    })
                    .await?;
                    Ok(())
                })
                .await
            })
            .await
        });
        Ok(())
    });
    assert_eq!(seen.take(), ["+1", "in1", "-1"]);
}

/// D-19: also on other threads, and IO in the place of a worker.
#[test]
fn the_value_moves_with_the_coroutine_across_dispatchers() {
    let log = Log::new();
    root(async move |scope| {
        let launcher = scope.with(Traced(4, log).plus(Dispatcher::DEFAULT));
        launcher
            .spawn(async {
                assert_eq!(CURRENT.get(), 4);
                delay(Duration::from_millis(1)).await;
                assert_eq!(CURRENT.get(), 4);
                let io = with_context(Dispatcher::IO, async { Ok(CURRENT.get()) }).await?;
                let unconfined =
                    with_context(Dispatcher::UNCONFINED, async { Ok(CURRENT.get()) }).await?;
                assert_eq!((io, unconfined, CURRENT.get()), (4, 4, 4));
                Ok(())
            })
            .await
    });
}

/// D-19: the destructors of a body that is cancelled, of one that never ran, and the second part of `finally`.
#[test]
fn destructors_and_cleanup_run_in_the_slice_of_their_coroutine() {
    struct Looks(Log, &'static str);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.0.add(format!("{}{}", self.1, CURRENT.get()));
        }
    }
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let quiet = Log::new();
        let guard = Looks(log.clone(), "suspended");
        let running = scope.with(Traced(1, quiet.clone())).launch(async move {
            let _guard = guard;
            forever().await;
        });
        let cleanup = log.clone();
        let finally =
            scope
                .with(Traced(2, quiet.clone()))
                .launch(async { forever().await }.finally(async move {
                    yield_now().await;
                    cleanup.add(format!("finally{}", CURRENT.get()));
                }));
        yield_now().await;
        let guard = Looks(log.clone(), "unstarted");
        let unstarted = scope.with(Traced(3, quiet)).launch(async move {
            let _guard = guard;
        });
        running.cancel();
        finally.cancel();
        unstarted.cancel();
        Ok(())
    });
    let mut seen = seen.take();
    seen.sort();
    assert_eq!(seen, ["finally2", "suspended1", "unstarted3"]);
}

/// D-19: restored also when the slice panics, by an element without a guard.
#[test]
fn a_panic_of_the_coroutine_does_not_pass_through_the_element() {
    let log = Log::new();
    let seen = log.clone();
    let error = checked(move || {
        let outcome = run_blocking(async move |scope| {
            let result = corox_core::supervisor_scope(async move |s| {
                let deferred = s
                    .with(Traced(1, log))
                    .spawn(async { panic!("in the slice") as corox_core::Result<()> });
                deferred.await
            })
            .await;
            assert_eq!(CURRENT.get(), 0);
            drop(scope);
            Ok(result.unwrap_err())
        });
        outcome.unwrap()
    });
    assert!(error.is_panic() && error.to_string().contains("in the slice"));
    assert_eq!(seen.take(), ["+1", "-1"]);
}

enum Bad {
    DoesNotCall,
    PanicsBefore,
    PanicsAfter,
    CallsTwice,
}

impl ContextElement for Bad {
    fn around(&self, slice: &mut dyn FnMut()) {
        match self {
            Bad::DoesNotCall => {}
            Bad::PanicsBefore => panic!("before"),
            Bad::PanicsAfter => {
                slice();
                panic!("after");
            }
            Bad::CallsTwice => {
                slice();
                slice();
            }
        }
    }
}

#[test]
fn an_element_that_misbehaves_fails_the_coroutine_and_its_guards_still_run() {
    for (bad, text) in [
        (Bad::DoesNotCall, "did not call the `slice`"),
        (Bad::PanicsBefore, "before"),
        (Bad::PanicsAfter, "after"),
    ] {
        let log = Log::new();
        let seen = log.clone();
        let error = root(async move |_| {
            let result = corox_core::supervisor_scope(async move |s| {
                let guard = log.guard("dropped");
                let deferred = s.with(bad).spawn(async move {
                    let _guard = guard;
                    yield_now().await;
                    Ok(())
                });
                deferred.await
            })
            .await;
            Ok(result.unwrap_err())
        });
        assert!(
            error.is_panic() && error.to_string().contains(text),
            "{error}"
        );
        assert_eq!(seen.take(), ["dropped"]);
    }
}

#[test]
fn a_slice_called_twice_runs_once() {
    let polls = Log::new();
    let seen = polls.clone();
    root(async move |scope| {
        scope
            .with(Bad::CallsTwice)
            .spawn(async move {
                polls.add("one");
                yield_now().await;
                polls.add("two");
                Ok(())
            })
            .await
    });
    assert_eq!(seen.take(), ["one", "two"]);
}

/// A nested root on the same thread has a context of its own.
#[test]
fn a_nested_root_does_not_surround_and_what_it_turns_does() {
    let log = Log::new();
    let seen = log.clone();
    root(async move |scope| {
        let inner = log.clone();
        scope.with(Traced(1, log.clone())).launch(async move {
            let other = inner.clone();
            run_blocking(async move |nested| {
                nested.with(Traced(2, other.clone())).launch(async {});
                other.add("nested");
                Ok(())
            })
            .unwrap();
            assert_eq!(CURRENT.get(), 1);
        });
        Ok(())
    });
    assert_eq!(seen.take(), ["+1", "nested", "+2", "-2", "-1"]);
}

/// Counts its copies, each with a name of its own.
#[derive(Debug)]
struct Copied(String, Log);

impl ContextElement for Copied {
    fn copy_for_child(&self) -> Option<Self> {
        self.1.add(format!("copy {}", self.0));
        Some(Copied(format!("{}'", self.0), self.1.clone()))
    }

    fn merge_for_child(&self, overriding: &Self) -> Option<Self> {
        self.1.add(format!("merge {} {}", self.0, overriding.0));
        Some(Copied(
            format!("{}&{}", self.0, overriding.0),
            self.1.clone(),
        ))
    }
}

fn copied() -> String {
    let context = CoroutineContext::current();
    context.get::<Copied>().unwrap().0.clone()
}

/// D-20
#[test]
fn copyable_elements_are_copied_for_launched_coroutines_only() {
    let log = Log::new();
    root(async move |scope| {
        let body = log.clone();
        let top = scope
            .with(Copied("e".to_owned(), log.clone()))
            .spawn(async move {
                // Laid over: a copy of what was given.
                assert_eq!(body.take(), ["copy e"]);
                assert_eq!(copied(), "e'");
                coroutine_scope(async move |s| {
                    assert_eq!((copied(), body.take()), ("e'".to_owned(), vec![]));
                    let part = with_context(Dispatcher::DEFAULT, async { Ok(copied()) }).await?;
                    assert_eq!((part, body.take()), ("e'".to_owned(), vec![]));
                    let child = s.spawn(async { Ok(copied()) }).await?;
                    assert_eq!(
                        (child.as_str(), body.take()),
                        ("e''", vec!["copy e'".to_owned()])
                    );
                    let lazy = s.lazy().spawn(async { Ok(copied()) }).await?;
                    assert_eq!((lazy.as_str(), body.take().len()), ("e''", 1));
                    let in_place = s
                        .start(CoroutineStart::Undispatched)
                        .spawn(async { Ok(copied()) });
                    assert_eq!((in_place.await?.as_str(), body.take().len()), ("e''", 1));
                    Ok(())
                })
                .await
            });
        top.await
    });
}

/// D-20
#[test]
fn copyable_elements_are_merged_where_they_are_overridden() {
    let log = Log::new();
    root(async move |scope| {
        let scope = scope + Copied("a".to_owned(), log.clone());
        log.take();
        let over = Copied("b".to_owned(), log.clone());
        let child = scope.with(over).spawn(async { Ok(copied()) }).await?;
        assert_eq!(
            (child.as_str(), log.take()),
            ("a&b", vec!["merge a b".to_owned()])
        );
        let body = log.clone();
        scope
            .spawn(async move {
                body.take();
                let over = Copied("c".to_owned(), body.clone());
                let part = with_context(over, async { Ok(copied()) }).await?;
                assert_eq!(part, "a'&c");
                assert_eq!(body.take(), ["merge a' c"]);
                Ok(())
            })
            .await
    });
}

/// D-19
#[test]
fn a_thread_local_has_its_value_in_the_coroutine_and_only_there() {
    root(async |scope| {
        CURRENT.set(1);
        TEXT.set("thread".to_owned());
        let context = CURRENT
            .as_context_element(7)
            .plus(TEXT.as_context_element("coroutine".to_owned()));
        assert!(!CURRENT.is_present());
        scope
            .with(context)
            .spawn(async {
                assert_eq!(CURRENT.get(), 7);
                assert_eq!(TEXT.with_borrow(String::clone), "coroutine");
                // What the coroutine puts in is lost at the next suspension.
                CURRENT.set(100);
                yield_now().await;
                assert_eq!(CURRENT.get(), 7);
                let over = CURRENT.as_context_element(8);
                let inner = with_context(over, async { Ok(CURRENT.get()) }).await?;
                assert_eq!((inner, CURRENT.get()), (8, 7));
                assert_eq!(TEXT.with_borrow(String::clone), "coroutine");
                Ok(())
            })
            .await?;
        assert_eq!(CURRENT.get(), 1);
        assert_eq!(TEXT.take(), "thread");
        CURRENT.set(0);
        Ok(())
    });
}

/// Two thread-locals of one type are two keys.
#[test]
fn thread_locals_of_one_type_do_not_replace_each_other() {
    root(async |scope| {
        let both = CURRENT
            .as_context_element(1)
            .plus(OTHER.as_context_element(2));
        let changed = both + CURRENT.as_context_element(3);
        scope
            .with(changed)
            .spawn(async {
                assert_eq!((CURRENT.get(), OTHER.get()), (3, 2));
                assert!(CURRENT.is_present() && OTHER.is_present() && !TEXT.is_present());
                CURRENT.ensure_present()?;
                let line = line!() + 1;
                let error = TEXT.ensure_present().unwrap_err();
                assert_eq!(error.location().line(), line);
                Ok(())
            })
            .await
    });
}

/// A failure of the value's destructor or of the `RefCell` belongs to the coroutine.
#[test]
fn a_borrowed_ref_cell_fails_the_coroutine_that_would_change_it() {
    root(async |_| {
        let result = corox_core::supervisor_scope(async |s| {
            let borrowed = TEXT.with(|text| {
                let _borrow = text.borrow();
                s.with(TEXT.as_context_element(String::new()))
                    .start(CoroutineStart::Undispatched)
                    .spawn(async { Ok(()) })
            });
            borrowed.await
        })
        .await;
        assert!(result.unwrap_err().is_panic());
        Ok(())
    });
}
