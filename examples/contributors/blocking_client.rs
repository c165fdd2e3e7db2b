//! The client as libraries that block have it: a call returns with the answer, and its thread does
//! nothing else meanwhile.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::callback_client::{Call, CallbackClient};
use crate::client::{ApiError, GitHub};
use crate::model::{Contributor, Repo, aggregate};
use crate::progress::Progress;

/// Makes one call at a time. Clones are the same client.
#[derive(Clone, Debug)]
pub(crate) struct BlockingClient {
    calls: CallbackClient,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    call: Option<Call>,
}

impl BlockingClient {
    /// To be called on a thread that drives a runtime; the calls need that thread, so they are made
    /// on others.
    pub(crate) fn new(github: &GitHub) -> Self {
        Self {
            calls: CallbackClient::new(github),
            state: Arc::default(),
        }
    }

    /// The contributors of all repositories, one request after another.
    pub(crate) fn load(&self, progress: &Progress) -> Result<Vec<Contributor>, ApiError> {
        let repos = self.repositories()?;
        progress.repositories(repos.len());
        let mut all = Vec::new();
        for repo in &repos {
            all.extend(self.contributors(repo)?);
            progress.loaded();
        }
        Ok(aggregate(all))
    }

    /// Ends the call that another thread is in, and refuses further ones.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        if let Some(call) = state.call.take() {
            call.cancel();
        }
    }

    fn repositories(&self) -> Result<Vec<Repo>, ApiError> {
        self.wait(|answer| {
            self.calls
                .repositories(move |result| drop(answer.send(result)))
        })
    }

    fn contributors(&self, repo: &Repo) -> Result<Vec<Contributor>, ApiError> {
        self.wait(|answer| {
            self.calls
                .contributors(repo, move |result| drop(answer.send(result)))
        })
    }

    fn wait<T>(
        &self,
        start: impl FnOnce(mpsc::Sender<Result<T, ApiError>>) -> Call,
    ) -> Result<T, ApiError> {
        let (answer, answered) = mpsc::channel();
        {
            let mut state = self.lock();
            if state.closed {
                return Err(ApiError::Closed);
            }
            state.call = Some(start(answer));
        }
        // A call that was ended has dropped the sender.
        answered.recv().unwrap_or(Err(ApiError::Closed))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}
