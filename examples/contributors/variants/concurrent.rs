//! All requests at once, as children of one scope.
//!
//! The scope returns after all its children. If one fails, or if the caller is cancelled, the
//! requests of the others are cancelled, and nothing of them is left when `load` has returned.

use std::sync::Arc;

use corox::{Deferred, await_all, coroutine_scope};

use crate::client::GitHub;
use crate::model::{Contributor, aggregate};
use crate::progress::Progress;

pub(super) async fn load(
    github: &GitHub,
    progress: &Arc<Progress>,
) -> corox::Result<Vec<Contributor>> {
    let repos = github.repositories().await?;
    progress.repositories(repos.len());
    coroutine_scope(async |scope| {
        let deferreds: Vec<Deferred<Vec<Contributor>>> = repos
            .iter()
            .map(|repo| {
                let request = github.contributors(repo);
                let progress = Arc::clone(progress);
                scope.spawn(async move {
                    let contributors = request.await?;
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
