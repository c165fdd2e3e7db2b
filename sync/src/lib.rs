#![doc = include_str!("../README.md")]
//!
//! # Tour
//!
//! In the order in which one asks. `Kotlin:` at an item names its counterpart in kotlinx.coroutines.
//!
//! - *One at a time*: a [`Mutex`] has a value, and [`lock`](Mutex::lock) ([`Lock`]) gives a [`MutexGuard`] of it;
//!   [`lock_owned`](Mutex::lock_owned) ([`LockOwned`]) an [`OwnedMutexGuard`] without a lifetime; [`try_lock`](Mutex::try_lock)
//!   ([`TryLockError`]) does not wait, [`with_lock`](Mutex::with_lock) takes what is to be done.
//! - *By name*: in the name of a [`LockOwner`], [`lock_as`](Mutex::lock_as) ([`LockAs`]) finds out that one locks twice
//!   ([`RelockError`]), and [`holds_lock`](Mutex::holds_lock) whether one has it.
//! - *Several at a time*: a [`Semaphore`] has permits; [`acquire`](Semaphore::acquire) ([`Acquire`]) gives a [`SemaphorePermit`],
//!   [`acquire_owned`](Semaphore::acquire_owned) ([`AcquireOwned`]) an [`OwnedSemaphorePermit`];
//!   [`try_acquire`](Semaphore::try_acquire) ([`TryAcquireError`]) does not wait, [`with_permit`](Semaphore::with_permit) takes what is
//!   to be done.
//! - *Without a guard*, where another part gives it back: [`MutexGuard::leave_locked`] and [`unlock`](Mutex::unlock)
//!   ([`UnlockError`]); [`SemaphorePermit::forget`] and [`release`](Semaphore::release) ([`ReleaseError`]).
//! - *Choosing*, with `corox_core`'s `select`: [`on_lock`](Mutex::on_lock) ([`OnLock`]), [`on_lock_as`](Mutex::on_lock_as)
//!   ([`OnLockAs`]), [`on_acquire`](Semaphore::on_acquire) ([`OnAcquire`]).

// Unsafe is the promise of `guarded` that one at a time is at the value of a mutex, alone.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod acquire;
mod error;
mod guard;
#[allow(unsafe_code)]
mod guarded;
mod lock;
mod mutex;
mod on_acquire;
mod on_lock;
mod owner;
mod permit;
mod permits;
mod place;
mod semaphore;
mod shim;

pub use acquire::{Acquire, AcquireOwned};
pub use error::{ReleaseError, RelockError, TryAcquireError, TryLockError, UnlockError};
pub use guard::{MutexGuard, OwnedMutexGuard};
pub use lock::{Lock, LockAs, LockOwned};
pub use mutex::Mutex;
pub use on_acquire::OnAcquire;
pub use on_lock::{OnLock, OnLockAs};
pub use owner::LockOwner;
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};
pub use semaphore::Semaphore;
