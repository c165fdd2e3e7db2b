//! [`AlreadyCollected`].

use std::fmt;
use std::panic::Location;

/// A flow that can be collected once was to be collected a second time: that of
/// [`into_flow_once`](crate::StreamIntoFlow::into_flow_once), whose stream the first collection has read, or of
/// [`consume_into_flow`](crate::ChannelFlows::consume_into_flow), whose channel it has cancelled.
///
/// Kotlin: the `IllegalStateException` of `consumeAsFlow`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_flow::{AlreadyCollected, prelude::*};
/// use futures::stream;
///
/// run_blocking(async |_| {
///     let (flow, line) = (stream::iter([1, 2]).into_flow_once(), line!());
///     assert_eq!(flow.clone().count().await?, 2);
///     let error = flow.count().await.unwrap_err();
///     assert_eq!(error.downcast_ref::<AlreadyCollected>().unwrap().location().line(), line);
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlreadyCollected {
    source: Source,
    location: &'static Location<'static>,
}

/// What the flow is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Channel,
    Stream,
}

impl AlreadyCollected {
    /// Of the flow that `consume_into_flow` has made at `location`.
    pub(crate) fn of_channel(location: &'static Location<'static>) -> Self {
        let source = Source::Channel;
        AlreadyCollected { source, location }
    }

    /// Of the flow that `into_flow_once` has made at `location`.
    pub(crate) fn of_stream(location: &'static Location<'static>) -> Self {
        let source = Source::Stream;
        AlreadyCollected { source, location }
    }

    /// Where the flow was made: the call of `into_flow_once` or `consume_into_flow`.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for AlreadyCollected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (made_by, why) = match self.source {
            Source::Channel => (
                "consume_into_flow",
                "its channel was cancelled when the first collection ended: use `receive_into_flow`, or `share_in` for several \
                 collectors of one source",
            ),
            Source::Stream => (
                "into_flow_once",
                "its stream was read by the first: share what it gives by `share_in`, or make a stream for each collection: \
                 `flow(async |e| e.emit_all(make().into_flow_once()).await)`",
            ),
        };
        let location = self.location;
        write!(
            f,
            "the flow of `{made_by}` at {location} is collected for the second time, and {why}"
        )
    }
}

impl std::error::Error for AlreadyCollected {}
