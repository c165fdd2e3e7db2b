//! Callbacks at the end of a job (J-16 to J-18).

use std::fmt;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use super::cell::Node;
use super::handle::Job;
use crate::error::Error;
use crate::exception_handler::report_uncaught;
use crate::node_list::Key;
use crate::shim::Mutex;

/// Something that is called once, when a job has ended.
pub(crate) trait OnEnd: Send + Sync {
    /// Called without any lock held. Never unwinds.
    fn call_once(&self, job: &Job, cause: Option<&Error>);
}

type Callback = Box<dyn FnOnce(Option<&Error>) + Send>;

/// A user's callback.
struct Handler(Mutex<Option<Callback>>);

impl RefUnwindSafe for Handler {}

impl OnEnd for Handler {
    fn call_once(&self, job: &Job, cause: Option<&Error>) {
        let Some(callback) = self.0.lock().take() else {
            return;
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(cause))) {
            report_uncaught(job, &Error::from_panic(payload, job.location()));
        }
    }
}

/// Takes a callback back; see [`Job::on_completion`]. Dropping it leaves the callback in place.
///
/// Kotlin: `DisposableHandle`.
///
/// ```
/// use corox_core::run_blocking;
/// use std::sync::mpsc;
///
/// run_blocking(async |scope| {
///     let (tx, rx) = mpsc::channel();
///     let job = scope.launch(async {});
///     let handle = job.on_completion(move |_| tx.send("called").unwrap());
///     handle.dispose();
///     job.join().await;
///     assert!(rx.recv().is_err()); // the callback was dropped, and `tx` with it
///     Ok(())
/// }).unwrap();
/// ```
#[derive(Clone)]
#[doc(alias = "DisposableHandle")]
#[doc(alias = "NonDisposableHandle")]
pub struct DisposeHandle(Option<(Job, Key, Weak<Handler>)>);

impl DisposeHandle {
    /// Takes the callback back if it has not been called yet; further calls do nothing.
    ///
    /// May be called from inside another callback of the same job.
    ///
    /// Kotlin: `DisposableHandle.dispose`.
    pub fn dispose(&self) {
        if let Some((job, key, handler)) = &self.0 {
            let node = job.core().remove(*key);
            // Taken by name too: the job may be calling its handlers at this moment.
            let callback = handler
                .upgrade()
                .and_then(|handler| handler.0.lock().take());
            drop((node, callback));
        }
    }
}

impl fmt::Debug for DisposeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DisposeHandle")
            .field(&self.0.as_ref().map(|(job, ..)| job.to_string()))
            .finish()
    }
}

impl Job {
    /// Calls `callback` once when the job has reached its final state, with `None` after a normal end, else with the
    /// cancellation or failure.
    ///
    /// Callbacks run in the order of their registration, on the thread that completes the job (or at once on this thread if
    /// the job has ended already), before anybody who waits for the job goes on; only who waits on
    /// [`Dispatcher::UNCONFINED`](crate::Dispatcher::UNCONFINED) goes on in its place among them. They should be short and
    /// must not block. A panic of a callback is reported as an uncaught failure and keeps no other callback from being
    /// called.
    ///
    /// A lazy job is not started by this.
    ///
    /// Kotlin: `Job.invokeOnCompletion(handler)`.
    ///
    /// ```
    /// use corox_core::run_blocking;
    /// use std::sync::mpsc;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async {});
    ///     job.on_completion(move |cause| tx.send(cause.is_none()).unwrap());
    ///     Ok(())
    /// }).unwrap();
    /// assert!(rx.recv().unwrap());
    /// ```
    #[doc(alias = "invokeOnCompletion")]
    #[doc(alias = "CompletionHandler")]
    pub fn on_completion(
        &self,
        callback: impl FnOnce(Option<&Error>) + Send + 'static,
    ) -> DisposeHandle {
        self.register(Box::new(callback), Node::OnCompletion)
    }

    /// As [`on_completion`](Job::on_completion), but called as soon as the job begins to be cancelled, with what it is
    /// cancelled with; at the end, if it never is.
    ///
    /// Kotlin: `Job.invokeOnCompletion(onCancelling = true, handler = ..)`.
    ///
    /// ```
    /// use corox_core::{await_cancellation, run_blocking};
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::sync::Arc;
    ///
    /// let stop = Arc::new(AtomicBool::new(false));
    /// run_blocking(async |scope| {
    ///     let job = scope.launch(async { await_cancellation().await });
    ///     let flag = stop.clone();
    ///     job.on_cancelling(move |_| flag.store(true, Ordering::Relaxed));
    ///     job.cancel();
    ///     assert!(stop.load(Ordering::Relaxed) && !job.is_completed());
    ///     Ok(())
    /// }).unwrap();
    /// ```
    #[doc(alias = "invokeOnCompletion")]
    pub fn on_cancelling(
        &self,
        callback: impl FnOnce(Option<&Error>) + Send + 'static,
    ) -> DisposeHandle {
        self.register(Box::new(callback), Node::OnCancelling)
    }

    fn register(&self, callback: Callback, node: fn(Arc<dyn OnEnd>) -> Node) -> DisposeHandle {
        let handler = Arc::new(Handler(Mutex::new(Some(callback))));
        self.add_on_end(node(handler.clone()))
            .map_or(DisposeHandle(None), |key| {
                DisposeHandle(Some((self.clone(), key, Arc::downgrade(&handler))))
            })
    }

    /// Adds `OnCompletion` or `OnCancelling`; calls it at once, and gives `None`, if its time has come already.
    pub(crate) fn add_on_end(&self, node: Node) -> Option<Key> {
        use super::state::{CANCELLING, FINAL};
        let core = self.core();
        let (handler, cause) = {
            let mut inner = core.inner.lock();
            let early = matches!(node, Node::OnCancelling(_)) && core.flags.any(CANCELLING);
            if !core.flags.any(FINAL) && !early {
                return Some(inner.nodes.push(node));
            }
            match node {
                Node::OnCompletion(handler) | Node::OnCancelling(handler) => {
                    (handler, inner.root.clone())
                }
                _ => return None,
            }
        };
        handler.call_once(self, cause.as_ref());
        None
    }
}
