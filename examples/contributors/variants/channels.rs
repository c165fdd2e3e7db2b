//! All requests at once, as in `concurrent`, with the result so far reported as each answer arrives.
//!
//! The requests send what they have found into a channel, in the order in which they are answered.
//! One coroutine receives and adds up, so that nothing has to be locked.

use std::sync::Arc;

use corox::{Capacity, ChannelBuilders, coroutine_scope};

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
        let requests: Vec<_> = repos.iter().map(|repo| github.contributors(repo)).collect();
        // The channel is closed when all requests have ended, and cancelled when nobody receives.
        let found = scope.produce(Capacity::Rendezvous, async move |producer| {
            for request in requests {
                let child = producer.clone();
                producer.launch(async move {
                    let contributors = request.await?;
                    Ok(child.send(contributors).await?)
                });
            }
        });
        let mut so_far = Vec::new();
        while let Some(contributors) = found.next().await? {
            so_far.extend(contributors);
            so_far = aggregate(so_far);
            progress.loaded_so_far(so_far.len());
        }
        Ok(so_far)
    })
    .await
}
