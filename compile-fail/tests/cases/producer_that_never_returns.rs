//! A body that never returns gives no `Result`, and a `?` in it goes nowhere.
// says: cannot use the `?` operator in an async closure that returns `!`
// documented in docs/channels.md: `while producer.is_active() { .. }` with `Ok(())` after it

use corox_channels::ChannelBuilders;

fn main() {
    let _ = corox_core::run_blocking(async |scope| {
        let ones = scope.produce(0, async |producer| {
            loop {
                producer.send(1).await?;
            }
        });
        ones.receive().await?;
        Ok(())
    });
}
