//! [`FlowConvert`]: a flow as something else.

use crate::{BoxFlow, Flow, LocalBoxFlow};

mod flow_stream;
mod stream_into_flow;

pub use flow_stream::FlowStream;
pub use stream_into_flow::StreamIntoFlow;

/// Operators that give the same items as another type.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     assert_eq!(flow_of([1]).boxed().count().await?, 1);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowConvert: Flow + Sized {
    /// The flow on the heap, by its items alone: for fields, for branches that give different flows, and to keep a long chain of one's own
    /// operators small.
    ///
    /// ```
    /// use corox_flow::{BoxFlow, flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// let flows: Vec<BoxFlow<'static, i32>> = vec![flow_of([1]).boxed(), (2..4).into_flow().boxed()];
    /// run_blocking(async |_| {
    ///     assert_eq!(flows[1].clone().to_vec().await?, [2, 3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn boxed<'a>(self) -> BoxFlow<'a, Self::Item>
    where
        Self: Send + 'a,
    {
        BoxFlow::new(self)
    }

    /// [`boxed`](FlowConvert::boxed) for a flow that is not `Send`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let one = std::rc::Rc::new(1);
    ///     let flow = flow_of([2]).map(|n| n + *one).boxed_local();
    ///     assert_eq!(flow.to_vec().await?, [3]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn boxed_local<'a>(self) -> LocalBoxFlow<'a, Self::Item>
    where
        Self: 'a,
    {
        LocalBoxFlow::new(self)
    }

    /// The flow as a `Stream` of [`Result`](corox_core::Result)s, which runs it when it is polled; see [`FlowStream`].
    ///
    /// Kotlin: `Flow.asPublisher`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_flow::{flow, prelude::*};
    /// use futures::StreamExt;
    ///
    /// run_blocking(async |_| {
    ///     let numbers = flow(async |e| {
    ///         e.emit(1).await;
    ///         "x".parse::<i32>()?;
    ///         Ok(())
    ///     });
    ///     let mut stream = std::pin::pin!(numbers.into_stream());
    ///     assert_eq!(stream.next().await.unwrap()?, 1);
    ///     assert!(stream.next().await.unwrap().is_err());
    ///     assert!(stream.next().await.is_none());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "asPublisher")]
    fn into_stream(self) -> FlowStream<Self> {
        FlowStream::new(self)
    }
}

impl<S: Flow> FlowConvert for S {}
