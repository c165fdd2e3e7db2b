//! The futures of `acquire` and its kin.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::permit::{OwnedSemaphorePermit, SemaphorePermit};
use crate::permits::Want;
use crate::place::Place;
use crate::semaphore::{ACQUIRE, Semaphore};

/// The future of [`acquire`](Semaphore::acquire) and [`acquire_many`](Semaphore::acquire_many).
#[must_use = "nothing is acquired until it is awaited: `.acquire().await`"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
    place: Place,
    permits: usize,
}

/// The future of [`acquire_owned`](Semaphore::acquire_owned) and [`acquire_many_owned`](Semaphore::acquire_many_owned).
#[must_use = "nothing is acquired until it is awaited: `.acquire_owned().await`"]
pub struct AcquireOwned {
    semaphore: Arc<Semaphore>,
    place: Place,
    permits: usize,
}

impl<'a> Acquire<'a> {
    #[inline]
    pub(crate) fn new(
        semaphore: &'a Semaphore,
        permits: usize,
        location: &'static Location<'static>,
    ) -> Self {
        Acquire {
            semaphore,
            place: Place::new(location),
            permits,
        }
    }
}

impl AcquireOwned {
    pub(crate) fn new(
        semaphore: Arc<Semaphore>,
        permits: usize,
        location: &'static Location<'static>,
    ) -> Self {
        AcquireOwned {
            semaphore,
            place: Place::new(location),
            permits,
        }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = SemaphorePermit<'a>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let permits = &this.semaphore.permits;
        let polled = this
            .place
            .poll(permits, Want::of(this.permits), &ACQUIRE, cx);
        polled.map(|()| SemaphorePermit::new(permits, this.permits))
    }
}

impl Future for AcquireOwned {
    type Output = OwnedSemaphorePermit;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let permits = &this.semaphore.permits;
        let polled = this
            .place
            .poll(permits, Want::of(this.permits), &ACQUIRE, cx);
        polled.map(|()| OwnedSemaphorePermit::new(this.semaphore.clone(), this.permits))
    }
}

macro_rules! futures {
    ($($name:literal $future:ty;)+) => {$(
        impl Drop for $future {
            #[inline]
            fn drop(&mut self) {
                self.place.leave(&self.semaphore.permits);
            }
        }

        impl fmt::Debug for $future {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple($name).field(&self.semaphore).finish()
            }
        }
    )+};
}

futures! {
    "Acquire" Acquire<'_>;
    "AcquireOwned" AcquireOwned;
}
