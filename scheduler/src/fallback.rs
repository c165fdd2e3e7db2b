//! Where tasks go whose dispatcher rejected them.

use crate::{Dispatcher, Home};

/// The dispatcher for tasks that their own dispatcher rejected: the process's own pool, which never shuts down.
///
/// Kotlin: `Dispatchers.IO` plays this part for rejecting executors.
pub fn fallback() -> Dispatcher {
    Dispatcher::DEFAULT.resolve(&Home::own())
}
