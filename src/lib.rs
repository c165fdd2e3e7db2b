//! corox facade.
