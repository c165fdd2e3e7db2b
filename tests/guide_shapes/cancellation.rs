//! Cancellation and time-outs: what becomes of a resource when the time is up between its acquisition and its use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use corox::{
    Result, catch_cancellation, coroutine_scope, delay, non_cancellable, with_timeout,
    with_timeout_or_none,
};
use corox_test::{EventLog, run_test};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The same cleanup as with `finally`, in two steps: see that the coroutine was cancelled, and wait all the same.
#[test]
fn cancel_06_a_section_after_a_boundary_suspends_in_a_cancelled_coroutine() {
    run_test(async |t| {
        let log = EventLog::of();
        let (events, clock) = (log.clone(), t.scheduler().clone());
        let job = t.launch(async move {
            let work = async {
                loop {
                    delay(ms(500)).await;
                }
            };
            let outcome: Result<(), _> = catch_cancellation(work).await;
            events.push(("cancelled", clock.current_time()));
            non_cancellable(async |_| {
                delay(ms(1000)).await;
                events.push(("cleaned up", clock.current_time()));
                Ok(())
            })
            .await?;
            Ok(outcome?)
        });
        delay(ms(1300)).await;
        job.cancel_and_join().await;
        log.push(("joined", t.current_time()));
        let expected = [
            ("cancelled", ms(1300)),
            ("cleaned up", ms(2300)),
            ("joined", ms(2300)),
        ];
        assert_eq!(log.take(), expected);
    });
}

/// Counts what was acquired and not released.
#[derive(Clone, Default)]
struct Open {
    now: Arc<AtomicU32>,
    ever: Arc<AtomicU32>,
}

impl Open {
    fn acquired(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
        self.ever.fetch_add(1, Ordering::Relaxed);
    }

    fn released(&self) {
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are open, of how many there were.
    fn counts(&self) -> (u32, u32) {
        (
            self.now.load(Ordering::Relaxed),
            self.ever.load(Ordering::Relaxed),
        )
    }
}

/// What only a call releases: an entry in a table, a lease of a server.
struct Lease(Open);

impl Lease {
    fn acquire(open: &Open) -> Lease {
        open.acquired();
        Lease(open.clone())
    }

    fn close(self) {
        self.0.released();
    }
}

/// What is released when it is dropped, as nearly everything is in Rust.
struct Resource(Open);

impl Resource {
    fn acquire(open: &Open) -> Resource {
        open.acquired();
        Resource(open.clone())
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        self.0.released();
    }
}

/// Acquires after 50 of at most 60 ms. The block then waits for its child for so long as `rest`: if the time is up by then, the value
/// that was to be returned is dropped.
async fn in_time<R>(rest: Duration, acquire: impl FnOnce() -> R) -> Result<Option<R>> {
    with_timeout_or_none(ms(60), async |scope| {
        delay(ms(50)).await;
        scope.launch(delay(rest));
        Ok(acquire())
    })
    .await
}

#[test]
fn cancel_09_a_lease_that_the_time_out_keeps_from_its_caller_is_never_closed() {
    run_test(async |_| {
        let open = Open::default();
        coroutine_scope(async |scope| {
            for rest in 0..20 {
                let open = open.clone();
                scope.launch(async move {
                    if let Some(lease) = in_time(ms(rest), || Lease::acquire(&open)).await? {
                        lease.close();
                    }
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        // Those that were to wait until the limit or beyond it.
        assert_eq!(open.counts(), (10, 20));
        Ok(())
    });
}

#[test]
fn cancel_09_a_resource_that_is_released_by_its_drop_is_not_lost() {
    run_test(async |_| {
        let open = Open::default();
        coroutine_scope(async |scope| {
            for rest in 0..20 {
                let open = open.clone();
                scope.launch(async move {
                    drop(in_time(ms(rest), || Resource::acquire(&open)).await?);
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        assert_eq!(open.counts(), (0, 20));
        Ok(())
    });
}

/// The lease is stored outside of the block. That returns in any case, also in a coroutine that is cancelled, and what follows it runs up
/// to the next suspension point.
#[test]
fn cancel_10_a_lease_that_is_kept_outside_of_the_block_is_closed_in_time_or_not() {
    async fn use_lease(open: Open, rest: Duration) -> Result<()> {
        let mut lease = None;
        let outcome = with_timeout(ms(60), async |_| {
            delay(ms(50)).await;
            lease = Some(Lease::acquire(&open));
            delay(rest).await;
            Ok(())
        })
        .await;
        if let Some(lease) = lease {
            lease.close();
        }
        outcome
    }

    run_test(async |t| {
        let open = Open::default();
        for rest in 0..20 {
            let outcome = use_lease(open.clone(), ms(rest)).await;
            assert_eq!(outcome.is_err(), rest >= 10);
        }
        assert_eq!(open.counts(), (0, 20));
        // And if it is not the time that cancels it.
        let job = t.launch(use_lease(open.clone(), ms(9)));
        delay(ms(55)).await;
        assert_eq!(open.counts(), (1, 21));
        job.cancel_and_join().await;
        assert_eq!(open.counts(), (0, 21));
    });
}
