//! The parts of GitHub's answers that this program uses, and their sum.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// A repository of an organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Repo {
    pub(crate) name: String,
}

/// Someone who contributed to a repository, or the sum over several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contributor {
    pub(crate) login: String,
    pub(crate) contributions: u64,
}

impl Contributor {
    /// Most contributions first; those with as many as each other, by name.
    pub(crate) fn by_contributions(&self, other: &Self) -> Ordering {
        let most_first = other.contributions.cmp(&self.contributions);
        most_first.then_with(|| self.login.cmp(&other.login))
    }
}

/// One entry a person, with the sum of the contributions, most first.
pub(crate) fn aggregate(contributors: impl IntoIterator<Item = Contributor>) -> Vec<Contributor> {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for contributor in contributors {
        *sums.entry(contributor.login).or_default() += contributor.contributions;
    }
    let mut all: Vec<Contributor> = sums
        .into_iter()
        .map(|(login, contributions)| Contributor {
            login,
            contributions,
        })
        .collect();
    all.sort_by(Contributor::by_contributions);
    all
}
