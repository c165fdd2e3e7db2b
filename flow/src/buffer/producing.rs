//! The coroutine that runs a source for somebody who collects elsewhere.

use std::collections::VecDeque;
use std::future::Future;
use std::mem::replace;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use corox_core::location_protocol::coroutine_scope_at;
use corox_core::probe::WaitReason;
use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use super::hand_over::{BATCH, HandOver};
use crate::Flow;
use crate::children::Children;

/// Runs `source` to its end. Whatever becomes of that, and of this future, is handed over; this gives nothing, so that it
/// does not fail the scope of whoever collects (F-14).
pub(super) async fn produce<S>(source: S, over: Arc<HandOver<S::Item>>)
where
    S: Flow + Send,
    S::Item: Send,
{
    let guard = EndOnDrop(&over);
    // A panic becomes a failure here, and what the source has launched has ended when this returns.
    let run = async |_| Producing::new(source, over.clone()).await;
    let produced = coroutine_scope_at(over.location(), run).await;
    over.end(produced);
    drop(guard);
}

/// The coroutine was cancelled.
struct EndOnDrop<'a, T>(&'a HandOver<T>);

impl<T> Drop for EndOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.end(Err(Error::cancellation(
            "the coroutine that runs the source of the flow was cancelled",
        )));
    }
}

pin_project! {
    /// ```text
    /// batch empty, room known --poll the source--> batch --publish--> batch empty
    ///                                                 `-----no room--> the source is not polled
    /// ```
    struct Producing<S: Flow> {
        // `None` when it has ended.
        #[pin]
        source: Option<S>,
        children: Children,
        batch: VecDeque<S::Item>,
        dropped: VecDeque<S::Item>,
        ended: thread::Result<Result<()>>,
        // For so many items there was room when that was last known.
        room: usize,
        over: Arc<HandOver<S::Item>>,
        note: Option<Box<WaitReason>>,
    }
}

impl<S: Flow> Producing<S> {
    fn new(source: S, over: Arc<HandOver<S::Item>>) -> Self {
        Producing {
            source: Some(source),
            children: Children::default(),
            batch: VecDeque::new(),
            dropped: VecDeque::new(),
            ended: Ok(Ok(())),
            room: 1,
            over,
            note: None,
        }
    }
}

impl<S: Flow> Future for Producing<S> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut this = self.project();
        let (batch, children) = (this.batch, this.children);
        let over = this.over;
        let lossless = over.is_lossless();
        let mut left = BATCH;
        let mut waits = false;
        let mut gathers = false;
        if !batch.is_empty() && this.source.is_some() {
            // One has waited for room. What has room behind it goes with it.
            *this.room = over.room();
            gathers = *this.room > 0;
        }
        loop {
            if !batch.is_empty() && !std::mem::take(&mut gathers) {
                if lossless && batch.len() > *this.room {
                    over.register_producer(cx.waker());
                }
                *this.room = over.publish(batch, this.dropped);
                this.dropped.clear();
                if !batch.is_empty() {
                    over.note_wait(this.note, "room");
                    if let Some(source) = this.source.as_mut().as_pin_mut() {
                        children.of(|| source.poll_progress(cx));
                    }
                    return Poll::Pending;
                }
                *this.note = None;
            }
            let Some(source) = this.source.as_mut().as_pin_mut() else {
                return match replace(this.ended, Ok(Ok(()))) {
                    Ok(ended) => Poll::Ready(ended),
                    Err(payload) => resume_unwind(payload),
                };
            };
            if waits {
                return Poll::Pending;
            }
            if left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // The item after the last one that has room waits in the batch, and its emit with it.
            let most = match lossless {
                true => (this.room.saturating_add(1) - batch.len()).min(left),
                false => left,
            };
            let mut wanted = most;
            let mut sink = |item| {
                batch.push_back(item);
                wanted -= 1;
                if wanted == 0 || over.wants_one() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let poll = || children.of(|| source.poll_each(cx, &mut sink));
            let polled = catch_unwind(AssertUnwindSafe(poll));
            left -= most - wanted;
            match polled {
                Ok(Poll::Pending) => waits = true,
                Ok(Poll::Ready(Ok(ControlFlow::Break(())))) => {}
                ended => {
                    *this.ended = ended.map(|ended| match ended {
                        Poll::Ready(Err(error)) => Err(error),
                        _ => Ok(()),
                    });
                    children.of(|| this.source.set(None));
                }
            }
        }
    }
}
