//! A part of a body that a cancellation unwinds by itself: what boundaries and `finally` are made of.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::driver::{Driver, Ended};
use crate::frame::{FrameRef, Hold};

pin_project! {
    /// Drives `F` in a frame of its own that has no job: it uses the one around it.
    pub(crate) struct SectionFuture<F: Future> {
        hold: Option<Hold>,
        #[pin]
        driver: Driver<F>,
    }

    impl<F: Future> PinnedDrop for SectionFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.driver.has_body() {
                if let Some(payload) = this.driver.abandon() {
                    // It belongs to whoever drops the section; a second panic during unwinding would abort.
                    if !std::thread::panicking() {
                        resume_unwind(payload);
                    }
                }
            }
        }
    }
}

impl<F: Future> SectionFuture<F> {
    pub(crate) fn new(outer: FrameRef, future: F) -> Self {
        let frame = FrameRef::section(outer.job().clone());
        SectionFuture {
            hold: Some(Hold::take(outer, &frame)),
            driver: Driver::new(frame, future),
        }
    }
}

impl<F: Future> Future for SectionFuture<F> {
    type Output = Ended<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<F::Output>> {
        let this = self.project();
        if let Some(hold) = this.hold {
            hold.note_poll();
        }
        let end = match this.driver.poll_end(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(end) => end,
        };
        *this.hold = None;
        Poll::Ready(match end.guard_panic {
            Some(payload) => Ended::Panicked(payload),
            None => end.ended,
        })
    }
}
