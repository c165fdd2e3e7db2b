//! All clauses of a select give one type.
// documented in docs/select.md: Several have to give the same type: add handlers, `.then(..)`, that give it

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let (words, numbers) = (corox_channels::Channel::<String>::new(1), corox_channels::Channel::<u32>::new(1));
        corox_core::select((words.on_receive(), numbers.on_receive())).await;
        Ok(())
    });
}
