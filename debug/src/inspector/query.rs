//! What was asked for in the address of a list.

use std::collections::BTreeSet;

/// How many are listed when nothing else is said.
const LIMIT: usize = 500;
/// And at most.
const HIGHEST_LIMIT: usize = 10_000;

/// What of the coroutines is listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// In lower case; each of them has to be found.
    pub(super) words: Vec<String>,
    pub(super) limit: usize,
    /// The keys of those below which nothing is listed.
    pub(super) collapsed: BTreeSet<u64>,
}

impl Query {
    /// Reads what follows the `?`. The error is a line for whoever has asked.
    pub(super) fn parse(text: &str) -> Result<Query, String> {
        let mut query = Query {
            words: Vec::new(),
            limit: LIMIT,
            collapsed: BTreeSet::new(),
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value =
                decode(value).ok_or_else(|| format!("{name} is not encoded as it has to be"))?;
            match name {
                "q" => {
                    let words = value.split_whitespace().map(str::to_lowercase);
                    query.words = words.collect();
                }
                "limit" => match value.parse() {
                    Ok(limit) if limit <= HIGHEST_LIMIT => query.limit = limit,
                    _ => return Err(format!("limit is a number up to {HIGHEST_LIMIT}")),
                },
                "collapsed" => {
                    let keys = value.split(',').filter(|key| !key.is_empty());
                    let keys: Result<_, _> = keys.map(str::parse).collect();
                    query.collapsed =
                        keys.map_err(|_| "collapsed is a list of keys, with commas")?;
                }
                _ => return Err("only q, limit and collapsed can be asked for".to_owned()),
            }
        }
        Ok(query)
    }
}

/// Without `+` for spaces and `%` with two digits; nothing if that is no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_is_the_first_of_all() {
        let all = Query::parse("").unwrap();
        assert_eq!(
            (all.words.len(), all.limit, all.collapsed.len()),
            (0, LIMIT, 0)
        );
    }

    #[test]
    fn words_are_decoded_and_in_lower_case() {
        let query = Query::parse("q=Load+%C3%84%26%3d%20x&limit=7&collapsed=3,1").unwrap();
        assert_eq!(query.words, ["load", "ä&=", "x"]);
        assert_eq!(query.limit, 7);
        assert_eq!(query.collapsed, BTreeSet::from([1, 3]));
    }

    #[test]
    fn what_cannot_be_understood_is_refused() {
        for text in [
            "q=%",
            "q=%4",
            "q=%zz",
            "q=%+4",
            "q=%ff",
            "limit=",
            "limit=-1",
            "limit=10001",
            "collapsed=a",
            "collapsed=1;2",
            "filter=x",
        ] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }
}
