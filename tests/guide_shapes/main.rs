//! Examples of the guide whose point is a behaviour and not lines: each is a test named after it.

mod basics;
mod cancellation;
mod composing;
mod context;
mod cookbook;
mod debugging;
#[cfg(feature = "tracing")]
mod logging;
mod parallel;
mod testing;
mod tutorial;
