//! Waiting for the first of several things.
//!
//! ```text
//!              first poll: a clause is available at once
//!  Unpolled ------------------------------------------------------------------+
//!     |                                                                       |
//!     | all clauses are registered                                            |
//!     v             a clause has claimed the cell, the coroutine goes on      v
//!  Waiting -------------------------------------------------------------> Handling(clause) ----> Ended
//!                                                    all other clauses are dropped
//! ```
//!
//! - `claim`: the cell that the clauses race for. It is made when the first clause has to wait.
//! - `clause`: what a clause is, and its handlers; `clauses`: several of them.
//! - `job`, `timeout`, `future`: the clauses. Dropping one takes its registration back.
//! - `order`: shuffled, for `select_unbiased`.

mod claim;
mod clause;
mod clauses;
mod future;
mod job;
mod order;
mod timeout;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::frame;
use crate::probe::awaited::Awaited;
use crate::probe::detail::Detail;
use crate::probe::{Reason, WaitReason};
use claim::ClaimCell;
pub use claim::{Attempt, Registered, Registrar, Ticket};
pub(crate) use claim::{Claim, claim};
pub use clause::{BoxClause, Clause, Then, ThenAsync};
pub use clauses::{Clauses, Slots};
pub use future::{On, on};
pub use job::{OnAwait, OnJoin};
use order::Order;
pub use order::set_seed;
pub use timeout::{OnTimeout, on_timeout};

/// Waits for the first of several clauses, and gives what its handler gives.
///
/// The clauses are registered in the order in which they are written, in the first poll. The first that is available at once
/// wins: the clauses after it are not even registered, and its handler runs without a suspension. While the select waits, the
/// clause that becomes available first *in time* wins, whatever its place. Lazy jobs are started when they are registered.
///
/// Before the handler runs, all other clauses are unregistered and dropped, so that it may use the same sources again.
///
/// It takes a tuple of up to twelve clauses, a `Vec` or an array ([`Clauses`]), and works inside and outside of coroutines.
/// Without clauses it waits until it is cancelled. Waiting costs one allocation, and one more for each time-out and for each
/// future of [`on`].
///
/// Kotlin: `select`.
///
/// # Cancel safety
///
/// A coroutine that is cancelled while the select waits does not go into the handler, even if a clause has won. A clause that is
/// available in the first poll is handled in a cancelled coroutine, too. Dropping the future takes all registrations back and
/// drops the futures of [`on`]; deferreds keep their values.
///
/// # Panics
///
/// With the panic of a handler, or of a future of [`on`]; and where [`Job::start`](crate::Job::start) of a lazy job does.
///
/// ```
/// use corox_core::{Clause, delay, on_timeout, run_blocking, select};
/// use std::time::Duration;
///
/// let answer = run_blocking(async |scope| {
///     let slow = scope.spawn(async { delay(Duration::from_secs(60)).await; Ok("slow") });
///     let quick = scope.spawn(async { Ok("quick") });
///     let answer = select((
///         slow.on_await(),
///         quick.on_await(),
///         on_timeout(Duration::from_secs(5)).then(|()| Ok("none")),
///     )).await;
///     slow.cancel();
///     answer
/// }).unwrap();
/// assert_eq!(answer, "quick");
/// ```
#[track_caller]
#[inline]
pub fn select<C: Clauses>(clauses: C) -> Select<C::Slots> {
    Select::new(clauses.into_slots(), Order::AsWritten)
}

/// As [`select`], but registers the clauses in a random order, so that of several that are available at once each wins
/// equally often.
///
/// The order is made anew for each call; of more than 16 clauses it costs an allocation.
///
/// Kotlin: `selectUnbiased`.
///
/// # Cancel safety
///
/// As `select`.
///
/// ```
/// use corox_core::{Clause, on, run_blocking, select_unbiased};
/// use std::future::ready;
///
/// run_blocking(async |_| {
///     let mut wins = [0, 0];
///     for _ in 0..1000 {
///         wins[select_unbiased((on(ready(0)), on(ready(1)))).await] += 1;
///     }
///     assert!(wins[0] > 300 && wins[1] > 300);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "selectUnbiased")]
#[track_caller]
pub fn select_unbiased<C: Clauses>(clauses: C) -> Select<C::Slots> {
    let slots = clauses.into_slots();
    let order = Order::shuffled(slots.count());
    Select::new(slots, order)
}

/// Calls `body` and awaits it, again and again, while it gives `true`.
///
/// Kotlin: `whileSelect`, which has the clauses as its body.
///
/// # Cancel safety
///
/// That of the body.
///
/// ```
/// use corox_core::{Clause, on_timeout, run_blocking, select, while_select};
/// use std::time::Duration;
///
/// run_blocking(async |_| {
///     let mut rounds = 0;
///     while_select(async || {
///         rounds += 1;
///         select((on_timeout(Duration::ZERO).then(|()| rounds < 3),)).await
///     }).await;
///     assert_eq!(rounds, 3);
///     Ok(())
/// }).unwrap();
/// ```
#[doc(alias = "whileSelect")]
pub async fn while_select<F: AsyncFnMut() -> bool>(mut body: F) {
    while body().await {}
}

enum Phase {
    Unpolled,
    /// The winner, if it is known already.
    Waiting(Option<usize>),
    Handling(usize),
    Ended,
}

pin_project! {
    /// The future of [`select`] and [`select_unbiased`].
    // Over the slots themselves and without a bound: rustc would refuse `Send` to a body that awaits one of which the clauses
    // give references, if it had to find the slots by way of the clauses.
    #[must_use = "a select does nothing until it is awaited: `select(..).await`"]
    pub struct Select<S> {
        #[pin]
        slots: S,
        order: Order,
        phase: Phase,
        // Made when the first clause has to wait.
        cell: Option<Arc<ClaimCell>>,
        // Until a handler runs.
        reason: Option<WaitReason>,
        // What the clauses say of themselves, if probes are installed.
        notes: Vec<(String, Awaited)>,
    }

    impl<S> PinnedDrop for Select<S> {
        fn drop(this: Pin<&mut Self>) {
            // First, so that nobody claims a select whose clauses are about to go.
            if let Some(cell) = &this.cell {
                cell.close();
            }
        }
    }
}

impl<S: Slots> Select<S> {
    #[track_caller]
    #[inline]
    fn new(slots: S, order: Order) -> Self {
        Select {
            slots,
            order,
            phase: Phase::Unpolled,
            cell: None,
            reason: Some(WaitReason::here(&Reason("select")).by_coroutines()),
            notes: Vec::new(),
        }
    }

    /// The first clause, in their order, that is available at once, as far as that can be known without registering them.
    fn attempt(self: Pin<&mut Self>) -> Option<usize> {
        let mut this = self.project();
        if let Order::AsWritten = this.order {
            return this.slots.attempt_in_order();
        }
        for turn in 0..this.slots.count() {
            let clause = this.order.clause(turn);
            match this.slots.as_mut().attempt(clause) {
                Attempt::Won => return Some(clause),
                Attempt::Nothing => {}
                // Those after it must not win before it was asked.
                Attempt::Unknown => return None,
            }
        }
        None
    }

    /// Registers the clauses, or polls them again, until one has won.
    fn visit(self: Pin<&mut Self>, cx: &Context<'_>, mut again: bool) -> Option<usize> {
        let mut this = self.project();
        let mut is_retry = false;
        loop {
            let mut passed_over = false;
            for turn in 0..this.slots.count() {
                let clause = this.order.clause(turn);
                let at = Registrar::new(this.cell, clause, cx.waker(), this.reason, this.notes);
                let mut at = at.retrying(is_retry);
                let slots = this.slots.as_mut();
                let registered = if again {
                    slots.proceed(clause, &mut at)
                } else {
                    slots.register(clause, &mut at)
                };
                passed_over |= at.has_passed_over();
                match registered {
                    Registered::Waits => {}
                    Registered::Won => return Some(clause),
                    Registered::Lost => return this.cell.as_ref().and_then(|cell| cell.winner()),
                }
            }
            if !passed_over {
                return None;
            }
            (again, is_retry) = (true, true);
        }
    }
}

/// What a wait for some clauses is noted as, of what those have said that said something.
fn of_clauses(count: usize, notes: Vec<(String, Awaited)>) -> (Detail, Awaited) {
    let is_all = notes.len() == count;
    let (texts, awaited): (Vec<_>, Vec<_>) = notes.into_iter().unzip();
    let colon = if texts.is_empty() { "" } else { ": " };
    let text = format!("{count} clauses{colon}{}", texts.join(", "));
    let awaited = if is_all {
        Awaited::Any(awaited)
    } else {
        Awaited::Anything
    };
    (Detail::Text(text), awaited)
}

impl<S> fmt::Debug for Select<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select").finish_non_exhaustive()
    }
}

impl<S: Slots> Future for Select<S> {
    type Output = S::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        let winner = match self.phase {
            Phase::Unpolled => {
                // A panic in here leaves a select that can only be dropped.
                *self.as_mut().project().phase = Phase::Ended;
                let winner = match self.as_mut().attempt() {
                    Some(winner) => Some(winner),
                    None => self.as_mut().visit(cx, false),
                };
                *self.as_mut().project().phase = Phase::Waiting(None);
                winner
            }
            Phase::Waiting(known) => {
                let renewed = self.cell.as_ref().and_then(|cell| cell.renew(cx.waker()));
                let winner = match known.or(renewed) {
                    Some(winner) => Some(winner),
                    None => self.as_mut().visit(cx, true),
                };
                // Not before the visit: scopes and sections in futures of `on` are polled to their end.
                if frame::cancelled_here() {
                    *self.as_mut().project().phase = Phase::Waiting(winner);
                    return Poll::Pending;
                }
                winner
            }
            Phase::Handling(winner) => return self.handle(winner, cx),
            Phase::Ended => panic!("a `select` was polled after it had ended"),
        };
        let this = self.as_mut().project();
        let Some(winner) = winner else {
            let count = this.slots.count();
            if let Some(reason) = this.reason {
                reason.note_for(|| of_clauses(count, std::mem::take(this.notes)));
            }
            return Poll::Pending;
        };
        *this.phase = Phase::Handling(winner);
        drop(this.reason.take());
        this.slots.keep_only(winner);
        self.handle(winner, cx)
    }
}

impl<S: Slots> Select<S> {
    fn handle(self: Pin<&mut Self>, winner: usize, cx: &mut Context<'_>) -> Poll<S::Output> {
        let this = self.project();
        let polled = this.slots.complete(winner, cx);
        if polled.is_ready() {
            *this.phase = Phase::Ended;
        }
        polled
    }
}
