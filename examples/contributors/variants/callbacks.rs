//! All requests at once, with a client whose answers go to callbacks.
//!
//! `call` makes such a call look like any other: it suspends until the callback was called, and
//! ends the call when the coroutine is cancelled. Around it, the code is that of `concurrent`.

use std::sync::Arc;

use corox::{Deferred, await_all, coroutine_scope, suspend_cancellable};

use crate::callback_client::{Call, CallbackClient};
use crate::client::{ApiError, GitHub};
use crate::model::{Contributor, aggregate};
use crate::progress::Progress;

pub(super) async fn load(
    github: &GitHub,
    progress: &Arc<Progress>,
) -> corox::Result<Vec<Contributor>> {
    let client = CallbackClient::new(github);
    let repos = call(|done| client.repositories(done)).await?;
    progress.repositories(repos.len());
    coroutine_scope(async |scope| {
        let deferreds: Vec<Deferred<Vec<Contributor>>> = repos
            .into_iter()
            .map(|repo| {
                let client = client.clone();
                let progress = Arc::clone(progress);
                scope.spawn(async move {
                    let contributors = call(|done| client.contributors(&repo, done)).await?;
                    progress.loaded();
                    Ok(contributors)
                })
            })
            .collect();
        let all = await_all(deferreds).await?;
        Ok(aggregate(all.into_iter().flatten()))
    })
    .await
}

type Done<T> = Box<dyn FnOnce(Result<T, ApiError>) + Send>;

/// What `start` gives to its callback.
async fn call<T: Send + 'static>(start: impl FnOnce(Done<T>) -> Call) -> corox::Result<T> {
    suspend_cancellable(|continuation| {
        let resumed = continuation.clone();
        let call = start(Box::new(move |result| {
            // It is resumed nowhere else, and in a cancelled coroutine nobody wants the result.
            let _ = resumed.resume_with(result);
        }));
        continuation.on_cancellation(move |_| call.cancel());
    })
    .await
}
