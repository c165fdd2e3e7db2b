//! A source that runs in the same task, in another context.

use std::future::Future;
use std::mem::replace;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use corox_core::location_protocol::with_context_at;
use corox_core::{CoroutineContext, Result};
use parking_lot::Mutex;
use pin_project_lite::pin_project;

use crate::Flow;

/// What is asked of the source, and what it has answered.
enum Asked<T> {
    Nothing,
    Item,
    Answered(T),
}

/// A source in a section of its own of the coroutine, which has another context: it is in force while the source is polled, and
/// what is behind it runs in the old one (F-16).
pub(super) struct Swapped<T> {
    section: Section,
    asked: Arc<Mutex<Asked<T>>>,
}

enum Section {
    /// Nobody locks it: it makes this `Sync`, for a reference to a flow may go to another thread, which clones it.
    Running(Mutex<Pin<Box<dyn Future<Output = Result<()>> + Send>>>),
    /// Not told yet.
    Ended(Result<()>),
    Over,
}

impl Section {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Section::Running(section) = self {
            if let Poll::Ready(ended) = section.get_mut().as_mut().poll(cx) {
                *self = Section::Ended(ended);
            }
        }
    }
}

impl<T: Send + 'static> Swapped<T> {
    pub(super) fn new<S>(
        source: S,
        context: CoroutineContext,
        location: &'static Location<'static>,
    ) -> Self
    where
        S: Flow<Item = T> + Send + 'static,
    {
        let asked = Arc::new(Mutex::new(Asked::Nothing));
        let inside = Inside {
            source,
            asked: asked.clone(),
        };
        let section = with_context_at(location, context, inside);
        Swapped {
            section: Section::Running(Mutex::new(Box::pin(section))),
            asked,
        }
    }
}

impl<T> Swapped<T> {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        *self.asked.lock() = Asked::Item;
        self.section.poll(cx);
        let answer = replace(&mut *self.asked.lock(), Asked::Nothing);
        if let Asked::Answered(item) = answer {
            return Poll::Ready(Ok(Some(item)));
        }
        if let Section::Running(_) = self.section {
            return Poll::Pending;
        }
        match replace(&mut self.section, Section::Over) {
            Section::Ended(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(None)),
        }
    }

    pub(super) fn poll_progress(&mut self, cx: &mut Context<'_>) {
        self.section.poll(cx);
    }
}

pin_project! {
    struct Inside<S: Flow> {
        #[pin]
        source: S,
        asked: Arc<Mutex<Asked<S::Item>>>,
    }
}

impl<S: Flow> Future for Inside<S> {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.project();
        if !matches!(*this.asked.lock(), Asked::Item) {
            this.source.poll_progress(cx);
            return Poll::Pending;
        }
        match this.source.poll_next(cx)? {
            Poll::Ready(Some(item)) => {
                *this.asked.lock() = Asked::Answered(item);
                Poll::Pending
            }
            Poll::Ready(None) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }
}
