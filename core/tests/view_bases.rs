//! Coroutines on views whose base goes away, or is full (D-7, D-15).

mod support;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use corox_core::{
    Dispatch, Dispatcher, Rejected, Task, non_cancellable, supervisor_scope, with_context,
    yield_now,
};
use support::root;

/// Takes the first `0` tasks and runs them on a thread each; refuses all after that.
struct Weary(AtomicUsize);

impl Dispatch for Weary {
    fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if left.is_err() {
            return Err(Rejected::new(task, "weary"));
        }
        std::thread::spawn(move || task.run());
        Ok(())
    }
}

/// D-7, D-15: what waits behind a worker that the base refuses ends as cancelled, and does not go round for ever.
#[test]
fn coroutines_that_wait_behind_a_refused_worker_all_end() {
    root(async |_| {
        supervisor_scope(async |scope| {
            let view = Dispatcher::new(Weary(AtomicUsize::new(1))).limited_parallelism(1);
            let (meet, ran) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
            let inside = meet.clone();
            let first = scope.with(view.clone()).launch(async move {
                inside.wait();
            });
            let jobs: Vec<_> = (0..40)
                .map(|_| {
                    let ran = ran.clone();
                    scope.with(view.clone()).launch(async move {
                        ran.fetch_add(1, Ordering::SeqCst);
                    })
                })
                .collect();
            meet.wait();
            first.join().await;
            corox_core::join_all(&jobs).await;
            let cancelled = jobs.iter().filter(|job| job.is_cancelled()).count();
            // The worker had a turn of 16, the first of them being `first`.
            assert_eq!((ran.load(Ordering::SeqCst), cancelled), (15, 25));
            Ok(())
        })
        .await
    });
}

/// A body that goes on in a view of IO waits for its turn without turning round and round.
#[test]
fn a_switch_that_waits_for_a_permit_of_a_view_of_io_does_not_spin() {
    root(async |scope| {
        let view = Dispatcher::IO.limited_parallelism(1);
        let (wake, woken) = tokio::sync::oneshot::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel::<()>();
        let polls = Arc::new(AtomicUsize::new(0));
        let (count, there) = (polls.clone(), view.clone());
        let switch = scope.with(Dispatcher::DEFAULT).spawn(async move {
            let mut switch = pin!(with_context(there, async move {
                let _ = began.send(());
                let _ = woken.await;
                Ok(())
            }));
            poll_fn(|cx| {
                count.fetch_add(1, Ordering::SeqCst);
                switch.as_mut().poll(cx)
            })
            .await
        });
        let _ = begun.await;
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (holding, holds) = tokio::sync::oneshot::channel::<()>();
        let held = Mutex::new(held);
        let holder = scope.with(view).launch(async move {
            let _ = holding.send(());
            let _ = held.lock().unwrap().recv();
        });
        let _ = holds.await;
        let _ = wake.send(());
        // Other work of Default goes on meanwhile, ten thousand turns of it.
        scope
            .with(Dispatcher::DEFAULT)
            .spawn(async {
                for _ in 0..10_000 {
                    yield_now().await;
                }
                Ok(())
            })
            .await?;
        let seen = polls.load(Ordering::SeqCst);
        let _ = hold.send(());
        switch.await?;
        holder.join().await;
        assert!(seen <= 4, "polled {seen} times while the view was in use");
        Ok(())
    });
}

/// A shield inside a body that waits for its turn runs to its end when the coroutine is cancelled meanwhile (J-30).
#[test]
fn a_shield_that_waits_for_a_permit_of_a_view_of_io_survives_a_cancellation() {
    root(async |scope| {
        let view = Dispatcher::IO.limited_parallelism(1);
        let (wake, woken) = tokio::sync::oneshot::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel::<()>();
        let ended = Arc::new(AtomicUsize::new(0));
        let (end, there) = (ended.clone(), view.clone());
        let switch = scope.with(Dispatcher::DEFAULT).launch(async move {
            with_context(there, async move {
                non_cancellable(async |_| {
                    let _ = began.send(());
                    let _ = woken.await;
                    end.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                })
                .await
            })
            .await
        });
        let _ = begun.await;
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (holding, holds) = tokio::sync::oneshot::channel::<()>();
        let held = Mutex::new(held);
        let holder = scope.with(view).launch(async move {
            let _ = holding.send(());
            let _ = held.lock().unwrap().recv();
        });
        let _ = holds.await;
        let _ = wake.send(());
        let turns = scope.with(Dispatcher::DEFAULT).spawn(async {
            for _ in 0..100 {
                yield_now().await;
            }
            Ok(())
        });
        turns.await?;
        switch.cancel();
        let turns = scope.with(Dispatcher::DEFAULT).spawn(async {
            for _ in 0..100 {
                yield_now().await;
            }
            Ok(())
        });
        turns.await?;
        assert_eq!(ended.load(Ordering::SeqCst), 0);
        let _ = hold.send(());
        switch.join().await;
        holder.join().await;
        assert_eq!(ended.load(Ordering::SeqCst), 1);
        Ok(())
    });
}
