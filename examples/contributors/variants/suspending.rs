//! One request after another. The thread is free while each is under way, but nothing else runs.

use crate::client::GitHub;
use crate::model::{Contributor, aggregate};
use crate::progress::Progress;

pub(super) async fn load(github: &GitHub, progress: &Progress) -> corox::Result<Vec<Contributor>> {
    let repos = github.repositories().await?;
    progress.repositories(repos.len());
    let mut all = Vec::new();
    for repo in &repos {
        all.extend(github.contributors(repo).await?);
        progress.loaded();
    }
    Ok(aggregate(all))
}
