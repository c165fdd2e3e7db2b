//! [`FlowTest`]: what a flow gives, step by step.
//!
//! ```text
//!   flow ── Until: ends when it is told to ── collecting ── events ──> Queue ── Turbine ──> body
//!                        ^                                                        │
//!                        └────────────── cancel, the end of the body ─────────────┘
//! ```
//!
//! All of it is one future, which polls the collection before the body.

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use corox_core::{LaunchOutput, Result};
use corox_flow::{Flow, FlowCollect};

mod queue;
mod turbine;
mod until;

use queue::{Event, Queue};
pub use turbine::Turbine;
use until::Until;

/// Tests of flows.
///
/// ```
/// use corox_core::delay;
/// use corox_flow::{flow, prelude::*};
/// use corox_test::{FlowTest, run_test};
/// use std::time::Duration;
///
/// run_test(async |_| {
///     let numbers = flow(async |e| {
///         e.emit(1).await;
///         delay(Duration::from_secs(10)).await;
///         e.emit(2).await;
///     });
///     numbers.test(async |turbine| {
///         assert_eq!(turbine.await_item().await, 1);
///         turbine.expect_no_events().await;
///         assert_eq!(turbine.await_item().await, 2);
///         turbine.await_complete().await;
///     }).await
/// });
/// ```
pub trait FlowTest: Flow + Sized {
    /// Collects the flow while `body` looks at what it gives, through a [`Turbine`].
    ///
    /// The flow runs as fast as it can: its items, its failure and its end are kept as events until the body takes them.
    /// When the body has ended, the collection is cancelled if it still runs.
    ///
    /// The flow need not be `Send`. In [`run_test`](crate::run_test) all waiting is in virtual time; elsewhere it is real.
    ///
    /// Kotlin: no counterpart in kotlinx.coroutines; the library Turbine has it.
    ///
    /// # Cancel safety
    ///
    /// To drop it is to cancel the collection and the body.
    ///
    /// # Errors
    ///
    /// What the body fails with.
    ///
    /// # Panics
    ///
    /// If the body has ended without a failure and there are events that it has not taken: with a list of them. If it has not
    /// taken 100 000 of them.
    ///
    /// ```
    /// use corox_core::Error;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::{FlowTest, run_test};
    ///
    /// run_test(async |_| {
    ///     let broken = flow(async |e| {
    ///         e.emit("one").await;
    ///         e.emit("two").await;
    ///         Err(Error::msg("no three"))
    ///     });
    ///     broken.test(async |turbine| {
    ///         turbine.skip(1).await;
    ///         assert_eq!(turbine.await_item().await, "two");
    ///         assert_eq!(turbine.await_error().await.to_string(), "no three");
    ///     }).await
    /// });
    /// ```
    #[track_caller]
    fn test<R, F>(self, body: F) -> impl Future<Output = Result<()>>
    where
        Self::Item: Debug,
        F: AsyncFnOnce(&mut Turbine<Self::Item>) -> R,
        R: LaunchOutput,
    {
        run(self, body, Location::caller())
    }
}

impl<S: Flow> FlowTest for S {}

async fn run<S, R, F>(flow: S, body: F, location: &'static Location<'static>) -> Result<()>
where
    S: Flow<Item: Debug>,
    F: AsyncFnOnce(&mut Turbine<S::Item>) -> R,
    R: LaunchOutput,
{
    let queue = Arc::new(Queue::new());
    let mut turbine = Turbine::new(queue.clone());
    let mut collecting = pin!(collect(Until::new(flow, queue.clone()), &queue));
    let mut body = pin!(body(&mut turbine));
    let mut output = None;
    poll_fn(|cx| {
        if !queue.is_over() && collecting.as_mut().poll(cx).is_ready() {
            queue.end();
        }
        if output.is_none() {
            if let Poll::Ready(result) = body.as_mut().poll(cx) {
                output = Some(result.into_result());
                queue.stop();
                // The collection ends when it is polled.
                if !queue.is_over() && collecting.as_mut().poll(cx).is_ready() {
                    queue.end();
                }
            }
        }
        if output.is_some() && queue.is_over() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    output.unwrap_or(Ok(()))?;
    let unconsumed = queue.take();
    assert!(
        unconsumed.is_empty(),
        "the flow gave events that the test at {location} has not looked at:\n{}await them, or end with \
         `turbine.cancel_and_ignore_rest().await`",
        queue::list(&unconsumed)
    );
    Ok(())
}

async fn collect<S: Flow<Item: Debug>>(flow: Until<S>, queue: &Queue<S::Item>) {
    let ended = flow.for_each(|item| queue.push(Event::Item(item))).await;
    queue.push(match ended {
        Ok(()) => Event::Completed,
        Err(error) => Event::Failed(error),
    });
}
