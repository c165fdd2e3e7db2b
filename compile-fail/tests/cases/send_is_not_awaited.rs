//! A send is a future.
// notes: nothing is sent until it is awaited: `.send(element).await`

#![deny(unused_must_use)]

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let channel = corox_channels::Channel::new(1);
        channel.send(1);
        Ok(())
    });
}
