//! The ways to load the contributors of all repositories.

use corox::{Capacity, Channel, Result, await_all, coroutine_scope};

use super::aggregate::aggregate;
use super::service::{MockService, User};

/// One request after the other.
pub(super) async fn load_suspending(service: MockService) -> Result<Vec<User>> {
    let mut users = Vec::new();
    for repo in service.get_org_repos().await? {
        users.extend(service.get_repo_contributors(repo).await?);
    }
    Ok(aggregate(users))
}

/// All requests at the same time.
pub(super) async fn load_concurrent(service: MockService) -> Result<Vec<User>> {
    coroutine_scope(async |scope| {
        let repos = service.get_org_repos().await?;
        let deferreds: Vec<_> = repos
            .into_iter()
            .map(|repo| scope.spawn(service.get_repo_contributors(repo)))
            .collect();
        Ok(aggregate(await_all(deferreds).await?.concat()))
    })
    .await
}

/// One request after the other, showing what is there so far.
pub(super) async fn load_progress(
    service: MockService,
    mut update_results: impl AsyncFnMut(&[User], bool) -> Result<()>,
) -> Result<()> {
    let repos = service.get_org_repos().await?;
    let mut all = Vec::new();
    for (i, repo) in repos.iter().enumerate() {
        all.extend(service.get_repo_contributors(*repo).await?);
        all = aggregate(all);
        update_results(&all, i == repos.len() - 1).await?;
    }
    Ok(())
}

/// All requests at the same time, showing what is there so far.
pub(super) async fn load_channels(
    service: MockService,
    mut update_results: impl AsyncFnMut(&[User], bool) -> Result<()>,
) -> Result<()> {
    coroutine_scope(async |scope| {
        let repos = service.get_org_repos().await?;
        let channel = Channel::new(Capacity::Rendezvous);
        for repo in &repos {
            let (channel, repo) = (channel.clone(), *repo);
            scope.launch(async move {
                let users = service.get_repo_contributors(repo).await?;
                Ok(channel.send(users).await?)
            });
        }
        let mut all = Vec::new();
        for i in 0..repos.len() {
            all.extend(channel.receive().await?);
            all = aggregate(all);
            update_results(&all, i == repos.len() - 1).await?;
        }
        Ok(())
    })
    .await
}
