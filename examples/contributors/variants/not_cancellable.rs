//! All requests at once, as in `concurrent`, but in the global scope: nobody's children.
//!
//! Cancelling the caller does not cancel them. This is what `concurrent` is better at: press Ctrl-C
//! while this variant loads, and the program waits for the requests until its grace is over.

use std::sync::Arc;

use corox::{Deferred, GlobalScope, await_all};

use crate::client::GitHub;
use crate::model::{Contributor, aggregate};
use crate::progress::Progress;

pub(super) async fn load(
    github: &GitHub,
    progress: &Arc<Progress>,
) -> corox::Result<Vec<Contributor>> {
    let repos = github.repositories().await?;
    progress.repositories(repos.len());
    let deferreds: Vec<Deferred<Vec<Contributor>>> = repos
        .iter()
        .map(|repo| {
            let request = github.contributors(repo);
            let progress = Arc::clone(progress);
            GlobalScope.spawn(async move {
                let contributors = request.await?;
                progress.loaded();
                Ok(contributors)
            })
        })
        .collect();
    let all = await_all(deferreds).await?;
    Ok(aggregate(all.into_iter().flatten()))
}
