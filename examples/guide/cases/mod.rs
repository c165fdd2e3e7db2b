//! The chapters of the guide, one module each.

mod basics;
mod cancellation;
mod channels;
mod composing;
mod context;
mod cookbook;
#[cfg(feature = "debug")]
mod debugging;
mod failures;
mod flow;
mod parallel;
mod readme;
mod select;
mod shared_state;
mod testing;
mod tutorial;

use crate::case::Case;

/// All cases, in the order of the chapters.
pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    let chapters = [
        readme::CASES,
        basics::CASES,
        tutorial::CASES,
        cancellation::CASES,
        composing::CASES,
        context::CASES,
        flow::CASES,
        channels::CASES,
        failures::CASES,
        select::CASES,
        shared_state::CASES,
        testing::CASES,
        cookbook::CASES,
        parallel::CASES,
        #[cfg(feature = "debug")]
        debugging::CASES,
    ];
    chapters.into_iter().flatten()
}
