//! A line of the log.

use std::fmt;

/// `1700 WARN  cache evicted 12 entries`: milliseconds, level, component, text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) level: Level,
    pub(crate) component: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
}

impl Level {
    pub(crate) const ALL: [Level; 3] = [Level::Error, Level::Warn, Level::Info];
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
        })
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Malformed {
    Text,
    Time,
    Level,
    Component,
}

impl Entry {
    pub(crate) fn parse(line: &[u8]) -> Result<Entry, Malformed> {
        let line = std::str::from_utf8(line).map_err(|_| Malformed::Text)?;
        let mut words = line.split_ascii_whitespace();
        let time = words.next().ok_or(Malformed::Time)?;
        time.parse::<u64>().map_err(|_| Malformed::Time)?;
        let level = match words.next() {
            Some("ERROR") => Level::Error,
            Some("WARN") => Level::Warn,
            Some("INFO") => Level::Info,
            _ => return Err(Malformed::Level),
        };
        let component = words.next().ok_or(Malformed::Component)?.to_owned();
        Ok(Entry { level, component })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_parsed_or_says_what_is_wrong() {
        let entry = Entry::parse(b"17 WARN cache evicted 12 entries").unwrap();
        assert_eq!((entry.level, &*entry.component), (Level::Warn, "cache"));
        assert_eq!(Entry::parse(b""), Err(Malformed::Time));
        assert_eq!(Entry::parse(b"now WARN cache"), Err(Malformed::Time));
        assert_eq!(Entry::parse(b"17 LOUD cache"), Err(Malformed::Level));
        assert_eq!(Entry::parse(b"17 INFO"), Err(Malformed::Component));
        assert_eq!(Entry::parse(b"17 INFO \xff\xfe"), Err(Malformed::Text));
    }
}
