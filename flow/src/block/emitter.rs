//! The emitter of a block, and how a block that is polled is lent it: the one place with `unsafe` in this crate.
//!
//! # The invariant
//!
//! An [`Emitter`] lives in the pinned flow beside the future that borrows it. Everything in it but `poller` is touched by one thread
//! at a time: by the one whose mark is in `poller`, while [`Turn`] is alive, and by whoever has the flow by `&mut`, while there is
//! no turn. [`Emit`] looks at the mark before anything else, so that a thread that got hold of `&Emitter` by other means
//! panics. `sink` is set by a turn alone, which takes it out again before the borrow that it was made of ends.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::future::Future;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::transmute;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use corox_channels::Receiver;
use corox_core::waiters_protocol::cancelled_here_again;
use corox_core::{LaunchOutput, Result};
use pin_project_lite::pin_project;

use super::emit_all::EmitAll;
use crate::{ChannelFlows, Flow};

thread_local! {
    static MARK: u8 = const { 0 };
}

/// An address that no other living thread has.
#[inline]
fn mark_of_this_thread() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

type Sink<T> = NonNull<dyn FnMut(T) -> ControlFlow<()>>;

/// Where a block emits its items: what [`flow`](crate::flow()) lends to it.
///
/// It cannot leave the block: not into another coroutine, nor into a task. [`channel_flow`](crate::channel_flow) is for items that
/// come from several.
///
/// Kotlin: `FlowCollector`.
///
/// ```
/// use corox_flow::{Emitter, flow, prelude::*};
/// use corox_core::run_blocking;
///
/// async fn three(emitter: &Emitter<u32>) {
///     for n in 1..=3 {
///         emitter.emit(n).await;
///     }
/// }
///
/// run_blocking(async |_| {
///     assert_eq!(flow(async |e| three(e).await).to_vec().await?, [1, 2, 3]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "FlowCollector")]
pub struct Emitter<T> {
    /// The thread that polls the block, by its mark, or 0.
    poller: AtomicUsize,
    /// Where items go at once: the stages behind the block. Not there while it is being called.
    sink: Cell<Option<Sink<T>>>,
    /// There is demand for one item, which `item` then holds.
    room: Cell<bool>,
    item: UnsafeCell<Option<T>>,
    /// The sink wants no more for now.
    broke: Cell<bool>,
    /// How often there was demand. An item is processed when there is demand again.
    turns: Cell<u64>,
    /// Of emits that wait in an executor of the block's own, which polls them only if they are woken.
    waiting: UnsafeCell<Vec<Waker>>,
    /// The waker of the turn, to tell those from others.
    waker: Cell<Option<NonNull<Waker>>>,
    _pinned: PhantomPinned,
}

// SAFETY: of what a thread that is not polling the block can reach, it touches `poller` alone, an atomic. The others are used by
// one thread at a time, as the invariant says; items go with the block from thread to thread, hence `T: Send`. The sink, which
// need not be `Send`, is called by the thread that has lent it.
unsafe impl<T: Send> Send for Emitter<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Emitter<T> {}

impl<T> Emitter<T> {
    pub(super) fn new() -> Self {
        Emitter {
            poller: AtomicUsize::new(0),
            sink: Cell::new(None),
            room: Cell::new(false),
            item: UnsafeCell::new(None),
            broke: Cell::new(false),
            turns: Cell::new(0),
            waiting: UnsafeCell::new(Vec::new()),
            waker: Cell::new(None),
            _pinned: PhantomPinned,
        }
    }

    /// Gives an item to whoever collects the flow, and waits until it has been processed.
    ///
    /// The stages behind the block run inside this call (F-2): it suspends only if one of them does, or if items are asked for
    /// one by one. When what collects the flow ends or fails, or the coroutine is cancelled, this does not return: the
    /// block is dropped here (F-4, F-5). So there is no error to look at.
    ///
    /// Several may run at a time, in a `join!`; their items come in the order in which they were polled first.
    ///
    /// Kotlin: `emit`.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it has completed, the item was delivered or was not; poll it to the end.
    ///
    /// # Panics
    ///
    /// When it is polled outside of its block: in `with_context` on another thread, for instance.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let mut log = Vec::new();
    ///     let letters = flow(async |e| {
    ///         e.emit("a").await;
    ///         e.emit("b").await;
    ///     });
    ///     letters.for_each(|it| log.push(it)).await?;
    ///     assert_eq!(log, ["a", "b"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[inline]
    #[must_use = "nothing is emitted until it is awaited"]
    pub fn emit(&self, item: T) -> Emit<'_, T> {
        Emit {
            emitter: self,
            item: Some(item),
            turn: 0,
        }
    }

    /// Emits all items of another flow, and gives its failure.
    ///
    /// Kotlin: `emitAll`.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection of `flow`.
    ///
    /// # Errors
    ///
    /// What `flow` fails with.
    ///
    /// ```
    /// use corox_flow::{flow, flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow(async |e| {
    ///         e.emit(0).await;
    ///         e.emit_all(flow_of([1, 2])).await
    ///     });
    ///     assert_eq!(numbers.to_vec().await?, [0, 1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "emitAll")]
    pub async fn emit_all<S: Flow<Item = T>>(&self, flow: S) -> Result<()> {
        EmitAll::new(self, flow).await
    }

    /// Receives everything from a channel and emits it; then, or when this is dropped, the channel is cancelled.
    ///
    /// Kotlin: `emitAll(channel)`.
    ///
    /// # Cancel safety
    ///
    /// To drop it cancels the channel.
    ///
    /// # Errors
    ///
    /// The cause that the channel was closed with.
    ///
    /// ```
    /// use corox_flow::{flow, prelude::*};
    /// use corox_channels::ChannelBuilders;
    /// use corox_core::{coroutine_scope, run_blocking};
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow(async |e| {
    ///         coroutine_scope(async |scope| {
    ///             let channel = scope.produce(1, async |producer| Ok(producer.send(1).await?));
    ///             e.emit_all_from(channel).await
    ///         }).await
    ///     });
    ///     assert_eq!(numbers.to_vec().await?, [1]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "emitAll")]
    pub async fn emit_all_from(&self, channel: Receiver<T>) -> Result<()> {
        EmitAll::new(self, channel.consume_into_flow()).await
    }

    /// Begins a poll of the block that borrows this.
    #[inline]
    fn turn<'a, 's>(&'a self, waker: &'a Waker, demand: Demand<'s, T>) -> Turn<'a, 's, T> {
        self.poller.store(mark_of_this_thread(), Relaxed);
        self.waker.set(Some(NonNull::from(waker)));
        let turn = Turn {
            emitter: self,
            sink: PhantomData,
        };
        let (room, sink) = match demand {
            Demand::None => return turn,
            Demand::One => (true, None),
            Demand::Sink(sink) => (false, Some(sink)),
        };
        self.room.set(room);
        self.turns.set(self.turns.get() + 1);
        // SAFETY: only the lifetime is another one. `Turn` takes the sink out before `'s` ends.
        let sink = sink.map(|sink| unsafe {
            transmute::<NonNull<dyn FnMut(T) -> ControlFlow<()> + 's>, Sink<T>>(NonNull::from(sink))
        });
        self.sink.set(sink);
        // SAFETY: by the invariant; the reference ends here.
        let waiting = unsafe { &mut *self.waiting.get() };
        if !waiting.is_empty() {
            for waiting in std::mem::take(waiting) {
                waiting.wake();
            }
        }
        turn
    }
}

impl<T> fmt::Debug for Emitter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter").finish_non_exhaustive()
    }
}

/// What is asked of a block in one poll.
enum Demand<'a, T> {
    /// To go on with what it waits for, but not to emit.
    None,
    /// One item.
    One,
    Sink(&'a mut (dyn FnMut(T) -> ControlFlow<()> + 'a)),
}

/// One poll of a block.
struct Turn<'a, 's, T> {
    emitter: &'a Emitter<T>,
    /// It lives no longer than what it lends.
    sink: PhantomData<&'s mut ()>,
}

impl<T> Drop for Turn<'_, '_, T> {
    #[inline]
    fn drop(&mut self) {
        self.emitter.sink.set(None);
        self.emitter.room.set(false);
        self.emitter.waker.set(None);
        self.emitter.poller.store(0, Relaxed);
    }
}

/// The future of [`emit`](Emitter::emit).
#[must_use = "nothing is emitted until it is awaited"]
pub struct Emit<'e, T> {
    emitter: &'e Emitter<T>,
    item: Option<T>,
    /// In which turn it was delivered.
    turn: u64,
}

impl<T> Unpin for Emit<'_, T> {}

impl<T> Future for Emit<'_, T> {
    type Output = ();

    #[inline]
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let emitter = self.emitter;
        if emitter.poller.load(Relaxed) != mark_of_this_thread() {
            outside();
        }
        if self.item.is_none() {
            // It is processed when whoever has taken it wants another one.
            if emitter.turns.get() != self.turn {
                return Poll::Ready(());
            }
            return self.wait(cx);
        }
        // F-5: the coroutine is dropped when this poll returns.
        if cancelled_here_again() {
            return Poll::Pending;
        }
        // It is not there while it runs: one that it calls by a detour finds no demand.
        if let Some(mut sink) = emitter.sink.take() {
            if let Some(item) = self.item.take() {
                // SAFETY: by the invariant it is alive, and it is called by nobody else, for it was taken out.
                if unsafe { sink.as_mut() }(item).is_continue() {
                    emitter.sink.set(Some(sink));
                    return Poll::Ready(());
                }
            }
            emitter.broke.set(true);
            self.turn = emitter.turns.get();
        } else if emitter.room.replace(false) {
            // SAFETY: by the invariant; the reference ends here. There was room, so nothing is dropped.
            unsafe { *emitter.item.get() = self.item.take() };
            self.turn = emitter.turns.get();
        }
        self.wait(cx)
    }
}

impl<T> Emit<'_, T> {
    /// The block as a whole is polled again. That is enough unless what polls this has wakers of its own.
    #[inline]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let same = self.emitter.waker.get() == Some(NonNull::from(cx.waker()));
        if !same {
            self.wait_with(cx.waker());
        }
        Poll::Pending
    }

    #[cold]
    fn wait_with(&mut self, waker: &Waker) {
        let emitter = self.emitter;
        // SAFETY: set by the turn that is running, which borrows it.
        let of_turn = emitter.waker.get().map(|waker| unsafe { waker.as_ref() });
        if !of_turn.is_some_and(|of_turn| of_turn.will_wake(waker)) {
            let waker = waker.clone();
            // SAFETY: by the invariant; the reference ends here, and `push` calls no foreign code.
            unsafe { &mut *emitter.waiting.get() }.push(waker);
        }
    }
}

impl<T> fmt::Debug for Emit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit").finish_non_exhaustive()
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn outside() -> ! {
    panic!(
        "an item was emitted outside of its block, on another thread than the one that collects the flow: \
         use `flow_on` to run the whole block elsewhere, or `channel_flow` to send items from several coroutines"
    )
}

pin_project! {
    /// A future that borrows the emitter beside it. Where it is pinned both stay until it is dropped, the future first.
    pub(crate) struct Lent<T, Fut, F = fn(LentEmitter<T>) -> Fut> {
        #[pin]
        state: State<F, Fut>,
        #[pin]
        emitter: Emitter<T>,
    }
}

pin_project! {
    /// ```text
    /// Recipe --first poll--> Running --completes--> Ended --is told--> Idle
    ///                           ^---------------- start -----------------'
    /// ```
    #[project = StateOf]
    enum State<F, Fut> {
        Recipe { make: Option<F> },
        Running { #[pin] future: Fut },
        /// Its last item is perhaps not taken yet.
        Ended { result: Option<Result<()>> },
        Idle,
    }
}

/// The address of the emitter in a [`Lent`], for the future in it.
pub(crate) struct LentEmitter<T>(NonNull<Emitter<T>>);

// SAFETY: it is as good as a `&Emitter<T>`.
unsafe impl<T: Send> Send for LentEmitter<T> {}
// SAFETY: as above. So that a reference to a flow may go to another thread, which clones it.
unsafe impl<T: Send> Sync for LentEmitter<T> {}

/// What `f` does with the emitter that it is lent: the future for a [`Lent`], which alone may hold it.
pub(crate) async fn with_lent<T, R>(
    lent: LentEmitter<T>,
    f: impl AsyncFnOnce(&Emitter<T>) -> R,
) -> R {
    // SAFETY: this runs while the `Lent` polls it, in which the emitter lies, pinned, until this future is dropped.
    f(unsafe { lent.0.as_ref() }).await
}

impl<T, Fut, F> Lent<T, Fut, F> {
    /// Runs the future that `make` gives when it is first polled.
    pub(crate) fn recipe(make: F) -> Self {
        Lent::of(State::Recipe { make: Some(make) })
    }

    /// Runs nothing, until [`start`](Lent::start).
    pub(crate) fn idle() -> Self {
        Lent::of(State::Idle)
    }

    fn of(state: State<F, Fut>) -> Self {
        Lent {
            state,
            emitter: Emitter::new(),
        }
    }

    /// A copy of what was not polled yet. Panics if it was.
    pub(crate) fn fresh(&self) -> Self
    where
        F: Clone,
    {
        match &self.state {
            State::Recipe { make } => Lent::of(State::Recipe { make: make.clone() }),
            State::Idle => Lent::idle(),
            State::Running { .. } | State::Ended { .. } => {
                panic!("a flow was cloned while it was collected: clone it before its first poll")
            }
        }
    }

    /// Runs the future that `make` gives, in place of the one before.
    pub(crate) fn start(self: Pin<&mut Self>, make: impl FnOnce(LentEmitter<T>) -> Fut) {
        let mut this = self.project();
        // What the future before has emitted and nobody has taken goes with it.
        this.state.set(State::Idle);
        let emitter = this.emitter.into_ref();
        drop(emitter.take());
        let lent = LentEmitter(NonNull::from(emitter.get_ref()));
        this.state.set(State::Running { future: make(lent) });
    }

    /// Drops the future.
    pub(crate) fn stop(self: Pin<&mut Self>) {
        self.project().state.set(State::Idle);
    }

    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.state, State::Idle)
    }
}

impl<T, Fut, F> Lent<T, Fut, F>
where
    F: FnOnce(LentEmitter<T>) -> Fut,
    Fut: Future<Output: LaunchOutput>,
{
    /// As of a flow.
    #[inline]
    pub(crate) fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<T>>> {
        self.as_mut().poll(cx, Demand::One);
        let mut this = self.project();
        if let Some(item) = this.emitter.into_ref().take() {
            return Poll::Ready(Ok(Some(item)));
        }
        match this.state.as_mut().project() {
            StateOf::Recipe { .. } | StateOf::Running { .. } => Poll::Pending,
            StateOf::Idle => Poll::Ready(Ok(None)),
            StateOf::Ended { result } => {
                let result = result.take().unwrap_or(Ok(()));
                this.state.set(State::Idle);
                Poll::Ready(result.map(|()| None))
            }
        }
    }

    /// As of a flow.
    #[inline]
    pub(crate) fn poll_each<S>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut S,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        S: FnMut(T) -> ControlFlow<()>,
    {
        self.as_mut().poll(cx, Demand::Sink(sink));
        let mut this = self.project();
        if this.emitter.into_ref().broke.replace(false) {
            return Poll::Ready(Ok(ControlFlow::Break(())));
        }
        match this.state.as_mut().project() {
            StateOf::Recipe { .. } | StateOf::Running { .. } => Poll::Pending,
            StateOf::Idle => Poll::Ready(Ok(ControlFlow::Continue(()))),
            StateOf::Ended { result } => {
                let result = result.take().unwrap_or(Ok(()));
                this.state.set(State::Idle);
                Poll::Ready(result.map(ControlFlow::Continue))
            }
        }
    }

    /// As of a flow: what runs goes on, but its emits wait.
    #[inline]
    pub(crate) fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if let State::Running { .. } = self.state {
            self.poll(cx, Demand::None);
        }
    }

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>, demand: Demand<'_, T>) {
        if let StateOf::Recipe { make } = self.as_mut().project().state.project() {
            if let Some(make) = make.take() {
                self.as_mut().start(make);
            }
        }
        let mut this = self.project();
        let StateOf::Running { future } = this.state.as_mut().project() else {
            return;
        };
        let emitter = this.emitter.into_ref().get_ref();
        let turn = emitter.turn(cx.waker(), demand);
        let polled = future.poll(&mut Context::from_waker(cx.waker()));
        drop(turn);
        if let Poll::Ready(result) = polled {
            this.state.set(State::Ended {
                result: Some(result.into_result()),
            });
        }
    }
}

impl<T> Emitter<T> {
    /// The item that is there. Between two turns.
    #[inline]
    fn take(self: Pin<&Self>) -> Option<T> {
        // SAFETY: by the invariant, for there is no turn, and who calls this has the `Lent` by `&mut`; the reference ends here.
        unsafe { &mut *self.get_ref().item.get() }.take()
    }
}
