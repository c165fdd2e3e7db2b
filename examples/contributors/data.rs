//! The organisation that the own server serves: made up, and the same in every run.

use crate::model::{Contributor, Repo};

/// The name of the organisation.
pub(crate) const ORG: &str = "example-org";

/// A repository and its contributors, most contributions first.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) repo: Repo,
    pub(crate) contributors: Vec<Contributor>,
}

/// Makes `repos` projects. 60 of them have 2000 contributors, other numbers in proportion.
///
/// Each person works on one project, and most also on others. The first projects are the largest,
/// with more contributors than fit a page of 100.
pub(crate) fn organisation(repos: usize) -> Vec<Project> {
    let mut projects: Vec<Project> = (0..repos)
        .map(|n| Project {
            repo: Repo { name: name_of(n) },
            contributors: Vec::new(),
        })
        .collect();
    let people = (2000 * repos).div_ceil(60);
    for person in 0..people {
        let mut random = Random::new(person as u64);
        let login = login_of(person);
        // The square prefers the first projects.
        let mut pick = || {
            let x = random.fraction();
            (x * x * repos as f64) as usize
        };
        let mut chosen = vec![person % repos, pick(), pick()];
        chosen.truncate(1 + person % 3);
        chosen.sort_unstable();
        chosen.dedup();
        for project in chosen {
            let contributions = 1 + (500.0 * random.fraction().powi(4)) as u64;
            projects[project].contributors.push(Contributor {
                login: login.clone(),
                contributions,
            });
        }
    }
    for project in &mut projects {
        project.contributors.sort_by(Contributor::by_contributions);
    }
    projects
}

fn name_of(repo: usize) -> String {
    const FIRST: [&str; 8] = [
        "fast", "open", "tiny", "solid", "deep", "plain", "wide", "calm",
    ];
    const SECOND: [&str; 8] = [
        "parser", "queue", "cache", "router", "index", "codec", "ledger", "shell",
    ];
    format!("{}-{}-{repo}", FIRST[repo % 8], SECOND[repo / 8 % 8])
}

fn login_of(person: usize) -> String {
    const NAMES: [&str; 10] = [
        "ada", "alan", "barbara", "edsger", "grace", "john", "karen", "leslie", "niklaus", "tony",
    ];
    format!("{}-{person}", NAMES[person % NAMES.len()])
}

/// SplitMix64: a small generator whose every seed gives a well-mixed sequence.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to 1, without 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
