//! Between two `?` nothing says which error the handlers give.
// says: type annotations needed
// documented in docs/select.md: `let event: Result<_> = select((..)).await;`

use corox_core::{Clause, select};

fn main() {
    let _ = corox_core::run_blocking(async |_| {
        let channel = corox_channels::Channel::<u32>::new(1);
        let next = select((channel.on_receive().then(|element| Ok(element? + 1)),)).await?;
        println!("{next}");
        Ok(())
    });
}
