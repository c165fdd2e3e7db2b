//! One piece drives every body: of coroutines, inline scopes, shielded sections, boundaries and `finally`.
//!
//! ```text
//!              poll                         poll: Ready, panic
//!  Unpolled ---------> Suspended ------------------------------------------> Ended(Returned | Panicked)
//!                        |   ^  \  poll: Pending, not cancelling
//!                        |   +---/
//!                        |
//!                        | job cancelling, and no holder left, or only holders that nobody polls
//!                        v
//!                      the body is dropped -------------------------------> Ended(Dropped)
//! ```
//!
//! The rule (decisions 1 to 3): the first poll always happens. From then on a body whose job is cancelling is dropped
//! before a poll, and after a poll that gives `Pending`, unless the frame is held. A frame is held by the scopes, shields
//! and boundaries inside it that somebody still polls. Whether somebody does cannot be known from outside: combinators
//! poll only what was woken. So if no holder was polled and the body did not wake itself, the driver *probes*: it wakes
//! every holder through the waker it left and polls the body again, a few rounds while it wakes itself. A holder that is
//! not polled then is parked or leaked, and holds nothing.
//!
//! While a body is polled or dropped, its frame is the current one of the thread, the elements of its context are in force,
//! no lock is held, and unwinding is caught (decision 6).

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use crate::frame::{self, FrameRef};
use crate::probe::Seen;
use crate::shim::{AtomicBool, AtomicWaker};
use crate::trace::JobSpan;

pub(crate) type Payload = Box<dyn Any + Send>;

/// How a body ended.
pub(crate) enum Ended<T> {
    Returned(T),
    /// Dropped by a cancellation.
    Dropped,
    Panicked(Payload),
}

impl<T> Ended<T> {
    pub(crate) fn panicked(&self) -> bool {
        matches!(self, Ended::Panicked(_))
    }
}

/// [`Ended`], and the panic of a destructor while the body was dropped.
pub(crate) struct End<T> {
    pub(crate) ended: Ended<T>,
    pub(crate) guard_panic: Option<Payload>,
}

/// How often a body that wakes itself is polled during one probe.
const PROBE_ROUNDS: usize = 4;

pin_project! {
    /// See the module.
    pub(crate) struct Driver<F> {
        // `None` before the coroutine has its job.
        frame: Option<FrameRef>,
        polled: bool,
        // The body of a coroutine's own task, which is woken without a waker.
        of_task: bool,
        // The context has elements that surround each slice.
        surrounded: bool,
        // The job has a span, which is entered while the body is polled or dropped.
        spanned: bool,
        gate: Option<Arc<Gate>>,
        #[pin]
        body: Option<F>,
    }
}

/// The waker of a body in a cancelled job: tells whether the body woke itself, and can be muted, or a probe would wake
/// itself for ever.
struct Gate {
    outer: AtomicWaker,
    muted: AtomicBool,
    woken: AtomicBool,
}

impl Gate {
    fn new() -> Gate {
        Gate {
            outer: AtomicWaker::new(),
            muted: AtomicBool::new(false),
            woken: AtomicBool::new(false),
        }
    }

    /// Takes the note back. The swap also makes what was written before a noted wake visible to the poll that follows: a
    /// wake that was muted reaches it by no other way.
    fn begin(&self) {
        self.woken.swap(false, Ordering::SeqCst);
    }

    fn was_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // First the note, then the look: `probe` unmutes and then reads the note, so one of the two passes the wake on.
        self.woken.swap(true, Ordering::SeqCst);
        if !self.muted.load(Ordering::SeqCst) {
            self.outer.wake();
        }
    }
}

/// What one round of polls led to.
enum Round<T> {
    Ended(End<T>),
    Pending,
    /// Nothing holds the body any more.
    Drop,
}

impl<F: Future> Driver<F> {
    /// A driver for a body whose polls may come from anywhere.
    pub(crate) fn new(frame: FrameRef, body: F) -> Self {
        Driver {
            surrounded: frame.job().context().elements.is_some(),
            spanned: JobSpan::is_of(&frame),
            frame: Some(frame),
            of_task: false,
            ..Driver::of_task(false, body)
        }
    }

    /// A driver that is always polled by one task. Its frame comes by `set_frame`.
    pub(crate) fn of_task(surrounded: bool, body: F) -> Self {
        Driver {
            surrounded,
            frame: None,
            polled: false,
            of_task: true,
            spanned: false,
            gate: None,
            body: Some(body),
        }
    }

    /// Before the first poll of a driver made by `of_task`.
    pub(crate) fn set_frame(&mut self, frame: FrameRef) {
        self.spanned = JobSpan::is_of(&frame);
        self.frame = Some(frame);
    }

    pub(crate) fn has_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// Takes the body out of a driver that was not pinned, and so not polled.
    pub(crate) fn take_body(&mut self) -> Option<F> {
        self.body.take()
    }

    pub(crate) fn frame(&self) -> &FrameRef {
        frame_of(&self.frame)
    }

    fn span(&self) -> JobSpan {
        if self.spanned {
            JobSpan::of_job(self.frame().job())
        } else {
            JobSpan::none()
        }
    }

    /// Whether the body has neither returned nor been dropped.
    pub(crate) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    pub(crate) fn was_polled(&self) -> bool {
        self.polled
    }

    /// Drives the body; `Ready` once, when it has ended and is gone.
    pub(crate) fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        let _seen = Seen::new(|| self.frame());
        let (span, began) = (self.span(), self.polled);
        span.poll(began, || self.poll_in_span(cx))
    }

    #[inline(always)]
    fn poll_in_span(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        loop {
            let cancelled = self.frame().job().is_cancelled();
            let round = if cancelled {
                if self.polled && !self.frame().frame().is_held() {
                    Round::Drop
                } else {
                    *self.as_mut().project().polled = true;
                    self.as_mut().poll_cancelled(cx)
                }
            } else {
                *self.as_mut().project().polled = true;
                match self.as_mut().poll_body(cx) {
                    Poll::Ready(end) => Round::Ended(end),
                    Poll::Pending => Round::Pending,
                }
            };
            match round {
                Round::Ended(end) => {
                    self.let_go();
                    return Poll::Ready(end);
                }
                Round::Drop => return Poll::Ready(self.drop_body()),
                Round::Pending => {
                    self.as_mut().register(cx.waker());
                    // A cancellation either sees the waker just registered, or is seen here. That of a task has it polled again.
                    if cancelled || !self.frame().job().is_cancelled() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn register(self: Pin<&mut Self>, waker: &Waker) {
        if !self.of_task {
            self.frame().register(waker);
        }
    }

    /// Polls the body; when it has ended it is dropped at once, in the same frame.
    fn poll_body(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        let this = self.project();
        let mut body = this.body;
        let slice = || run_slice(body.as_mut(), cx);
        if !*this.surrounded {
            return frame::enter(frame_of(this.frame), slice);
        }
        match catch_unwind(AssertUnwindSafe(|| surrounded(frame_of(this.frame), slice))) {
            Ok(polled) => polled,
            // An element of the context panicked, before the slice or after it.
            Err(payload) => {
                let drop_body = || catch_unwind(AssertUnwindSafe(|| body.set(None))).err();
                let guard_panic = frame::enter(frame_of(this.frame), drop_body);
                Poll::Ready(End {
                    ended: Ended::Panicked(payload),
                    guard_panic,
                })
            }
        }
    }

    /// A poll in a cancelled job: the first one, or one of a body that is held.
    fn poll_cancelled(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Round<F::Output> {
        // Registered first: a hold that ends on another thread during this poll must find somebody to wake.
        self.as_mut().register(cx.waker());
        let gate = {
            let this = self.as_mut().project();
            this.gate
                .get_or_insert_with(|| Arc::new(Gate::new()))
                .clone()
        };
        gate.outer.register(cx.waker());
        let waker = Waker::from(gate.clone());
        let mut gated = Context::from_waker(&waker);

        gate.begin();
        self.frame().frame().begin_poll();
        if let Poll::Ready(end) = self.as_mut().poll_body(&mut gated) {
            return Round::Ended(end);
        }
        if !self.frame().frame().is_held() {
            return Round::Drop;
        }
        if self.frame().frame().holder_was_polled() || gate.was_woken() {
            return Round::Pending;
        }
        self.probe(&gate, &mut gated)
    }

    /// Finds out whether anybody polls the holders.
    fn probe(mut self: Pin<&mut Self>, gate: &Gate, gated: &mut Context<'_>) -> Round<F::Output> {
        gate.muted.store(true, Ordering::SeqCst);
        self.frame().frame().wake_holders();
        let mut polled = Poll::Pending;
        for _ in 0..PROBE_ROUNDS {
            gate.begin();
            polled = self.as_mut().poll_body(gated);
            if polled.is_ready() || !gate.was_woken() {
                break;
            }
        }
        gate.muted.store(false, Ordering::SeqCst);
        let frame = self.frame().frame();
        if let Poll::Ready(end) = polled {
            return Round::Ended(end);
        }
        if !frame.is_held() {
            return Round::Drop;
        }
        if gate.was_woken() {
            gate.outer.wake();
            return Round::Pending;
        }
        if frame.holder_was_polled() {
            Round::Pending
        } else {
            Round::Drop
        }
    }

    /// Drops a body that has not ended, with its frame installed.
    fn drop_body<T>(mut self: Pin<&mut Self>) -> End<T> {
        let guard_panic = {
            let mut this = self.as_mut().project();
            let frame = frame_of(this.frame);
            let mut slice = || catch_unwind(AssertUnwindSafe(|| this.body.set(None))).err();
            if *this.surrounded {
                let panicked = catch_unwind(AssertUnwindSafe(|| surrounded(frame, &mut slice)));
                // What the elements have dropped already is not there any more.
                let own = frame::enter(frame, slice);
                match panicked {
                    Ok(first) => first.or(own),
                    Err(payload) => Some(payload),
                }
            } else {
                frame::enter(frame, slice)
            }
        };
        self.let_go();
        End {
            ended: Ended::Dropped,
            guard_panic,
        }
    }

    /// The body has gone, and nothing is to be told about it any more.
    fn let_go(self: Pin<&mut Self>) {
        *self.project().gate = None;
    }

    /// The driver's owner is dropped before the body ended: drops the body now.
    pub(crate) fn abandon(self: Pin<&mut Self>) -> Option<Payload> {
        let span = self.span();
        span.inside(|| self.drop_body::<()>().guard_panic)
    }
}

fn frame_of(frame: &Option<FrameRef>) -> &FrameRef {
    frame
        .as_ref()
        .expect("a coroutine has its job before it is polled or dropped")
}

/// Polls the body; when it has ended it is dropped at once.
fn run_slice<F: Future>(
    mut body: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Poll<End<F::Output>> {
    let Some(future) = body.as_mut().as_pin_mut() else {
        return Poll::Ready(End {
            ended: Ended::Dropped,
            guard_panic: None,
        });
    };
    let ended = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(value)) => Ended::Returned(value),
        Err(payload) => Ended::Panicked(payload),
    };
    let guard_panic = catch_unwind(AssertUnwindSafe(|| body.set(None))).err();
    Poll::Ready(End { ended, guard_panic })
}

/// Runs a slice of a frame inside the elements of its context, unless those are in force already because the slice is part
/// of a slice with the same context.
#[cold]
fn surrounded<R>(frame: &FrameRef, slice: impl FnOnce() -> R) -> R {
    let context = frame.job().context();
    let in_force = frame::with_current(|outer| {
        outer.is_some_and(|outer| outer.job().context().ptr_eq(context))
    });
    frame::enter(frame, || match &context.elements {
        Some(elements) if !in_force => elements.around(slice),
        _ => slice(),
    })
}
