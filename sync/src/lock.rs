//! The futures of `lock`, `lock_as` and `lock_owned`.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::error::RelockError;
use crate::guard::{MutexGuard, OwnedMutexGuard};
use crate::mutex::{LOCK, Mutex};
use crate::owner::LockOwner;
use crate::permits::Want;
use crate::place::Place;

/// The future of [`lock`](Mutex::lock).
#[must_use = "nothing is locked until it is awaited: `.lock().await`"]
pub struct Lock<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    place: Place,
}

/// The future of [`lock_as`](Mutex::lock_as).
#[must_use = "nothing is locked until it is awaited: `.lock_as(owner).await`"]
pub struct LockAs<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    place: Place,
    owner: LockOwner,
}

/// The future of [`lock_owned`](Mutex::lock_owned).
#[must_use = "nothing is locked until it is awaited: `.lock_owned().await`"]
pub struct LockOwned<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
    place: Place,
}

impl<'a, T: ?Sized> Lock<'a, T> {
    #[inline]
    pub(crate) fn new(mutex: &'a Mutex<T>, location: &'static Location<'static>) -> Self {
        let place = Place::new(location);
        Lock { mutex, place }
    }
}

impl<'a, T: ?Sized> LockAs<'a, T> {
    pub(crate) fn new(
        mutex: &'a Mutex<T>,
        owner: LockOwner,
        location: &'static Location<'static>,
    ) -> Self {
        let place = Place::new(location);
        LockAs {
            mutex,
            place,
            owner,
        }
    }
}

impl<T: ?Sized> LockOwned<T> {
    pub(crate) fn new(mutex: Arc<Mutex<T>>, location: &'static Location<'static>) -> Self {
        let place = Place::new(location);
        LockOwned { mutex, place }
    }
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Lock { mutex, place } = self.get_mut();
        let polled = place.poll(&mutex.permits, Want::ONE, &LOCK, cx);
        polled.map(|()| MutexGuard::new(*mutex))
    }
}

impl<'a, T: ?Sized> Future for LockAs<'a, T> {
    type Output = Result<MutexGuard<'a, T>, RelockError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.place.is_new() && this.mutex.holds_lock(this.owner) {
            this.place.end();
            return Poll::Ready(Err(RelockError(())));
        }
        let want = Want {
            permits: 1,
            owner: this.owner.number(),
        };
        let polled = this.place.poll(&this.mutex.permits, want, &LOCK, cx);
        polled.map(|()| Ok(MutexGuard::new(this.mutex)))
    }
}

impl<T: ?Sized> Future for LockOwned<T> {
    type Output = OwnedMutexGuard<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let LockOwned { mutex, place } = self.get_mut();
        let polled = place.poll(&mutex.permits, Want::ONE, &LOCK, cx);
        polled.map(|()| OwnedMutexGuard::new(mutex.clone()))
    }
}

macro_rules! futures {
    ($($name:literal $future:ty;)+) => {$(
        impl<T: ?Sized> Drop for $future {
            #[inline]
            fn drop(&mut self) {
                self.place.leave(&self.mutex.permits);
            }
        }

        impl<T: ?Sized> fmt::Debug for $future {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple($name).field(&self.mutex.permits).finish()
            }
        }
    )+};
}

futures! {
    "Lock" Lock<'_, T>;
    "LockAs" LockAs<'_, T>;
    "LockOwned" LockOwned<T>;
}
