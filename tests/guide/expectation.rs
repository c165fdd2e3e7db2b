//! What a case must print, and when: the files in `expectations/`.

use std::collections::HashMap;
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

/// On the real clock a line may come so much later: to find what hangs, also on a machine with much else to do. Exact times are those of
/// virtual time.
const DELAY: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expectation {
    pub(crate) id: String,
    /// The lines of stdout and stderr.
    pub(crate) lines: Vec<ExpectedLine>,
    /// The lines may come in another order.
    #[serde(default)]
    any_order: bool,
    /// But of each pair of lines here, by their numbers from 0, the first comes first.
    #[serde(default)]
    in_order: Vec<[usize; 2]>,
    /// When each line is printed, in milliseconds since the beginning; not looked at if there are none.
    #[serde(default)]
    at_ms: Vec<u64>,
    /// When the case ends.
    total_ms: Option<u64>,
    /// It burns or blocks threads, and means nothing in virtual time.
    #[serde(default)]
    pub(crate) real_clock: bool,
    /// Which lines there are, and in which order, hangs on delays that are near each other or due at the same time. A busy machine
    /// does not keep them apart: on the real clock each line only has to be one of these, and the case not to end late.
    #[serde(default)]
    close_times: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum ExpectedLine {
    /// Exactly this.
    Text(String),
    /// Like this.
    Pattern(Pattern),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pattern {
    /// A regular expression for the whole line.
    pattern: String,
    /// The same on the real clock, if it can say more there: a test has threads and a root of its own.
    on_the_real_clock: Option<String>,
    /// It is the report of a failure that nobody handles: printed by the library, and in a test the reason to fail.
    #[serde(default)]
    uncaught: bool,
}

/// What a run of a case has printed.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) lines: Vec<crate::output::Line>,
    /// When it ended.
    pub(crate) total: Duration,
    /// The texts of failures that a test was failed with.
    pub(crate) uncaught: Option<String>,
}

pub(crate) fn all() -> Vec<Expectation> {
    let chapters = [
        include_str!("expectations/readme.json"),
        include_str!("expectations/basics.json"),
        include_str!("expectations/tutorial.json"),
        include_str!("expectations/cancellation.json"),
        include_str!("expectations/composing.json"),
        include_str!("expectations/context.json"),
        include_str!("expectations/flow.json"),
        include_str!("expectations/channels.json"),
        include_str!("expectations/failures.json"),
        include_str!("expectations/select.json"),
        include_str!("expectations/shared_state.json"),
        include_str!("expectations/testing.json"),
        include_str!("expectations/cookbook.json"),
        include_str!("expectations/parallel.json"),
        #[cfg(feature = "debug")]
        include_str!("expectations/debugging.json"),
    ];
    let parse = |text| serde_json::from_str::<Vec<_>>(text).expect("expectations");
    chapters.into_iter().flat_map(parse).collect()
}

/// Which clock a run has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    Virtual,
    Real,
}

impl ExpectedLine {
    fn matches(&self, line: &str, clock: Clock) -> bool {
        match self {
            ExpectedLine::Text(text) => line == text,
            ExpectedLine::Pattern(_) => Regex::new(&format!("^(?:{})$", self.text(clock)))
                .expect("a pattern")
                .is_match(line),
        }
    }

    fn is_uncaught(&self) -> bool {
        matches!(self, ExpectedLine::Pattern(like) if like.uncaught)
    }

    fn text(&self, clock: Clock) -> &str {
        match self {
            ExpectedLine::Text(text) => text,
            ExpectedLine::Pattern(like) => match &like.on_the_real_clock {
                Some(pattern) if clock == Clock::Real => pattern,
                _ => &like.pattern,
            },
        }
    }
}

impl Expectation {
    /// How a run in virtual time differs: there each line has its exact time.
    pub(crate) fn differences_in_virtual_time(&self, run: &Run) -> Vec<String> {
        let (uncaught, expected): (Vec<_>, Vec<_>) =
            (0..self.lines.len()).partition(|&i| self.lines[i].is_uncaught());
        let mut differences = self.compare(&expected, run, Clock::Virtual);
        match (&run.uncaught, uncaught.first()) {
            (None, None) => {}
            (Some(text), None) => differences.push(format!("the test failed: {text}")),
            (None, Some(_)) => differences.push("no failure was uncaught".to_owned()),
            (Some(text), Some(&i)) => {
                let wanted = &self.lines[i];
                if !text
                    .lines()
                    .any(|line| wanted.matches(line, Clock::Virtual))
                {
                    differences.push(format!("no {:?} in {text}", wanted.text(Clock::Virtual)));
                }
            }
        }
        if let Some(total) = self.total_ms.map(Duration::from_millis) {
            if run.total != total {
                differences.push(format!("ended at {:?}, not at {total:?}", run.total));
            }
        }
        // An elapsed time that a case prints first is that of the virtual clock, too.
        let completed = Regex::new("^Completed in ([0-9]+) ms$").expect("a pattern");
        let first = self.at_ms.iter().zip(&run.lines);
        if let Some((expected, line)) = first
            .into_iter()
            .find(|(_, line)| completed.is_match(&line.text))
        {
            let printed = completed
                .captures(&line.text)
                .map(|groups| groups[1].to_owned());
            if printed.is_some_and(|printed| printed != expected.to_string()) {
                differences.push(format!("{:?} at {expected} ms", line.text));
            }
        }
        differences
    }

    /// How a run on the real clock differs: no line comes early, nor much too late.
    pub(crate) fn differences_on_the_real_clock(&self, run: &Run) -> Vec<String> {
        let all: Vec<_> = (0..self.lines.len()).collect();
        let mut differences = if self.close_times {
            self.unknown_lines(run)
        } else {
            self.compare(&all, run, Clock::Real)
        };
        if let Some(total) = self.total_ms.map(Duration::from_millis) {
            let early = run.total < total && !self.close_times;
            if early || run.total > total + DELAY {
                differences.push(format!("ended at {:?}, not at {total:?}", run.total));
            }
        }
        differences
    }

    fn unknown_lines(&self, run: &Run) -> Vec<String> {
        let is_known = |line: &str| self.lines.iter().any(|one| one.matches(line, Clock::Real));
        let unknown = run.lines.iter().filter(|line| !is_known(&line.text));
        let mut differences: Vec<_> = unknown
            .map(|line| format!("unexpected: {:?}", shown(&line.text)))
            .collect();
        if run.lines.is_empty() {
            differences.push("nothing was printed".to_owned());
        }
        differences
    }

    /// Compares the lines, those of `expected` by their index, and their times.
    fn compare(&self, expected: &[usize], run: &Run, clock: Clock) -> Vec<String> {
        let mut left: Vec<_> = run.lines.iter().enumerate().collect();
        let mut places = HashMap::new();
        let mut differences = Vec::new();
        for &i in expected {
            let wanted = &self.lines[i];
            let mut next = left.iter();
            let found = if self.any_order {
                next.position(|(_, line)| wanted.matches(&line.text, clock))
            } else {
                next.next()
                    .is_some_and(|(_, line)| wanted.matches(&line.text, clock))
                    .then_some(0)
            };
            let Some(found) = found else {
                let next = left.first().map(|(_, line)| shown(&line.text));
                differences.push(format!("expected {:?}, not {next:?}", wanted.text(clock)));
                return differences;
            };
            let (place, line) = left.remove(found);
            places.insert(i, place);
            if let Some(due) = self.at_ms.get(i).copied().map(Duration::from_millis) {
                let in_time = match clock {
                    Clock::Virtual => line.at == due,
                    Clock::Real => due <= line.at && line.at <= due + DELAY,
                };
                if !in_time {
                    differences.push(format!(
                        "{:?} was printed at {:?}, not at {due:?}",
                        shown(&line.text),
                        line.at
                    ));
                }
            }
        }
        for [first, second] in &self.in_order {
            if let (Some(first), Some(second)) = (places.get(first), places.get(second)) {
                if first > second {
                    let [first, second] = [first, second].map(|&place| &run.lines[place].text);
                    differences.push(format!("{first:?} came after {second:?}"));
                }
            }
        }
        let more = left
            .iter()
            .map(|(_, line)| format!("unexpected: {:?}", shown(&line.text)));
        differences.extend(more);
        differences
    }
}

/// A line as a report of differences has it: one of the cases prints 50,000 characters.
fn shown(line: &str) -> String {
    match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}.. ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}
