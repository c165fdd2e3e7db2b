//! Several inner flows at a time, in one task.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use corox_core::{Error, Result};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use pin_project_lite::pin_project;

use crate::Flow;
use crate::children::Children;
use crate::why::because;

/// So many items of one inner flow without a wait, and the next one has its turn.
const ITEMS_A_TURN: u32 = 32;

/// So many turns in one poll, and the coroutine has others go on.
const TURNS_A_POLL: u32 = 128;

pin_project! {
    // The flow of `flat_map_merge`.
    //
    // Each inner flow has a place with a waker of its own, and so has the upstream: only those are polled that were woken.
    pub(super) struct Merge<S, I, F> {
        // `None` when it has ended.
        #[pin]
        upstream: Option<S>,
        f: F,
        most: usize,
        own: Own,
        // The upstream has its turn when a place is free.
        held: bool,
        places: Vec<Place<I>>,
        // Places without a flow.
        free: Vec<usize>,
        // Places to be polled, in this order.
        turns: VecDeque<usize>,
        woken: Arc<Woken>,
        // To be told when what has been started is gone.
        failed: Option<Error>,
        leaving: Children,
    }
}

/// In place of a place: the upstream.
const UPSTREAM: usize = usize::MAX;

struct Place<I> {
    inner: Pin<Box<Option<I>>>,
    /// It has a flow, or waits for what that has started.
    is_taken: bool,
    /// What the inner flow has started.
    children: Children,
    own: Own,
}

/// The waker of a place.
struct Own {
    waker: Waker,
    flag: Arc<OwnWaker>,
    has_turn: bool,
}

struct OwnWaker {
    place: usize,
    is_woken: AtomicBool,
    woken: Arc<Woken>,
}

/// The places that were woken since they were polled.
#[derive(Default)]
struct Woken {
    places: Mutex<Vec<usize>>,
    any: AtomicBool,
    /// Of who polls the whole.
    outer: AtomicWaker,
}

impl Wake for OwnWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            self.woken.places.lock().push(self.place);
            self.woken.any.store(true, Ordering::Release);
            self.woken.outer.wake();
        }
    }
}

impl Own {
    fn new(place: usize, woken: &Arc<Woken>) -> Self {
        let flag = Arc::new(OwnWaker {
            place,
            is_woken: AtomicBool::new(false),
            woken: woken.clone(),
        });
        Own {
            waker: Waker::from(flag.clone()),
            flag,
            has_turn: false,
        }
    }

    /// Puts the place in the queue, unless it is there.
    fn give_turn(&mut self, turns: &mut VecDeque<usize>) {
        if !std::mem::replace(&mut self.has_turn, true) {
            turns.push_back(self.flag.place);
        }
    }
}

/// What came of the turn of a place.
enum Turn {
    /// The inner flow is over, and nothing of it is left.
    Over,
    Waits,
    /// Others have their turn.
    Next,
    /// Whoever collects wants no more for now.
    Broke,
    Failed(Error),
}

impl<I: Flow> Place<I> {
    #[inline]
    fn run<K>(&mut self, sink: &mut K) -> Turn
    where
        K: FnMut(I::Item) -> ControlFlow<()>,
    {
        let mut cx = Context::from_waker(&self.own.waker);
        if let Some(inner) = self.inner.as_mut().as_pin_mut() {
            let mut left = ITEMS_A_TURN;
            let mut broke = false;
            let mut each = |item| {
                broke = sink(item).is_break();
                left -= 1;
                if broke || left == 0 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            match self.children.of(|| inner.poll_each(&mut cx, &mut each)) {
                Poll::Pending => return Turn::Waits,
                Poll::Ready(Ok(ControlFlow::Break(()))) if broke => return Turn::Broke,
                Poll::Ready(Ok(ControlFlow::Break(()))) => return Turn::Next,
                // F-22: a cancellation in an inner flow ends that one alone.
                Poll::Ready(Err(error)) if !error.is_cancellation() => return Turn::Failed(error),
                Poll::Ready(_) => {}
            }
            self.children.of(|| self.inner.set(None));
        }
        match self.children.poll_left(&mut cx) {
            Poll::Ready(()) => Turn::Over,
            Poll::Pending => Turn::Waits,
        }
    }
}

impl<S: Flow, I: Flow, F: FnMut(S::Item) -> I + Clone> Merge<S, I, F> {
    pub(super) fn new(upstream: S, most: usize, f: F) -> Self {
        Merge::of(Some(upstream), most, f)
    }
}

impl<S, I, F> Merge<S, I, F> {
    fn of(upstream: Option<S>, most: usize, f: F) -> Self {
        let woken = Arc::default();
        Merge {
            upstream,
            f,
            most,
            own: Own::new(UPSTREAM, &woken),
            // It has its first turn when it is polled first.
            held: true,
            places: Vec::new(),
            free: Vec::new(),
            turns: VecDeque::new(),
            woken,
            failed: None,
            leaving: Children::default(),
        }
    }
}

impl<S: Clone, I, F: Clone> Clone for Merge<S, I, F> {
    fn clone(&self) -> Self {
        Merge::of(self.upstream.clone(), self.most, self.f.clone())
    }
}

/// Puts those that were woken in the queue, and calls `each` with their numbers.
fn collect<I>(
    woken: &Woken,
    own: &mut Own,
    places: &mut [Place<I>],
    turns: &mut VecDeque<usize>,
    mut each: impl FnMut(&mut Place<I>),
) {
    if !woken.any.swap(false, Ordering::AcqRel) {
        return;
    }
    let numbers = std::mem::take(&mut *woken.places.lock());
    for number in numbers {
        if number == UPSTREAM {
            own.flag.is_woken.store(false, Ordering::Release);
            own.give_turn(turns);
        } else if let Some(place) = places.get_mut(number) {
            place.own.flag.is_woken.store(false, Ordering::Release);
            // Else it is a waker that an inner flow which is over has left somewhere.
            if place.is_taken {
                place.own.give_turn(turns);
                each(place);
            }
        }
    }
}

impl<S: Flow, I: Flow, F: FnMut(S::Item) -> I + Clone> Merge<S, I, F> {
    /// The upstream and all inner flows are dropped; the failure is told when what they had started is gone.
    #[cold]
    fn fail(self: Pin<&mut Self>, cx: &mut Context<'_>, error: Error) -> Poll<Error> {
        let mut this = self.project();
        let places = this.places;
        because(Some(&error), || {
            this.upstream.set(None);
            // Each hands its children on to these.
            this.leaving.of(|| places.clear());
        });
        *this.failed = Some(error);
        this.free.clear();
        this.turns.clear();
        *this.held = false;
        this.leaving
            .poll_left(cx)
            .map(|()| this.failed.take().expect("it was put there above"))
    }
}

impl<S: Flow, I: Flow, F: FnMut(S::Item) -> I + Clone> Flow for Merge<S, I, F> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<I::Item>>> {
        let mut item = None;
        let polled = self.poll_each(cx, &mut |next| {
            item = Some(next);
            ControlFlow::Break(())
        });
        polled.map(|ended| ended.map(|_| item))
    }

    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(I::Item) -> ControlFlow<()>,
    {
        let mut this = self.as_mut().project();
        if this.failed.is_some() {
            let left = this.leaving.poll_left(cx);
            return left.map(|()| {
                this.failed
                    .take()
                    .map_or(Ok(ControlFlow::Continue(())), Err)
            });
        }
        this.woken.outer.register(cx.waker());
        let (own, places, turns) = (this.own, this.places, this.turns);
        for _ in 0..TURNS_A_POLL {
            collect(this.woken, own, places, turns, |_| {});
            if *this.held && (places.len() - this.free.len()) < *this.most {
                *this.held = false;
                own.give_turn(turns);
            }
            let Some(number) = turns.pop_front() else {
                if this.upstream.is_none() && places.len() == this.free.len() {
                    return Poll::Ready(Ok(ControlFlow::Continue(())));
                }
                if *this.held {
                    if let Some(upstream) = this.upstream.as_pin_mut() {
                        upstream.poll_progress(&mut Context::from_waker(&own.waker));
                    }
                }
                return Poll::Pending;
            };
            if number == UPSTREAM {
                own.has_turn = false;
                let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
                    continue;
                };
                if places.len() - this.free.len() == *this.most {
                    *this.held = true;
                    continue;
                }
                match upstream.poll_next(&mut Context::from_waker(&own.waker)) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(None)) => this.upstream.set(None),
                    Poll::Ready(Err(error)) => return self.fail(cx, error).map(Err),
                    Poll::Ready(Ok(Some(item))) => {
                        let number = this.free.pop().unwrap_or_else(|| {
                            places.push(Place {
                                inner: Box::pin(None),
                                is_taken: false,
                                children: Children::default(),
                                own: Own::new(places.len(), this.woken),
                            });
                            places.len() - 1
                        });
                        let place = &mut places[number];
                        place.inner.set(Some((this.f)(item)));
                        place.is_taken = true;
                        // The one that begins goes first, as if it were called.
                        place.own.give_turn(turns);
                        *this.held = true;
                    }
                }
                continue;
            }
            let place = &mut places[number];
            place.own.has_turn = false;
            match place.run(sink) {
                Turn::Waits => {}
                Turn::Over => {
                    place.is_taken = false;
                    this.free.push(number);
                }
                Turn::Next => place.own.give_turn(turns),
                Turn::Broke => {
                    place.own.has_turn = true;
                    turns.push_front(number);
                    return Poll::Ready(Ok(ControlFlow::Break(())));
                }
                Turn::Failed(error) => return self.fail(cx, error).map(Err),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        let this = self.project();
        this.woken.outer.register(cx.waker());
        // They keep their turns, for they may have something to emit.
        collect(this.woken, this.own, this.places, this.turns, |place| {
            if let Some(inner) = place.inner.as_mut().as_pin_mut() {
                let mut cx = Context::from_waker(&place.own.waker);
                place.children.of(|| inner.poll_progress(&mut cx));
            }
        });
        if let Some(upstream) = this.upstream.as_pin_mut() {
            upstream.poll_progress(&mut Context::from_waker(&this.own.waker));
        }
    }
}
