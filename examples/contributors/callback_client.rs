//! The client as libraries without futures have it: a call returns at once, and a callback gets the
//! answer.

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::client::{ApiError, GitHub};
use crate::model::{Contributor, Repo};

/// Starts calls on the runtime on which it was made. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct CallbackClient {
    github: GitHub,
    runtime: Handle,
}

impl CallbackClient {
    /// To be called on a thread that drives a runtime.
    pub(crate) fn new(github: &GitHub) -> Self {
        Self {
            github: github.clone(),
            runtime: Handle::current(),
        }
    }

    /// Has `done` called with the repositories of the organisation.
    pub(crate) fn repositories(
        &self,
        done: impl FnOnce(Result<Vec<Repo>, ApiError>) + Send + 'static,
    ) -> Call {
        self.start(self.github.repositories(), done)
    }

    /// Has `done` called with the contributors of a repository.
    pub(crate) fn contributors(
        &self,
        repo: &Repo,
        done: impl FnOnce(Result<Vec<Contributor>, ApiError>) + Send + 'static,
    ) -> Call {
        self.start(self.github.contributors(repo), done)
    }

    fn start<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, ApiError>> + Send + 'static,
        done: impl FnOnce(Result<T, ApiError>) + Send + 'static,
    ) -> Call {
        let task = self.runtime.spawn(async move { done(request.await) });
        Call(task.abort_handle())
    }
}

/// A call that was started.
#[derive(Debug)]
pub(crate) struct Call(AbortHandle);

impl Call {
    /// Ends it. The callback is dropped without being called, unless it was before.
    pub(crate) fn cancel(&self) {
        self.0.abort();
    }
}
