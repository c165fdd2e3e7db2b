//! F-3: nor does it emit from a task or a thread of others.
// says: `emitter` escapes the closure body here
// documented in flow/src/block/emitter.rs: It cannot leave the block: not into another coroutine, nor into a task.
use corox_flow::flow;

fn main() {
    let _numbers = flow(async |emitter| {
        tokio::spawn(async move { emitter.emit(1).await });
    });
}
