//! [`EventLog`]: what happened, in order.

use std::fmt::{self, Debug, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;

/// A record of events that coroutines add to, to be compared with the expected order. A handle: clones add to the same log.
///
/// ```
/// use corox_test::{EventLog, run_test};
/// use std::time::Duration;
///
/// run_test(async |t| {
///     let log = EventLog::new();
///     let inner = log.clone();
///     t.launch(async move { inner.add("child") });
///     log.add("body");
///     t.run_current().await;
///     log.assert(["body", "child"]);
/// });
/// ```
///
/// Events may be of a type of one's own:
///
/// ```
/// use corox_test::EventLog;
///
/// let log = EventLog::of();
/// log.push((0, "start"));
/// log.push((100, "end"));
/// assert_eq!(log.events(), [(0, "start"), (100, "end")]);
/// assert_eq!(log.take().len(), 2);
/// assert!(log.events().is_empty());
/// ```
pub struct EventLog<E = String>(Arc<Mutex<Vec<E>>>);

impl<E> Clone for EventLog<E> {
    fn clone(&self) -> Self {
        EventLog(self.0.clone())
    }
}

impl EventLog<String> {
    /// An empty log of texts.
    #[must_use]
    pub fn new() -> Self {
        EventLog(Arc::default())
    }

    /// Adds an event: anything that can be displayed.
    pub fn add(&self, event: impl fmt::Display) {
        self.push(event.to_string());
    }

    /// Asserts that exactly the `expected` events have been added, in this order; see [`assert_events`].
    ///
    /// # Panics
    ///
    /// If not, with both lists and the first place where they differ.
    #[track_caller]
    pub fn assert<X: fmt::Display>(&self, expected: impl IntoIterator<Item = X>) {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|event| event.to_string())
            .collect();
        assert_events(&self.events(), &expected);
    }
}

impl Default for EventLog<String> {
    fn default() -> Self {
        EventLog::new()
    }
}

impl<E> EventLog<E> {
    /// An empty log of events of a type of your own.
    #[must_use]
    pub fn of() -> Self {
        EventLog(Arc::new(Mutex::new(Vec::new())))
    }

    /// Adds an event.
    pub fn push(&self, event: E) {
        self.0.lock().push(event);
    }

    /// The events so far.
    #[must_use]
    pub fn events(&self) -> Vec<E>
    where
        E: Clone,
    {
        self.0.lock().clone()
    }

    /// Takes the events out.
    #[must_use]
    pub fn take(&self) -> Vec<E> {
        std::mem::take(&mut self.0.lock())
    }
}

impl<E: Debug> Debug for EventLog<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().iter()).finish()
    }
}

/// Asserts that the `recorded` events are the `expected` ones, in this order.
///
/// # Panics
///
/// If they are not: with both lists side by side, and a mark at the first line where they differ.
///
/// ```
/// use corox_test::assert_events;
///
/// let recorded = vec![(0, "start"), (100, "end")];
/// assert_events(&recorded, &[(0, "start"), (100, "end")]);
/// ```
#[track_caller]
pub fn assert_events<A, B>(recorded: &[A], expected: &[B])
where
    A: Debug + PartialEq<B>,
    B: Debug,
{
    let same = recorded.iter().zip(expected).take_while(|(a, b)| a == b);
    let same = same.count();
    if same == recorded.len() && same == expected.len() {
        return;
    }
    let mut text = String::new();
    let shown = |events: Option<String>| events.unwrap_or_else(|| "(nothing)".to_owned());
    for at in 0..recorded.len().max(expected.len()) {
        let is = shown(recorded.get(at).map(|event| format!("{event:?}")));
        let should = shown(expected.get(at).map(|event| format!("{event:?}")));
        let mark = if at == same { "->" } else { "  " };
        if is == should {
            let _ = write!(text, "\n{mark} {at:3}  {is}");
        } else {
            let _ = write!(text, "\n{mark} {at:3}  {is}    expected: {should}");
        }
    }
    panic!("the recorded events differ from the expected ones at place {same}:{text}");
}
