//! Coroutines with a channel.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use corox_core::error_protocol::cancellation_at;
use corox_core::location_protocol::launch_at;
use corox_core::probe::{Reason, WaitReason};
use corox_core::{CoroutineContext, CoroutineScope, Job, JobState, LaunchOutput, Launcher, Result};
use futures_util::task::AtomicWaker;

use crate::capacity::Capacity;
use crate::channel::Channel;
use crate::receiving::Next;
use crate::split::{Receiver, Sender};
use crate::ticker::{TickerMode, tick};

mod sealed {
    pub trait Sealed {}
    impl Sealed for corox_core::CoroutineScope {}
    impl Sealed for corox_core::Launcher {}
}

/// Builders of coroutines that have a channel: methods of a [`CoroutineScope`], and of a [`Launcher`] for another context or start.
///
/// ```
/// use corox_channels::ChannelBuilders;
/// use corox_core::{Dispatcher, run_blocking};
///
/// run_blocking(async |scope| {
///     let squares = scope.with(Dispatcher::DEFAULT).produce(4, async |producer| {
///         for n in 1..=3 {
///             producer.send(n * n).await?;
///         }
///         Ok(())
///     });
///     assert_eq!(squares.to_vec().await?, [1, 4, 9]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait ChannelBuilders: sealed::Sealed {
    #[doc(hidden)]
    #[track_caller]
    fn launch_with_channel<F>(&self, body: F) -> Job
    where
        F: Future<Output = Result<()>> + Send + 'static;

    /// Launches a coroutine that sends into a channel, and gives the other end.
    ///
    /// When the coroutine and its children have ended, the channel is closed: with the failure if there was one, which cancels the
    /// scope, too, as that of any child. What was sent before is received. When the receiver is cancelled, or the last one dropped,
    /// the coroutine is cancelled, and what was sent is disposed of.
    ///
    /// Kotlin: `produce`.
    ///
    /// # Panics
    ///
    /// Where [`launch`](CoroutineScope::launch) does.
    ///
    /// ```
    /// use corox_channels::{Capacity, ChannelBuilders};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let numbers = scope.produce(Capacity::Rendezvous, async |producer| {
    ///         for n in 0.. {
    ///             producer.send(n).await?;
    ///         }
    ///         Ok(())
    ///     });
    ///     assert_eq!(numbers.receive().await?, 0);
    ///     assert_eq!(numbers.receive().await?, 1);
    ///     Ok(()) // drops `numbers`, which cancels the producer
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn produce<T, F, R>(
        &self,
        capacity: impl Into<Capacity>,
        body: impl FnOnce(ProducerScope<T>) -> F + Send + 'static,
    ) -> Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = R> + Send + 'static,
        R: LaunchOutput,
    {
        self.produce_into(Channel::new(capacity), body)
    }

    /// [`produce`](ChannelBuilders::produce) with a channel that was made before; for flows.
    #[doc(hidden)]
    #[track_caller]
    fn produce_into<T, F, R>(
        &self,
        channel: Channel<T>,
        body: impl FnOnce(ProducerScope<T>) -> F + Send + 'static,
    ) -> Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = R> + Send + 'static,
        R: LaunchOutput,
    {
        let inner = channel.clone();
        let job = self.launch_with_channel(async move {
            let scope = CoroutineScope::new(CoroutineContext::current());
            let producer = ProducerScope::of(scope, inner);
            body(producer).await.into_result()
        });
        let receiver = Receiver::of(&channel.shared);
        channel.shared.link(&job);
        job.on_completion(move |cause| {
            let (_, panics) = channel.shared.close(cause.cloned());
            channel.shared.unlink();
            panics.resume();
        });
        receiver
    }

    /// Launches a coroutine that receives from a channel, its mailbox, and gives the other end.
    ///
    /// When the coroutine ends or is cancelled, the mailbox is cancelled. When the last sender is dropped, the mailbox is closed: a
    /// loop over [`next`](Receiver::next) ends after what is in it. A [lazy](CoroutineScope::lazy) actor begins with the first send or
    /// attempt, or when the mailbox is closed.
    ///
    /// Kotlin: `actor`.
    ///
    /// # Panics
    ///
    /// Where [`launch`](CoroutineScope::launch) does.
    ///
    /// ```
    /// use corox_channels::{Capacity, ChannelBuilders};
    /// use corox_core::{CompletableDeferred, run_blocking};
    ///
    /// enum Message { Add(i32), Get(CompletableDeferred<i32>) }
    ///
    /// run_blocking(async |scope| {
    ///     let counter = scope.actor(Capacity::Buffered, async |actor| {
    ///         let mut count = 0;
    ///         while let Some(message) = actor.next().await? {
    ///             match message {
    ///                 Message::Add(n) => count += n,
    ///                 Message::Get(answer) => _ = answer.complete(count),
    ///             }
    ///         }
    ///         Ok(())
    ///     });
    ///     counter.send(Message::Add(40)).await?;
    ///     counter.send(Message::Add(2)).await?;
    ///     let answer = CompletableDeferred::new();
    ///     counter.send(Message::Get(answer.clone())).await?;
    ///     assert_eq!((&answer).await?, 42);
    ///     Ok(()) // drops `counter`, which ends the actor
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn actor<T, F, R>(
        &self,
        capacity: impl Into<Capacity>,
        body: impl FnOnce(ActorScope<T>) -> F + Send + 'static,
    ) -> Sender<T>
    where
        T: Send + 'static,
        F: Future<Output = R> + Send + 'static,
        R: LaunchOutput,
    {
        let channel = Channel::new(capacity);
        let inner = channel.clone();
        let job = self.launch_with_channel(async move {
            let actor = ActorScope {
                scope: CoroutineScope::new(CoroutineContext::current()),
                mailbox: inner,
            };
            body(actor).await.into_result()
        });
        if job.state() == JobState::New {
            channel.shared.start_with(&job);
        }
        let sender = Sender::of(&channel.shared);
        let location = job.location();
        job.on_cancelling(move |cause| {
            let cause = match cause {
                None => cancellation_at(location, "the actor has ended", None),
                Some(cause) if cause.is_cancellation() => cause.clone(),
                failure => cancellation_at(location, "the actor has failed", failure.cloned()),
            };
            let (_, panics) = channel.shared.cancel(cause);
            panics.resume();
        });
        sender
    }

    /// Launches a coroutine that sends `()` at regular times to whoever receives, the first after `initial_delay`.
    ///
    /// It is cancelled when the last receiver is dropped. The clock is that of the dispatcher.
    ///
    /// Kotlin: `ticker`, which runs in `GlobalScope`; so does `GlobalScope.with(..).ticker(..)`.
    ///
    /// # Panics
    ///
    /// Where [`launch`](CoroutineScope::launch) does.
    ///
    /// ```
    /// use corox_channels::{ChannelBuilders, TickerMode};
    /// use corox_core::run_blocking;
    /// use std::time::{Duration, Instant};
    ///
    /// run_blocking(async |scope| {
    ///     let (start, period) = (Instant::now(), Duration::from_millis(5));
    ///     let ticks = scope.ticker(period, Duration::ZERO, TickerMode::FixedPeriod);
    ///     for _ in 0..3 {
    ///         ticks.receive().await?;
    ///     }
    ///     assert!(start.elapsed() >= 2 * period);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn ticker(&self, period: Duration, initial_delay: Duration, mode: TickerMode) -> Receiver<()> {
        let location = Location::caller();
        self.produce(Capacity::Rendezvous, move |producer| {
            tick(location, producer, period, initial_delay, mode)
        })
    }

    /// Launches a coroutine that receives from all `sources`, each in an order of its own, and sends into one channel.
    ///
    /// The channel is closed when all sources are; if one of them is closed with a cause, that is a failure of the coroutine.
    ///
    /// ```
    /// use corox_channels::{Capacity, ChannelBuilders};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |scope| {
    ///     let sources = [1, 10].map(|step| scope.produce(0, async move |producer| {
    ///         for n in 1..=2 {
    ///             producer.send(n * step).await?;
    ///         }
    ///         Ok(())
    ///     }));
    ///     let mut all = scope.fan_in(Capacity::Rendezvous, sources).to_vec().await?;
    ///     all.sort();
    ///     assert_eq!(all, [1, 2, 10, 20]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    fn fan_in<T: Send + 'static>(
        &self,
        capacity: impl Into<Capacity>,
        sources: impl IntoIterator<Item = Receiver<T>>,
    ) -> Receiver<T> {
        let location = Location::caller();
        let sources: Vec<_> = sources.into_iter().collect();
        self.produce(capacity, async move |producer: ProducerScope<T>| {
            let launcher = producer.with(CoroutineContext::empty());
            for source in sources {
                let channel = producer.channel.clone();
                launch_at(location, &launcher, async move {
                    while let Some(element) = Next::new(source.shared(), location).await? {
                        channel.send_at(element, location).await?;
                    }
                    Ok(())
                });
            }
        })
    }
}

impl ChannelBuilders for CoroutineScope {
    #[track_caller]
    fn launch_with_channel<F>(&self, body: F) -> Job
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.launch(body)
    }
}

impl ChannelBuilders for Launcher {
    #[track_caller]
    fn launch_with_channel<F>(&self, body: F) -> Job
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.launch(body)
    }
}

/// What the body of [`produce`](ChannelBuilders::produce) is given: the scope of its coroutine, and the channel to send into.
///
/// Kotlin: `ProducerScope`.
///
/// ```
/// use corox_channels::ChannelBuilders;
/// use corox_core::run_blocking;
///
/// run_blocking(async |scope| {
///     let lines = scope.produce(1, async |producer| {
///         producer.send("from the body").await?;
///         let child = producer.clone();
///         // The channel is closed when the children have ended, too.
///         producer.launch(async move { Ok(child.send("from a child").await?) });
///         Ok(())
///     });
///     assert_eq!(lines.to_vec().await?, ["from the body", "from a child"]);
///     Ok(())
/// }).unwrap();
/// ```
pub struct ProducerScope<T> {
    /// Of the coroutine itself.
    scope: CoroutineScope,
    channel: Channel<T>,
}

impl<T> Deref for ProducerScope<T> {
    type Target = CoroutineScope;

    fn deref(&self) -> &CoroutineScope {
        &self.scope
    }
}

/// The same scope and the same channel, for a child.
impl<T> Clone for ProducerScope<T> {
    fn clone(&self) -> Self {
        ProducerScope {
            scope: self.scope.clone(),
            channel: self.channel.clone(),
        }
    }
}

impl<T> fmt::Debug for ProducerScope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProducerScope").field(&self.channel).finish()
    }
}

/// The end of a channel, to wait for.
#[derive(Default)]
struct Closed {
    is_closed: AtomicBool,
    waker: AtomicWaker,
}

/// Calls it when dropped.
struct OnExit<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnExit<F> {
    fn drop(&mut self) {
        if let Some(cleanup) = self.0.take() {
            cleanup();
        }
    }
}

impl<T> ProducerScope<T> {
    /// One whose coroutine is that of `scope`; for flows.
    #[doc(hidden)]
    #[must_use]
    pub fn of(scope: CoroutineScope, channel: Channel<T>) -> Self {
        ProducerScope { scope, channel }
    }

    /// The channel.
    ///
    /// Kotlin: `ProducerScope.channel`.
    #[must_use]
    pub fn channel(&self) -> &Channel<T> {
        &self.channel
    }

    /// As [`Channel::send`]; see the example of [`produce`](ChannelBuilders::produce). It is cancel-safe as that is.
    #[track_caller]
    pub fn send(&self, element: T) -> crate::sending::Sending<'_, T> {
        self.channel.send(element)
    }

    /// As [`Channel::try_send`]; see the example of [`Channel::try_send`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn try_send(&self, element: T) -> std::result::Result<(), crate::error::TrySendError<T>> {
        self.channel.try_send(element)
    }

    /// As [`Channel::on_send`]; see the example of [`Channel::on_send`].
    pub fn on_send(&self, element: T) -> crate::on_send::OnSend<'_, T> {
        self.channel.on_send(element)
    }

    /// As [`Channel::on_send_from`]; see the example of [`Channel::on_send_from`].
    pub fn on_send_from<'a>(
        &'a self,
        element: &'a mut Option<T>,
    ) -> crate::on_send::OnSendFrom<'a, T> {
        self.channel.on_send_from(element)
    }

    /// Waits until the channel is closed or cancelled, and calls `cleanup` then; also if the coroutine is cancelled before. For a
    /// producer whose elements come from callbacks, which `cleanup` unregisters.
    ///
    /// Kotlin: `awaitClose`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, `cleanup` is called there.
    ///
    /// # Panics
    ///
    /// - In another coroutine than that of the producer: what is closed there is this one's channel.
    /// - If the channel has had a handler of [`on_close`](Channel::on_close), so at a second call.
    ///
    /// ```
    /// use corox_channels::{Capacity, ChannelBuilders};
    /// use corox_core::run_blocking;
    /// use std::sync::{Arc, Mutex, atomic::{AtomicBool, Ordering}};
    ///
    /// // What calls back.
    /// type Listener = Box<dyn Fn(i32) + Send>;
    /// let button: Arc<Mutex<Option<Listener>>> = Arc::default();
    ///
    /// run_blocking(async |scope| {
    ///     let (shared, registered) = (button.clone(), Arc::new(AtomicBool::new(false)));
    ///     let clicks = scope.produce(Capacity::Unlimited, async move |producer| {
    ///         let channel = producer.channel().clone();
    ///         channel.try_send(0)?;
    ///         *shared.lock().unwrap() = Some(Box::new(move |n| _ = channel.try_send(n)));
    ///         producer.await_close(|| *shared.lock().unwrap() = None).await;
    ///         Ok(())
    ///     });
    ///     clicks.receive().await?;
    ///     button.lock().unwrap().as_ref().unwrap()(1);
    ///     assert_eq!(clicks.receive().await?, 1);
    ///     Ok(())
    /// }).unwrap();
    /// assert!(button.lock().unwrap().is_none());
    /// ```
    #[doc(alias = "awaitClose")]
    #[track_caller]
    pub fn await_close(&self, cleanup: impl FnOnce()) -> impl Future<Output = ()> {
        let location = Location::caller();
        async move {
            let cleanup = OnExit(Some(cleanup));
            let here = Job::current();
            assert!(
                here.is_some_and(|job| job.ptr_eq(self.scope.job())),
                "`await_close` at {location} is not called in the coroutine of its producer; call it there, at the end of the body"
            );
            let closed = Arc::new(Closed::default());
            let told = closed.clone();
            let set = self.channel.on_close(move |_| {
                told.is_closed.store(true, Ordering::Release);
                told.waker.wake();
            });
            assert!(
                set.is_ok(),
                "`await_close` at {location} needs the one handler that a channel may have for its closing, and it has had one; \
                 call it once"
            );
            let mut reason = WaitReason::at(&Reason("await_close"), location).by_coroutines();
            poll_fn(|cx| {
                closed.waker.register(cx.waker());
                if closed.is_closed.load(Ordering::Acquire) {
                    return Poll::Ready(());
                }
                reason.note_for(|| self.channel.shared.as_awaited());
                Poll::Pending
            })
            .await;
            drop(reason);
            drop(cleanup);
        }
    }
}

/// What the body of [`actor`](ChannelBuilders::actor) is given: the scope of its coroutine, and the mailbox to receive from.
///
/// Kotlin: `ActorScope`.
///
/// ```
/// use corox_channels::ChannelBuilders;
/// use corox_core::run_blocking;
///
/// run_blocking(async |scope| {
///     let worker = scope.actor(1, async |actor| {
///         assert_eq!(actor.receive().await?, "first");
///         assert_eq!(actor.channel().next().await?, Some("second"));
///         Ok(())
///     });
///     worker.send("first").await?;
///     worker.send("second").await?;
///     Ok(())
/// }).unwrap();
/// ```
pub struct ActorScope<T> {
    /// Of the coroutine itself.
    scope: CoroutineScope,
    mailbox: Channel<T>,
}

impl<T> Deref for ActorScope<T> {
    type Target = CoroutineScope;

    fn deref(&self) -> &CoroutineScope {
        &self.scope
    }
}

/// The same scope and the same mailbox, for a child.
impl<T> Clone for ActorScope<T> {
    fn clone(&self) -> Self {
        ActorScope {
            scope: self.scope.clone(),
            mailbox: self.mailbox.clone(),
        }
    }
}

impl<T> fmt::Debug for ActorScope<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActorScope").field(&self.mailbox).finish()
    }
}

impl<T> ActorScope<T> {
    /// The mailbox.
    ///
    /// Kotlin: `ActorScope.channel`.
    #[must_use]
    pub fn channel(&self) -> &Channel<T> {
        &self.mailbox
    }

    /// As [`Channel::receive`]. It is cancel-safe as that is.
    #[track_caller]
    pub fn receive(&self) -> crate::receiving::Receive<'_, T> {
        self.mailbox.receive()
    }

    /// As [`Channel::next`]; see the example of [`actor`](ChannelBuilders::actor). It is cancel-safe as that is.
    #[track_caller]
    pub fn next(&self) -> crate::receiving::Next<'_, T> {
        self.mailbox.next()
    }

    /// As [`Channel::on_receive`]; see the example of [`Channel::on_receive`].
    pub fn on_receive(&self) -> crate::on_receive::OnReceive<'_, T> {
        self.mailbox.on_receive()
    }

    /// As [`Channel::on_receive_catching`]; see the example of [`Channel::on_receive_catching`].
    pub fn on_receive_catching(&self) -> crate::on_receive::OnReceiveCatching<'_, T> {
        self.mailbox.on_receive_catching()
    }
}
