//! What the tests of the crate share.
#![allow(dead_code, unreachable_pub)]

pub mod drop_at;
pub mod pulled;
