//! What a flow has given, and the test has not taken yet.

use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};

use corox_core::Error;
use parking_lot::Mutex;

/// So many events that are not taken, and the test fails.
const MOST_EVENTS: usize = 100_000;

/// So many of them are shown.
const MOST_SHOWN: usize = 20;

pub(super) enum Event<T> {
    Item(T),
    Completed,
    Failed(Error),
}

impl<T: Debug> Event<T> {
    pub(super) fn text(&self) -> String {
        match self {
            Event::Item(item) => format!("item {item:?}"),
            Event::Completed => "the end".to_owned(),
            Event::Failed(error) => format!("failure {error}"),
        }
    }
}

/// The events as lines.
pub(super) fn list<T: Debug>(events: &VecDeque<Event<T>>) -> String {
    let mut text = String::new();
    for (at, event) in events.iter().enumerate().take(MOST_SHOWN) {
        let _ = writeln!(text, "  {}. {}", at + 1, event.text());
    }
    if events.len() > MOST_SHOWN {
        let _ = writeln!(text, "  and {} more", events.len() - MOST_SHOWN);
    }
    text
}

struct State<T> {
    events: VecDeque<Event<T>>,
    stopped: bool,
    over: bool,
}

pub(super) struct Queue<T>(Mutex<State<T>>);

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Queue(Mutex::new(State {
            events: VecDeque::new(),
            stopped: false,
            over: false,
        }))
    }

    /// Adds an event, unless the collection was told to end.
    pub(super) fn push(&self, event: Event<T>) {
        let mut state = self.0.lock();
        if state.stopped {
            drop(state);
            return;
        }
        state.events.push_back(event);
        let count = state.events.len();
        drop(state);
        assert!(
            count < MOST_EVENTS,
            "the flow has given {MOST_EVENTS} events that the test has not looked at: it does not wait for anything. Give the test a part \
             of it: `flow.take(n)`"
        );
    }

    pub(super) fn pop(&self) -> Option<Event<T>> {
        self.0.lock().events.pop_front()
    }

    pub(super) fn take(&self) -> VecDeque<Event<T>> {
        std::mem::take(&mut self.0.lock().events)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().events.is_empty()
    }

    /// Tells the collection to end.
    pub(super) fn stop(&self) {
        self.0.lock().stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.lock().stopped
    }

    /// The collection has ended.
    pub(super) fn end(&self) {
        self.0.lock().over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.lock().over
    }
}
