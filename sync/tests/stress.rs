//! Many threads at once, with waits that are given up in between, and an exact account of every permit. On 1, 2 and 8 workers.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use corox_core::{
    Clause, Job, join_all, new_fixed_thread_pool_context, on, run_blocking, select,
    select_unbiased, yield_now,
};
use corox_sync::{LockOwner, Mutex, Semaphore};
use support::{Dice, given_up};

const COROUTINES: u64 = 6;
const ROUNDS: usize = 400;
const PERMITS: usize = 3;

/// How many permits are in use, as those say who have them.
#[derive(Default)]
struct InUse(AtomicUsize);

impl InUse {
    async fn with(&self, permits: usize, suspend: bool) {
        let before = self.0.fetch_add(permits, Ordering::AcqRel);
        assert!(before + permits <= PERMITS, "a permit too many");
        if suspend {
            yield_now().await;
        }
        self.0.fetch_sub(permits, Ordering::AcqRel);
    }
}

fn permits_are_accounted_for(workers: usize) {
    let pool = new_fixed_thread_pool_context(workers, "stress");
    let semaphores = Arc::new([(); 2].map(|()| (Semaphore::new(PERMITS), InUse::default())));
    let forgotten = Arc::new(AtomicUsize::new(0));
    run_blocking(async |scope| {
        let jobs: Vec<Job> = (1..=COROUTINES)
            .map(|seed| {
                let (semaphores, forgotten) = (semaphores.clone(), forgotten.clone());
                scope.with(&*pool).launch(async move {
                    let mut dice = Dice(seed);
                    for _ in 0..ROUNDS {
                        let (semaphore, in_use) = &semaphores[dice.roll(2) as usize];
                        let needs = 1 + dice.roll(PERMITS as u64) as usize;
                        let suspend = dice.roll(2) == 0;
                        match dice.roll(6) {
                            0 => {
                                let permit = semaphore.acquire_many(needs).await;
                                in_use.with(permit.count(), suspend).await;
                            }
                            1 => {
                                if let Ok(permit) = semaphore.try_acquire_many(needs) {
                                    in_use.with(permit.count(), suspend).await;
                                }
                            }
                            2 => {
                                let permit = semaphore.acquire().await;
                                in_use.with(1, suspend).await;
                                permit.forget();
                                forgotten.fetch_add(1, Ordering::Relaxed);
                                semaphore.release().unwrap();
                            }
                            3 => {
                                let [a, b] = &*semaphores;
                                let (of, permit) = select_unbiased((
                                    a.0.on_acquire_many(needs).then(|it| (0, it)),
                                    b.0.on_acquire_many(needs).then(|it| (1, it)),
                                ))
                                .await;
                                semaphores[of].1.with(permit.count(), suspend).await;
                            }
                            4 => {
                                let [a, b] = &*semaphores;
                                // It is given up amid foreign code, too.
                                // Not bare: rustc would not see that it is `Send`.
                                let select = async {
                                    select((
                                        a.0.on_acquire_many(needs).then(|it| Some((0, it))),
                                        on(yield_now()).then(|()| None),
                                        b.0.on_acquire_many(needs).then(|it| Some((1, it))),
                                    ))
                                    .await
                                };
                                let given = given_up(select, dice.roll(3)).await.flatten();
                                if let Some((of, permit)) = given {
                                    semaphores[of].1.with(permit.count(), suspend).await;
                                }
                            }
                            _ => {
                                let acquire = semaphore.acquire_many(needs);
                                if let Some(permit) = given_up(acquire, dice.roll(4)).await {
                                    in_use.with(permit.count(), suspend).await;
                                }
                            }
                        }
                    }
                })
            })
            .collect();
        // Some are cancelled wherever they are.
        let cancelled: Vec<Job> = (0..50_u64)
            .map(|seed| {
                let semaphores = semaphores.clone();
                scope.with(&*pool).launch(async move {
                    let mut dice = Dice(seed + 1000);
                    loop {
                        let (semaphore, in_use) = &semaphores[dice.roll(2) as usize];
                        let permit = semaphore.acquire().await;
                        in_use.0.fetch_add(1, Ordering::AcqRel);
                        // Counted off as a cancellation drops it.
                        struct Off<'a>(&'a InUse);
                        impl Drop for Off<'_> {
                            fn drop(&mut self) {
                                self.0.0.fetch_sub(1, Ordering::AcqRel);
                            }
                        }
                        let off = Off(in_use);
                        yield_now().await;
                        drop((off, permit));
                    }
                })
            })
            .collect();
        for job in &cancelled {
            yield_now().await;
            job.cancel();
        }
        join_all(&jobs).await;
        join_all(&cancelled).await;
        Ok(())
    })
    .unwrap();
    for (semaphore, in_use) in &*semaphores {
        assert_eq!(semaphore.available_permits(), PERMITS);
        assert_eq!(in_use.0.load(Ordering::Relaxed), 0);
        assert_eq!(
            semaphore.try_acquire_many(PERMITS).unwrap().count(),
            PERMITS
        );
        assert!(semaphore.release().is_err());
    }
    assert!(forgotten.load(Ordering::Relaxed) > 100);
}

/// Plain additions to the value, which would get lost if two were at it.
fn one_at_a_time_is_at_the_value(workers: usize) {
    let pool = new_fixed_thread_pool_context(workers, "stress");
    let mutex = Arc::new(Mutex::new((0_usize, Vec::new())));
    let added = Arc::new(AtomicUsize::new(0));
    run_blocking(async |scope| {
        let jobs: Vec<Job> = (1..=COROUTINES)
            .map(|seed| {
                let (mutex, added) = (mutex.clone(), added.clone());
                scope.with(&*pool).launch(async move {
                    let (mut dice, me) = (Dice(seed), LockOwner::new());
                    for _ in 0..ROUNDS {
                        let guard = match dice.roll(4) {
                            0 => Some(mutex.lock().await),
                            1 => mutex.try_lock_as(me).ok(),
                            2 => given_up(select((mutex.on_lock(),)), dice.roll(3)).await,
                            _ => match given_up(mutex.lock_as(me), dice.roll(3)).await {
                                Some(guard) => Some(guard?),
                                None => None,
                            },
                        };
                        let Some(mut guard) = guard else { continue };
                        let (sum, list) = (guard.0, std::mem::take(&mut guard.1));
                        if dice.roll(2) == 0 {
                            yield_now().await;
                        }
                        assert!(!mutex.holds_lock(LockOwner::new()));
                        guard.0 = sum + 1;
                        guard.1 = list;
                        guard.1.push(seed);
                        added.fetch_add(1, Ordering::Relaxed);
                    }
                    assert!(!mutex.holds_lock(me));
                    Ok(())
                })
            })
            .collect();
        join_all(&jobs).await;
        Ok(())
    })
    .unwrap();
    let guard = mutex.try_lock().unwrap();
    let added = added.load(Ordering::Relaxed);
    assert_eq!((guard.0, guard.1.len()), (added, added));
    assert!(added > ROUNDS);
}

macro_rules! on_workers {
    ($($name:ident $workers:literal)+) => {$(
        #[test]
        fn $name() {
            permits_are_accounted_for($workers);
            one_at_a_time_is_at_the_value($workers);
        }
    )+};
}

on_workers! {
    nothing_is_lost_on_one_worker 1
    nothing_is_lost_on_two_workers 2
    nothing_is_lost_on_eight_workers 8
}
