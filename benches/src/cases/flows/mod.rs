//! Flows, and streams beside them.
//!
//! - `cold`: chains of operators, driven by whoever collects them.

mod cold;

use super::Cases;

pub(super) fn register(cases: &mut Cases) {
    cold::register(cases);
}
