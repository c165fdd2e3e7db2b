//! The same of the other blocks that emit: nothing is launched here.
// says: a block or an action of a flow must give `()`, `corox::Result<()>` or `!`, not `{integer}`
// says: emit what is an item, and end it with `;`
use corox_flow::{
    MutableSharedFlow, callback_flow, channel_flow, combine_transform, flow_of, prelude::*,
};

fn main() {
    let numbers = || flow_of([1]);
    let _ = numbers().transform_latest(async |n, e| {
        e.emit(n).await;
        2
    });
    let _ = numbers().combine_transform(numbers(), async |a, b, e| {
        e.emit(a + b).await;
        2
    });
    let _ = combine_transform([numbers(), numbers()], async |all, e| {
        e.emit(all).await;
        2
    });
    let _ = MutableSharedFlow::new()
        .as_shared_flow()
        .on_subscription(async |e| {
            e.emit(1).await;
            2
        });
    let _ = channel_flow(async |scope| {
        let _ = scope.send(1).await;
        2
    });
    let _ = callback_flow(async |scope| {
        let _ = scope.send(1).await;
        2
    });
}
