//! [`channel_flow`] and [`callback_flow`]: blocks that may send from several coroutines.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use corox_channels::{Channel, Elements, ProducerScope, Sender};
use corox_core::location_protocol::{coroutine_scope_at, launch_at};
use corox_core::{CoroutineContext, CoroutineScope, Error, GlobalScope, Job, Result};
use futures_core::Stream;

use crate::children::started;
use crate::fusion::{Producer, Settings, Stage};
use crate::{BlockOutput, Flow};

/// The flow of what a block sends, which may be sent from several coroutines.
///
/// Each collection runs the block in a coroutine of its own, a child of the one that collects, with a scope to launch others in and a
/// channel; the flow ends when the block and what it has launched have ended, or when the channel is closed. Leaving the collection
/// cancels them. A failure of any of them is that of the flow, behind the items that were sent before; it does not fail the scope around.
/// Collected outside of any coroutine the block runs in the [`GlobalScope`](corox_core::GlobalScope).
///
/// The channel holds 64 items. [`buffer`](crate::FlowBuffer::buffer), [`conflate`](crate::FlowBuffer::conflate),
/// [`flow_on`](crate::FlowBuffer::flow_on) and [`produce_in`](crate::FlowBuffer::produce_in) right behind it change that channel and
/// where the block runs.
///
/// [`flow`](crate::flow()) is less work where the block alone emits.
///
/// Kotlin: `channelFlow { }`.
///
/// ```
/// use corox_flow::{channel_flow, prelude::*};
/// use corox_core::{delay, run_blocking};
/// use std::time::Duration;
///
/// run_blocking(async |_| {
///     let both = channel_flow(async |producer| {
///         for n in [2, 1] {
///             let child = producer.clone();
///             producer.launch(async move {
///                 delay(Duration::from_millis(10 * n)).await;
///                 Ok(child.send(n).await?)
///             });
///         }
///         producer.send(0).await?;
///         Ok(())
///     });
///     assert_eq!(both.to_vec().await?, [0, 1, 2]);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "channelFlow")]
#[track_caller]
pub fn channel_flow<T, R, F, B>(block: F) -> impl Flow<Item = T>
where
    F: FnOnce(ProducerScope<T>) -> B + Clone + Send + 'static,
    B: Future<Output = R> + Send + 'static,
    R: BlockOutput,
    T: Send + 'static,
{
    ChannelFlow::new(move |producer| {
        let running = block(producer);
        async move { running.await.into_result() }
    })
}

/// [`channel_flow`] for items that come from callbacks: the block registers them and then waits in
/// [`await_close`](ProducerScope::await_close), whose closure unregisters them, whatever happens.
///
/// The callbacks send by [`try_send`](Channel::try_send) into a clone of the [channel](ProducerScope::channel), and close it at the end;
/// [`buffer`](crate::FlowBuffer::buffer) with [`Capacity::Unlimited`](corox_channels::Capacity::Unlimited), or
/// [`conflate`](crate::FlowBuffer::conflate), is for those that cannot wait.
///
/// Kotlin: `callbackFlow { }`.
///
/// # Errors
///
/// The flow fails with [`NotAwaitingClose`] when the block returns and nobody has closed the channel: without `await_close` the callbacks
/// would go on for nobody.
///
/// ```
/// use corox_flow::{callback_flow, prelude::*};
/// use corox_core::{delay, run_blocking};
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// // What calls back.
/// type Listener = Box<dyn Fn(i32) + Send>;
/// let button: Arc<Mutex<Option<Listener>>> = Arc::default();
///
/// let shared = button.clone();
/// let clicks = callback_flow(async move |producer| {
///     let channel = producer.channel().clone();
///     *shared.lock().unwrap() = Some(Box::new(move |n| _ = channel.try_send(n)));
///     producer.await_close(|| *shared.lock().unwrap() = None).await;
/// });
///
/// let source = button.clone();
/// run_blocking(async move |scope| {
///     scope.launch(async move {
///         for n in 1..=3 {
///             delay(Duration::from_millis(10)).await;
///             if let Some(listener) = &*source.lock().unwrap() {
///                 listener(n);
///             }
///         }
///     });
///     assert_eq!(clicks.take(2).to_vec().await?, [1, 2]);
///     Ok(())
/// }).unwrap();
/// assert!(button.lock().unwrap().is_none());
/// ```
#[doc(alias = "callbackFlow")]
#[track_caller]
pub fn callback_flow<T, R, F, B>(block: F) -> impl Flow<Item = T>
where
    F: FnOnce(ProducerScope<T>) -> B + Clone + Send + 'static,
    B: Future<Output = R> + Send + 'static,
    R: BlockOutput,
    T: Send + 'static,
{
    let location = Location::caller();
    ChannelFlow::new(move |producer: ProducerScope<T>| {
        let channel = producer.channel().clone();
        let running = block(producer);
        async move {
            running.await.into_result()?;
            if !channel.is_closed_for_send() {
                return Err(NotAwaitingClose { location }.into());
            }
            Ok(())
        }
    })
}

/// The block of a [`callback_flow`] has returned, and its channel is open.
///
/// Kotlin: the `IllegalStateException` of `callbackFlow`.
///
/// ```
/// use corox_flow::{NotAwaitingClose, callback_flow, prelude::*};
/// use corox_core::run_blocking;
///
/// let careless = callback_flow(async |producer| _ = producer.try_send(1));
/// let line = line!() - 1;
/// let error = run_blocking(async |_| careless.to_vec().await).unwrap_err();
/// let location = error.downcast_ref::<NotAwaitingClose>().unwrap().location();
/// assert_eq!(location.line(), line);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAwaitingClose {
    location: &'static Location<'static>,
}

impl NotAwaitingClose {
    /// Where `callback_flow` was called.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for NotAwaitingClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the block of the `callback_flow` at {} has returned while its channel is open: end it with \
             `producer.await_close(|| unregister the callbacks).await`, or close the channel",
            self.location
        )
    }
}

impl std::error::Error for NotAwaitingClose {}

/// The flow of `channel_flow` and `callback_flow`.
struct ChannelFlow<T, F> {
    /// `None` from the first poll on.
    recipe: Option<(F, Settings)>,
    running: Option<Running<T>>,
}

// The block runs elsewhere.
impl<T, F> Unpin for ChannelFlow<T, F> {}

/// The end where one collects. Dropping it cancels the channel.
struct Running<T> {
    elements: Elements<T>,
    job: Job,
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.job.cancel();
    }
}

impl<T, F> ChannelFlow<T, F> {
    #[track_caller]
    fn new<B>(block: F) -> Self
    where
        F: FnOnce(ProducerScope<T>) -> B + Clone + Send + 'static,
        B: Future<Output = Result<()>> + Send + 'static,
    {
        ChannelFlow {
            recipe: Some((block, Settings::flow_on(CoroutineContext::empty()))),
            running: None,
        }
    }
}

impl<T, F: Clone> Clone for ChannelFlow<T, F> {
    fn clone(&self) -> Self {
        assert!(
            self.recipe.is_some(),
            "a flow was cloned while it was collected: clone it before its first poll"
        );
        ChannelFlow {
            recipe: self.recipe.clone(),
            running: None,
        }
    }
}

/// Runs the block, and closes the channel when that and what it has launched have ended. It gives nothing, so that it does not fail the
/// scope of whoever collects (F-14).
async fn run<T, B>(
    location: &'static Location<'static>,
    sender: Sender<T>,
    channel: Channel<T>,
    block: impl FnOnce(ProducerScope<T>) -> B,
) where
    B: Future<Output = Result<()>>,
{
    let guard = CloseOnDrop(sender);
    let body = async |scope| block(ProducerScope::of(scope, channel)).await;
    let sender = &guard.0;
    match coroutine_scope_at(location, body).await {
        Ok(()) => sender.close(),
        Err(error) => sender.close_with(error),
    };
    drop(guard);
}

/// The coroutine was cancelled.
struct CloseOnDrop<T>(Sender<T>);

impl<T> Drop for CloseOnDrop<T> {
    fn drop(&mut self) {
        if !self.0.is_closed_for_send() {
            self.0.close_with(Error::cancellation(
                "the coroutine that runs the block of the flow was cancelled",
            ));
        }
    }
}

impl<T, F, B> ChannelFlow<T, F>
where
    F: FnOnce(ProducerScope<T>) -> B + Send + 'static,
    B: Future<Output = Result<()>> + Send + 'static,
    T: Send + 'static,
{
    #[cold]
    fn start(&mut self) {
        let Some((block, settings)) = self.recipe.take() else {
            return;
        };
        let location = settings.launched_at();
        let channel = Channel::builder(settings.channel_capacity())
            .overflow(settings.overflow)
            .build_at(location);
        let (sender, receiver) = channel.clone().split();
        let current = CoroutineContext::current();
        let launcher = match current.job() {
            Some(_) => CoroutineScope::new(current).with(settings.context),
            None => GlobalScope.with(settings.context),
        };
        // F-13: it begins also if it is cancelled before.
        let body = run(location, sender, channel, block);
        let job = launch_at(location, &launcher.atomic(), body);
        started(job.clone());
        self.running = Some(Running {
            elements: receiver.into_stream_at(location),
            job,
        });
    }
}

impl<T, F, B> Flow for ChannelFlow<T, F>
where
    F: FnOnce(ProducerScope<T>) -> B + Clone + Send + 'static,
    B: Future<Output = Result<()>> + Send + 'static,
    T: Send + 'static,
{
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
        if self.recipe.is_some() {
            self.start();
        }
        let Some(running) = &mut self.running else {
            return Poll::Ready(Ok(None));
        };
        match ready!(Pin::new(&mut running.elements).poll_next(cx)) {
            Some(Ok(item)) => Poll::Ready(Ok(Some(item))),
            ended => {
                self.running = None;
                Poll::Ready(match ended {
                    Some(Err(error)) => Err(error.into()),
                    _ => Ok(None),
                })
            }
        }
    }

    fn fuse(&mut self, stage: &Stage) -> bool {
        match (&mut self.recipe, stage) {
            (Some((_, settings)), Stage::Buffer(later)) => {
                *settings = settings.clone().then(later.clone());
                true
            }
            _ => false,
        }
    }

    fn producer(&mut self) -> Option<Producer<T>> {
        let (block, settings) = self.recipe.take()?;
        Some(Producer::new(settings, |scope, channel| {
            block(ProducerScope::of(scope, channel))
        }))
    }
}
