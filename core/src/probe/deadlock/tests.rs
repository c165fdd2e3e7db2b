//! What one look has wrong, the next one puts right.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use super::*;
use crate::probe::install;
use crate::{delay, run_blocking, yield_now};

/// One at a time: a look sees the rings of all.
static ALONE: Mutex<()> = Mutex::new(());

type Looks = Arc<Mutex<Vec<Vec<Known>>>>;

/// In the midst of a poll: the waits of now, beside what runs when that poll has ended.
fn torn() -> Vec<Known> {
    let mut known = known();
    known.iter_mut().for_each(|job| job.thread = None);
    known
}

/// One coroutine joins another one, which is `body` and joins the first one. `check` gets the looks of that.
fn with_two<F>(body: impl FnOnce(Job, Looks) -> F, check: impl FnOnce(Vec<Vec<Known>>))
where
    F: Future<Output = ()> + Send + 'static,
{
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _probes = install();
    run_blocking(async |scope| {
        let (looks, other) = (Looks::default(), Arc::new(OnceLock::<Job>::new()));
        let joined = other.clone();
        let one = scope.launch(async move { joined.get().unwrap().join().await });
        let two = scope.launch(body(one.clone(), looks.clone()));
        other.set(two.clone()).unwrap();
        for _ in 0..8 {
            yield_now().await;
        }
        let looks = std::mem::take(&mut *looks.lock().unwrap());
        assert!(looks.iter().all(|look| find(look).len() == 1));
        check(looks);
        one.cancel();
        two.cancel();
        Ok(())
    })
    .unwrap();
}

/// The other wait of the coroutine was not noted yet at the first look.
#[test]
fn what_only_the_first_of_two_looks_finds_is_no_deadlock() {
    let body = |one: Job, looks: Looks| async move {
        let mut join = pin!(one.join());
        let mut pause = pin!(delay(Duration::from_secs(60)));
        poll_fn(|cx| {
            if join.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            looks.lock().unwrap().push(torn());
            pause.as_mut().poll(cx)
        })
        .await;
    };
    with_two(body, |looks| {
        assert_eq!(looks.len(), 1);
        let mut looks = looks.into_iter();
        let found = confirmed(|| looks.next().unwrap_or_else(known));
        assert!(found.is_empty(), "{}", found[0]);
    });
}

/// Whoever has gone on between two looks, and waits for the same again, is not stuck.
#[test]
fn looks_that_find_the_same_ring_in_other_waits_do_not_confirm_it() {
    let body = |one: Job, looks: Looks| async move {
        for _ in 0..4 {
            let mut join = pin!(one.join());
            poll_fn(|cx| Poll::Ready(join.as_mut().poll(cx).is_ready())).await;
            looks.lock().unwrap().extend([torn(), torn()]);
            yield_now().await;
        }
    };
    let of_each_wait = |looks: Vec<Vec<Known>>| {
        assert_eq!(looks.len(), 8);
        let mut looks = looks.into_iter().step_by(2);
        assert!(confirmed(|| looks.next().unwrap()).is_empty());
    };
    with_two(body, of_each_wait);
    // The second and the third one are of the same wait.
    with_two(body, |looks| {
        let mut looks = looks.into_iter().skip(1);
        assert_eq!(confirmed(|| looks.next().unwrap()).len(), 1);
        assert_eq!(looks.len(), 4);
    });
}
