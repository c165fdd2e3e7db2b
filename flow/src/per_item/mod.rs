//! What operators do with each item, apart from the flow above them.
//!
//! An operator is generic over its upstream, and so would be each closure that is made inside its methods: it would have the
//! upstream in its type once more, and the types of a chain would double with each operator. So closures are made in functions that
//! know the item alone, and where they give futures, these are hidden together with them behind a trait.
//!
//! [`PerItem`]: the output of what runs for an item is wanted. [`PerItemEmitting`]: it emits.

mod blocks;
mod calls;
mod emitting;
mod flows;
mod futures;

pub(crate) use blocks::{Blocks, blocks};
pub(crate) use calls::{Calls, PerItem, Stateful, calls};
pub(crate) use emitting::PerItemEmitting;
pub(crate) use flows::{flows, flows_async};
pub(crate) use futures::{futures, mapped_futures};
