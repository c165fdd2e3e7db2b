//! Flows, and streams beside them.
//!
//! - `cold`: chains of operators, driven by whoever collects them.
//! - `combined`: two of them as one.
//! - `buffered`: ahead of whoever collects them.

mod buffered;
mod cold;
mod combined;

use super::Cases;

pub(super) fn register(cases: &mut Cases) {
    cold::register(cases);
    combined::register(cases);
    buffered::register(cases);
}
