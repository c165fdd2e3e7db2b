//! What is known of a log so far.

use std::collections::BTreeMap;
use std::fmt;

use crate::entry::{Entry, Level, Malformed};

/// Counts by level, and by component and level.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Summary {
    lines: usize,
    malformed: usize,
    counts: BTreeMap<(String, Level), usize>,
    /// How many lines the last window had.
    last_window: usize,
}

impl Summary {
    /// With the lines of one more window.
    pub(crate) fn and(mut self, window: &[Result<Entry, Malformed>]) -> Self {
        self.lines += window.len();
        self.last_window = window.len();
        for line in window {
            match line {
                Ok(entry) => {
                    let key = (entry.component.clone(), entry.level);
                    *self.counts.entry(key).or_default() += 1;
                }
                Err(_) => self.malformed += 1,
            }
        }
        self
    }

    fn of_level(&self, level: Level) -> usize {
        let of_level = self.counts.iter().filter(|((_, it), _)| *it == level);
        of_level.map(|(_, count)| count).sum()
    }

    /// In one line, while it grows.
    pub(crate) fn in_short(&self) -> String {
        let levels = Level::ALL.map(|level| format!("{level} {}", self.of_level(level)));
        format!(
            "{} lines, {} in the last window: {}; {} malformed",
            self.lines,
            self.last_window,
            levels.join(", "),
            self.malformed
        )
    }
}

/// A table.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:10}", "component")?;
        for level in Level::ALL {
            write!(f, "{level:>8}")?;
        }
        let mut components = self
            .counts
            .keys()
            .map(|(component, _)| component)
            .collect::<Vec<_>>();
        components.dedup();
        for component in components {
            write!(f, "\n{component:10}")?;
            for level in Level::ALL {
                let count = self.counts.get(&(component.clone(), level)).unwrap_or(&0);
                write!(f, "{count:>8}")?;
            }
        }
        write!(f, "\n{:10}", "all")?;
        for level in Level::ALL {
            write!(f, "{:>8}", self.of_level(level))?;
        }
        write!(
            f,
            "\n{} lines, {} of them malformed",
            self.lines, self.malformed
        )
    }
}
