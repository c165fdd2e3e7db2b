//! One request after another, as in `suspending`, with the result so far reported after each
//! repository. A user interface would show it.

use crate::client::GitHub;
use crate::model::{Contributor, aggregate};
use crate::progress::Progress;

pub(super) async fn load(github: &GitHub, progress: &Progress) -> corox::Result<Vec<Contributor>> {
    let repos = github.repositories().await?;
    progress.repositories(repos.len());
    let mut so_far = Vec::new();
    for repo in &repos {
        so_far.extend(github.contributors(repo).await?);
        so_far = aggregate(so_far);
        progress.loaded_so_far(so_far.len());
    }
    Ok(so_far)
}
