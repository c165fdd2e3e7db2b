//! The mutex.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use corox_core::probe::Reason;

use crate::error::{TryLockError, UnlockError};
use crate::guard::{MutexGuard, OwnedMutexGuard};
use crate::guarded::Guarded;
use crate::lock::{Lock, LockAs, LockOwned};
use crate::on_lock::{OnLock, OnLockAs};
use crate::owner::LockOwner;
use crate::permits::{NotUnguarded, Permits, Want};
use crate::place::Named;

/// A value that one at a time is at. Whoever has to wait suspends; the lock goes to those who wait in the order in which they came.
///
/// - It is *handed over*: it stays locked while it passes to the first who waits, and nobody comes in between.
/// - It is not re-entrant: whoever locks it twice waits for himself. A [`LockOwner`] finds that out.
/// - A guard unlocks it however its scope is left. A panic does not poison it: the next one finds the value as it was left.
/// - It works on any executor, and within `select!` and time-outs of others: a future that is dropped after it was handed the lock
///   hands it on.
///
/// For a value that is only touched between two suspensions, `std::sync::Mutex` or an atomic is less work. Wrap it in an `Arc` to share
/// it with coroutines that are launched.
///
/// Kotlin: `Mutex`, which has no value in it: a `Mutex<()>`.
///
/// ```
/// use corox_core::{coroutine_scope, run_blocking, yield_now};
/// use corox_sync::Mutex;
/// use std::sync::Arc;
///
/// run_blocking(async |_| {
///     let counter = Arc::new(Mutex::new(0));
///     coroutine_scope(async |scope| {
///         for _ in 0..100 {
///             let counter = counter.clone();
///             scope.launch(async move {
///                 let mut guard = counter.lock().await;
///                 let seen = *guard;
///                 yield_now().await;
///                 *guard = seen + 1;
///             });
///         }
///         Ok(())
///     }).await?;
///     assert_eq!(*counter.lock().await, 100);
///     Ok(())
/// }).unwrap();
/// ```
pub struct Mutex<T: ?Sized> {
    pub(crate) permits: Permits,
    pub(crate) value: Guarded<T>,
}

/// What dumps call a wait for it.
pub(crate) static LOCK: Named = Named {
    what: Reason("lock"),
    which: "Mutex",
};

impl<T> Mutex<T> {
    /// An unlocked one. Dumps name it by the caller's line.
    ///
    /// Kotlin: `Mutex()`.
    ///
    /// ```
    /// use corox_sync::Mutex;
    ///
    /// static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    /// NAMES.try_lock().unwrap().push("Anna");
    /// assert_eq!(NAMES.try_lock().unwrap().len(), 1);
    /// ```
    #[cfg(not(corox_loom))]
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Mutex {
            permits: Permits::new(1, 0, Location::caller()),
            value: Guarded::new(value),
        }
    }

    #[cfg(corox_loom)]
    #[doc(hidden)]
    #[allow(missing_docs)]
    #[track_caller]
    pub fn new(value: T) -> Self {
        Mutex {
            permits: Permits::new(1, 0, Location::caller()),
            value: Guarded::new(value),
        }
    }

    /// A locked one without a guard: until [`unlock`](Mutex::unlock) is called.
    ///
    /// Kotlin: `Mutex(locked = true)`.
    ///
    /// ```
    /// use corox_sync::Mutex;
    ///
    /// let mutex = Mutex::locked(1);
    /// assert!(mutex.is_locked());
    /// mutex.unlock(None).unwrap();
    /// assert_eq!(*mutex.try_lock().unwrap(), 1);
    /// ```
    #[track_caller]
    pub fn locked(value: T) -> Self {
        Mutex {
            permits: Permits::new(1, 1, Location::caller()),
            value: Guarded::new(value),
        }
    }

    /// The value; the mutex may have been locked without a guard.
    ///
    /// ```
    /// assert_eq!(corox_sync::Mutex::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the mutex is locked for the caller.
    ///
    /// One that is free is locked without a suspension, also in a cancelled coroutine.
    ///
    /// Kotlin: `Mutex.lock`.
    ///
    /// # Cancel safety
    ///
    /// A coroutine that is cancelled while it waits never has the lock. A future that is dropped loses its place, and if it was handed
    /// the lock already, the next one has it.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Mutex;
    ///
    /// run_blocking(async |_| {
    ///     let mutex = Mutex::new(1);
    ///     *mutex.lock().await += 1;
    ///     assert_eq!(*mutex.lock().await, 2);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    #[doc(alias = "Mutex.lock")]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock::new(self, Location::caller())
    }

    /// As [`lock`](Mutex::lock), in the name of `owner`.
    ///
    /// Kotlin: `Mutex.lock(owner)`.
    ///
    /// # Cancel safety
    ///
    /// As `lock`.
    ///
    /// # Errors
    ///
    /// In its first poll, if the same owner has it already.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::{LockOwner, Mutex};
    ///
    /// run_blocking(async |_| {
    ///     let (mutex, me) = (Mutex::new(1), LockOwner::new());
    ///     let guard = mutex.lock_as(me).await?;
    ///     assert!(mutex.holds_lock(me));
    ///     assert!(mutex.lock_as(me).await.is_err());
    ///     drop(guard);
    ///     assert!(!mutex.holds_lock(me));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "Mutex.lock")]
    pub fn lock_as(&self, owner: LockOwner) -> LockAs<'_, T> {
        LockAs::new(self, owner, Location::caller())
    }

    /// As [`lock`](Mutex::lock), of a mutex in an `Arc`, for a guard without a lifetime.
    ///
    /// Kotlin: `Mutex.lock`.
    ///
    /// # Cancel safety
    ///
    /// As `lock`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// run_blocking(async |scope| {
    ///     let mutex = Arc::new(Mutex::new(1));
    ///     let mut guard = mutex.lock_owned().await;
    ///     scope.launch(async move { *guard += 1 }).join().await;
    ///     assert_eq!(*mutex.lock().await, 2);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    pub fn lock_owned(self: &Arc<Self>) -> LockOwned<T> {
        LockOwned::new(self.clone(), Location::caller())
    }

    /// Locks it, if nobody has it or waits for it.
    ///
    /// Kotlin: `Mutex.tryLock`.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`].
    ///
    /// ```
    /// use corox_sync::Mutex;
    ///
    /// let mutex = Mutex::new(());
    /// let guard = mutex.try_lock();
    /// assert!(guard.is_ok() && mutex.try_lock().is_err());
    /// ```
    #[inline]
    #[doc(alias = "Mutex.tryLock")]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        if self.permits.try_take(Want::ONE) {
            Ok(MutexGuard::new(self))
        } else {
            Err(TryLockError::Locked)
        }
    }

    /// As [`try_lock`](Mutex::try_lock), in the name of `owner`.
    ///
    /// Kotlin: `Mutex.tryLock(owner)`, which throws if the owner has it.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Relock`] if the same owner has it already, otherwise [`TryLockError::Locked`].
    ///
    /// ```
    /// use corox_sync::{LockOwner, Mutex, TryLockError};
    ///
    /// let (mutex, me) = (Mutex::new(()), LockOwner::new());
    /// let _guard = mutex.try_lock_as(me).unwrap();
    /// assert_eq!(mutex.try_lock_as(me).unwrap_err(), TryLockError::Relock);
    /// ```
    #[doc(alias = "Mutex.tryLock")]
    pub fn try_lock_as(&self, owner: LockOwner) -> Result<MutexGuard<'_, T>, TryLockError> {
        if self.holds_lock(owner) {
            return Err(TryLockError::Relock);
        }
        let want = Want {
            permits: 1,
            owner: owner.number(),
        };
        if self.permits.try_take(want) {
            Ok(MutexGuard::new(self))
        } else {
            Err(TryLockError::Locked)
        }
    }

    /// As [`try_lock`](Mutex::try_lock), of a mutex in an `Arc`, for a guard without a lifetime.
    ///
    /// Kotlin: `Mutex.tryLock`.
    ///
    /// # Errors
    ///
    /// [`TryLockError::Locked`].
    ///
    /// ```
    /// use corox_sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let mutex = Arc::new(Mutex::new(1));
    /// let mut guard = mutex.try_lock_owned().unwrap();
    /// assert!(mutex.is_locked());
    /// *guard += 1;
    /// drop(guard);
    /// assert_eq!(*mutex.try_lock().unwrap(), 2);
    /// ```
    pub fn try_lock_owned(self: &Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        if self.permits.try_take(Want::ONE) {
            Ok(OwnedMutexGuard::new(self.clone()))
        } else {
            Err(TryLockError::Locked)
        }
    }

    /// Calls `action` with the value when the mutex is locked, and unlocks it. What has to suspend meanwhile keeps the guard of
    /// [`lock`](Mutex::lock) in a block.
    ///
    /// Kotlin: `Mutex.withLock`.
    ///
    /// # Cancel safety
    ///
    /// As [`lock`](Mutex::lock).
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Mutex;
    ///
    /// run_blocking(async |_| {
    ///     let mutex = Mutex::new(vec![1]);
    ///     let length = mutex.with_lock(|list| { list.push(2); list.len() }).await;
    ///     assert_eq!((length, mutex.is_locked()), (2, false));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "Mutex.withLock")]
    pub fn with_lock<R>(&self, action: impl FnOnce(&mut T) -> R) -> impl Future<Output = R> {
        let lock = self.lock();
        async move { action(&mut *lock.await) }
    }

    /// The clause of a [`select`](corox_core::select()) that is available when the mutex is locked for it. It waits in the same line as
    /// [`lock`](Mutex::lock) does, in the place of its first poll.
    ///
    /// Kotlin: `Mutex.onLock`.
    ///
    /// # Cancel safety
    ///
    /// As `lock`: a select that is dropped, or won by another clause, hands the lock on.
    ///
    /// ```
    /// use corox_core::{Clause, on_timeout, run_blocking, select};
    /// use corox_sync::Mutex;
    /// use std::time::Duration;
    ///
    /// run_blocking(async |_| {
    ///     let (taken, free) = (Mutex::new(1), Mutex::new(2));
    ///     let _guard = taken.lock().await;
    ///     let n = select((
    ///         taken.on_lock().then(|n| *n),
    ///         free.on_lock().then(|n| *n),
    ///         on_timeout(Duration::from_secs(60)).then(|()| 0),
    ///     )).await;
    ///     assert_eq!(n, 2);
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "Mutex.onLock")]
    pub fn on_lock(&self) -> OnLock<'_, T> {
        OnLock::new(self)
    }

    /// As [`on_lock`](Mutex::on_lock), in the name of `owner`; it gives an `Err` at once if the owner has the mutex.
    ///
    /// Kotlin: `Mutex.onLock(owner)`.
    ///
    /// # Cancel safety
    ///
    /// As `on_lock`.
    ///
    /// ```
    /// use corox_core::{run_blocking, select};
    /// use corox_sync::{LockOwner, Mutex};
    ///
    /// run_blocking(async |_| {
    ///     let (mutex, me) = (Mutex::new(1), LockOwner::new());
    ///     let _guard = select((mutex.on_lock_as(me),)).await?;
    ///     assert!(mutex.holds_lock(me));
    ///     assert!(select((mutex.on_lock_as(me),)).await.is_err());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "Mutex.onLock")]
    pub fn on_lock_as(&self, owner: LockOwner) -> OnLockAs<'_, T> {
        OnLockAs::new(self, owner)
    }

    /// Whether somebody has it, or is about to: it stays so while it is handed over.
    ///
    /// Kotlin: `Mutex.isLocked`.
    ///
    /// ```
    /// let mutex = corox_sync::Mutex::new(());
    /// assert!(!mutex.is_locked());
    /// let _guard = mutex.try_lock().unwrap();
    /// assert!(mutex.is_locked());
    /// ```
    #[doc(alias = "Mutex.isLocked")]
    pub fn is_locked(&self) -> bool {
        self.permits.is_taken()
    }

    /// Whether it is locked in the name of `owner`: by a guard, or handed over to one who waited.
    ///
    /// Kotlin: `Mutex.holdsLock`.
    ///
    /// ```
    /// use corox_sync::{LockOwner, Mutex};
    ///
    /// let (mutex, me) = (Mutex::new(()), LockOwner::new());
    /// let guard = mutex.try_lock_as(me).unwrap();
    /// assert!(mutex.holds_lock(me) && !mutex.holds_lock(LockOwner::new()));
    /// drop(guard);
    /// assert!(!mutex.holds_lock(me));
    /// ```
    #[doc(alias = "Mutex.holdsLock")]
    pub fn holds_lock(&self, owner: LockOwner) -> bool {
        self.permits.is_owned_by(owner.number())
    }

    /// Unlocks a mutex that is locked without a guard: by [`locked`](Mutex::locked) or
    /// [`leave_locked`](MutexGuard::leave_locked). With an `owner`, only if it was locked in that name.
    ///
    /// Kotlin: `Mutex.unlock`.
    ///
    /// # Errors
    ///
    /// If nobody has it, another owner does, or a guard does, whose drop will unlock it; it stays as it is.
    ///
    /// ```
    /// use corox_sync::{Mutex, UnlockError};
    ///
    /// let mutex = Mutex::locked(());
    /// assert_eq!(mutex.unlock(None), Ok(()));
    /// assert_eq!(mutex.unlock(None), Err(UnlockError::NotLocked));
    /// ```
    #[doc(alias = "Mutex.unlock")]
    pub fn unlock(&self, owner: impl Into<Option<LockOwner>>) -> Result<(), UnlockError> {
        let owner = owner.into().map(LockOwner::number);
        match self.permits.give_back_unguarded(1, owner) {
            Ok(()) => Ok(()),
            Err(NotUnguarded::OtherOwner) => Err(UnlockError::OtherOwner),
            Err(NotUnguarded::Only(_)) if self.is_locked() => Err(UnlockError::Guarded),
            Err(NotUnguarded::Only(_)) => Err(UnlockError::NotLocked),
        }
    }

    /// The value, of which there is no other reference: nothing has to be locked.
    ///
    /// ```
    /// let mut mutex = corox_sync::Mutex::new(1);
    /// *mutex.get_mut() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct(LOCK.which);
        match self.try_lock() {
            Ok(guard) => shown.field("value", &&*guard),
            Err(_) => shown.field("value", &format_args!("<locked>")),
        };
        shown
            .field("made", &format_args!("{}", self.permits.made()))
            .finish()
    }
}
