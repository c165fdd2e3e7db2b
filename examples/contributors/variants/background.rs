//! One request after another on a thread in the background, which hands the result back when it is
//! done.
//!
//! `suspend_cancellable` waits for it as for any callback. The thread is nobody's child: what ends
//! it when the coroutine is cancelled is the handler.

use std::sync::Arc;
use std::thread;

use corox::suspend_cancellable;

use crate::blocking_client::BlockingClient;
use crate::client::GitHub;
use crate::model::Contributor;
use crate::progress::Progress;

pub(super) async fn load(
    github: &GitHub,
    progress: &Arc<Progress>,
) -> corox::Result<Vec<Contributor>> {
    suspend_cancellable(|continuation| {
        let client = BlockingClient::new(github);
        let closed = client.clone();
        continuation.on_cancellation(move |_| closed.close());
        let progress = Arc::clone(progress);
        // If the thread panics, or was not started, the continuation is dropped, which is an error.
        let _ = thread::Builder::new()
            .name("background".into())
            .spawn(move || {
                let result = client.load(&progress);
                // It is resumed nowhere else, and in a cancelled coroutine nobody wants the result.
                let _ = continuation.resume_with(result);
            });
    })
    .await
}
