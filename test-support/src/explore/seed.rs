//! [`Seed`]: a schedule as a line of text.

use std::fmt;

use super::random::Random;
use super::strategy::{Priorities, Strategy};

/// What a schedule follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    FirstComeFirstServed,
    Random(u64),
    Priorities {
        depth: u32,
        decisions: u32,
        random: u64,
    },
    /// The decisions that are not first come first served, with the place of what was chosen; and the number that the random
    /// orders of selects follow from.
    Switches {
        random: u64,
        switches: Vec<(u32, u32)>,
    },
}

impl Seed {
    pub(crate) fn switches(random: u64, switches: &[(u32, u32)]) -> Seed {
        Seed::Switches {
            random,
            switches: switches.to_vec(),
        }
    }

    pub(crate) fn strategy(&self) -> Strategy {
        match self {
            Seed::FirstComeFirstServed => Strategy::FirstComeFirstServed,
            Seed::Random(random) => Strategy::Random(Random::new(*random)),
            Seed::Priorities {
                depth,
                decisions,
                random,
            } => Strategy::Priorities(Priorities::new(*depth, *decisions, *random)),
            Seed::Switches { switches, .. } => {
                Strategy::Switches(switches.iter().copied().collect())
            }
        }
    }

    /// What else is random in a run follows from this.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Seed::FirstComeFirstServed => 0,
            Seed::Random(random)
            | Seed::Priorities { random, .. }
            | Seed::Switches { random, .. } => *random,
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Seed> {
        let text = text.trim();
        if text == "fifo" {
            return Some(Seed::FirstComeFirstServed);
        }
        let (kind, rest) = text.split_once(':')?;
        let (random, rest) = match rest.split_once(':') {
            Some((random, rest)) => (random, Some(rest)),
            None => (rest, None),
        };
        let random = u64::from_str_radix(random, 16).ok()?;
        match (kind, rest) {
            ("random", None) => Some(Seed::Random(random)),
            ("pct", Some(rest)) => {
                let (depth, decisions) = rest.split_once(',')?;
                let depth: u32 = depth.parse().ok()?;
                (depth > 0).then_some(())?;
                Some(Seed::Priorities {
                    depth,
                    decisions: decisions.parse().ok()?,
                    random,
                })
            }
            ("switches", Some(rest)) => {
                let pairs = rest.split(',').filter(|pair| !pair.is_empty());
                let switches = pairs.map(|pair| {
                    let (decision, place) = pair.split_once('=')?;
                    Some((decision.parse().ok()?, place.parse().ok()?))
                });
                Some(Seed::Switches {
                    random,
                    switches: switches.collect::<Option<_>>()?,
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seed::FirstComeFirstServed => f.write_str("fifo"),
            Seed::Random(random) => write!(f, "random:{random:x}"),
            Seed::Priorities {
                depth,
                decisions,
                random,
            } => write!(f, "pct:{random:x}:{depth},{decisions}"),
            Seed::Switches { random, switches } => {
                write!(f, "switches:{random:x}:")?;
                for (at, (decision, place)) in switches.iter().enumerate() {
                    let comma = if at == 0 { "" } else { "," };
                    write!(f, "{comma}{decision}={place}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn a_seed_is_read_as_it_was_written() {
        for seed in [
            Seed::FirstComeFirstServed,
            Seed::Random(u64::MAX),
            Seed::Priorities {
                depth: 3,
                decisions: 41,
                random: 0xabc,
            },
            Seed::switches(7, &[]),
            Seed::switches(7, &[(12, 1)]),
            Seed::switches(u64::MAX, &[(0, 2), (4_000_000_000, 1)]),
        ] {
            assert_eq!(Seed::parse(&seed.to_string()), Some(seed));
        }
        for bad in [
            "",
            "7",
            "random",
            "random:x",
            "random:1:2",
            "pct:1:0,5",
            "pct:1",
            "switches:1",
            "switches:1:2",
            "switches:1:2=x",
        ] {
            assert_eq!(Seed::parse(bad), None, "{bad}");
        }
    }
}
