//! What the user sees while a variant loads: a live bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// The progress of one variant.
#[derive(Debug)]
pub(crate) struct Progress {
    variant: &'static str,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loaded: usize,
    repositories: Option<usize>,
    closed: bool,
}

impl Progress {
    /// Shows that `variant` begins.
    pub(crate) fn new(variant: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length().with_finish(ProgressFinish::Abandon);
            bar.set_style(style("{prefix:15} {spinner} {msg}"));
            bar.set_prefix(variant);
            bar.set_message("loading the list of repositories");
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let progress = Self {
            variant,
            bar,
            state: Mutex::default(),
        };
        progress.line(format_args!("loading the list of repositories"));
        progress
    }

    /// The list of repositories is there.
    pub(crate) fn repositories(&self, count: usize) {
        self.with(|state| state.repositories = Some(count));
        if let Some(bar) = &self.bar {
            bar.set_length(count as u64);
            bar.set_style(style("{prefix:15} {bar:40} {pos}/{len} {msg}"));
            bar.set_message("");
        }
        self.line(format_args!("0 of {count} repositories"));
    }

    /// A repository has been loaded.
    pub(crate) fn loaded(&self) {
        self.advance(None);
    }

    /// A repository has been loaded, and together with the ones before it has this many
    /// contributors.
    pub(crate) fn loaded_so_far(&self, contributors: usize) {
        self.advance(Some(contributors));
    }

    fn advance(&self, contributors: Option<usize>) {
        let (loaded, count) = self.with(|state| {
            state.loaded += 1;
            (state.loaded, state.repositories.unwrap_or_default())
        });
        let note = match contributors {
            Some(contributors) => format!(", {contributors} contributors so far"),
            None => String::new(),
        };
        if let Some(bar) = &self.bar {
            bar.set_position(loaded as u64);
            bar.set_message(note.trim_start_matches(", ").to_owned());
        }
        // At each quarter: a line a repository would be too many.
        if loaded * 4 / count.max(1) != (loaded - 1) * 4 / count.max(1) {
            self.line(format_args!("{loaded} of {count} repositories{note}"));
        }
    }

    /// Everything has been loaded.
    pub(crate) fn done(&self, elapsed: Duration) {
        self.finish(format_args!("done in {} ms", elapsed.as_millis()));
    }

    /// Nothing more happens. Says so, unless it is `done`.
    pub(crate) fn close(&self) {
        let state = self.with(|state| (state.loaded, state.repositories));
        match state {
            (loaded, Some(count)) => {
                self.finish(format_args!("stopped after {loaded} of {count}"));
            }
            (_, None) => self.finish(format_args!("stopped before the first repository")),
        }
    }

    fn finish(&self, outcome: std::fmt::Arguments<'_>) {
        if self.with(|state| std::mem::replace(&mut state.closed, true)) {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.abandon_with_message(outcome.to_string());
        }
        self.line(outcome);
    }

    fn line(&self, text: std::fmt::Arguments<'_>) {
        if self.bar.is_none() {
            // A reader that has gone away is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{}: {text}", self.variant);
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the template is a constant")
        .progress_chars("##.")
}
