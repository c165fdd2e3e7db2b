//! The semaphore.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::sync::Arc;

use corox_core::probe::Reason;

use crate::acquire::{Acquire, AcquireOwned};
use crate::error::{ReleaseError, TryAcquireError};
use crate::on_acquire::OnAcquire;
use crate::permit::{OwnedSemaphorePermit, SemaphorePermit};
use crate::permits::{MOST, NotUnguarded, Permits, Want};
use crate::place::Named;

/// A number of permits, of which whoever goes on has one. Whoever has to wait suspends; permits go to those who wait in the order in
/// which they came.
///
/// - A permit is *handed over*: it goes straight to the first who waits, and nobody comes in between. One who waits for
///   [several](Semaphore::acquire_many) is not overtaken by those who need fewer.
/// - A guard releases its permit however its scope is left. [`forget`](SemaphorePermit::forget) leaves that to
///   [`release`](Semaphore::release), where one part acquires and another one releases.
/// - There are never more permits than at the beginning: to release one too many is an error.
/// - It works on any executor, and within `select!` and time-outs of others: a future that is dropped after it was handed a permit
///   hands it on.
///
/// Wrap it in an `Arc` to share it with coroutines that are launched.
///
/// Kotlin: `Semaphore`.
///
/// ```
/// use corox_core::{coroutine_scope, run_blocking, yield_now};
/// use corox_sync::Semaphore;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// run_blocking(async |_| {
///     let (two_at_a_time, at_work) = (Arc::new(Semaphore::new(2)), Arc::new(AtomicUsize::new(0)));
///     coroutine_scope(async |scope| {
///         for _ in 0..10 {
///             let (permits, at_work) = (two_at_a_time.clone(), at_work.clone());
///             scope.launch(async move {
///                 let _permit = permits.acquire().await;
///                 assert!(at_work.fetch_add(1, Ordering::Relaxed) < 2);
///                 yield_now().await;
///                 at_work.fetch_sub(1, Ordering::Relaxed);
///             });
///         }
///         Ok(())
///     }).await?;
///     assert_eq!(two_at_a_time.available_permits(), 2);
///     Ok(())
/// }).unwrap();
/// ```
pub struct Semaphore {
    pub(crate) permits: Permits,
}

/// What dumps call a wait for it.
pub(crate) static ACQUIRE: Named = Named {
    what: Reason("acquire"),
    which: "Semaphore",
};

impl Semaphore {
    /// As many permits as a semaphore can have.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// assert_eq!(Semaphore::new(Semaphore::MAX_PERMITS).available_permits(), usize::MAX / 2);
    /// ```
    pub const MAX_PERMITS: usize = MOST;

    /// One with `permits` permits. Dumps name it by the caller's line.
    ///
    /// Kotlin: `Semaphore(permits)`.
    ///
    /// # Panics
    ///
    /// Without permits, or with more than [`MAX_PERMITS`](Semaphore::MAX_PERMITS).
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// static REQUESTS: Semaphore = Semaphore::new(2);
    /// let _permit = REQUESTS.try_acquire().unwrap();
    /// assert_eq!(REQUESTS.available_permits(), 1);
    /// ```
    #[cfg(not(corox_loom))]
    #[track_caller]
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        check(permits);
        Semaphore {
            permits: Permits::new(permits, 0, Location::caller()),
        }
    }

    #[cfg(corox_loom)]
    #[doc(hidden)]
    #[allow(missing_docs)]
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Semaphore::with_acquired(permits, 0)
    }

    /// One of whose `permits` permits `acquired` are acquired without a guard: until [`release`](Semaphore::release) is called.
    ///
    /// Kotlin: `Semaphore(permits, acquiredPermits)`.
    ///
    /// # Panics
    ///
    /// As [`new`](Semaphore::new), and if more are acquired than there are.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// let semaphore = Semaphore::with_acquired(2, 2);
    /// assert_eq!(semaphore.available_permits(), 0);
    /// semaphore.release().unwrap();
    /// assert!(semaphore.try_acquire().is_ok());
    /// ```
    #[track_caller]
    #[must_use]
    pub fn with_acquired(permits: usize, acquired: usize) -> Self {
        check(permits);
        assert!(
            acquired <= permits,
            "of {permits} permits {acquired} cannot be acquired"
        );
        Semaphore {
            permits: Permits::new(permits, acquired, Location::caller()),
        }
    }

    /// How many permits nobody has. If somebody waits for more than there are, they are not to be had.
    ///
    /// Kotlin: `Semaphore.availablePermits`.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(2);
    /// let _permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[doc(alias = "availablePermits")]
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Waits for a permit.
    ///
    /// One that is there is taken without a suspension, also in a cancelled coroutine.
    ///
    /// Kotlin: `Semaphore.acquire`.
    ///
    /// # Cancel safety
    ///
    /// A coroutine that is cancelled while it waits never has the permit. A future that is dropped loses its place, and if it was
    /// handed the permit already, the next one has it.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Semaphore;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Semaphore::new(1);
    ///     let permit = semaphore.acquire().await;
    ///     assert_eq!(semaphore.available_permits(), 0);
    ///     drop(permit);
    ///     assert_eq!(semaphore.available_permits(), 1);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    #[doc(alias = "Semaphore.acquire")]
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire::new(self, 1, Location::caller())
    }

    /// Waits for `permits` permits at once; for none it does not wait.
    ///
    /// Nobody overtakes it: those who come later wait behind it, even if there are enough permits for them.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// If the semaphore does not have as many: it would wait for ever.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Semaphore;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Semaphore::new(3);
    ///     let permits = semaphore.acquire_many(2).await;
    ///     assert_eq!((permits.count(), semaphore.available_permits()), (2, 1));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> Acquire<'_> {
        Acquire::new(self, self.checked(permits), Location::caller())
    }

    /// As [`acquire`](Semaphore::acquire), of a semaphore in an `Arc`, for a permit without a lifetime.
    ///
    /// Kotlin: `Semaphore.acquire`.
    ///
    /// # Cancel safety
    ///
    /// As `acquire`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// run_blocking(async |scope| {
    ///     let semaphore = Arc::new(Semaphore::new(1));
    ///     let permit = semaphore.acquire_owned().await;
    ///     scope.launch(async move { drop(permit) }).join().await;
    ///     assert_eq!(semaphore.available_permits(), 1);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: &Arc<Self>) -> AcquireOwned {
        AcquireOwned::new(self.clone(), 1, Location::caller())
    }

    /// As [`acquire_many`](Semaphore::acquire_many), of a semaphore in an `Arc`, for permits without a lifetime.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// If the semaphore does not have as many: it would wait for ever.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Arc::new(Semaphore::new(3));
    ///     let permits = semaphore.acquire_many_owned(2).await;
    ///     assert_eq!((permits.count(), semaphore.available_permits()), (2, 1));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_many_owned(self: &Arc<Self>, permits: usize) -> AcquireOwned {
        AcquireOwned::new(self.clone(), self.checked(permits), Location::caller())
    }

    /// Takes a permit, if there is one and nobody waits for it.
    ///
    /// Kotlin: `Semaphore.tryAcquire`.
    ///
    /// # Errors
    ///
    /// If there is none, or somebody waits.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire();
    /// assert!(permit.is_ok() && semaphore.try_acquire().is_err());
    /// ```
    #[inline]
    #[doc(alias = "tryAcquire")]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `permits` permits, if there are as many and nobody waits for them.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Errors
    ///
    /// If there are fewer, or somebody waits.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(3);
    /// let permits = semaphore.try_acquire_many(2);
    /// assert!(permits.is_ok() && semaphore.try_acquire_many(2).is_err());
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let is_taken = permits <= self.permits.all() && self.permits.try_take(Want::of(permits));
        let permit = is_taken.then(|| SemaphorePermit::new(&self.permits, permits));
        permit.ok_or(TryAcquireError(()))
    }

    /// As [`try_acquire`](Semaphore::try_acquire), of a semaphore in an `Arc`, for a permit without a lifetime.
    ///
    /// Kotlin: `Semaphore.tryAcquire`.
    ///
    /// # Errors
    ///
    /// As `try_acquire`.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.try_acquire_owned();
    /// assert!(permit.is_ok() && semaphore.try_acquire_owned().is_err());
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        if self.permits.try_take(Want::ONE) {
            Ok(OwnedSemaphorePermit::new(self.clone(), 1))
        } else {
            Err(TryAcquireError(()))
        }
    }

    /// Releases a permit that was acquired and has no guard any more, because it was [forgotten](SemaphorePermit::forget), or had none
    /// from the [beginning](Semaphore::with_acquired).
    ///
    /// Kotlin: `Semaphore.release`.
    ///
    /// # Errors
    ///
    /// If there is no such permit; the semaphore stays as it is.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// semaphore.release().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// assert!(semaphore.release().is_err());
    /// ```
    #[doc(alias = "Semaphore.release")]
    pub fn release(&self) -> Result<(), ReleaseError> {
        self.release_many(1)
    }

    /// As [`release`](Semaphore::release), of `permits` permits: all or none.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Errors
    ///
    /// If fewer permits are acquired and without a guard; none is released.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    ///
    /// let semaphore = Semaphore::with_acquired(3, 2);
    /// assert!(semaphore.release_many(3).is_err());
    /// semaphore.release_many(2).unwrap();
    /// assert_eq!(semaphore.available_permits(), 3);
    /// ```
    pub fn release_many(&self, permits: usize) -> Result<(), ReleaseError> {
        match self.permits.give_back_unguarded(permits, None) {
            Err(NotUnguarded::Only(forgotten)) => Err(ReleaseError {
                released: permits,
                forgotten,
                all: self.permits.all(),
            }),
            // Nobody has been asked for.
            Ok(()) | Err(NotUnguarded::OtherOwner) => Ok(()),
        }
    }

    /// Awaits `action` with a permit, and releases it.
    ///
    /// Kotlin: `Semaphore.withPermit`.
    ///
    /// # Cancel safety
    ///
    /// While it waits, as [`acquire`](Semaphore::acquire). After that the action is dropped where it stands, and the permit is
    /// released.
    ///
    /// ```
    /// use corox_core::{run_blocking, yield_now};
    /// use corox_sync::Semaphore;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Semaphore::new(1);
    ///     let n = semaphore.with_permit(async { yield_now().await; 1 }).await;
    ///     assert_eq!((n, semaphore.available_permits()), (1, 1));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "withPermit")]
    pub fn with_permit<F: IntoFuture>(&self, action: F) -> impl Future<Output = F::Output> {
        let acquire = self.acquire();
        async move {
            let _permit = acquire.await;
            action.into_future().await
        }
    }

    /// The clause of a [`select`](corox_core::select()) that is available when it has a permit. It waits in the same line as
    /// [`acquire`](Semaphore::acquire) does, in the place of its first poll.
    ///
    /// Kotlin: no counterpart: Kotlin's select has no clause for semaphores.
    ///
    /// # Cancel safety
    ///
    /// As `acquire`: a select that is dropped, or won by another clause, hands the permit on.
    ///
    /// ```
    /// use corox_core::{Clause, on_timeout, run_blocking, select};
    /// use corox_sync::Semaphore;
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Semaphore::new(1);
    ///     let _permit = semaphore.acquire().await;
    ///     let in_time = select((
    ///         semaphore.on_acquire().then(|_permit| true),
    ///         on_timeout(Duration::from_millis(1)).then(|()| false),
    ///     )).await;
    ///     assert!(!in_time);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn on_acquire(&self) -> OnAcquire<'_> {
        OnAcquire::new(self, 1)
    }

    /// As [`on_acquire`](Semaphore::on_acquire), of `permits` permits at once.
    ///
    /// Kotlin: no counterpart.
    ///
    /// # Panics
    ///
    /// If the semaphore does not have as many: it would wait for ever.
    ///
    /// ```
    /// use corox_core::{run_blocking, select};
    /// use corox_sync::Semaphore;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Semaphore::new(3);
    ///     let permits = select((semaphore.on_acquire_many(2),)).await;
    ///     assert_eq!((permits.count(), semaphore.available_permits()), (2, 1));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn on_acquire_many(&self, permits: usize) -> OnAcquire<'_> {
        OnAcquire::new(self, self.checked(permits))
    }

    #[track_caller]
    fn checked(&self, permits: usize) -> usize {
        let all = self.permits.all();
        assert!(
            permits <= all,
            "{permits} permits of a semaphore that has {all} would never be there: acquire at most {all}, or make it with more"
        );
        permits
    }
}

#[track_caller]
const fn check(permits: usize) {
    assert!(permits > 0, "a semaphore needs at least one permit");
    assert!(
        permits <= MOST,
        "a semaphore has at most `Semaphore::MAX_PERMITS` permits"
    );
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(ACQUIRE.which)
            .field("permits", &self.permits.all())
            .field("available", &self.available_permits())
            .field("made", &format_args!("{}", self.permits.made()))
            .finish()
    }
}
