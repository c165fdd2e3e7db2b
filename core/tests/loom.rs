//! Models of what may happen at the same moment: `RUSTFLAGS="--cfg corox_loom" cargo test -p corox-core --release --test loom`.
//!
//! The real jobs, frames and drivers run here, on loom's locks, atomics and wakers (`src/shim.rs`).
#![cfg(corox_loom)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corox_core::select_protocol::{Registered, Registrar};
use corox_core::waiters_protocol::{Claimed, Key, Queue, State, Waiter, Waiters};
use corox_core::{
    CancellableContinuation, Clause, CompletableDeferred, CompletableJob, Dispatch, Dispatcher,
    Error, Job, JobState, Rejected, Task, await_all, await_cancellation, catch_cancellation,
    coroutine_scope, non_cancellable, on, select, suspend_cancellable, unscheduled, with_context,
};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Mutex, Notify};
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

/// Polls `future` once, runs `meanwhile`, and then drives it to its end, all with one waker.
fn block_on_after_first_poll<F: Future>(future: F, meanwhile: impl FnOnce()) -> F::Output {
    let mut meanwhile = Some(meanwhile);
    let mut future = pin!(future);
    block_on(poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if let (Some(meanwhile), true) = (meanwhile.take(), polled.is_pending()) {
            meanwhile();
        }
        polled
    }))
}

/// A flag to wait for.
#[derive(Default)]
struct Event(Mutex<(bool, Option<Waker>)>);

impl Event {
    fn set(&self) {
        let waker = {
            let mut inner = self.0.lock().unwrap();
            inner.0 = true;
            inner.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.0.lock().unwrap();
        if inner.0 {
            return Poll::Ready(());
        }
        inner.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// Polls its future only if that was woken, as `FuturesUnordered` does.
struct OnlyWhenWoken<F> {
    future: Pin<Box<F>>,
    waker: Arc<Branch>,
}

struct Branch {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Branch {
    fn wake(self: Arc<Self>) {
        self.woken.swap(true, Ordering::AcqRel);
        let outer = self.outer.lock().unwrap().take();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<F: Future> OnlyWhenWoken<F> {
    fn new(future: F) -> Self {
        let waker = Arc::new(Branch {
            woken: AtomicBool::new(true),
            outer: Mutex::new(None),
        });
        OnlyWhenWoken {
            future: Box::pin(future),
            waker,
        }
    }
}

impl<F: Future> Future for OnlyWhenWoken<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        *this.waker.outer.lock().unwrap() = Some(cx.waker().clone());
        if !this.waker.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(this.waker.clone());
        this.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

// ---- a coroutine and its wakers

/// A cancellation either finds the waker of the coroutine or is seen by it before it sleeps. Preemptions: 3.
#[test]
fn a_cancellation_never_misses_a_coroutine_that_is_about_to_sleep() {
    model(3, || {
        let (job, coroutine) = unscheduled(None, async { await_cancellation().await });
        let canceller = {
            let job = job.clone();
            thread::spawn(move || job.cancel())
        };
        block_on(coroutine);
        canceller.join().unwrap();
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// Decision 4: a boundary is woken by name, also while it registers itself: what holds the body otherwise waits for the
/// code after it. Preemptions: 3.
#[test]
fn a_cancellation_never_misses_a_boundary_that_begins() {
    model(3, || {
        let (job, coroutine) = unscheduled(None, async {
            let stopped = Event::default();
            let boundary = async {
                let outcome = catch_cancellation(await_cancellation()).await;
                stopped.set();
                outcome.map(|never| never)
            };
            let shield = non_cancellable(async |_| {
                stopped.wait().await;
                Ok(())
            });
            let mut boundary = OnlyWhenWoken::new(boundary);
            let mut shield = pin!(shield);
            // The shield is polled each time, so that nothing probes for the boundary.
            poll_fn(|cx| {
                let _ = Pin::new(&mut boundary).poll(cx);
                shield.as_mut().poll(cx)
            })
            .await
        });
        let canceller = thread::spawn({
            let job = job.clone();
            move || job.cancel()
        });
        block_on(coroutine);
        canceller.join().unwrap();
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// Decision 4: the end of the last hold on another thread wakes the frame. The one who drops the section never polls the
/// body, and the cancellation has used up the waker that the body left at first. Preemptions: 3.
#[test]
fn a_hold_that_ends_on_another_thread_wakes_the_frame() {
    type Held = Pin<Box<dyn Future<Output = corox_core::Result<()>> + Send>>;

    /// Keeps what it is given, unrun.
    #[derive(Clone, Default)]
    struct Shelf(Arc<std::sync::Mutex<Vec<Task>>>);
    impl Dispatch for Shelf {
        fn dispatch(&self, task: Task) -> Result<(), Rejected> {
            self.0.lock().unwrap().push(task);
            Ok(())
        }
    }

    model(3, || {
        let shelf = Shelf::default();
        let elsewhere = with_context(Dispatcher::new(shelf.clone()), async { Ok(()) });
        let held: Arc<Mutex<Option<Held>>> = Arc::new(Mutex::new(Some(Box::pin(elsewhere))));
        let (job, coroutine) = {
            let held = held.clone();
            unscheduled(None, async move {
                poll_fn(|cx| match held.lock().unwrap().as_mut() {
                    Some(section) => section.as_mut().poll(cx),
                    None => Poll::Pending,
                })
                .await
            })
        };
        let mut other = None;
        block_on_after_first_poll(coroutine, || {
            let job = job.clone();
            other = Some(thread::spawn(move || {
                job.cancel();
                let section = held.lock().unwrap().take();
                drop(section);
            }));
        });
        other.unwrap().join().unwrap();
        let unrun = std::mem::take(&mut *shelf.0.lock().unwrap());
        drop(unrun);
        assert_eq!(job.state(), JobState::Cancelled);
    });
}

/// Decision 3: a shield in a combinator that polls only what was woken runs to its end, whenever the cancellation and the
/// event that it waits for come. Preemptions: 2.
#[test]
fn a_probe_never_cuts_an_awaited_shield_short() {
    model(2, || {
        let event = Arc::new(Event::default());
        let ran = Arc::new(AtomicUsize::new(0));
        let (job, coroutine) = {
            let (event, ran) = (event.clone(), ran.clone());
            unscheduled(None, async move {
                let shield = non_cancellable(async |_| {
                    event.wait().await;
                    ran.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                });
                OnlyWhenWoken::new(shield).await
            })
        };
        let mut others = Vec::new();
        block_on_after_first_poll(coroutine, || {
            let cancelled = job.clone();
            others.push(thread::spawn(move || cancelled.cancel()));
            others.push(thread::spawn(move || event.set()));
        });
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(job.is_completed());
    });
}

/// What was written before a wake is seen by the poll that follows it, also if the wake falls into a probe, which has muted
/// it. Preemptions: 3.
#[test]
fn a_wake_during_a_probe_is_not_lost() {
    model(3, || {
        // Relaxed: only the wake orders it.
        let data = Arc::new(AtomicUsize::new(0));
        let left: Arc<std::sync::Mutex<Option<Waker>>> = Arc::default();
        let (job, coroutine) = {
            let (data, left) = (data.clone(), left.clone());
            unscheduled(None, async move {
                let mut shield = OnlyWhenWoken::new(non_cancellable(async |_| {
                    std::future::pending::<corox_core::Result<()>>().await
                }));
                let mut shield = Pin::new(&mut shield);
                poll_fn(|cx| {
                    if data.load(Ordering::Relaxed) == 1 {
                        return Poll::Ready(());
                    }
                    *left.lock().unwrap() = Some(cx.waker().clone());
                    shield.as_mut().poll(cx).map(drop)
                })
                .await;
                Ok(())
            })
        };
        let parker = Arc::new(Parker(Notify::new()));
        let waker = Waker::from(parker.clone());
        let mut cx = Context::from_waker(&waker);
        let mut coroutine = pin!(coroutine);
        assert!(coroutine.as_mut().poll(&mut cx).is_pending());
        job.cancel();
        // The first poll in a cancelled job: from here on the body's waker is the gate.
        assert!(coroutine.as_mut().poll(&mut cx).is_pending());
        let gate = left.lock().unwrap().take().unwrap();
        let other = thread::spawn(move || {
            data.store(1, Ordering::Relaxed);
            gate.wake();
        });
        // A poll for some other reason; the shield is not polled in it, so it probes.
        let mut polled = coroutine.as_mut().poll(&mut cx);
        while polled.is_pending() {
            parker.0.wait();
            polled = coroutine.as_mut().poll(&mut cx);
        }
        other.join().unwrap();
        assert!(job.is_completed());
    });
}

// ---- the end of a job, and who waits for it

/// The last child either finds the waker of the scope that waits, or is seen by it before it sleeps. Preemptions: 3.
#[test]
fn the_last_child_never_misses_the_scope_that_is_about_to_wait() {
    model(3, || {
        let result = block_on(coroutine_scope(async |scope| {
            let child = CompletableJob::child_of(scope.job());
            thread::spawn(move || child.complete());
            Ok(1)
        }));
        assert_eq!(result.unwrap(), 1);
    });
}

/// The end of a job is seen by all who join, whether they register before it or after it. Preemptions: 3.
#[test]
fn completion_never_misses_a_join() {
    model(3, || {
        let job = CompletableJob::new();
        let threads = [
            thread::spawn({
                let job = job.clone();
                move || assert!(job.complete())
            }),
            thread::spawn({
                let job = job.clone();
                move || block_on(job.join())
            }),
        ];
        block_on(job.join());
        assert_eq!(job.state(), JobState::Completed);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// J-23: members that end while `await_all` registers at them are counted. Preemptions: 2.
#[test]
fn await_all_never_misses_a_member() {
    model(2, || {
        let members = [CompletableDeferred::new(), CompletableDeferred::new()];
        let threads = [0, 1].map(|at| {
            let member = members[at].clone();
            thread::spawn(move || assert!(member.complete(at)))
        });
        let values = block_on(await_all(members.each_ref()));
        assert_eq!(values.unwrap(), [0, 1]);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// Decision 8: the end of a scope whose future is dropped while its last child ends on another thread. Preemptions: 3.
#[test]
fn a_scope_dropped_while_its_last_child_ends_is_over() {
    model(3, || {
        let mut other = None;
        let mut job = None;
        let mut scope = Box::pin(coroutine_scope(async |scope| {
            let own = scope.job().clone();
            let child = CompletableJob::child_of(&own);
            job = Some(own);
            other = Some(thread::spawn(move || child.complete()));
            Ok(())
        }));
        let parker = Waker::from(Arc::new(Parker(Notify::new())));
        let _ = scope.as_mut().poll(&mut Context::from_waker(&parker));
        drop(scope);
        other.unwrap().join().unwrap();
        assert!(job.unwrap().is_completed());
    });
}

type Callback = Box<dyn FnOnce(Option<&Error>) + Send>;

/// J-16: whoever registers a callback at the moment of the end gets exactly one call. Preemptions: 3.
#[test]
fn a_callback_registered_while_the_job_ends_is_called_once() {
    model(3, || {
        let job = CompletableJob::new();
        let called = Arc::new(AtomicUsize::new(0));
        let completer = thread::spawn({
            let job = job.clone();
            move || assert!(job.complete())
        });
        for register in [Job::on_completion as fn(&Job, _) -> _, Job::on_cancelling] {
            let called = called.clone();
            let add_one: Callback = Box::new(move |_| {
                called.fetch_add(1, Ordering::Relaxed);
            });
            let _handle = register(&job, add_one);
        }
        completer.join().unwrap();
        assert_eq!(called.load(Ordering::Relaxed), 2);
    });
}

/// J-3, decision 5: of two children that end at the same moment exactly one completes the parent. Preemptions: 3.
#[test]
fn two_children_that_end_together_complete_their_parent_once() {
    model(3, || {
        let parent = CompletableJob::new();
        let children = [
            CompletableJob::child_of(&parent),
            CompletableJob::child_of(&parent),
        ];
        let calls = Arc::new(AtomicUsize::new(0));
        parent.on_completion({
            let calls = calls.clone();
            move |_| {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        parent.complete();
        let threads = children.map(|child| thread::spawn(move || assert!(child.complete())));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(parent.state(), JobState::Completed);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    });
}

/// J-3, J-8: children of a coroutine that end at the same moment, while another one is launched and the body ends, are counted
/// once each, and nobody is left in the list. With two of them the one that comes second takes both out. Preemptions: 3.
#[test]
fn children_that_end_beside_a_launch_complete_their_coroutine_once() {
    model(3, || {
        let (parent, body) = unscheduled(None, async { Ok(()) });
        let calls = Arc::new(AtomicUsize::new(0));
        parent.on_completion({
            let calls = calls.clone();
            move |_| {
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        let children = [(); 2].map(|()| CompletableJob::child_of(&parent));
        let jobs = children.clone();
        let threads = children.map(|child| thread::spawn(move || assert!(child.complete())));
        let third = CompletableJob::child_of(&parent);
        block_on(body);
        assert!(third.complete());
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(parent.state(), JobState::Completed);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(jobs.iter().all(|job| job.parent().is_none()));
    });
}

/// J-3, J-9: the last child of a coroutine ends while another one is attached to it from outside. Preemptions: 3.
#[test]
fn a_child_that_comes_as_the_last_one_ends_is_waited_for_or_refused() {
    model(3, || {
        let (parent, body) = unscheduled(None, async { Ok(()) });
        let first = CompletableJob::child_of(&parent);
        block_on(body);
        let ending = thread::spawn(move || assert!(first.complete()));
        let second = CompletableJob::child_of(&parent);
        ending.join().unwrap();
        if second.is_active() {
            assert_eq!(parent.state(), JobState::Completing);
            assert!(second.complete());
        } else {
            assert_eq!(second.state(), JobState::Cancelled);
        }
        assert_eq!(parent.state(), JobState::Completed);
    });
}

/// J-3: two children of a coroutine are each the last one for a moment, and only one of them ends it: the coroutine around counts
/// it once. Preemptions: 3.
#[test]
fn two_children_that_were_the_last_one_end_their_coroutine_once() {
    model(3, || {
        let (around, body_around) = unscheduled(None, async { Ok(()) });
        let (parent, body) = unscheduled(Some(&around), async { Ok(()) });
        let first = CompletableJob::child_of(&parent);
        block_on(body);
        let ending = thread::spawn(move || assert!(first.complete()));
        // It takes the first one out of the list, and itself.
        let second = CompletableJob::child_of(&parent);
        second.on_completion(|_| {});
        // Refused, it is over.
        second.complete();
        ending.join().unwrap();
        assert_eq!(parent.state(), JobState::Completed);
        assert_eq!(around.state(), JobState::Active);
        block_on(body_around);
        assert_eq!(around.state(), JobState::Completed);
    });
}

/// J-19: whoever sees the final state finds the failure handled. Preemptions: 3.
#[test]
fn a_failure_is_handled_before_the_end_is_seen() {
    model(3, || {
        let handled = Arc::new(AtomicBool::new(false));
        let _guard = corox_core::add_uncaught_handler(corox_core::ExceptionHandler::new({
            let handled = handled.clone();
            move |_, _| handled.store(true, Ordering::Relaxed)
        }));
        let (job, coroutine) = unscheduled(None, async { Err(Error::msg("failure")) });
        let observer = thread::spawn({
            let job = job.clone();
            move || {
                if job.is_completed() {
                    assert!(handled.load(Ordering::Relaxed));
                }
            }
        });
        block_on(coroutine);
        observer.join().unwrap();
    });
}

// ---- the tree

/// `complete` against `cancel`: `true` means that the value is the result, `false` that it is not, and a refused value comes
/// back. Preemptions: 3.
#[test]
fn a_deferred_that_took_its_value_gives_it() {
    model(3, || {
        let deferred = CompletableDeferred::new();
        let canceller = thread::spawn({
            let deferred = deferred.clone();
            move || deferred.cancel()
        });
        let taken = deferred.try_complete(7);
        canceller.join().unwrap();
        let result = deferred.as_deferred().completed().unwrap();
        match taken {
            Ok(()) => assert_eq!(result.unwrap(), 7),
            Err(value) => {
                assert_eq!(value, 7);
                assert!(result.unwrap_err().is_cancellation());
            }
        }
    });
}

/// J-9: a child that comes while the parent is cancelled is cancelled and waited for. Preemptions: 3.
#[test]
fn a_child_attached_during_a_cancellation_is_cancelled() {
    model(3, || {
        let parent = CompletableJob::new();
        let canceller = thread::spawn({
            let parent = parent.clone();
            move || parent.cancel()
        });
        let child = CompletableJob::child_of(&parent);
        canceller.join().unwrap();
        assert_eq!(child.state(), JobState::Cancelled);
        assert_eq!(parent.state(), JobState::Cancelled);
        assert!(child.parent().is_none());
    });
}

/// J-9: a child that comes while the parent completes is waited for, or refused and cancelled. Preemptions: 3.
#[test]
fn a_child_attached_during_completion_is_waited_for_or_refused() {
    model(3, || {
        let parent = CompletableJob::new();
        let completer = thread::spawn({
            let parent = parent.clone();
            move || assert!(parent.complete())
        });
        let child = CompletableJob::child_of(&parent);
        completer.join().unwrap();
        if child.is_active() {
            assert_eq!(parent.state(), JobState::Completing);
            assert!(child.complete());
        } else {
            assert_eq!(child.state(), JobState::Cancelled);
            assert!(child.parent().is_none());
        }
        assert_eq!(parent.state(), JobState::Completed);
    });
}

/// J-24, J-25: of two children that fail together one failure is the cause, and the other is kept with it if it was taken
/// at all. Preemptions: 2.
#[test]
fn no_failure_of_two_that_come_together_is_lost() {
    model(2, || {
        let parent = CompletableJob::new();
        let children = [
            CompletableJob::child_of(&parent),
            CompletableJob::child_of(&parent),
        ];
        let threads =
            children.map(|child| thread::spawn(move || child.fail(Error::msg("failure"))));
        let taken = threads
            .map(|thread| thread.join().unwrap())
            .into_iter()
            .filter(|taken| *taken)
            .count();
        let cause = parent.cause().unwrap();
        assert!(!cause.is_cancellation());
        assert_eq!(1 + cause.suppressed().len(), taken);
        assert_eq!(parent.state(), JobState::Cancelled);
    });
}

// ---- continuations

/// What became of a value, as the callbacks tell it.
#[derive(Clone, Default)]
struct Fate(Arc<Mutex<Vec<&'static str>>>);

impl Fate {
    fn add(&self, event: &'static str) {
        self.0.lock().unwrap().push(event);
    }

    fn handler(&self) -> impl FnOnce(&Error) + Send + 'static {
        let fate = self.clone();
        move |_| fate.add("handler")
    }

    fn undo(&self) -> impl FnOnce(&Error, i32) + Send + 'static {
        let fate = self.clone();
        move |_, _| fate.add("undo")
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A future that waits, polled once, and the handle of its continuation.
fn suspended() -> (
    Pin<Box<dyn Future<Output = corox_core::Result<i32>>>>,
    CancellableContinuation<i32>,
) {
    let (send, receive) = std::sync::mpsc::channel();
    let mut waiting = Box::pin(suspend_cancellable(move |c| drop(send.send(c))));
    let polled = waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    (waiting, receive.recv().unwrap())
}

/// J-31 to J-33: whichever of the resume and the drop of the future comes first, the handler is called, then the undo, each
/// once, and a second resume is refused. Preemptions: 3.
#[test]
fn a_value_that_meets_the_drop_of_the_future_is_undone_after_the_handler() {
    model(3, || {
        let fate = Fate::default();
        let (waiting, continuation) = suspended();
        continuation.on_cancellation(fate.handler());
        let resumer = thread::spawn({
            let fate = fate.clone();
            move || {
                continuation.resume_or_undo(1, fate.undo()).unwrap();
                assert_eq!(continuation.resume(2).unwrap_err().into_inner(), 2);
            }
        });
        drop(waiting);
        resumer.join().unwrap();
        let mut fate = fate.take();
        // The two callbacks of a late resume run on two threads.
        fate.sort_unstable();
        assert_eq!(fate, ["handler", "undo"]);
    });
}

/// A resume either finds the waker or is seen by the poll; the value is returned or undone, and it is the handler that
/// tells which. Preemptions: 3.
#[test]
fn a_value_that_meets_a_cancellation_of_the_continuation_is_returned_or_undone() {
    model(3, || {
        let fate = Fate::default();
        let (waiting, continuation) = suspended();
        continuation.on_cancellation(fate.handler());
        let canceller = thread::spawn({
            let continuation = continuation.clone();
            move || continuation.cancel(Error::cancellation("enough"))
        });
        let resumer = thread::spawn({
            let fate = fate.clone();
            move || continuation.resume_or_undo(1, fate.undo()).unwrap()
        });
        let result = block_on(waiting);
        let cancelled = canceller.join().unwrap();
        resumer.join().unwrap();
        let mut fate = fate.take();
        fate.sort_unstable();
        if cancelled {
            assert!(result.unwrap_err().is_cancellation());
            assert_eq!(fate, ["handler", "undo"]);
        } else {
            assert_eq!(result.unwrap(), 1);
            assert!(fate.is_empty());
        }
    });
}

/// Of two resumes one is accepted, and the other gets its value back. Preemptions: 3.
#[test]
fn of_two_resumes_one_is_accepted() {
    model(3, || {
        let (waiting, continuation) = suspended();
        let other = thread::spawn({
            let continuation = continuation.clone();
            move || continuation.resume(1).map_err(|e| e.into_inner())
        });
        let second = continuation.resume(2).map_err(|e| e.into_inner());
        let first = other.join().unwrap();
        match block_on(waiting).unwrap() {
            1 => assert_eq!((first, second), (Ok(()), Err(2))),
            _ => assert_eq!((first, second), (Err(1), Ok(()))),
        }
    });
}

/// The drop of the last handle wakes the coroutine, whichever it is. Preemptions: 3.
#[test]
fn the_last_handle_to_be_dropped_ends_the_wait() {
    model(3, || {
        let (waiting, continuation) = suspended();
        let threads = [continuation.clone(), continuation]
            .map(|continuation| thread::spawn(move || drop(continuation)));
        assert!(!block_on(waiting).unwrap_err().is_cancellation());
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A handler that comes while the future is dropped is called once. Preemptions: 3.
#[test]
fn a_handler_that_meets_the_drop_of_the_future_is_called_once() {
    model(3, || {
        let fate = Fate::default();
        let (waiting, continuation) = suspended();
        let registrar = thread::spawn({
            let handler = fate.handler();
            move || continuation.on_cancellation(handler)
        });
        drop(waiting);
        registrar.join().unwrap();
        assert_eq!(fate.take(), ["handler"]);
    });
}

// ---- select

/// Of two ends at the same moment exactly one wins, and the select is woken for it. Preemptions: 3.
#[test]
fn one_of_two_jobs_that_end_at_once_wins_the_select() {
    model(3, || {
        let (one, two) = (CompletableJob::new(), CompletableJob::new());
        let enders = [one.clone(), two.clone()].map(|job| {
            thread::spawn(move || {
                job.complete();
            })
        });
        let handled = std::cell::Cell::new(0);
        let count = || handled.set(handled.get() + 1);
        block_on(select((
            one.on_join().then(|()| count()),
            two.on_join().then(|()| count()),
        )));
        assert_eq!(handled.get(), 1);
        for ender in enders {
            ender.join().unwrap();
        }
        assert_eq!(
            (one.state(), two.state()),
            (JobState::Completed, JobState::Completed)
        );
    });
}

/// A select that is dropped while a job ends: the end neither hangs nor is lost to another that waits. Preemptions: 3.
#[test]
fn a_select_that_is_dropped_while_a_job_ends_takes_nothing() {
    model(3, || {
        let (job, other) = (CompletableJob::new(), CompletableJob::new());
        let ender = thread::spawn({
            let job = job.clone();
            move || {
                job.complete();
            }
        });
        {
            let mut selecting = pin!(select((
                other.on_join().then(|()| 0),
                job.on_join().then(|()| 1)
            )));
            let polled = selecting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending() || polled == Poll::Ready(1));
        }
        block_on(job.join());
        ender.join().unwrap();
    });
}

/// The wake of a foreign future, against the poll that it asks for and the end of a job. Preemptions: 2.
#[test]
fn a_foreign_future_that_is_woken_is_polled() {
    model(2, || {
        let event = Arc::new(Event::default());
        let job = CompletableJob::new();
        let setter = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        block_on(select((job.on_join(), on(event.wait()))));
        setter.join().unwrap();
    });
}

/// A select that goes to another task while a job ends: the waker of the new one is woken, or it sees the end. Preemptions: 3.
#[test]
fn a_select_that_changes_its_task_while_a_job_ends_is_not_lost() {
    model(3, || {
        let job = CompletableJob::new();
        let mut selecting = pin!(select((job.on_join(),)));
        let first = selecting
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        let ender = thread::spawn({
            let job = job.clone();
            move || {
                job.complete();
            }
        });
        block_on(selecting);
        ender.join().unwrap();
    });
}

// ---- the list of those who wait

/// A place where a number is handed over, without a buffer: the list as a channel uses it.
#[derive(Default)]
struct Place(Mutex<Meeting>);

#[derive(Default)]
struct Meeting {
    waiters: Waiters<Option<u32>>,
    givers: Queue,
    takers: Queue,
}

impl Place {
    /// Gives `number` to the first who waits; gives it back if nobody does.
    fn give(&self, number: u32) -> Option<u32> {
        let waker = {
            let Meeting {
                waiters, takers, ..
            } = &mut *self.0.lock().unwrap();
            match waiters.claim_first(takers, None) {
                Claimed::First(key, waker) => {
                    *waiters.value(key) = Some(number);
                    waker
                }
                _ => return Some(number),
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }

    fn take(&self) -> Take<'_> {
        Take {
            place: self,
            key: None,
        }
    }
}

struct Take<'a> {
    place: &'a Place,
    key: Option<Key>,
}

impl Future for Take<'_> {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        let Meeting {
            waiters, takers, ..
        } = &mut *self.place.0.lock().unwrap();
        let Some(key) = self.key else {
            self.key = Some(waiters.push(takers, Waiter::Task(cx.waker().clone()), None));
            return Poll::Pending;
        };
        if waiters.state(key) == State::Queued {
            drop(waiters.renew(key, cx.waker().clone()));
            return Poll::Pending;
        }
        self.key = None;
        Poll::Ready(waiters.release(takers, key).value.unwrap())
    }
}

impl Drop for Take<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let left = {
            let Meeting {
                waiters, takers, ..
            } = &mut *self.place.0.lock().unwrap();
            waiters.release(takers, key)
        };
        if let Some(number) = left.value {
            assert_eq!(self.place.give(number), None, "lost");
        }
    }
}

/// One clause of a select at a place.
struct Meet<'a> {
    place: &'a Place,
    gives: Option<u32>,
    key: Option<Key>,
    taken: Option<u32>,
}

impl<'a> Meet<'a> {
    fn giving(place: &'a Place, number: u32) -> Self {
        Meet {
            place,
            gives: Some(number),
            key: None,
            taken: None,
        }
    }

    fn taking(place: &'a Place) -> Self {
        Meet {
            gives: None,
            ..Meet::giving(place, 0)
        }
    }
}

impl Clause for Meet<'_> {
    type Output = Option<u32>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.get_mut();
        let ticket = at.ticket();
        let Meeting {
            waiters,
            givers,
            takers,
        } = &mut *this.place.0.lock().unwrap();
        let (own, others) = match this.gives {
            Some(_) => (givers, takers),
            None => (takers, givers),
        };
        if this
            .key
            .is_some_and(|key| waiters.state(key) != State::Queued)
        {
            return Registered::Lost;
        }
        match waiters.claim_first(others, Some(&ticket)) {
            Claimed::First(key, waker) => {
                match this.gives {
                    None => this.taken = waiters.value(key).take(),
                    number => *waiters.value(key) = number,
                }
                if let Some(waker) = waker {
                    waker.wake();
                }
                if let Some(key) = this.key.take() {
                    drop(waiters.release(own, key));
                }
                Registered::Won
            }
            Claimed::Lost => Registered::Lost,
            Claimed::Nobody if this.key.is_some() => Registered::Waits,
            Claimed::Nobody => {
                this.key = Some(waiters.push(own, Waiter::Select(ticket), this.gives));
                Registered::Waits
            }
        }
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        if at.is_retry() {
            return self.register(at);
        }
        Registered::Waits
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<u32>> {
        let this = self.get_mut();
        if let (None, Some(key)) = (this.gives, this.key) {
            this.taken = this.place.0.lock().unwrap().waiters.value(key).take();
        }
        Poll::Ready(this.taken)
    }
}

impl Drop for Meet<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let Meeting {
            waiters,
            givers,
            takers,
        } = &mut *self.place.0.lock().unwrap();
        let own = if self.gives.is_some() { givers } else { takers };
        drop(waiters.release(own, key));
    }
}

/// A wait that is given up while it is served: the next one gets the number, with its newest waker. Preemptions: 3.
#[test]
fn what_a_dropped_wait_was_given_goes_to_the_next() {
    model(3, || {
        let place = Arc::new(Place::default());
        let mut first = Box::pin(place.take());
        let mut second = Box::pin(place.take());
        for waiting in [&mut first, &mut second] {
            let polled = waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        let giver = thread::spawn({
            let place = place.clone();
            move || assert_eq!(place.give(7), None)
        });
        drop(first);
        assert_eq!(block_on(second), 7);
        giver.join().unwrap();
        assert_eq!(place.0.lock().unwrap().waiters.live(), 0);
    });
}

/// Two selects that meet at two places in opposite roles: they agree on one of the two. Preemptions: 3.
#[test]
fn two_selects_that_cross_meet_at_one_place() {
    model(3, || {
        let places = Arc::new([Place::default(), Place::default()]);
        let other = thread::spawn({
            let places = places.clone();
            move || {
                block_on(select((
                    Meet::taking(&places[0]).then(|n| (0, n)),
                    Meet::giving(&places[1], 1).then(|n| (1, n)),
                )))
            }
        });
        let here = block_on(select((
            Meet::taking(&places[1]).then(|n| (1, n)),
            Meet::giving(&places[0], 0).then(|n| (0, n)),
        )));
        match (here, other.join().unwrap()) {
            ((1, Some(1)), (1, None)) | ((0, None), (0, Some(0))) => {}
            other => panic!("they did not meet: {other:?}"),
        }
        for place in &*places {
            assert_eq!(place.0.lock().unwrap().waiters.live(), 0);
        }
    });
}

/// Two selects that poll foreign code when they come upon each other: neither is missed. Preemptions: 3.
#[test]
fn two_selects_that_pass_each_other_over_meet_all_the_same() {
    model(3, || {
        let place = Arc::new(Place::default());
        let nothing = || on(poll_fn(|_| Poll::Pending));
        let other = thread::spawn({
            let place = place.clone();
            move || block_on(select((Meet::giving(&place, 7), nothing())))
        });
        let taken = block_on(select((Meet::taking(&place), nothing())));
        assert_eq!((taken, other.join().unwrap()), (Some(7), None));
        assert_eq!(place.0.lock().unwrap().waiters.live(), 0);
    });
}

/// The output of a foreign future is not lost to a clause that becomes available during its poll, and that clause takes nothing.
/// Preemptions: 3.
#[test]
fn the_output_of_a_foreign_future_is_not_lost() {
    model(3, || {
        let place = Arc::new(Place::default());
        let polled = Arc::new(AtomicBool::new(false));
        let giver = thread::spawn({
            let place = place.clone();
            move || place.give(7)
        });
        let foreign = {
            let polled = polled.clone();
            async move {
                polled.store(true, Ordering::Release);
                None
            }
        };
        let taken = block_on(select((Meet::taking(&place), on(foreign))));
        let left = giver.join().unwrap();
        match taken {
            None => assert_eq!(left, Some(7)),
            Some(7) => assert!(left.is_none() && !polled.load(Ordering::Acquire)),
            other => panic!("{other:?}"),
        }
    });
}

/// A job that ends while a select that waits for it polls foreign code. Preemptions: 3.
#[test]
fn a_job_that_ends_while_foreign_code_is_polled_is_seen() {
    model(3, || {
        let job = CompletableJob::new();
        let ender = thread::spawn({
            let job = job.clone();
            move || {
                job.complete();
            }
        });
        block_on(select((job.on_join(), on(poll_fn(|_| Poll::Pending)))));
        ender.join().unwrap();
    });
}

/// One select at two places, and a plain partner at each: it serves one of them, and the other one stays. Preemptions: 3.
#[test]
fn a_select_between_two_partners_takes_from_one() {
    model(3, || {
        let places = Arc::new([Place::default(), Place::default()]);
        let givers = [0, 1].map(|at| {
            let places = places.clone();
            thread::spawn(move || places[at].give(at as u32))
        });
        let taken = block_on(select((
            Meet::taking(&places[0]),
            Meet::taking(&places[1]),
            on(async {
                // So that it ends where both came too early.
                None
            }),
        )));
        let left = givers.map(|giver| giver.join().unwrap());
        match taken {
            Some(0) => assert_eq!(left, [None, Some(1)]),
            Some(1) => assert_eq!(left, [Some(0), None]),
            _ => assert_eq!(left, [Some(0), Some(1)]),
        }
    });
}
