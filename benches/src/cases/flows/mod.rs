//! Flows, and streams beside them.
//!
//! - `cold`: chains of operators, driven by whoever collects them.
//! - `combined`: two of them as one.
//! - `buffered`: ahead of whoever collects them.
//! - `flattened`: a flow for each item.
//! - `hot`: for many collectors.

mod buffered;
mod cold;
mod combined;
mod flattened;
mod hot;

use super::Cases;

pub(super) fn register(cases: &mut Cases) {
    cold::register(cases);
    combined::register(cases);
    buffered::register(cases);
    flattened::register(cases);
    hot::register(cases);
}
