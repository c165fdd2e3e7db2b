//! Benches of corox.
