//! F-3: a block emits from its own coroutine alone.
// says: `emitter` escapes the closure body here
// documented in flow/src/block/emitter.rs: It cannot leave the block: not into another coroutine, nor into a task.
use corox_core::run_blocking;
use corox_flow::{flow, prelude::*};

fn main() {
    let _ = run_blocking(async |scope| {
        let numbers = flow(async |emitter| {
            scope.launch(async move { emitter.emit(1).await });
        });
        numbers.run().await
    });
}
