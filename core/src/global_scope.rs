//! The scope of coroutines that belong to nobody.

use crate::context::CoroutineContext;
use crate::coroutine::CoroutineStart;
use crate::coroutine_body::{CoroutineBody, ResultBody};
use crate::deferred::Deferred;
use crate::into_context::IntoContext;
use crate::job::Job;
use crate::job_context::JobContext;
use crate::launch_output::LaunchOutput;
use crate::launcher::Launcher;

/// The scope of coroutines that belong to nobody: the last resort.
///
/// Nothing waits for them, nothing cancels them but their own handle, and their failures go to the
/// [`ExceptionHandler`](crate::ExceptionHandler) of their context or to the process-wide fallback. They run on the process's
/// own pool, wherever they are launched. A scope that owns them is nearly always better.
///
/// Kotlin: `GlobalScope`.
///
/// ```
/// use corox_core::{CoroutineName, CoroutineStart, GlobalScope, run_blocking};
///
/// let deferred = GlobalScope.spawn(async { Ok(1) });
/// assert_eq!(run_blocking(async |_| deferred.await).unwrap(), 1);
///
/// let begun = GlobalScope.start(CoroutineStart::Undispatched).launch(async {});
/// assert!(begun.is_completed() && begun.parent().is_none());
///
/// let lazy = GlobalScope.lazy().launch(async {});
/// lazy.cancel();
/// let named = GlobalScope.with(CoroutineName::new("worker")).launch(async {});
/// let job = GlobalScope.launch(async {});
/// run_blocking(async |_| { named.join().await; job.join().await; Ok(()) }).unwrap();
/// assert!(lazy.is_cancelled() && !named.is_cancelled());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalScope;

impl GlobalScope {
    fn launcher(self) -> Launcher {
        Launcher {
            base: JobContext::own(),
            parent: None,
            changes: CoroutineContext::empty(),
            start: CoroutineStart::Default,
        }
    }

    /// As [`CoroutineScope::with`](crate::CoroutineScope::with); a [`Job`] among the elements becomes the parent.
    pub fn with(self, context: impl IntoContext) -> Launcher {
        self.launcher().with(context)
    }

    /// As [`CoroutineScope::start`](crate::CoroutineScope::start).
    pub fn start(self, start: CoroutineStart) -> Launcher {
        self.launcher().start(start)
    }

    /// As [`CoroutineScope::lazy`](crate::CoroutineScope::lazy). Start or cancel what is launched in this way: nobody else does, and until then it is not
    /// freed.
    pub fn lazy(self) -> Launcher {
        self.start(CoroutineStart::Lazy)
    }

    /// As [`CoroutineScope::launch`](crate::CoroutineScope::launch), without a scope.
    ///
    /// Kotlin: `GlobalScope.launch`.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    pub fn launch<F, R>(self, body: F) -> Job
    where
        F: CoroutineBody<R>,
        F: Send,    // an `Arc` in place of an `Rc`; no guard held across an `.await`
        F: 'static, // else `async move`, and a clone of what is behind a reference
        R: LaunchOutput,
    {
        self.launcher().launch(body)
    }

    /// As [`CoroutineScope::spawn`](crate::CoroutineScope::spawn), without a scope.
    ///
    /// Kotlin: `GlobalScope.async`.
    ///
    /// # Panics
    ///
    /// As there.
    #[track_caller]
    #[doc(alias = "async")]
    pub fn spawn<T, F>(self, body: F) -> Deferred<T>
    where
        F: ResultBody<T>,
        F: Send,    // an `Arc` in place of an `Rc`; no guard held across an `.await`
        F: 'static, // else `async move`, and a clone of what is behind a reference
        T: Send + 'static,
    {
        self.launcher().spawn(body)
    }
}
