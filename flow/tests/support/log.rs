//! What a flow and those around it do, line by line.

use std::cell::RefCell;

use corox_flow::{Flow, prelude::*};

use super::now;
use super::pulled::pulled;

pub type Log = RefCell<Vec<String>>;

pub fn note(log: &Log, text: impl Into<String>) {
    log.borrow_mut().push(text.into());
}

/// Notes its drop.
pub struct Guard<'a>(pub &'a Log);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        note(self.0, "dropped");
    }
}

/// Runs it, driven and then pulled, and gives what was noted each time: the items and the end, too.
pub fn logs<S: Flow<Item = u32>>(log: &Log, flow: S) -> [Vec<String>; 2] {
    let see = |n: u32| note(log, n.to_string());
    let end = |ended: corox_core::Result<()>| match ended {
        Ok(()) => note(log, "end"),
        Err(error) => note(log, format!("error: {error}")),
    };
    end(now(flow.clone().for_each(see)));
    let driven = log.take();
    end(now(pulled(flow).for_each(see)));
    [driven, log.take()]
}
