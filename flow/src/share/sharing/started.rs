//! When a flow that is shared runs: [`SharingStarted`], and [`SharingPolicy`] for one of one's own.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use corox_core::location_protocol::delay_at;
use corox_core::{Delay, Job, Result, delay};
use pin_project_lite::pin_project;

use crate::{Flow, StateFlow};

/// What a [`SharingPolicy`] asks for.
///
/// Each ends what the one before has begun, and waits for that; one that equals the one before changes nothing.
///
/// Kotlin: `SharingCommand`.
///
/// ```
/// use corox_flow::SharingCommand;
///
/// assert_ne!(SharingCommand::Stop, SharingCommand::StopAndResetReplayCache);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[doc(alias = "START")]
#[doc(alias = "STOP")]
#[doc(alias = "STOP_AND_RESET_REPLAY_CACHE")]
pub enum SharingCommand {
    /// To collect the flow that is shared.
    ///
    /// Kotlin: `START`.
    Start,
    /// To end the collection.
    ///
    /// Kotlin: `STOP`.
    Stop,
    /// To end the collection and to forget the values: the replay cache is empty, or the state what it was initially.
    ///
    /// Kotlin: `STOP_AND_RESET_REPLAY_CACHE`.
    StopAndResetReplayCache,
}

/// When a flow that is shared by [`share_in`](crate::FlowShare::share_in) or [`state_in`](crate::FlowShare::state_in) runs.
/// [`SharingStarted`] has the usual answers.
///
/// Kotlin: `SharingStarted`, as an interface.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{Flow, SharingCommand, SharingPolicy, StateFlow, flow_of, prelude::*};
///
/// /// Begins with the second collector.
/// struct Pair;
///
/// impl SharingPolicy for Pair {
///     fn commands(self, subscription_count: StateFlow<usize>) -> impl Flow<Item = SharingCommand> + Send + 'static {
///         subscription_count.filter(|count| *count == 2).take(1).map(|_| SharingCommand::Start)
///     }
/// }
///
/// run_blocking(async |scope| {
///     let shared = flow_of([1, 2]).share_in(&scope, Pair, 0);
///     let two = [shared.clone(), shared].map(|it| scope.spawn(it.take(2).to_vec()));
///     for collector in two {
///         assert_eq!(collector.await?, [1, 2]);
///     }
///     Ok(())
/// }).unwrap();
/// ```
pub trait SharingPolicy {
    /// What to do as the number of collectors changes. It is collected by the coroutine that shares; that ends when the commands have
    /// ended and the collection that they have begun has, too.
    ///
    /// Kotlin: `SharingStarted.command`.
    #[doc(alias = "command")]
    fn commands(
        self,
        subscription_count: StateFlow<usize>,
    ) -> impl Flow<Item = SharingCommand> + Send + 'static;

    /// The coroutine is dispatched before it begins. Else it has begun to look at the number of collectors when `share_in` returns, and
    /// misses nobody (F-49).
    #[doc(hidden)]
    fn is_eager(&self) -> bool {
        false
    }
}

/// The usual answers to when a flow that is shared runs.
///
/// Kotlin: `SharingStarted`.
///
/// ```
/// use corox_flow::SharingStarted;
/// use std::time::Duration;
///
/// let five = Duration::from_secs(5);
/// let started = SharingStarted::while_subscribed(five, Duration::MAX);
/// assert_ne!(started, SharingStarted::LAZILY);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SharingStarted(Started);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Started {
    Eagerly,
    Lazily,
    WhileSubscribed {
        stop: Duration,
        expiration: Duration,
    },
}

impl SharingStarted {
    /// At once, and for as long as the scope lives.
    ///
    /// Kotlin: `SharingStarted.Eagerly`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{SharingStarted, flow_of, prelude::*};
    ///
    /// run_blocking(async |scope| {
    ///     let shared = flow_of([1, 2]).share_in(&scope, SharingStarted::EAGERLY, 2);
    ///     assert_eq!(shared.take(2).to_vec().await?, [1, 2]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "Eagerly")]
    pub const EAGERLY: SharingStarted = SharingStarted(Started::Eagerly);

    /// When the first collector comes, and from then on for as long as the scope lives. That collector gets all values; those
    /// who come later get the replay cache first.
    ///
    /// Kotlin: `SharingStarted.Lazily`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{SharingStarted, flow_of, prelude::*};
    ///
    /// run_blocking(async |scope| {
    ///     let shared = flow_of([1, 2]).share_in(&scope, SharingStarted::LAZILY, 0);
    ///     assert_eq!(shared.take(2).to_vec().await?, [1, 2]);
    ///     scope.job().cancel_children();
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "Lazily")]
    pub const LAZILY: SharingStarted = SharingStarted(Started::Lazily);

    /// While there are collectors: it stops when there has been none for `stop_timeout`, and begins anew with the next. The values are
    /// forgotten when there has been none for another `replay_expiration`: at once with [`Duration::ZERO`], never with
    /// [`Duration::MAX`].
    ///
    /// Kotlin: `SharingStarted.WhileSubscribed(stopTimeout, replayExpiration)`, with zero and infinity if they are not given.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{SharingStarted, flow_of, prelude::*};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |scope| {
    ///     let started = SharingStarted::while_subscribed(Duration::ZERO, Duration::MAX);
    ///     let shared = flow_of([1, 2]).share_in(&scope, started, 0);
    ///     assert_eq!(shared.clone().take(2).to_vec().await?, [1, 2]);
    ///     assert_eq!(shared.take(2).to_vec().await?, [1, 2]); // anew
    ///     scope.job().cancel_children();
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[must_use]
    #[doc(alias = "WhileSubscribed")]
    pub const fn while_subscribed(stop_timeout: Duration, replay_expiration: Duration) -> Self {
        SharingStarted(Started::WhileSubscribed {
            stop: stop_timeout,
            expiration: replay_expiration,
        })
    }
}

impl SharingPolicy for SharingStarted {
    fn commands(
        self,
        subscription_count: StateFlow<usize>,
    ) -> impl Flow<Item = SharingCommand> + Send + 'static {
        Commands {
            started: self.0,
            count: subscription_count,
            stage: Stage::Before,
            timer: None,
        }
    }

    fn is_eager(&self) -> bool {
        self.0 == Started::Eagerly
    }
}

/// ```text
/// Before -first collector, Start-> Running -the last has gone-> Stopping -stop_timeout, Stop-> Expiring -replay_expiration, reset--.
///                                     ^---a collector-------------' |                             |                               v
///                                     |                             '--replay_expiration is 0, reset-----------------------> Stopped
///                                     '---------------------------------a collector, Start--------'-------------------------------'
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Before,
    Running,
    Stopping,
    Expiring,
    Stopped,
    /// There is nothing more to say.
    Ended,
}

pin_project! {
    /// The commands of [`SharingStarted`].
    struct Commands {
        started: Started,
        #[pin]
        count: StateFlow<usize>,
        stage: Stage,
        #[pin]
        timer: Option<Delay>,
    }
}

/// A fresh one.
impl Clone for Commands {
    fn clone(&self) -> Self {
        Commands {
            started: self.started,
            count: self.count.clone(),
            stage: Stage::Before,
            timer: None,
        }
    }
}

impl Flow for Commands {
    type Item = SharingCommand;

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<SharingCommand>>> {
        let mut this = self.project();
        let (stop, expiration) = match *this.started {
            _ if *this.stage == Stage::Ended => return Poll::Ready(Ok(None)),
            Started::Eagerly => {
                *this.stage = Stage::Ended;
                return Poll::Ready(Ok(Some(SharingCommand::Start)));
            }
            Started::Lazily => (None, Duration::ZERO),
            Started::WhileSubscribed { stop, expiration } => (Some(stop), expiration),
        };
        while let Poll::Ready(count) = this.count.as_mut().poll_next(cx) {
            let Some(count) = count? else {
                break;
            };
            if count > 0 {
                this.timer.set(None);
                let before = mem::replace(this.stage, Stage::Running);
                if stop.is_none() {
                    *this.stage = Stage::Ended;
                }
                if !matches!(before, Stage::Running | Stage::Stopping) {
                    return Poll::Ready(Ok(Some(SharingCommand::Start)));
                }
            } else if *this.stage == Stage::Running {
                this.timer.set(stop.map(pause));
                *this.stage = Stage::Stopping;
                if stop == Some(Duration::ZERO) {
                    // At once, though somebody else may have come.
                    break;
                }
            }
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            ready!(timer.poll(cx));
            let command = if *this.stage == Stage::Stopping && expiration > Duration::ZERO {
                this.timer.set(Some(pause(expiration)));
                *this.stage = Stage::Expiring;
                SharingCommand::Stop
            } else {
                this.timer.set(None);
                *this.stage = Stage::Stopped;
                SharingCommand::StopAndResetReplayCache
            };
            return Poll::Ready(Ok(Some(command)));
        }
        Poll::Pending
    }
}

/// Dumps show it at the line where the coroutine was launched that shares the flow.
fn pause(duration: Duration) -> Delay {
    match Job::current() {
        Some(sharing) => delay_at(sharing.location(), duration),
        None => delay(duration),
    }
}
