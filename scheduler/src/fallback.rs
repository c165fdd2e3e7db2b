//! Where tasks go whose dispatcher rejected them.

use crate::{Dispatcher, Home};

/// The dispatcher for tasks that their own dispatcher rejected: the process's own pool, which ends only by
/// [`shutdown`](crate::shutdown).
///
/// Kotlin: `Dispatchers.IO` plays this part for rejecting executors.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Home, fallback};
///
/// assert_eq!(fallback(), Dispatcher::DEFAULT.resolve(&Home::own()));
/// ```
pub fn fallback() -> Dispatcher {
    Dispatcher::DEFAULT.resolve(&Home::own())
}
