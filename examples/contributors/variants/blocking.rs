//! One request after another, with a client that blocks its thread.
//!
//! `blocking` gives it a thread of its own, so that the coroutine's is free meanwhile. A blocked
//! thread cannot be interrupted from outside: the flag of `blocking` tells of the cancellation, and
//! closing the client makes the call return.

use std::sync::Arc;

use crate::blocking_client::BlockingClient;
use crate::client::GitHub;
use crate::model::Contributor;
use crate::progress::Progress;

pub(super) async fn load(
    github: &GitHub,
    progress: &Arc<Progress>,
) -> corox::Result<Vec<Contributor>> {
    let client = BlockingClient::new(github);
    let progress = Arc::clone(progress);
    corox::blocking(move |cancel| {
        let closed = client.clone();
        cancel.on_cancelled(move |_| closed.close());
        Ok(client.load(&progress)?)
    })
    .await
}
