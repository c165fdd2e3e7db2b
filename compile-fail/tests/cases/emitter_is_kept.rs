//! F-4: a block cannot emit after it has ended, or failed where it emitted.
// says: has type `&'1 Emitter<u32>`
// documented in flow/src/block/emitter.rs: It cannot leave the block
use corox_flow::{Emitter, flow};
use std::cell::Cell;

fn main() {
    let kept: Cell<Option<&Emitter<u32>>> = Cell::new(None);
    let _numbers = flow(async |emitter| {
        emitter.emit(1).await;
        kept.set(Some(emitter));
    });
}
