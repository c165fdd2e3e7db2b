//! There is no asynchronous `for` in Rust.
// says: is not an iterator
// documented in docs/channels.md: `while let Some(element) = channel.next().await? { .. }`

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let channel = corox_channels::Channel::<u32>::new(1);
        for element in channel {
            println!("{element}");
        }
        Ok(())
    });
}
