//! Why a lock or a permit was not taken, or not given back.

use std::error::Error;
use std::fmt;

/// The mutex is locked already, by the very owner that locks it: it would wait for itself.
///
/// Of [`lock_as`](crate::Mutex::lock_as) and [`on_lock_as`](crate::Mutex::on_lock_as).
///
/// Kotlin: `IllegalStateException`.
///
/// ```
/// use corox_core::run_blocking;
/// use corox_sync::{LockOwner, Mutex};
///
/// run_blocking(async |_| {
///     let (mutex, me) = (Mutex::new(()), LockOwner::new());
///     let _guard = mutex.lock_as(me).await?;
///     let error = mutex.lock_as(me).await.unwrap_err();
///     assert!(error.to_string().contains("by this owner already"));
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelockError(pub(crate) ());

/// The mutex could not be locked at once.
///
/// ```
/// use corox_sync::{LockOwner, Mutex, TryLockError};
///
/// let (mutex, me) = (Mutex::new(()), LockOwner::new());
/// let _guard = mutex.try_lock_as(me).unwrap();
/// assert_eq!(mutex.try_lock().unwrap_err(), TryLockError::Locked);
/// assert_eq!(mutex.try_lock_as(me).unwrap_err(), TryLockError::Relock);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryLockError {
    /// Somebody has it, or is the next to have it.
    Locked,
    /// The owner who locks it has it already.
    Relock,
}

/// The mutex was not unlocked.
///
/// ```
/// use corox_sync::{LockOwner, Mutex, MutexGuard, UnlockError};
///
/// let (mutex, anna, ben) = (Mutex::new(()), LockOwner::new(), LockOwner::new());
/// assert_eq!(mutex.unlock(None), Err(UnlockError::NotLocked));
/// let guard = mutex.try_lock_as(anna).unwrap();
/// assert_eq!(mutex.unlock(anna), Err(UnlockError::Guarded));
/// MutexGuard::leave_locked(guard);
/// assert_eq!(mutex.unlock(ben), Err(UnlockError::OtherOwner));
/// assert_eq!(mutex.unlock(anna), Ok(()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnlockError {
    /// Nobody has it.
    NotLocked,
    /// It was not locked in the name of this owner.
    OtherOwner,
    /// A guard has it, whose drop will unlock it; or it was just handed over to one.
    Guarded,
}

/// There were not as many permits, or somebody waits for them.
///
/// ```
/// use corox_sync::{Semaphore, TryAcquireError};
///
/// let semaphore = Semaphore::new(1);
/// let _permit = semaphore.try_acquire().unwrap();
/// let error: TryAcquireError = semaphore.try_acquire().unwrap_err();
/// assert!(error.to_string().contains("no permit"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TryAcquireError(pub(crate) ());

/// More permits were released than were acquired and [forgotten](crate::SemaphorePermit::forget). None was released.
///
/// Kotlin: `IllegalStateException`.
///
/// ```
/// use corox_sync::Semaphore;
///
/// let semaphore = Semaphore::new(2);
/// let error = semaphore.release().unwrap_err();
/// assert!(error.to_string().contains("0 of the semaphore's 2 permits"));
/// assert_eq!(semaphore.available_permits(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseError {
    pub(crate) released: usize,
    pub(crate) forgotten: usize,
    pub(crate) all: usize,
}

impl fmt::Display for RelockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mutex is locked by this owner already, which would wait for itself: a mutex is not re-entrant")
    }
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryLockError::Locked => f.write_str("the mutex is locked"),
            TryLockError::Relock => RelockError(()).fmt(f),
        }
    }
}

impl fmt::Display for UnlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnlockError::NotLocked => "the mutex is not locked",
            UnlockError::OtherOwner => "the mutex is not locked by this owner",
            UnlockError::Guarded => {
                "a guard has the mutex and will unlock it: `MutexGuard::leave_locked(guard)` leaves that to `unlock`"
            }
        })
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore has no permit that nobody else waits for")
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReleaseError {
            released,
            forgotten,
            all,
        } = self;
        write!(
            f,
            "{released} released, but {forgotten} of the semaphore's {all} permits are acquired and without a guard: a guard's own is \
             released by its drop, unless `SemaphorePermit::forget` was called"
        )
    }
}

impl Error for RelockError {}
impl Error for TryLockError {}
impl Error for UnlockError {}
impl Error for TryAcquireError {}
impl Error for ReleaseError {}
