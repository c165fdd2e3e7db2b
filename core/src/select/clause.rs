//! Clauses and their handlers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::claim::{Attempt, Registered, Registrar};

/// One of the things that a [`select`](crate::select()) waits for.
///
/// [`Job::on_join`](crate::Job::on_join), [`Deferred::on_await`](crate::Deferred::on_await), [`on_timeout`](crate::on_timeout)
/// and [`on`](crate::on) for any other future make one; so do `on_receive` and `on_send` of a channel of corox. Without a handler the select gives what the clause gives.
///
/// A clause does nothing until a select that has it is polled, and when it is dropped nothing of it is left at its source.
///
/// Kotlin: `SelectClause`.
///
/// ```
/// use corox_core::{Clause, on, run_blocking, select};
/// use std::future::ready;
///
/// run_blocking(async |_| {
///     let text = select((on(ready(1)).then(|n| format!("number {n}")),)).await;
///     assert_eq!(text, "number 1");
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "SelectClause")]
#[must_use = "clauses do nothing unless a select has them"]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clause of a `select`",
    label = "not a clause",
    note = "a future becomes one by `on(future)`, or `on(&mut future)` if it is to go on after it has lost",
    note = "other clauses are `channel.on_receive()`, `channel.on_send(element)`, `deferred.on_await()`, `job.on_join()` and \
            `on_timeout(duration)`, each with or without `.then(..)`"
)]
pub trait Clause {
    /// What the clause gives when it has won.
    type Output;

    /// Tries the source and, if it is not available, leaves a ticket there.
    ///
    /// Called once, in the first poll of the select, unless a clause before it has won.
    #[doc(hidden)]
    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered;

    /// Called in each further poll of the select while no clause has won.
    #[doc(hidden)]
    fn proceed(self: Pin<&mut Self>, _at: &mut Registrar<'_>) -> Registered {
        Registered::Waits
    }

    /// Called before any clause is registered: takes what is there at once, and otherwise leaves nothing behind.
    ///
    /// As long as the clauses before one know the answer, those that lose need not be registered. One that is available at once
    /// must say so here or know nothing.
    #[doc(hidden)]
    fn attempt(self: Pin<&mut Self>) -> Attempt {
        Attempt::Unknown
    }

    /// Called once this clause has won and all others are dropped, until it is ready.
    #[doc(hidden)]
    fn complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// What to do with the value if this clause wins. It runs after all other clauses are dropped.
    ///
    /// Kotlin: the block of a clause.
    ///
    /// ```
    /// use corox_core::{Clause, on_timeout, run_blocking, select};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     assert_eq!(select((on_timeout(Duration::ZERO).then(|()| "late"),)).await, "late");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn then<F, R>(self, handler: F) -> Then<Self, F>
    where
        Self: Sized,
        F: FnOnce(Self::Output) -> R,
    {
        Then {
            clause: self,
            handler: Some(handler),
        }
    }

    /// As [`then`](Clause::then), with a handler that may suspend: the select ends when the handler does.
    ///
    /// Kotlin: the block of a clause.
    ///
    /// ```
    /// use corox_core::{Clause, delay, on_timeout, run_blocking, select};
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let late = on_timeout(Duration::ZERO).then_async(async |()| {
    ///         delay(Duration::from_millis(1)).await;
    ///         "late"
    ///     });
    ///     assert_eq!(select((late,)).await, "late");
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn then_async<F, R>(self, handler: F) -> ThenAsync<Self, F, R>
    where
        Self: Sized,
        F: FnOnce(Self::Output) -> R,
        R: Future,
    {
        ThenAsync {
            clause: self,
            handler: Some(handler),
            running: None,
        }
    }

    /// The clause behind a pointer, so that clauses of several types fit into one `Vec`.
    ///
    /// ```
    /// use corox_core::{Clause, on, on_timeout, run_blocking, select};
    /// use std::{future::ready, time::Duration};
    ///
    /// run_blocking(async |_| {
    ///     let clauses = vec![
    ///         on_timeout(Duration::from_secs(60)).then(|()| 0).boxed(),
    ///         on(ready(1)).boxed(),
    ///     ];
    ///     assert_eq!(select(clauses).await, 1);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    fn boxed<'a>(self) -> BoxClause<'a, Self::Output>
    where
        Self: Sized + Send + 'a,
    {
        Box::pin(self)
    }
}

/// A clause behind a pointer; made by [`Clause::boxed`].
pub type BoxClause<'a, T> = Pin<Box<dyn Clause<Output = T> + Send + 'a>>;

impl<C: Clause + ?Sized> Clause for Pin<Box<C>> {
    type Output = C::Output;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.get_mut().as_mut().register(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.get_mut().as_mut().proceed(at)
    }

    fn attempt(self: Pin<&mut Self>) -> Attempt {
        self.get_mut().as_mut().attempt()
    }

    fn complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        self.get_mut().as_mut().complete(cx)
    }
}

pin_project! {
    /// The clause of [`Clause::then`].
    #[derive(Debug)]
    #[must_use = "clauses do nothing unless a select has them"]
    pub struct Then<C, F> {
        #[pin]
        clause: C,
        handler: Option<F>,
    }
}

impl<C, F, R> Clause for Then<C, F>
where
    C: Clause,
    F: FnOnce(C::Output) -> R,
{
    type Output = R;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.project().clause.register(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.project().clause.proceed(at)
    }

    fn attempt(self: Pin<&mut Self>) -> Attempt {
        self.project().clause.attempt()
    }

    fn complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = self.project();
        match this.clause.complete(cx) {
            Poll::Ready(value) => {
                let handler = this.handler.take();
                let handler = handler.expect("a clause is completed once");
                Poll::Ready(handler(value))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

pin_project! {
    /// The clause of [`Clause::then_async`].
    #[derive(Debug)]
    #[must_use = "clauses do nothing unless a select has them"]
    pub struct ThenAsync<C, F, R> {
        #[pin]
        clause: C,
        handler: Option<F>,
        #[pin]
        running: Option<R>,
    }
}

impl<C, F, R> Clause for ThenAsync<C, F, R>
where
    C: Clause,
    F: FnOnce(C::Output) -> R,
    R: Future,
{
    type Output = R::Output;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.project().clause.register(at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        self.project().clause.proceed(at)
    }

    fn attempt(self: Pin<&mut Self>) -> Attempt {
        self.project().clause.attempt()
    }

    fn complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Output> {
        let mut this = self.project();
        if this.handler.is_some() {
            let Poll::Ready(value) = this.clause.complete(cx) else {
                return Poll::Pending;
            };
            if let Some(handler) = this.handler.take() {
                this.running.set(Some(handler(value)));
            }
        }
        match this.running.as_pin_mut() {
            Some(running) => running.poll(cx),
            // The handler panicked before there was a future.
            None => Poll::Pending,
        }
    }
}
