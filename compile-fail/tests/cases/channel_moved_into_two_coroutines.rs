//! A handle of a channel is cloned for each coroutine.
// says: use of moved value: `channel`
// notes: consider cloning the value before moving it into the closure

fn main() {
    let _ = corox_core::run_blocking(async |scope| {
        let channel = corox_channels::Channel::new(1);
        scope.launch(async move { Ok(channel.send(1).await?) });
        scope.launch(async move { Ok(channel.send(2).await?) });
        Ok(())
    });
}
