//! Stages that are one.
//!
//! A stage with a buffer or a context asks what is above it, when it is made, whether that does the work already:
//!
//! 1. [`Flow::fuse`] has the stage above take it over: another buffer, a `flow_on`, a `channel_flow`, a shared flow. The new stage then
//!    hands everything on.
//! 2. Else [`Flow::dissolve`] takes the settings of the stage above out, which from then on hands everything on, and the new stage has both: a
//!    `flow_on` behind a buffer, whose task the buffer could not start, and `share_in`.
//! 3. `produce_in` asks by [`Flow::producer`] for a block that can send into its channel by itself.
//!
//! They are methods of [`Flow`], so that it works behind `impl Flow`. It does not through [`boxed`](crate::FlowConvert::boxed): there each side
//! has a buffer of its own.
//!
//! [`Flow`]: crate::Flow
//! [`Flow::fuse`]: crate::Flow::fuse
//! [`Flow::dissolve`]: crate::Flow::dissolve
//! [`Flow::producer`]: crate::Flow::producer

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{CoroutineContext, CoroutineScope, Result};

/// What a stage is asked whether it does it already, or can do it itself; see [`Flow::fuse`](crate::Flow::fuse).
#[doc(hidden)]
#[derive(Debug)]
#[non_exhaustive]
pub enum Stage {
    /// To look whether the coroutine is cancelled before each item.
    Cancellable,
    /// To leave out items that equal the one before.
    Distinct,
    /// To have a buffer, or run elsewhere, or both.
    Buffer(Settings),
}

/// Of a stage that buffers or runs elsewhere.
#[doc(hidden)]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// `None` if nobody has asked for a buffer: `flow_on` alone. Never [`Capacity::Conflated`].
    pub capacity: Option<Capacity>,
    /// What happens when it is full.
    pub overflow: BufferOverflow,
    /// What is laid over the context of whoever collects.
    pub context: CoroutineContext,
    /// Where a coroutine was asked for. `None` if nobody has: a buffer alone has none.
    pub location: Option<&'static Location<'static>>,
}

impl Settings {
    /// Those of `buffer`. Panics if the capacity and the policy exclude each other.
    #[track_caller]
    pub fn buffer(capacity: Capacity, overflow: BufferOverflow) -> Self {
        let _checked = capacity.settle(overflow);
        let (capacity, overflow) = match capacity {
            Capacity::Conflated => (Capacity::Rendezvous, BufferOverflow::DropOldest),
            capacity => (capacity, overflow),
        };
        Settings {
            capacity: Some(capacity),
            overflow,
            context: CoroutineContext::empty(),
            location: None,
        }
    }

    /// Those of `flow_on`, or of a block that sends, at the caller's line.
    #[track_caller]
    pub fn flow_on(context: CoroutineContext) -> Self {
        Settings {
            capacity: None,
            overflow: BufferOverflow::Suspend,
            context,
            location: Some(Location::caller()),
        }
    }

    /// Those of both stages, `later` being further from the source (F-18).
    #[must_use]
    pub fn then(self, later: Settings) -> Self {
        let context = later.context.merge(self.context);
        let location = self.location.or(later.location);
        if later.overflow != BufferOverflow::Suspend {
            return Settings {
                context,
                location,
                ..later
            };
        }
        let capacity = match (self.capacity, later.capacity) {
            (None, other) | (other, None) => other,
            (Some(Capacity::Buffered), other) | (other, Some(Capacity::Buffered)) => other,
            (Some(one), Some(other)) => Some(sum(one, other)),
        };
        Settings {
            capacity,
            overflow: self.overflow,
            context,
            location,
        }
    }

    /// The launch site of the coroutine that runs the source.
    #[must_use]
    #[track_caller]
    pub fn launched_at(&self) -> &'static Location<'static> {
        self.location.unwrap_or_else(Location::caller)
    }

    /// The capacity of the one channel.
    #[must_use]
    pub fn channel_capacity(&self) -> Capacity {
        self.capacity.unwrap_or(Capacity::Buffered)
    }

    /// How many items it holds, and what happens beyond.
    #[must_use]
    pub fn settle(&self) -> (usize, BufferOverflow) {
        self.channel_capacity().settle(self.overflow)
    }
}

fn sum(one: Capacity, other: Capacity) -> Capacity {
    let room = |capacity: Capacity| capacity.settle(BufferOverflow::Suspend).0;
    match room(one).saturating_add(room(other)) {
        0 => Capacity::Rendezvous,
        usize::MAX => Capacity::Unlimited,
        room => Capacity::Exactly(room),
    }
}

type Body = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A block that sends into whatever channel it is given.
#[doc(hidden)]
#[non_exhaustive]
pub struct Producer<T> {
    /// Of the channel, and where it runs.
    pub settings: Settings,
    /// Runs it in the scope of a coroutine.
    pub run: Box<dyn FnOnce(CoroutineScope, Channel<T>) -> Body + Send>,
}

impl<T> Producer<T> {
    pub(crate) fn new<F, B>(settings: Settings, run: F) -> Self
    where
        F: FnOnce(CoroutineScope, Channel<T>) -> B + Send + 'static,
        B: Future<Output = Result<()>> + Send + 'static,
    {
        Producer {
            settings,
            run: Box::new(move |scope, channel| Box::pin(run(scope, channel))),
        }
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(&self.settings).finish()
    }
}
