//! Terminal operators: F-6, F-32, and what they give for no item and for too many.
#![cfg(not(corox_loom))]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use corox_core::{Dispatcher, Error, Result, run_blocking, yield_now};
use corox_flow::{MoreThanOne, NoElement, empty_flow, flow, flow_of, prelude::*};
use support::drop_at::{drop_at_each_poll, pause};
use support::{failing, now};

struct Guard<'a>(&'a Cell<bool>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Runs `find` over 1, 2, 3 ..: what it gives, how many items it has taken, and that nothing of the flow was left when it was done.
fn found<'a, R, Fut: Future<Output = Result<R>>>(
    find: impl FnOnce(corox_flow::LocalBoxFlow<'a, u32>) -> Fut,
    taken: &'a Cell<u32>,
    dropped: &'a Cell<bool>,
) -> (R, u32) {
    dropped.set(false);
    let numbers = flow(async move |e| {
        let _guard = Guard(dropped);
        for n in 1.. {
            taken.set(n);
            e.emit(n).await;
        }
    });
    let given = now(find(numbers.boxed_local())).unwrap();
    assert!(dropped.get());
    (given, taken.get())
}

/// F-6: those that have found what they look for end the flow, and its guards run before they give it.
#[test]
fn they_stop_at_what_they_look_for() {
    let (taken, dropped) = (Cell::new(0), Cell::new(false));
    let (taken, dropped) = (&taken, &dropped);
    assert_eq!(found(|it| it.first(), taken, dropped), (1, 1));
    assert_eq!(found(|it| it.first_or_none(), taken, dropped), (Some(1), 1));
    assert_eq!(
        found(|it| it.first_where(|n| *n > 3), taken, dropped),
        (4, 4)
    );
    let slow = found(|it| it.first_where_async(async |n| *n > 3), taken, dropped);
    assert_eq!(slow, (4, 4));
    let some = found(|it| it.first_or_none_where(|n| *n > 3), taken, dropped);
    assert_eq!(some, (Some(4), 4));
    let some = found(
        |it| it.first_or_none_where_async(async |n| *n > 3),
        taken,
        dropped,
    );
    assert_eq!(some, (Some(4), 4));
    assert_eq!(found(|it| it.any(|n| n > 4), taken, dropped), (true, 5));
    assert_eq!(
        found(|it| it.any_async(async |n| n > 4), taken, dropped),
        (true, 5)
    );
    assert_eq!(found(|it| it.all(|n| n < 4), taken, dropped), (false, 4));
    assert_eq!(
        found(|it| it.all_async(async |n| n < 4), taken, dropped),
        (false, 4)
    );
    assert_eq!(found(|it| it.none(|n| n > 1), taken, dropped), (false, 2));
    assert_eq!(
        found(|it| it.none_async(async |n| n > 1), taken, dropped),
        (false, 2)
    );
    // F-32: at the second one.
    assert_eq!(found(|it| it.single_or_none(), taken, dropped), (None, 2));
}

#[test]
fn of_an_empty_flow() {
    let none = empty_flow::<u32>;
    assert_eq!(now(none().first_or_none()).unwrap(), None);
    assert_eq!(now(none().first_or_none_where(|_| true)).unwrap(), None);
    assert_eq!(now(none().last_or_none()).unwrap(), None);
    assert_eq!(now(none().single_or_none()).unwrap(), None);
    assert!(!now(none().any(|_| true)).unwrap());
    assert!(now(none().all(|_| false)).unwrap());
    assert!(now(none().none(|_| true)).unwrap());
    assert_eq!(now(none().count()).unwrap(), 0);
    assert_eq!(now(none().fold(7, |a, _| a)).unwrap(), 7);
}

/// A typed error, at the line of the operator.
#[test]
fn no_element() {
    fn is_no_element<T>(failed: impl Future<Output = Result<T>>, line: u32) {
        let Err(error) = now(failed) else {
            panic!("it does not fail")
        };
        assert!(error.downcast_ref::<NoElement>().is_some(), "{error:?}");
        assert!(error.to_string().contains("`_or_none`"));
        let at = error.location();
        assert_eq!((at.file(), at.line()), (Location::caller().file(), line));
    }
    let none = empty_flow::<u32>;
    is_no_element(none().first(), line!());
    is_no_element(none().first_where(|_| true), line!());
    is_no_element(none().last(), line!());
    is_no_element(none().single(), line!());
    is_no_element(none().reduce(|a, b| a + b), line!());
    is_no_element(none().reduce_async(async |a, b| a + b), line!());
    is_no_element(flow_of([1, 2]).first_where(|n| *n > 2), line!());
    is_no_element(flow_of([1]).first_where_async(async |n| *n > 2), line!());
}

/// F-32: `single` fails at the second item, and drops what is above then.
#[test]
fn more_than_one() {
    let dropped = Cell::new(false);
    let numbers = flow(async |e| {
        let _guard = Guard(&dropped);
        e.emit(1).await;
        e.emit(2).await;
        unreachable!("it does not go on after the second item");
    });
    let line = line!() + 1;
    let single = numbers.single();
    let error = now(single).unwrap_err();
    assert!(dropped.get());
    assert!(error.downcast_ref::<MoreThanOne>().is_some());
    assert!(error.to_string().contains("`first`"));
    assert_eq!(error.location().line(), line);
    assert_eq!(now(flow_of([1]).single()).unwrap(), 1);
}

/// F-32: a second item is enough for `single_or_none`, while `single` waits for the end for want of one.
#[test]
fn single_waits_for_the_end() {
    assert!(now(failing([1]).single()).is_err());
    assert!(now(failing([1]).single_or_none()).is_err());
    assert_eq!(now(failing([1, 2]).single_or_none()).unwrap(), None);
}

#[test]
fn failures_of_the_flow_are_given() {
    fn fails<T>(result: Result<T>) {
        assert_eq!(result.err().expect("it fails").to_string(), "failed");
    }
    let failing = failing([1, 1]);
    let it = || failing.clone();
    fails(now(it().run()));
    fails(now(it().count()));
    fails(now(it().last()));
    fails(now(it().last_or_none()));
    fails(now(it().reduce(|a, b| a + b)));
    fails(now(it().reduce_async(async |a, b| a + b)));
    fails(now(it().fold_async(0, async |a, b| a + b)));
    fails(now(it().try_fold(0, |a, b| Ok(a + b))));
    fails(now(it().try_for_each(|_| Ok(()))));
    fails(now(it().collect_indexed(async |_, _| ())));
    fails(now(it().to_set()));
    fails(now(it().any(|_| false)));
    fails(now(it().all(|_| true)));
    fails(now(it().first_where(|_| false)));
}

/// What an operation fails with ends the collection there.
#[test]
fn failures_of_operations_are_given() {
    let seen = RefCell::new(Vec::new());
    let numbers = (1..).into_flow().on_each(|n| seen.borrow_mut().push(*n));
    let below_three = |n: i32| if n < 3 { Ok(()) } else { Err(Error::msg("no")) };
    let check = |failed: Result<()>| {
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert_eq!(seen.take(), [1, 2, 3]);
    };
    let it = || numbers.clone();
    check(now(it().try_for_each(below_three)));
    check(now(it().try_fold((), |(), n| below_three(n))));
    check(now(it().try_fold_async((), async |(), n| below_three(n))));
    check(now(it().collect_indexed(async |_, n| below_three(n))));
    check(now(it().collect(async |n| below_three(n))));
}

#[test]
fn collections() {
    let words = flow_of(["b", "aa", "b", "a"]);
    let it = || words.clone();
    assert_eq!(now(it().to_set()).unwrap(), HashSet::from(["a", "aa", "b"]));
    assert_eq!(now(it().to_collection::<String>()).unwrap(), "baaba");
    let sorted: BTreeSet<&str> = now(it().to_collection()).unwrap();
    assert_eq!(sorted, BTreeSet::from(["a", "aa", "b"]));
    let mut queue = VecDeque::from(["first"]);
    now(it().extend_into(&mut queue)).unwrap();
    assert_eq!(queue, ["first", "b", "aa", "b", "a"]);
    // `toCollection` keeps what has come before a failure, too.
    let mut kept = Vec::new();
    now(failing([1, 2]).extend_into(&mut kept)).unwrap_err();
    assert_eq!(kept, [1, 2]);
    // `associateBy`: the last one stays.
    let mut at = 0;
    let by_length = it().collect_map(|word| {
        at += 1;
        (word.len(), (at, word))
    });
    let expected = HashMap::from([(1, (4, "a")), (2, (2, "aa"))]);
    assert_eq!(now(by_length).unwrap(), expected);
    let in_order: BTreeMap<_, _> = now(it().map(|it| (it, it.len())).to_collection()).unwrap();
    assert_eq!(in_order.into_iter().next(), Some(("a", 1)));
    let groups = now(it().group_by(|word| word.len())).unwrap();
    let expected = HashMap::from([(1, vec!["b", "b", "a"]), (2, vec!["aa"])]);
    assert_eq!(groups, expected);
    let groups = now(it().collect_groups(|word| (word.len(), word.as_bytes()[0]))).unwrap();
    assert_eq!(
        groups,
        HashMap::from([(1, vec![b'b', b'b', b'a']), (2, vec![b'a'])])
    );
}

#[test]
fn items_have_numbers() {
    let seen = RefCell::new(Vec::new());
    let letters = flow_of(["a", "b"]);
    let twice = letters.clone().collect_indexed(async |n, it| {
        pause().await;
        seen.borrow_mut().push((n, it));
    });
    run_blocking(async |_| twice.await).unwrap();
    assert_eq!(seen.take(), [(0, "a"), (1, "b")]);
}

/// The operations that suspend, in a coroutine on other threads.
#[test]
fn twins_do_the_same() {
    run_blocking(async |scope| {
        let coroutine = scope.with(Dispatcher::DEFAULT).spawn(async {
            let base = Mutex::new(1_u64);
            let base = &base;
            let numbers = flow(async |e| {
                for n in 1..=10 {
                    yield_now().await;
                    e.emit(n).await;
                }
            });
            let it = || numbers.clone();
            let slow = it().fold_async(1, async |a, n| {
                yield_now().await;
                a * n + *base.lock().unwrap()
            });
            assert_eq!(slow.await?, it().fold(1, |a, n| a * n + 1).await?);
            let slow = it().reduce_async(async |a, n| {
                yield_now().await;
                a * n
            });
            assert_eq!(slow.await?, it().reduce(|a, n| a * n).await?);
            let slow = it().try_fold_async(0, async |a, n| {
                yield_now().await;
                Ok(a + n)
            });
            assert_eq!(slow.await?, it().try_fold(0, |a, n| Ok(a + n)).await?);
            let slow = it().count_if_async(async |n| {
                yield_now().await;
                n % 3 == 0
            });
            assert_eq!(slow.await?, it().count_if(|n| n % 3 == 0).await?);
            let slow = it().first_where_async(async |n| {
                yield_now().await;
                *n > 4
            });
            assert_eq!(slow.await?, 5);
            let slow = it().any_async(async |n| {
                yield_now().await;
                n > 10
            });
            assert!(!slow.await?);
            Ok(())
        });
        coroutine.await
    })
    .unwrap();
}

#[test]
fn launch_in_runs_it_in_a_scope() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = log.clone();
    run_blocking(async |scope| {
        let numbers = (1..=3)
            .into_flow()
            .on_each(move |n| seen.lock().unwrap().push(*n));
        let job = numbers.launch_in(&scope);
        assert!(log.lock().unwrap().is_empty());
        job.join().await;
        assert_eq!(*log.lock().unwrap(), [1, 2, 3]);
        Ok(())
    })
    .unwrap();
    let failed = run_blocking(async |scope| {
        failing([1]).launch_in(&scope);
        Ok(())
    });
    assert_eq!(failed.unwrap_err().to_string(), "failed");
}

/// Cancelling the job ends the collection.
#[test]
fn what_was_launched_is_cancelled() {
    run_blocking(async |scope| {
        let endless = (1..).into_flow().on_each_async(async |_| yield_now().await);
        let job = endless.launch_in(&scope);
        yield_now().await;
        job.cancel_and_join().await;
        assert!(job.is_cancelled());
        Ok(())
    })
    .unwrap();
}

#[test]
fn nothing_is_left_behind() {
    drop_at_each_poll(|guards| {
        let guard = guards.guard();
        guards.source(3).collect_indexed(async move |_, _| {
            let _guard = guard;
            pause().await;
        })
    });
    drop_at_each_poll(|guards| {
        let guard = guards.guard();
        guards
            .source(3)
            .fold_async(guards.item(9), async move |_, item| {
                let _guard = guard;
                pause().await;
                item
            })
    });
    drop_at_each_poll(|guards| {
        guards
            .source(3)
            .try_fold_async(guards.item(9), async |_, item| {
                pause().await;
                if item.number == 1 {
                    return Err(Error::msg("no"));
                }
                Ok(item)
            })
    });
    drop_at_each_poll(|guards| {
        guards.source(3).reduce_async(async |_, item| {
            pause().await;
            item
        })
    });
    drop_at_each_poll(|guards| guards.source(3).last());
    drop_at_each_poll(|guards| guards.source(3).single());
    drop_at_each_poll(|guards| guards.source(3).first_where(|it| it.number == 1));
    drop_at_each_poll(|guards| guards.source(3).group_by(|it| it.number % 2));
    drop_at_each_poll(|guards| guards.source(3).to_set());
    drop_at_each_poll(|guards| {
        guards.source(3).any_async(async |it| {
            pause().await;
            it.number == 1
        })
    });
}
