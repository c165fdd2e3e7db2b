//! Models of what may happen at the same moment: `RUSTFLAGS="--cfg corox_loom" cargo test -p corox-sync --release --test loom`.
//!
//! The real locks and selects run here, on loom's locks and atomics. Each mutex has a cell inside that reports two guards at once, or
//! two that are not ordered by its lock.
#![cfg(corox_loom)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corox_core::{Clause, on, select};
use corox_sync::{LockOwner, Mutex, MutexGuard, Semaphore};
use loom::sync::Notify;
use loom::thread;

/// Explores `f` with at most `preemptions` preemptions.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

struct Parker(Notify);

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls `future` on this thread, which sleeps in between: a lost wake is a deadlock, which loom reports.
fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker(Notify::new()));
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.0.wait();
    }
}

/// Polls it once, with a waker that does nothing.
fn begin<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn shared<T>(value: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(value))
}

fn run<L: Send + Sync + 'static, R: Send + 'static>(
    lock: &Arc<L>,
    f: impl FnOnce(&L) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let lock = lock.clone();
    thread::spawn(move || f(&lock))
}

/// Two who lock twice each: one at a time, and what one has written the other one sees. Preemptions: 4.
#[test]
fn one_at_a_time_is_at_the_value() {
    model(4, || {
        let mutex = shared(0);
        let other = run(&mutex, |mutex| {
            *block_on(mutex.lock()) += 1;
            *block_on(mutex.lock()) += 1;
        });
        *block_on(mutex.lock()) += 1;
        *block_on(mutex.lock()) += 1;
        other.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 4);
    });
}

/// Three who lock, one of whom only tries. Preemptions: 2.
#[test]
fn three_are_at_the_value_one_after_another() {
    model(2, || {
        let mutex = shared(0);
        let waits = run(&mutex, |mutex| *block_on(mutex.lock()) += 1);
        let tries = run(&mutex, |mutex| match mutex.try_lock() {
            Ok(mut guard) => {
                *guard += 1;
                1
            }
            Err(_) => 0,
        });
        *block_on(mutex.lock()) += 1;
        waits.join().unwrap();
        let tried = tries.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 2 + tried);
    });
}

/// A guard of an `Arc`, the last of which goes on either thread. Preemptions: 4.
#[test]
fn owned_guards_share_the_mutex_to_the_end() {
    model(4, || {
        let value = Arc::new(());
        let mutex = shared(value.clone());
        let other = {
            let mutex = mutex.clone();
            thread::spawn(move || drop(block_on(mutex.lock_owned())))
        };
        drop(block_on(mutex.lock_owned()));
        drop(mutex);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

/// A release against one who comes: it is served, whichever is first. Preemptions: 5.
#[test]
fn a_release_meets_one_who_comes() {
    model(5, || {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.try_acquire_owned().unwrap();
        let other = run(&semaphore, |semaphore| drop(block_on(semaphore.acquire())));
        drop(permit);
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// A release against one who gives up: the permit is there afterwards, or with the next, and nobody waits for ever. Preemptions: 4.
#[test]
fn a_release_meets_one_who_gives_up() {
    model(4, || {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.try_acquire_owned().unwrap();
        let mut first = semaphore.acquire_owned();
        assert!(begin(&mut first).is_pending());
        let second = run(&semaphore, |semaphore| drop(block_on(semaphore.acquire())));
        let releases = thread::spawn(move || drop(permit));
        drop(first);
        releases.join().unwrap();
        second.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// The same amid an attempt: there is never a permit too many. Preemptions: 4.
#[test]
fn there_is_never_a_permit_too_many() {
    model(4, || {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.try_acquire_owned().unwrap();
        let mut waiting = semaphore.acquire_owned();
        assert!(begin(&mut waiting).is_pending());
        let releases = thread::spawn(move || drop(permit));
        let tries = run(&semaphore, |semaphore| {
            let tried = semaphore.try_acquire();
            let again = semaphore.try_acquire();
            assert!(tried.is_err() || again.is_err());
        });
        drop(waiting);
        releases.join().unwrap();
        tries.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
        let all = semaphore.try_acquire();
        assert!(all.is_ok() && semaphore.try_acquire().is_err());
    });
}

/// Two releases of one permit each against one who waits for both, and one behind. Preemptions: 3.
#[test]
fn two_releases_serve_one_who_needs_both() {
    model(3, || {
        let semaphore = Arc::new(Semaphore::new(2));
        let permits = [(); 2].map(|()| semaphore.try_acquire_owned().unwrap());
        let [one, other] = permits.map(|permit| thread::spawn(move || drop(permit)));
        assert_eq!(block_on(semaphore.acquire_many(2)).count(), 2);
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// A waker that is renewed while the lock is handed over: the new one is woken, or the lock is there. Preemptions: 5.
#[test]
fn the_wake_of_a_wait_that_changes_its_task_is_not_lost() {
    model(5, || {
        let mutex = shared(0);
        let guard = mutex.try_lock_owned().unwrap();
        let mut lock = mutex.lock();
        assert!(begin(&mut lock).is_pending());
        let releases = thread::spawn(move || drop(guard));
        drop(block_on(lock));
        releases.join().unwrap();
        assert!(!mutex.is_locked());
    });
}

/// Two who unlock a mutex that has no guard: one of them does, once. Preemptions: 4.
#[test]
fn one_of_two_unlocks_it() {
    model(4, || {
        let (mutex, me) = (shared(0), LockOwner::new());
        MutexGuard::leave_locked(mutex.try_lock_as(me).unwrap());
        let other = run(&mutex, move |mutex| mutex.unlock(me).is_ok());
        let here = mutex.unlock(me).is_ok();
        *block_on(mutex.lock()) += 1;
        assert!(here != other.join().unwrap());
        assert_eq!(*mutex.try_lock().unwrap(), 1);
    });
}

/// One who locks and leaves it locked, against one who unlocks as soon as that is so. Preemptions: 4.
#[test]
fn what_is_left_locked_is_unlocked_elsewhere() {
    model(4, || {
        let mutex = shared(0);
        let other = run(&mutex, |mutex| {
            let mut guard = block_on(mutex.lock());
            *guard += 1;
            MutexGuard::leave_locked(guard);
        });
        // It may come before, and then somebody else has to.
        let unlocked = mutex.unlock(None).is_ok();
        other.join().unwrap();
        assert!(unlocked || mutex.unlock(None).is_ok());
        assert_eq!(*mutex.try_lock().unwrap(), 1);
    });
}

/// A select of two locks that both become free: it has one, and the other one is free. Preemptions: 3.
#[test]
fn a_select_takes_one_of_two_locks() {
    model(3, || {
        let (a, b) = (shared(1), shared(2));
        let [one, other] = [&a, &b]
            .map(|mutex| mutex.try_lock_owned().unwrap())
            .map(|guard| thread::spawn(move || drop(guard)));
        let guard = block_on(select((a.on_lock(), b.on_lock())));
        one.join().unwrap();
        other.join().unwrap();
        let (taken, free) = if *guard == 1 { (&a, &b) } else { (&b, &a) };
        assert!(taken.is_locked() && !free.is_locked());
        drop(guard);
        assert!(!taken.is_locked());
    });
}

/// A select that is dropped while it is served: the lock goes to the next. Preemptions: 4.
#[test]
fn what_a_dropped_select_was_handed_goes_on() {
    model(4, || {
        let (a, b) = (shared(1), shared(2));
        let (guard, _other) = (a.try_lock_owned().unwrap(), b.try_lock().unwrap());
        let mut selecting = select((a.on_lock(), b.on_lock()));
        assert!(begin(&mut selecting).is_pending());
        let releases = thread::spawn(move || drop(guard));
        let next = run(&a, |a| *block_on(a.lock()) += 1);
        drop(selecting);
        releases.join().unwrap();
        next.join().unwrap();
        assert_eq!(*a.try_lock().unwrap(), 2);
    });
}

/// Two selects that need two locks in opposite order, each taking one. Preemptions: 2.
#[test]
fn two_selects_take_what_there_is() {
    model(2, || {
        let (a, b) = (shared(0), shared(0));
        let other = {
            let (a, b) = (a.clone(), b.clone());
            thread::spawn(move || *block_on(select((b.on_lock(), a.on_lock()))) += 1)
        };
        *block_on(select((a.on_lock(), b.on_lock()))) += 1;
        other.join().unwrap();
        assert_eq!(*a.try_lock().unwrap() + *b.try_lock().unwrap(), 2);
    });
}

/// A select that polls foreign code while the lock is released: it looks once more. Preemptions: 4.
#[test]
fn a_busy_select_does_not_miss_the_lock() {
    model(4, || {
        let mutex = shared(1);
        let guard = mutex.try_lock_owned().unwrap();
        let releases = thread::spawn(move || drop(guard));
        let nothing = on(poll_fn(|_| Poll::<i32>::Pending));
        let clauses = (mutex.on_lock().then(|guard| *guard), nothing);
        assert_eq!(block_on(select(clauses)), 1);
        releases.join().unwrap();
        assert!(!mutex.is_locked());
    });
}

/// The same, and the foreign code wins or not: whoever is behind in the line is served. Preemptions: 2.
#[test]
fn those_behind_a_busy_select_are_served() {
    model(2, || {
        let mutex = shared(1);
        let guard = mutex.try_lock_owned().unwrap();
        let releases = thread::spawn(move || drop(guard));
        let next = run(&mutex, |mutex| drop(block_on(mutex.lock())));
        let mut polls = 0;
        let second = on(poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls == 2 {
                Poll::Ready(2)
            } else {
                Poll::Pending
            }
        }));
        let won = block_on(select((mutex.on_lock().then(|guard| *guard), second)));
        assert!(won == 1 || won == 2);
        releases.join().unwrap();
        next.join().unwrap();
        assert!(!mutex.is_locked());
    });
}
