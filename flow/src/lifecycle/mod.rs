//! [`FlowLifecycle`]: operators that run something before, after or in place of the items.

use corox_core::{Error, Result};

use crate::block::with_lent;
use crate::followed::{End, Followed};
use crate::per_item::{Blocks, PerItemEmitting, blocks};
use crate::why::why;
use crate::{BlockOutput, Emitter, Flow, flow};

mod on_completion;
mod on_completion_async;
mod on_start;

use on_completion::OnCompletion;
use on_completion_async::OnCompletionAsync;
use on_start::OnStart;

/// How a collection has ended, as [`on_completion`](FlowLifecycle::on_completion) is told.
///
/// Kotlin: the `cause` of `onCompletion`, which is null for `Finished`.
///
/// ```
/// use corox_flow::{Completion, flow_of, prelude::*};
/// use corox_core::run_blocking;
/// use std::cell::RefCell;
///
/// run_blocking(async |_| {
///     let log = RefCell::new(Vec::new());
///     let numbers = flow_of([1, 2, 3]).on_completion(|end| {
///         log.borrow_mut().push(match end {
///             Completion::Finished => "finished",
///             Completion::Failed(_) => "failed",
///             Completion::Cancelled(_) => "cancelled",
///         });
///     });
///     assert_eq!(numbers.clone().count().await?, 3);
///     assert_eq!(numbers.first().await?, 1); // and no more
///     assert_eq!(log.into_inner(), ["finished", "cancelled"]);
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub enum Completion {
    /// The flow has ended normally, and all of its items were processed.
    Finished,
    /// What is above has failed with this.
    Failed(Error),
    /// Nobody wanted more of it (`None`); or what is behind or beside it has failed, or the coroutine that collects it was cancelled, with this.
    Cancelled(Option<Error>),
}

impl Completion {
    /// Of a flow that is dropped.
    fn of_a_drop() -> Self {
        Completion::Cancelled(why())
    }

    fn of(ended: &Result<()>) -> Self {
        match ended {
            Ok(()) => Completion::Finished,
            Err(error) => Completion::Failed(error.clone()),
        }
    }
}

/// The operators that run something before, after or in place of the items.
///
/// ```
/// use corox_flow::{flow_of, prelude::*};
/// use corox_core::run_blocking;
///
/// run_blocking(async |_| {
///     let framed = flow_of(["text"])
///         .on_start(async |emitter| emitter.emit("begin").await)
///         .on_completion_async(async |_, emitter| emitter.emit("end").await);
///     assert_eq!(framed.to_vec().await?, ["begin", "text", "end"]);
///     Ok(())
/// }).unwrap();
/// ```
pub trait FlowLifecycle: Flow + Sized {
    /// Runs `block`, which may emit, before what is above is started (F-10). A failure that it gives is that of the flow, which is
    /// then not started.
    ///
    /// Kotlin: `onStart`.
    ///
    /// ```
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let states = flow_of(["loaded"]).on_start(async |emitter| emitter.emit("loading").await);
    ///     assert_eq!(states.to_vec().await?, ["loading", "loaded"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onStart")]
    fn on_start<R, F>(self, block: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Emitter<Self::Item>) -> R + Clone,
        R: BlockOutput,
    {
        OnStart::new(flow(block), self)
    }

    /// Runs `block`, which may emit, when what is above has ended normally and without an item (F-10).
    ///
    /// Kotlin: `onEmpty`.
    ///
    /// ```
    /// use corox_flow::{empty_flow, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let found = empty_flow().on_empty(async |emitter| emitter.emit("nothing found").await);
    ///     assert_eq!(found.to_vec().await?, ["nothing found"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onEmpty")]
    fn on_empty<R, F>(self, block: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(&Emitter<Self::Item>) -> R + Clone,
        R: BlockOutput,
    {
        Followed::new(self, is_empty, of_the_end(block))
    }

    /// Runs `action` once when the collection is over, however that comes (F-7): what is above has ended or failed, nobody wants
    /// more of it, what is behind or beside it has failed, or the coroutine was cancelled.
    ///
    /// What is above was dropped before; in the first two cases its coroutines have ended, too. In the others it runs while the
    /// collection is being dropped, also by a panic. A collection that was never polled has no end.
    ///
    /// [`Finished`](Completion::Finished) means that all items were processed: where a [`take`](crate::FlowLimit::take) *above* has
    /// ended the flow, this is what it is told; one *behind* it cancels it.
    ///
    /// A failure goes on; [`catch`](crate::FlowErrors::catch) is there to handle it.
    ///
    /// Kotlin: `onCompletion`.
    ///
    /// ```
    /// use corox_flow::{Completion, flow, prelude::*};
    /// use corox_core::{Error, run_blocking};
    /// use std::cell::Cell;
    ///
    /// run_blocking(async |_| {
    ///     let told = Cell::new(false);
    ///     let failing = flow(async |emitter| {
    ///         emitter.emit(1).await;
    ///         Err(Error::msg("no more"))
    ///     });
    ///     let failing = failing.on_completion(|end| told.set(matches!(end, Completion::Failed(_))));
    ///     assert_eq!(failing.count().await.unwrap_err().to_string(), "no more");
    ///     assert!(told.get());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onCompletion")]
    fn on_completion<F>(self, action: F) -> impl Flow<Item = Self::Item>
    where
        F: FnOnce(Completion) + Clone,
    {
        OnCompletion::new(self, action)
    }

    /// [`on_completion`](FlowLifecycle::on_completion) with a handler that may suspend, and emit after a normal end.
    ///
    /// - [`Finished`](Completion::Finished): what it emits follows the items. A failure that it gives is that of the flow.
    /// - [`Failed`](Completion::Failed): the failure goes on when the handler is done. An emission ends it at once. With
    ///   a failure of its own it is that which goes on, and the first is attached to it (F-7).
    /// - [`Cancelled`](Completion::Cancelled): a drop cannot wait. The handler runs up to its first suspension, where it is dropped.
    ///   What has to suspend even then is for [`finally_launch`](corox_core::FinallyExt::finally_launch), inside a block.
    ///
    /// It is cancelled as the flow is: dropped where it waits.
    ///
    /// Kotlin: `onCompletion`.
    ///
    /// ```
    /// use corox_flow::{Completion, flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// run_blocking(async |_| {
    ///     let lines = flow_of(["a", "b"]).on_completion_async(async |end, emitter| {
    ///         assert!(matches!(end, Completion::Finished));
    ///         emitter.emit("-- end --").await;
    ///     });
    ///     assert_eq!(lines.to_vec().await?, ["a", "b", "-- end --"]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "onCompletion")]
    fn on_completion_async<R, F>(self, handler: F) -> impl Flow<Item = Self::Item>
    where
        F: AsyncFnOnce(Completion, &Emitter<Self::Item>) -> R + Clone,
        R: BlockOutput,
    {
        OnCompletionAsync::new(self, blocks(handler))
    }
}

impl<S: Flow> FlowLifecycle for S {}

fn is_empty(end: &End) -> bool {
    end.result.is_ok() && !end.emitted
}

/// The block of `on_empty`: see [`per_item`](crate::per_item).
fn of_the_end<T, R, F>(block: F) -> impl PerItemEmitting<Result<()>, Item = T>
where
    F: AsyncFnOnce(&Emitter<T>) -> R + Clone,
    R: BlockOutput,
{
    Blocks::new(move |_, lent| with_lent(lent, block.clone()))
}
