//! A closure that decides says what.
// says: this closure says whether to go on: it gives a `bool` or a `corox::Result<bool>`, not `()`
// says: end the closure with `true`, `false` or a condition
use corox_flow::{flow_of, prelude::*};

fn main() {
    let _numbers = flow_of([1, 2]).transform_while(async |n, emitter| {
        emitter.emit(n).await;
    });
}
