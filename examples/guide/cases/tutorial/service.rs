//! The service that the tutorial asks, and its answers.

use std::time::Duration;

use corox::{Result, delay};

/// A repository of the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repo {
    pub(crate) name: &'static str,
}

/// A user, and how much they have contributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) login: &'static str,
    pub(crate) contributions: u32,
}

/// Stands for a service on the network: it answers after a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MockService;

impl MockService {
    pub(crate) async fn get_org_repos(self) -> Result<Vec<Repo>> {
        delay(LIST_AFTER).await;
        Ok(ORG.iter().map(|project| project.repo).collect())
    }

    pub(crate) async fn get_repo_contributors(self, repo: Repo) -> Result<Vec<User>> {
        let project = project(repo);
        delay(project.after).await;
        Ok(project.contributors.to_vec())
    }
}

/// When the list of the repositories is there.
pub(crate) const LIST_AFTER: Duration = Duration::from_millis(1000);

/// A repository, its contributors, and when the list of these is there.
pub(crate) struct Project {
    pub(crate) repo: Repo,
    pub(crate) after: Duration,
    pub(crate) contributors: &'static [User],
}

pub(crate) static ORG: [Project; 3] = [
    Project {
        repo: Repo { name: "repo-1" },
        after: Duration::from_millis(1000),
        contributors: &[user("user-a", 10), user("user-b", 30)],
    },
    Project {
        repo: Repo { name: "repo-2" },
        after: Duration::from_millis(1200),
        contributors: &[user("user-b", 40), user("user-c", 20)],
    },
    Project {
        repo: Repo { name: "repo-3" },
        after: Duration::from_millis(800),
        contributors: &[user("user-a", 40)],
    },
];

pub(crate) const fn user(login: &'static str, contributions: u32) -> User {
    User {
        login,
        contributions,
    }
}

fn project(repo: Repo) -> &'static Project {
    ORG.iter()
        .find(|project| project.repo == repo)
        .expect("a repository of the organisation")
}
