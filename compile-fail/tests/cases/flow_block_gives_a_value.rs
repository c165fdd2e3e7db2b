//! What a block has to give it emits.
// says: a block or an action of a flow must give `()`, `corox::Result<()>` or `!`, not `{integer}`
// says: emit what is an item, and end it with `;`
use corox_flow::flow;

fn main() {
    let _numbers = flow(async |emitter| {
        emitter.emit(1).await;
        2
    });
}
