//! The clauses of a select that lock.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_core::Clause;
use corox_core::select_protocol::{Attempt, Registered, Registrar};

use crate::error::RelockError;
use crate::guard::MutexGuard;
use crate::mutex::{LOCK, Mutex};
use crate::owner::LockOwner;
use crate::permits::Want;
use crate::place::Part;

/// The clause of [`on_lock`](Mutex::on_lock).
///
/// Kotlin: `SelectClause2`.
#[must_use = "clauses do nothing unless a select has them"]
pub struct OnLock<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    part: Part,
}

/// The clause of [`on_lock_as`](Mutex::on_lock_as).
///
/// Kotlin: `SelectClause2`.
#[must_use = "clauses do nothing unless a select has them"]
pub struct OnLockAs<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    owner: LockOwner,
    part: Part,
    is_relock: bool,
}

impl<'a, T: ?Sized> OnLock<'a, T> {
    pub(crate) fn new(mutex: &'a Mutex<T>) -> Self {
        let part = Part::default();
        OnLock { mutex, part }
    }
}

impl<'a, T: ?Sized> OnLockAs<'a, T> {
    pub(crate) fn new(mutex: &'a Mutex<T>, owner: LockOwner) -> Self {
        OnLockAs {
            mutex,
            owner,
            part: Part::default(),
            is_relock: false,
        }
    }

    fn want(&self) -> Want {
        Want {
            permits: 1,
            owner: self.owner.number(),
        }
    }
}

impl<'a, T: ?Sized> Clause for OnLock<'a, T> {
    type Output = MutexGuard<'a, T>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let OnLock { mutex, part } = self.get_mut();
        part.register(&mutex.permits, Want::ONE, &LOCK, at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let OnLock { mutex, part } = self.get_mut();
        part.proceed(&mutex.permits, at)
    }

    fn attempt(self: Pin<&mut Self>) -> Attempt {
        let OnLock { mutex, part } = self.get_mut();
        part.attempt(&mutex.permits, Want::ONE)
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let OnLock { mutex, part } = self.get_mut();
        part.take_up(&mutex.permits);
        Poll::Ready(MutexGuard::new(*mutex))
    }
}

impl<'a, T: ?Sized> Clause for OnLockAs<'a, T> {
    type Output = Result<MutexGuard<'a, T>, RelockError>;

    fn register(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.get_mut();
        if this.mutex.holds_lock(this.owner) {
            this.is_relock = true;
            return at.claim();
        }
        let want = this.want();
        this.part.register(&this.mutex.permits, want, &LOCK, at)
    }

    fn proceed(self: Pin<&mut Self>, at: &mut Registrar<'_>) -> Registered {
        let this = self.get_mut();
        this.part.proceed(&this.mutex.permits, at)
    }

    fn attempt(self: Pin<&mut Self>) -> Attempt {
        let this = self.get_mut();
        if this.mutex.holds_lock(this.owner) {
            this.is_relock = true;
            return Attempt::Won;
        }
        let want = this.want();
        this.part.attempt(&this.mutex.permits, want)
    }

    fn complete(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.is_relock {
            return Poll::Ready(Err(RelockError(())));
        }
        this.part.take_up(&this.mutex.permits);
        Poll::Ready(Ok(MutexGuard::new(this.mutex)))
    }
}

macro_rules! clauses {
    ($($name:ident)+) => {$(
        impl<T: ?Sized> Drop for $name<'_, T> {
            fn drop(&mut self) {
                self.part.leave(&self.mutex.permits, 1);
            }
        }

        impl<T: ?Sized> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.mutex.permits).finish()
            }
        }
    )+};
}

clauses!(OnLock OnLockAs);
