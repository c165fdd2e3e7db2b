//! [`ChannelFlows`]: what is received from a channel, as a flow.

use std::future::{Future, pending};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use corox_channels::{Channel, Elements, Receiver};
use corox_core::Result;
use futures_core::Stream;

use crate::{AlreadyCollected, Flow};

mod sealed {
    pub trait Sealed: Clone {
        /// Cancels the channel, and reports the panics of its handlers.
        fn cancel_quietly(&self);
    }
}

/// Flows of what is received from a [`Channel`] or a [`Receiver`].
///
/// They are hot: what one collection has received no other one gets. The end of the channel is that of the flow; a cause that it was closed
/// with is its failure.
///
/// ```
/// use corox_flow::prelude::*;
/// use corox_channels::Channel;
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let channel = Channel::new(3);
///     for n in 1..=3 {
///         channel.send(n).await?;
///     }
///     let flow = channel.clone().receive_into_flow();
///     assert_eq!(flow.clone().take(2).to_vec().await?, [1, 2]);
///     channel.close();
///     assert_eq!(flow.to_vec().await?, [3]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait ChannelFlows: sealed::Sealed + Sized {
    /// What is received.
    type Element;

    #[doc(hidden)]
    fn elements_at(self, location: &'static Location<'static>) -> Elements<Self::Element>;

    /// The flow of what this end receives. Collections share the elements, and leave the channel as it is; only the last
    /// [`Receiver`] that is dropped cancels it, the one in the flow being one of them.
    ///
    /// Kotlin: `receiveAsFlow`.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     channel.send("a").await?;
    ///     let letters = channel.clone().receive_into_flow();
    ///     assert_eq!(letters.take(1).to_vec().await?, ["a"]);
    ///     assert!(!channel.is_closed_for_send());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "receiveAsFlow")]
    #[track_caller]
    fn receive_into_flow(self) -> impl Flow<Item = Self::Element> {
        FromChannel {
            source: self,
            location: Location::caller(),
            consumed: None,
            running: State::Recipe,
        }
    }

    /// The flow of what this end receives, which is collected once; when that ends, is left or fails, the channel is cancelled.
    ///
    /// Kotlin: `consumeAsFlow`.
    ///
    /// # Errors
    ///
    /// The flow fails with [`AlreadyCollected`] when it, or a clone, is collected again.
    ///
    /// ```
    /// use corox_flow::{AlreadyCollected, prelude::*};
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let channel = Channel::new(2);
    ///     channel.send("a").await?;
    ///     let letters = channel.clone().consume_into_flow();
    ///     assert_eq!(letters.clone().take(1).to_vec().await?, ["a"]);
    ///     assert!(channel.is_closed_for_send());
    ///     assert!(letters.to_vec().await.unwrap_err().downcast_ref::<AlreadyCollected>().is_some());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "consumeAsFlow")]
    #[track_caller]
    fn consume_into_flow(self) -> impl Flow<Item = Self::Element> {
        FromChannel {
            source: self,
            location: Location::caller(),
            consumed: Some(Arc::new(AtomicBool::new(false))),
            running: State::Recipe,
        }
    }
}

macro_rules! flows_of {
    ($end:ident) => {
        impl<T> sealed::Sealed for $end<T> {
            fn cancel_quietly(&self) {
                // A consumer that is cancelled.
                let consume = pin!(self.consume(pending::<Result<()>>()));
                let _pending = consume.poll(&mut Context::from_waker(Waker::noop()));
            }
        }

        impl<T> ChannelFlows for $end<T> {
            type Element = T;

            fn elements_at(self, location: &'static Location<'static>) -> Elements<T> {
                self.into_stream_at(location)
            }
        }
    };
}

flows_of!(Channel);
flows_of!(Receiver);

/// The flow of both.
struct FromChannel<C: ChannelFlows> {
    source: C,
    /// Where it was made.
    location: &'static Location<'static>,
    /// Of one that consumes: whether it was collected.
    consumed: Option<Arc<AtomicBool>>,
    running: State<C>,
}

enum State<C: ChannelFlows> {
    Recipe,
    Running {
        elements: Elements<C::Element>,
        _guard: Option<CancelOnDrop<C>>,
    },
    Ended,
}

struct CancelOnDrop<C: ChannelFlows>(C);

impl<C: ChannelFlows> Drop for CancelOnDrop<C> {
    fn drop(&mut self) {
        self.0.cancel_quietly();
    }
}

// Nothing in it is pinned.
impl<C: ChannelFlows> Unpin for FromChannel<C> {}

impl<C: ChannelFlows> Clone for FromChannel<C> {
    fn clone(&self) -> Self {
        FromChannel {
            source: self.source.clone(),
            location: self.location,
            consumed: self.consumed.clone(),
            running: State::Recipe,
        }
    }
}

impl<C: ChannelFlows> Flow for FromChannel<C> {
    type Item = C::Element;

    #[inline]
    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<C::Element>>> {
        loop {
            let this = &mut *self;
            match &mut this.running {
                State::Running { elements, .. } => {
                    let failure = match ready!(Pin::new(elements).poll_next(cx)) {
                        Some(Ok(item)) => return Poll::Ready(Ok(Some(item))),
                        Some(Err(error)) => Some(error),
                        None => None,
                    };
                    this.running = State::Ended;
                    return Poll::Ready(failure.map_or(Ok(None), |failure| Err(failure.into())));
                }
                State::Ended => return Poll::Ready(Ok(None)),
                State::Recipe => {}
            }
            let location = this.location;
            if let Some(consumed) = &this.consumed {
                if consumed.swap(true, Ordering::AcqRel) {
                    this.running = State::Ended;
                    return Poll::Ready(Err(AlreadyCollected::of_channel(location).into()));
                }
            }
            this.running = State::Running {
                elements: this.source.clone().elements_at(location),
                _guard: this
                    .consumed
                    .is_some()
                    .then(|| CancelOnDrop(this.source.clone())),
            };
        }
    }
}
