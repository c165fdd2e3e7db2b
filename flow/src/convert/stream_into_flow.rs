//! [`StreamIntoFlow`]: streams as flows.

use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use corox_core::Result;
use futures_util::Stream;
use parking_lot::Mutex;
use pin_project_lite::pin_project;

use crate::{AlreadyCollected, Flow};

/// Streams as flows.
///
/// Most streams are hot: they can be read once. [`into_flow_once`](StreamIntoFlow::into_flow_once) takes any stream, and the flow
/// can be collected once. A stream that is [`Clone`] starts anew in each copy, and so does the flow of it:
/// [`into_flow`](StreamIntoFlow::into_flow). For a stream that can be made anew there is a block:
/// `flow(async |e| e.emit_all(make().into_flow_once()).await)`.
///
/// The items of a stream of results are results; the flow does not fail by them.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::prelude::*;
/// use futures::stream;
///
/// run_blocking(async |_| {
///     let (letters, numbers) = (stream::iter(["a", "b"]), stream::iter([1, 2]));
///     let pairs = letters.into_flow().zip(numbers.into_flow(), |a, b| format!("{a}{b}"));
///     assert_eq!(pairs.to_vec().await?, ["a1", "b2"]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait StreamIntoFlow: Stream + Sized {
    /// The flow of the items of a stream that is `Clone`: each collection reads a copy from its beginning.
    ///
    /// Kotlin: `Publisher.asFlow`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::prelude::*;
    /// use futures::stream;
    ///
    /// run_blocking(async |_| {
    ///     let flow = stream::iter([1, 2]).into_flow();
    ///     assert_eq!(flow.clone().to_vec().await?, [1, 2]);
    ///     assert_eq!(flow.to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "asFlow")]
    fn into_flow(self) -> impl Flow<Item = Self::Item>
    where
        Self: Clone,
    {
        Cold { stream: Some(self) }
    }

    /// The flow of the items of any stream, which can be collected once.
    ///
    /// It is `Clone` as all flows are; the first of the copies to be collected takes the stream, and dropping that collection
    /// drops it.
    ///
    /// Kotlin: `Publisher.asFlow`, which subscribes anew each time.
    ///
    /// # Errors
    ///
    /// A second collection fails with [`AlreadyCollected`].
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{AlreadyCollected, prelude::*};
    /// use futures::{StreamExt, channel::mpsc};
    ///
    /// run_blocking(async |_| {
    ///     let (mut tx, rx) = mpsc::channel(2);
    ///     tx.try_send(1)?;
    ///     tx.try_send(2)?;
    ///     drop(tx);
    ///     let flow = rx.into_flow_once();
    ///     assert_eq!(flow.clone().to_vec().await?, [1, 2]);
    ///     let error = flow.to_vec().await.unwrap_err();
    ///     assert!(error.downcast_ref::<AlreadyCollected>().is_some());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "asFlow")]
    #[track_caller]
    fn into_flow_once(self) -> impl Flow<Item = Self::Item> {
        Once {
            recipe: Arc::new(Mutex::new(Some(self))),
            location: Location::caller(),
            running: None,
            over: false,
        }
    }
}

impl<S: Stream> StreamIntoFlow for S {}

/// The next item of a stream, which is dropped at its end.
#[inline]
fn next_of<S: Stream>(
    mut stream: Pin<&mut Option<S>>,
    cx: &mut Context<'_>,
) -> Poll<Option<S::Item>> {
    let Some(running) = stream.as_mut().as_pin_mut() else {
        return Poll::Ready(None);
    };
    let item = ready!(running.poll_next(cx));
    if item.is_none() {
        stream.set(None);
    }
    Poll::Ready(item)
}

pin_project! {
    /// The flow of `into_flow`.
    #[derive(Clone)]
    struct Cold<S> {
        #[pin]
        stream: Option<S>,
    }
}

impl<S: Stream + Clone> Flow for Cold<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        next_of(self.project().stream, cx).map(Ok)
    }
}

pin_project! {
    /// The flow of `into_flow_once`.
    struct Once<S> {
        recipe: Arc<Mutex<Option<S>>>,
        location: &'static Location<'static>,
        #[pin]
        running: Option<S>,
        over: bool,
    }
}

impl<S> Clone for Once<S> {
    fn clone(&self) -> Self {
        Once {
            recipe: self.recipe.clone(),
            location: self.location,
            running: None,
            over: false,
        }
    }
}

impl<S: Stream> Flow for Once<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        let mut this = self.project();
        if this.running.is_none() && !*this.over {
            *this.over = true;
            let stream = this.recipe.lock().take();
            match stream {
                Some(stream) => this.running.set(Some(stream)),
                None => {
                    let again = AlreadyCollected::of_stream(this.location);
                    return Poll::Ready(Err(again.into()));
                }
            }
        }
        next_of(this.running, cx).map(Ok)
    }
}
