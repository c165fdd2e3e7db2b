//! Clauses stand in a tuple, one alone, too.
// says: `select` takes a tuple, a `Vec` or an array of clauses that give one type
// notes: for one clause write a tuple of one: `select((clause,))`

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let channel = corox_channels::Channel::<u32>::new(1);
        corox_core::select(channel.on_receive()).await?;
        Ok(())
    });
}
