//! [`Turbine`]: the events of a flow under test.

use std::fmt::{self, Debug};
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use corox_core::harness_protocol::dispatcher_of;
use corox_core::{Error, Job, delay, yield_now};

use super::queue::{Event, Queue, list};
use crate::dispatcher::scheduler_of;

const TIMEOUT: Duration = Duration::from_secs(60);

/// What a flow under test gives, in order: what the body of [`FlowTest::test`](crate::FlowTest::test) is lent.
///
/// A call that expects something and finds something else fails the test, and lists the events that are left. Those that wait do so
/// for 60 seconds, which in [`run_test`](crate::run_test) take no time; [`set_timeout`](Turbine::set_timeout) changes that.
///
/// ```
/// use corox_core::delay;
/// use corox_flow::{flow_of, prelude::*};
/// use corox_test::{FlowTest, run_test};
/// use std::time::Duration;
///
/// run_test(async |t| {
///     let slow = flow_of(["a", "b"]).map_async(async |word| {
///         delay(Duration::from_secs(5)).await;
///         word
///     });
///     slow.test(async |turbine| {
///         assert_eq!(turbine.await_item().await, "a");
///         turbine.expect_no_events_for(Duration::from_secs(4)).await;
///         assert_eq!(t.current_time(), Duration::from_secs(9));
///         assert_eq!(turbine.await_item().await, "b");
///         turbine.await_complete().await;
///     }).await
/// });
/// ```
pub struct Turbine<T> {
    queue: Arc<Queue<T>>,
    timeout: Duration,
}

impl<T: Debug> Turbine<T> {
    pub(super) fn new(queue: Arc<Queue<T>>) -> Self {
        Turbine {
            queue,
            timeout: TIMEOUT,
        }
    }

    /// How long the calls after this one wait for an event.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow_of, prelude::*};
    /// use corox_test::{FlowTest, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |_| {
    ///     let slow = flow_of([1]).map_async(async |n| {
    ///         delay(Duration::from_secs(3600)).await;
    ///         n
    ///     });
    ///     slow.test(async |turbine| {
    ///         turbine.set_timeout(Duration::from_secs(7200));
    ///         assert_eq!(turbine.await_item().await, 1);
    ///         turbine.await_complete().await;
    ///     }).await
    /// });
    /// ```
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Waits for the next event, and gives it: an item.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it has completed, it has taken nothing.
    ///
    /// # Panics
    ///
    /// If the flow ends, fails, or gives nothing in time.
    ///
    /// ```
    /// use corox_flow::flow_of;
    /// use corox_test::{FlowTest, run_test};
    ///
    /// run_test(async |_| flow_of([7]).test(async |turbine| {
    ///     assert_eq!(turbine.await_item().await, 7);
    ///     turbine.await_complete().await;
    /// }).await);
    /// ```
    #[track_caller]
    pub fn await_item(&mut self) -> impl Future<Output = T> {
        let call = Call::here("await_item", "an item");
        async move {
            match self.next(call).await {
                Event::Item(item) => item,
                other => self.fail(call, Some(other)),
            }
        }
    }

    /// Waits for the next event: the end of the flow.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it has completed, it has taken nothing.
    ///
    /// # Panics
    ///
    /// If the flow gives an item, fails, or gives nothing in time.
    ///
    /// ```
    /// use corox_flow::flow_of;
    /// use corox_test::{FlowTest, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |t| flow_of([0; 0]).test(async |turbine| {
    ///     turbine.await_complete().await;
    ///     assert_eq!(t.current_time(), Duration::ZERO);
    /// }).await);
    /// ```
    #[track_caller]
    pub fn await_complete(&mut self) -> impl Future<Output = ()> {
        let call = Call::here("await_complete", "the end");
        async move {
            match self.next(call).await {
                Event::Completed => {}
                other => self.fail(call, Some(other)),
            }
        }
    }

    /// Waits for the next event, and gives it: the failure of the flow.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it has completed, it has taken nothing.
    ///
    /// # Panics
    ///
    /// If the flow gives an item, ends, or gives nothing in time.
    ///
    /// ```
    /// use corox_core::Error;
    /// use corox_flow::{Emitter, flow};
    /// use corox_test::{FlowTest, run_test};
    ///
    /// run_test(async |_| {
    ///     let broken = flow(async |_: &Emitter<i32>| Err(Error::msg("no")));
    ///     broken.test(async |turbine| {
    ///         assert_eq!(turbine.await_error().await.to_string(), "no");
    ///     }).await
    /// });
    /// ```
    #[track_caller]
    pub fn await_error(&mut self) -> impl Future<Output = Error> {
        let call = Call::here("await_error", "a failure");
        async move {
            match self.next(call).await {
                Event::Failed(error) => error,
                other => self.fail(call, Some(other)),
            }
        }
    }

    /// Waits for the next `count` events, and drops them: items.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it has completed, it has taken those that had come.
    ///
    /// # Panics
    ///
    /// If one of them is no item, or does not come in time.
    ///
    /// ```
    /// use corox_flow::flow_of;
    /// use corox_test::{FlowTest, run_test};
    ///
    /// run_test(async |_| flow_of([1, 2, 3]).test(async |turbine| {
    ///     turbine.skip(2).await;
    ///     assert_eq!(turbine.await_item().await, 3);
    ///     turbine.await_complete().await;
    /// }).await);
    /// ```
    #[track_caller]
    pub fn skip(&mut self, count: usize) -> impl Future<Output = ()> {
        let call = Call::here("skip", "an item");
        async move {
            for _ in 0..count {
                match self.next(call).await {
                    Event::Item(item) => drop(item),
                    other => self.fail(call, Some(other)),
                }
            }
        }
    }

    /// Asserts that there is no event, after all has run that is due at this time.
    ///
    /// Outside of [`run_test`](crate::run_test) it gives way once.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Panics
    ///
    /// If there is one.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::{FlowTest, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let late = flow(async |e| {
    ///         delay(Duration::from_secs(1)).await;
    ///         e.emit(1).await;
    ///     });
    ///     late.test(async |turbine| {
    ///         turbine.expect_no_events().await;
    ///         assert!(t.current_time().is_zero());
    ///         turbine.skip(1).await;
    ///         turbine.await_complete().await;
    ///     }).await
    /// });
    /// ```
    #[track_caller]
    pub fn expect_no_events(&mut self) -> impl Future<Output = ()> {
        let call = Call::here("expect_no_events", "no event");
        async move {
            let job = Job::current();
            match job.as_ref().map(dispatcher_of).and_then(scheduler_of) {
                Some(scheduler) => scheduler.run_current().await,
                None => yield_now().await,
            }
            self.check_empty(call);
        }
    }

    /// Asserts that no event comes for `duration`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Panics
    ///
    /// If there is one.
    ///
    /// ```
    /// use corox_core::delay;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::{FlowTest, run_test};
    /// use std::time::Duration;
    ///
    /// run_test(async |t| {
    ///     let late = flow(async |e| {
    ///         delay(Duration::from_secs(10)).await;
    ///         e.emit(1).await;
    ///     });
    ///     late.test(async |turbine| {
    ///         turbine.expect_no_events_for(Duration::from_secs(9)).await;
    ///         assert_eq!(t.current_time(), Duration::from_secs(9));
    ///     }).await
    /// });
    /// ```
    #[track_caller]
    pub fn expect_no_events_for(&mut self, duration: Duration) -> impl Future<Output = ()> {
        let call = Call::here("expect_no_events_for", "no event");
        async move {
            let mut waiting = pin!(delay(duration));
            poll_fn(|cx| {
                if !self.queue.is_empty() {
                    return Poll::Ready(());
                }
                waiting.as_mut().poll(cx)
            })
            .await;
            self.check_empty(call);
        }
    }

    /// Cancels the collection, and waits until the flow and its coroutines have gone. The end that this makes is no event.
    ///
    /// The body may do so to look at what the flow does then; it is not needed at its end.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the collection is cancelled.
    ///
    /// ```
    /// use corox_core::await_cancellation;
    /// use corox_flow::{flow, prelude::*};
    /// use corox_test::{EventLog, FlowTest, run_test};
    ///
    /// struct Connection(EventLog);
    ///
    /// impl Drop for Connection {
    ///     fn drop(&mut self) {
    ///         self.0.add("closed");
    ///     }
    /// }
    ///
    /// run_test(async |_| {
    ///     let log = EventLog::new();
    ///     let listening = flow(async |e| {
    ///         let _connection = Connection(log.clone());
    ///         e.emit(1).await;
    ///         await_cancellation().await;
    ///     });
    ///     listening.test(async |turbine| {
    ///         assert_eq!(turbine.await_item().await, 1);
    ///         turbine.cancel().await;
    ///         log.assert(["closed"]);
    ///     }).await
    /// });
    /// ```
    pub async fn cancel(&mut self) {
        self.queue.stop();
        let mut told = false;
        poll_fn(|cx| {
            if self.queue.is_over() {
                return Poll::Ready(());
            }
            // For the collection to see it, once: it may have to wait then.
            if !std::mem::replace(&mut told, true) {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
    }

    /// [`cancel`](Turbine::cancel), and drops the events that are left.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the collection is cancelled.
    ///
    /// ```
    /// use corox_flow::prelude::*;
    /// use corox_test::{FlowTest, run_test};
    ///
    /// run_test(async |_| (1..).into_flow().test(async |turbine| {
    ///     assert_eq!(turbine.await_item().await, 1);
    ///     turbine.cancel_and_ignore_rest().await;
    /// }).await);
    /// ```
    pub async fn cancel_and_ignore_rest(&mut self) {
        self.cancel().await;
        drop(self.queue.take());
    }

    /// The next event, which must come in time.
    async fn next(&mut self, call: Call) -> Event<T> {
        let mut limit = pin!(delay(self.timeout));
        let event = poll_fn(|cx| {
            if let Some(event) = self.queue.pop() {
                return Poll::Ready(Some(event));
            }
            if self.queue.is_over() || limit.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        });
        match event.await {
            Some(event) => event,
            None => self.fail(call, None),
        }
    }

    fn check_empty(&self, call: Call) {
        if let Some(event) = self.queue.pop() {
            self.fail(call, Some(event));
        }
    }

    /// Fails with what was found in place of what the call expects.
    fn fail(&self, call: Call, found: Option<Event<T>>) -> ! {
        let found = match found {
            Some(event) => event.text(),
            None if self.queue.is_stopped() => "none, for the collection was cancelled".to_owned(),
            None if self.queue.is_over() => "none, for its end was taken before".to_owned(),
            None => format!("none for {:?}", self.timeout),
        };
        let left = self.queue.take();
        let rest = if left.is_empty() {
            "no more events".to_owned()
        } else {
            format!("then\n{}", list(&left))
        };
        panic!(
            "{} at {} expected {} of the flow, and there was: {found}; {rest}",
            call.name, call.location, call.expected
        );
    }
}

impl<T> Debug for Turbine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turbine")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A call of the body, for messages.
#[derive(Clone, Copy)]
struct Call {
    name: &'static str,
    expected: &'static str,
    location: &'static Location<'static>,
}

impl Call {
    #[track_caller]
    fn here(name: &'static str, expected: &'static str) -> Self {
        Call {
            name,
            expected,
            location: Location::caller(),
        }
    }
}
