//! Foreign code that comes back to the lock: wakers, destructors of wakers and values, debugging. None of it runs under a lock.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use corox_core::select;
use corox_sync::{Mutex, Semaphore};
use support::Hand;

/// A waker that uses the semaphore whenever it is woken or dropped.
struct Meddler {
    semaphore: Weak<Semaphore>,
    calls: Arc<AtomicUsize>,
}

impl Meddler {
    fn meddle(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let Some(semaphore) = self.semaphore.upgrade() else {
            return;
        };
        drop(semaphore.try_acquire());
        let _ = (semaphore.release(), semaphore.available_permits());
        assert!(format!("{semaphore:?}").contains("Semaphore"));
        let mut acquire = pin!(semaphore.acquire());
        let polled = acquire
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        drop(polled);
    }
}

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        self.meddle();
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.meddle();
    }
}

fn poll<F: Future + Unpin>(
    future: &mut F,
    semaphore: &Arc<Semaphore>,
    calls: &Arc<AtomicUsize>,
) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Meddler {
        semaphore: Arc::downgrade(semaphore),
        calls: calls.clone(),
    }));
    pin!(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn wakers_may_use_the_semaphore() {
    let (semaphore, calls) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
    let called = || calls.swap(0, Ordering::Relaxed);
    // Woken, and dropped.
    let permit = semaphore.try_acquire().unwrap();
    let mut acquire = semaphore.acquire();
    assert!(poll(&mut acquire, &semaphore, &calls).is_pending());
    assert_eq!(called(), 0);
    // Renewed: the one before is dropped.
    assert!(poll(&mut acquire, &semaphore, &calls).is_pending());
    assert_eq!(called(), 1);
    drop(permit);
    assert_eq!(called(), 2);
    drop(acquire);
    // Given up.
    let permit = semaphore.try_acquire().unwrap();
    let mut acquire = semaphore.acquire();
    assert!(poll(&mut acquire, &semaphore, &calls).is_pending());
    drop(acquire);
    assert_eq!(called(), 1);
    // Several at once, by selects, too; and one that is given up after it was served.
    let mut select = select((semaphore.on_acquire(), semaphore.on_acquire()));
    let mut others = [(); 3].map(|()| semaphore.acquire());
    assert!(poll(&mut select, &semaphore, &calls).is_pending());
    assert!(
        others
            .iter_mut()
            .all(|it| poll(it, &semaphore, &calls).is_pending())
    );
    drop(permit);
    drop(select);
    drop(others);
    assert!(called() >= 4);
    assert_eq!(semaphore.available_permits(), 1);
}

/// The value's destructor, and one of a value that has its own mutex.
#[test]
fn a_value_may_lock_its_mutex_when_it_is_dropped() {
    struct Inside(Weak<Mutex<Option<Inside>>>, Arc<AtomicUsize>);
    impl Drop for Inside {
        fn drop(&mut self) {
            let locked = self.0.upgrade().map(|mutex| mutex.try_lock().is_err());
            self.1
                .fetch_add(1 + usize::from(locked == Some(true)), Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let mutex = Arc::new_cyclic(|this| Mutex::new(Some(Inside(this.clone(), drops.clone()))));
    let waiting = Hand::waiting({
        let guard = mutex.try_lock_owned().unwrap();
        let mutex = mutex.clone();
        async move {
            let lock = mutex.lock_owned();
            let mut guard = { guard };
            // Dropped while it is locked, by the one who has it.
            guard.take();
            drop(guard);
            drop(lock.await);
            std::future::pending::<()>().await;
        }
    });
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    drop(waiting);
    assert!(!mutex.is_locked());
    *mutex.try_lock().unwrap() = Some(Inside(Weak::new(), drops.clone()));
    drop(mutex);
    assert_eq!(drops.load(Ordering::Relaxed), 3);
}

/// Two are served by one release, and the waker of the first panics: the second is woken all the same.
#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    let semaphore = Semaphore::new(2);
    let all = semaphore.try_acquire_many(2).unwrap();
    let mut first = semaphore.acquire();
    let waker = Waker::from(Arc::new(Panics));
    let polled = pin!(&mut first).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(polled);
    let second = Hand::waiting(semaphore.acquire());
    let released = catch_unwind(AssertUnwindSafe(|| drop(all)));
    assert!(released.is_err(), "the panic goes to who has released");
    assert_eq!(second.wakes(), 1);
}
