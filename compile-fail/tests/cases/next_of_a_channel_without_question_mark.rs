//! A channel may have been closed because of a failure, so `next` gives a `Result` of an `Option`.
// says: expected `Result<Option<u32>, ReceiveError>`, found `Option<_>`
// documented in docs/channels.md: is short of a `?` after the `.await`

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let channel = corox_channels::Channel::<u32>::new(1);
        while let Some(element) = channel.next().await {
            println!("{element}");
        }
        Ok(())
    });
}
