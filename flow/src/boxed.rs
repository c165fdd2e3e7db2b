//! Flows without a type of their own: [`BoxFlow`] and [`LocalBoxFlow`].

use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Result;

use crate::Flow;

/// A flow with its generic method taken out.
trait Erased<'a, T> {
    fn erased_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>>;
    fn erased_each(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Poll<Result<ControlFlow<()>>>;
    fn erased_progress(self: Pin<&mut Self>, cx: &mut Context<'_>);
    fn copy(&self) -> LocalBoxFlow<'a, T>;
}

impl<'a, S: Flow + 'a> Erased<'a, S::Item> for S {
    fn erased_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        self.poll_next(cx)
    }

    fn erased_each(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut sink: &mut dyn FnMut(S::Item) -> ControlFlow<()>,
    ) -> Poll<Result<ControlFlow<()>>> {
        self.poll_each(cx, &mut sink)
    }

    fn erased_progress(self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.poll_progress(cx);
    }

    fn copy(&self) -> LocalBoxFlow<'a, S::Item> {
        LocalBoxFlow::new(self.clone())
    }
}

/// The same of those that are `Send`.
trait ErasedSend<'a, T>: Erased<'a, T> + Send {
    fn copy_send(&self) -> BoxFlow<'a, T>;
}

impl<'a, S: Flow + Send + 'a> ErasedSend<'a, S::Item> for S {
    fn copy_send(&self) -> BoxFlow<'a, S::Item> {
        BoxFlow::new(self.clone())
    }
}

macro_rules! boxed {
    ($(#[$attribute:meta])* $name:ident, $erased:ident, $copy:ident, $($send:ident)?) => {
        $(#[$attribute])*
        pub struct $name<'a, T>(Pin<Box<dyn $erased<'a, T> + 'a>>);

        impl<'a, T> $name<'a, T> {
            pub(crate) fn new<S: Flow<Item = T> $(+ $send)? + 'a>(flow: S) -> Self {
                $name(Box::pin(flow))
            }
        }

        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                self.0.$copy()
            }
        }

        impl<T> Flow for $name<'_, T> {
            type Item = T;

            #[inline]
            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<T>>> {
                self.0.as_mut().erased_next(cx)
            }

            #[inline]
            fn poll_each<S>(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                sink: &mut S,
            ) -> Poll<Result<ControlFlow<()>>>
            where
                S: FnMut(T) -> ControlFlow<()>,
            {
                self.0.as_mut().erased_each(cx, sink)
            }

            #[inline]
            fn poll_progress(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
                self.0.as_mut().erased_progress(cx);
            }
        }

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

boxed! {
    /// A flow on the heap whose type is known by its items alone, and which is `Send`: of
    /// [`boxed`](crate::FlowConvert::boxed).
    ///
    /// It is not `Sync`, for then it could not take a flow that awaits a boxed future, or holds a `Cell`. In a struct that is shared it
    /// lies in a lock, to be cloned there; a flow that is not boxed is `Sync` if its parts are, and a [`SharedFlow`](crate::SharedFlow)
    /// of `Send` and `Sync` items always.
    ///
    /// ```
    /// use corox_flow::{BoxFlow, flow_of, prelude::*};
    /// use corox_core::run_blocking;
    /// use std::sync::{Arc, Mutex};
    ///
    /// struct Inbox {
    ///     messages: Mutex<BoxFlow<'static, &'static str>>,
    /// }
    ///
    /// impl Inbox {
    ///     fn messages(&self) -> BoxFlow<'static, &'static str> {
    ///         self.messages.lock().unwrap().clone()
    ///     }
    /// }
    ///
    /// let inbox = Arc::new(Inbox { messages: Mutex::new(flow_of(["hello"]).boxed()) });
    /// run_blocking(async move |scope| {
    ///     let reading = inbox.clone();
    ///     let first = scope.spawn(async move { reading.messages().first().await });
    ///     assert_eq!(first.await?, inbox.messages().first().await?);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    ///
    /// ```
    /// use corox_flow::{BoxFlow, flow_of, prelude::*};
    /// use corox_core::run_blocking;
    ///
    /// fn some(full: bool) -> BoxFlow<'static, i32> {
    ///     if full { flow_of([1, 2]).boxed() } else { flow_of([]).boxed() }
    /// }
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(some(true).count().await?, 2);
    ///     assert_eq!(some(false).count().await?, 0);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    BoxFlow, ErasedSend, copy_send, Send
}

boxed! {
    /// [`BoxFlow`] without `Send`: of [`boxed_local`](crate::FlowConvert::boxed_local).
    ///
    /// ```
    /// use corox_flow::{LocalBoxFlow, flow_of, prelude::*};
    /// use corox_core::run_blocking;
    /// use std::rc::Rc;
    ///
    /// run_blocking(async |_| {
    ///     let one: LocalBoxFlow<'_, Rc<i32>> = flow_of([Rc::new(1)]).boxed_local();
    ///     assert_eq!(one.to_vec().await?, [Rc::new(1)]);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    LocalBoxFlow, Erased, copy,
}
