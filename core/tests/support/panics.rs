//! What a panic says, and which line it blames.
#![allow(dead_code, unreachable_pub)]

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// A caught panic.
#[derive(Debug)]
pub struct Panicked {
    pub payload: Box<dyn Any + Send>,
    /// `file:line` of the last panic on this thread; empty if the payload was only resumed here.
    pub at: String,
}

impl Panicked {
    /// The message, if the payload is a text.
    pub fn message(&self) -> &str {
        match self.payload.downcast_ref::<&'static str>() {
            Some(text) => text,
            None => self
                .payload
                .downcast_ref::<String>()
                .map_or("", String::as_str),
        }
    }
}

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `f`, which must panic.
pub fn panic_of<T>(f: impl FnOnce() -> T) -> Panicked {
    watch();
    LAST.take();
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => Panicked {
            payload,
            at: LAST.take(),
        },
    }
}

/// The place of the last panic on this thread.
pub fn last_place() -> String {
    LAST.take()
}

/// Notes the place of each panic, on its thread, from now on.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if let Some(at) = info.location() {
                LAST.set(format!("{}:{}", at.file(), at.line()));
            }
            before(info);
        }));
    });
}
