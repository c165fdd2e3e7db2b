//! The coroutines as a list of rows, in the order of their tree.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::query::Query;
use crate::coroutine_info::{CoroutineInfo, CoroutineState};
use crate::deadlock::Deadlock;
use crate::stack_frame::StackFrame;

/// How many things that are waited for at once are told of one coroutine, and how many lines of each.
const WAITS: usize = 16;
const LINES: usize = 32;

/// What `/api/coroutines` gives.
#[derive(Debug, Serialize)]
pub(super) struct Listing<'a> {
    process: Process<'a>,
    /// How many live.
    total: usize,
    /// How many of these have what is searched.
    matching: usize,
    /// How many of these are not below one that is collapsed: rows, if all were shown.
    listed: usize,
    /// Of all that live.
    states: States,
    /// The keys that were asked for, as far as they live.
    collapsed: Vec<u64>,
    /// A sentence each, of all that live.
    deadlocks: Vec<String>,
    coroutines: Vec<Row<'a>>,
}

/// Whose coroutines they are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Process<'a> {
    pub(super) name: &'a str,
    pub(super) id: u32,
    /// How long the inspector is there. What is older is unknown.
    pub(super) inspected_us: u64,
}

#[derive(Debug, Default, Serialize)]
struct States {
    created: usize,
    running: usize,
    suspended: usize,
}

/// A coroutine.
#[derive(Debug, Serialize)]
struct Row<'a> {
    /// What tells it from all others, as long as the process lives.
    key: u64,
    id: Option<u64>,
    name: Option<&'a str>,
    kind: &'a str,
    builder: &'a str,
    state: CoroutineState,
    job_state: String,
    /// The key of the coroutine around it, listed or not.
    parent: Option<u64>,
    parent_description: Option<&'a str>,
    /// How many of those around it are listed.
    depth: usize,
    /// How many there are below, listed or collapsed.
    below: usize,
    collapsed: bool,
    thread: Option<&'a str>,
    /// Times are in microseconds.
    age_us: Option<u64>,
    polls: u64,
    /// How long all polls took, the one that is going on included.
    busy_us: Option<u64>,
    /// How long it has been polled now.
    running_us: Option<u64>,
    launched: &'a StackFrame,
    /// A trace for each thing that it waits for.
    waits: Vec<&'a [StackFrame]>,
    /// How many more of those there are.
    more_waits: usize,
    /// Whether it has gone on since.
    waits_are_over: bool,
}

/// What of `infos`, which is in the order of creation, `query` asks for.
///
/// What does not match has no row, and the rows of its children are those of what is around it. No recursion: chains of coroutines
/// may be long.
pub(super) fn listing<'a>(
    infos: &'a [CoroutineInfo],
    deadlocks: &[Deadlock],
    query: &Query,
    process: Process<'a>,
    now: Instant,
) -> Listing<'a> {
    let places: BTreeMap<u64, usize> = infos
        .iter()
        .enumerate()
        .map(|(place, info)| (info.inspected.token, place))
        .collect();
    let matching: Vec<bool> = infos
        .iter()
        .map(|info| matches(info, &query.words))
        .collect();
    // Those around are older: they come before.
    let around = |place: usize| {
        let around = infos[place]
            .inspected
            .around
            .and_then(|token| places.get(&token));
        around.copied().filter(|around| *around < place)
    };
    // By place: the next one around it that matches.
    let mut outer: Vec<Option<usize>> = Vec::with_capacity(infos.len());
    for place in 0..infos.len() {
        let next = around(place).and_then(|around| {
            if matching[around] {
                Some(around)
            } else {
                outer[around]
            }
        });
        outer.push(next);
    }
    let mut below = vec![0; infos.len()];
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); infos.len()];
    let mut stack = Vec::new();
    for place in (0..infos.len()).rev().filter(|place| matching[*place]) {
        match outer[place] {
            Some(outer) => {
                below[outer] += below[place] + 1;
                children[outer].push(place);
            }
            None => stack.push((place, 0)),
        }
    }
    let mut listed = 0;
    let mut coroutines = Vec::new();
    while let Some((place, depth)) = stack.pop() {
        listed += 1;
        let info = &infos[place];
        let collapsed = query.collapsed.contains(&info.inspected.token);
        if coroutines.len() < query.limit {
            let parent = around(place).map(|around| &infos[around]);
            coroutines.push(Row {
                depth,
                below: below[place],
                collapsed,
                ..row(info, parent, now)
            });
        }
        if !collapsed {
            // The youngest first, and so the oldest is popped first.
            stack.extend(children[place].iter().map(|child| (*child, depth + 1)));
        }
    }
    let mut states = States::default();
    for info in infos {
        *match info.state {
            CoroutineState::Created => &mut states.created,
            CoroutineState::Running => &mut states.running,
            CoroutineState::Suspended => &mut states.suspended,
        } += 1;
    }
    let collapsed = query.collapsed.iter().copied();
    Listing {
        process,
        total: infos.len(),
        matching: matching.iter().filter(|matches| **matches).count(),
        listed,
        states,
        collapsed: collapsed.filter(|key| places.contains_key(key)).collect(),
        deadlocks: deadlocks.iter().map(Deadlock::to_string).collect(),
        coroutines,
    }
}

fn row<'a>(info: &'a CoroutineInfo, parent: Option<&'a CoroutineInfo>, now: Instant) -> Row<'a> {
    let since = |instant: Instant| now.saturating_duration_since(instant);
    let running = info.inspected.running_since.map(since);
    let busy = match (info.inspected.busy, running) {
        (None, None) => None,
        (busy, running) => Some(busy.unwrap_or_default() + running.unwrap_or_default()),
    };
    let waits = info.last_observed.iter().take(WAITS);
    let waits = waits.map(|trace| &trace[..trace.len().min(LINES)]);
    Row {
        key: info.inspected.token,
        id: info.id,
        name: info.name.as_deref(),
        kind: kind(&info.description),
        builder: &info.launched.function,
        state: info.state,
        job_state: info.job_state.to_string(),
        parent: parent.map(|parent| parent.inspected.token),
        parent_description: parent.map(|parent| &*parent.description),
        depth: 0,
        below: 0,
        collapsed: false,
        thread: info.thread.as_deref(),
        age_us: info.inspected.created.map(since).map(micros),
        polls: info.inspected.polls,
        busy_us: busy.map(micros),
        running_us: running.map(micros),
        launched: &info.launched,
        waits: waits.collect(),
        more_waits: info.last_observed.len().saturating_sub(WAITS),
        waits_are_over: info.last_observed_is_over,
    }
}

/// Of `"name#id":Kind{JobState}@address`, whatever is in the name.
fn kind(description: &str) -> &str {
    let before = description
        .rsplit_once('{')
        .map_or("", |(before, _)| before);
    before.rsplit(':').next().unwrap_or(before)
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whether all the words are found, each wherever.
fn matches(info: &CoroutineInfo, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let mut text = format!("{}\n{}\n{}\n", info.description, info.state, info.launched);
    text.extend(info.thread.as_deref());
    for line in info.last_observed.iter().flatten().take(WAITS * LINES) {
        text.push('\n');
        text.push_str(&line.to_string());
    }
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_behind_any_name() {
        for (description, expected) in [
            ("BlockingCoroutine{Active}@12", "BlockingCoroutine"),
            (
                "\"a#1\":StandaloneCoroutine{Active}@12",
                "StandaloneCoroutine",
            ),
            ("\"{\":{x}@#1\":LazyJob{New}@12", "LazyJob"),
            ("", ""),
        ] {
            assert_eq!(kind(description), expected);
        }
    }
}
