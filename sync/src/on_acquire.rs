//! The clause of a select that acquires.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Clause;
use corox_core::select_protocol::{Attempt, Registered, Registrar};

use crate::permit::SemaphorePermit;
use crate::permits::Want;
use crate::place::Part;
use crate::semaphore::{ACQUIRE, Semaphore};

/// The clause of [`on_acquire`](Semaphore::on_acquire) and [`on_acquire_many`](Semaphore::on_acquire_many).
///
/// Kotlin: no counterpart.
#[must_use = "clauses do nothing unless a select has them"]
pub struct OnAcquire<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
    part: Part,
}

impl<'a> OnAcquire<'a> {
    pub(crate) fn new(semaphore: &'a Semaphore, permits: usize) -> Self {
        OnAcquire {
            semaphore,
            permits,
            part: Part::default(),
        }
    }
}

impl<'a> Clause for OnAcquire<'a> {
    type Output = SemaphorePermit<'a>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.get_mut();
        let permits = &this.semaphore.permits;
        this.part
            .register(permits, Want::of(this.permits), &ACQUIRE, at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.get_mut();
        this.part.proceed(&this.semaphore.permits, at)
    }

    fn attempt(self: Pin<&mut Self>) -> Attempt {
        let this = self.get_mut();
        this.part
            .attempt(&this.semaphore.permits, Want::of(this.permits))
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let permits = &this.semaphore.permits;
        this.part.take_up(permits);
        Poll::Ready(SemaphorePermit::new(permits, this.permits))
    }
}

impl Drop for OnAcquire<'_> {
    fn drop(&mut self) {
        self.part.leave(&self.semaphore.permits, self.permits);
    }
}

impl fmt::Debug for OnAcquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnAcquire").field(&self.semaphore).finish()
    }
}
