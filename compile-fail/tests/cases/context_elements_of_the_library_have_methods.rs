//! `get` is for types of one's own.
// says: `CoroutineName` is not an element of your own: it does not implement `ContextElement`
// notes: `context.name()`
use corox_core::{CoroutineContext, CoroutineName};

fn main() {
    let context = CoroutineContext::current();
    let _ = context.get::<CoroutineName>();
}
