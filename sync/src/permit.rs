//! The guards of permits.

use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::permits::Permits;
use crate::semaphore::{ACQUIRE, Semaphore};

/// A permit of a [`Semaphore`], or several; made by [`acquire`](Semaphore::acquire) and its kin. Dropping it releases them.
///
/// Kotlin: no counterpart: `Semaphore.release` is its drop.
///
/// ```
/// use corox_sync::Semaphore;
///
/// let semaphore = Semaphore::new(1);
/// let permit = semaphore.try_acquire().unwrap();
/// assert_eq!(semaphore.available_permits(), 0);
/// drop(permit);
/// assert_eq!(semaphore.available_permits(), 1);
/// ```
#[must_use = "dropping the permit releases it"]
pub struct SemaphorePermit<'a> {
    permits: &'a Permits,
    count: usize,
}

/// As [`SemaphorePermit`], of a semaphore that it shares in an `Arc`, without a lifetime; made by
/// [`acquire_owned`](Semaphore::acquire_owned) and its kin.
#[must_use = "dropping the permit releases it"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl<'a> SemaphorePermit<'a> {
    #[inline]
    pub(crate) fn new(permits: &'a Permits, count: usize) -> Self {
        permits.note_taken(count, ACQUIRE.which, false);
        SemaphorePermit { permits, count }
    }

    /// How many it is.
    ///
    /// ```
    /// let semaphore = corox_sync::Semaphore::new(3);
    /// assert_eq!(semaphore.try_acquire_many(2).unwrap().count(), 2);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps the permit acquired without a guard, until [`release`](Semaphore::release) is called.
    ///
    /// Kotlin: no counterpart: `Semaphore.acquire` gives no guard.
    ///
    /// ```
    /// let semaphore = corox_sync::Semaphore::new(1);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// semaphore.release().unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(self) {
        self.permits.note_given_back(self.count, false);
        self.permits.forget(self.count);
        mem::forget(self);
    }

    /// Takes `count` of the permits out into a guard of their own; `None` if there are not as many.
    ///
    /// ```
    /// let semaphore = corox_sync::Semaphore::new(3);
    /// let mut three = semaphore.try_acquire_many(3).unwrap();
    /// drop(three.split(1));
    /// assert_eq!((three.count(), semaphore.available_permits()), (2, 1));
    /// assert!(three.split(3).is_none());
    /// ```
    pub fn split(&mut self, count: usize) -> Option<SemaphorePermit<'a>> {
        self.count = self.count.checked_sub(count)?;
        Some(SemaphorePermit {
            permits: self.permits,
            count,
        })
    }
}

impl OwnedSemaphorePermit {
    pub(crate) fn new(semaphore: Arc<Semaphore>, count: usize) -> Self {
        semaphore.permits.note_taken(count, ACQUIRE.which, true);
        OwnedSemaphorePermit { semaphore, count }
    }

    /// How many it is.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// assert_eq!(Arc::new(Semaphore::new(3)).try_acquire_owned().unwrap().count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// The semaphore whose permit it is.
    ///
    /// ```
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let permit = Arc::new(Semaphore::new(3)).try_acquire_owned().unwrap();
    /// assert_eq!(permit.semaphore().available_permits(), 2);
    /// ```
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// As [`SemaphorePermit::forget`].
    ///
    /// ```
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// semaphore.try_acquire_owned().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    pub fn forget(mut self) {
        // Of none there is nothing to release.
        let count = mem::take(&mut self.count);
        self.semaphore.permits.note_given_back(count, true);
        self.semaphore.permits.forget(count);
    }

    /// As [`SemaphorePermit::split`].
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use corox_sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// run_blocking(async |_| {
    ///     let semaphore = Arc::new(Semaphore::new(3));
    ///     let mut three = semaphore.acquire_many_owned(3).await;
    ///     drop(three.split(1));
    ///     assert_eq!((three.count(), semaphore.available_permits()), (2, 1));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn split(&mut self, count: usize) -> Option<OwnedSemaphorePermit> {
        self.count = self.count.checked_sub(count)?;
        let semaphore = self.semaphore.clone();
        Some(OwnedSemaphorePermit { semaphore, count })
    }
}

impl Drop for SemaphorePermit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.permits.note_given_back(self.count, false);
        self.permits.give_back(self.count);
    }
}

impl Drop for OwnedSemaphorePermit {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.note_given_back(self.count, true);
        self.semaphore.permits.give_back(self.count);
    }
}

impl fmt::Debug for SemaphorePermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SemaphorePermit").field(&self.count).finish()
    }
}

impl fmt::Debug for OwnedSemaphorePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedSemaphorePermit")
            .field(&self.count)
            .finish()
    }
}
