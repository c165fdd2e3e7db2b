//! Panics of runs that are looked at before they are told.
//!
//! A panic is printed by the hook of the process as soon as it happens. An exploration runs a failing test many times until it
//! knows the shortest schedule, and tells only that.

use std::cell::RefCell;
use std::io::Write as _;
use std::marker::PhantomData;
use std::panic::{set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// The texts of the panics on this thread while they are not to be printed.
    static KEPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// From its beginning to its end the panics of this thread are kept.
pub(crate) struct QuietPanics(PhantomData<*const ()>);

impl QuietPanics {
    pub(crate) fn begin() -> QuietPanics {
        HOOK.call_once(|| {
            let outer = take_hook();
            set_hook(Box::new(move |info| {
                let kept = KEPT.try_with(|kept| match &mut *kept.borrow_mut() {
                    Some(texts) => {
                        texts.push(info.to_string());
                        true
                    }
                    None => false,
                });
                if !kept.unwrap_or(false) {
                    outer(info);
                }
            }));
        });
        KEPT.set(Some(Vec::new()));
        QuietPanics(PhantomData)
    }

    pub(crate) fn end(self) -> Vec<String> {
        KEPT.take().unwrap_or_default()
    }
}

impl Drop for QuietPanics {
    fn drop(&mut self) {
        // Not ended: the run itself panics, and nobody else will tell.
        for text in KEPT.take().unwrap_or_default() {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}
