//! `receive` is a future; the clause is `on_receive`.
// says: is not a clause of a `select`
// notes: other clauses are `channel.on_receive()`, `channel.on_send(element)`

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let channel = corox_channels::Channel::<u32>::new(1);
        corox_core::select((channel.receive(),)).await?;
        Ok(())
    });
}
