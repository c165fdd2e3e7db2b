//! The first task: one list of all contributors.

use std::cmp::Reverse;

use super::service::User;

/// Each user once, with the sum of their contributions, most first. Of equal ones the first seen stays first.
pub(crate) fn aggregate(users: impl IntoIterator<Item = User>) -> Vec<User> {
    let mut all: Vec<User> = Vec::new();
    for user in users {
        match all.iter_mut().find(|known| known.login == user.login) {
            Some(known) => known.contributions += user.contributions,
            None => all.push(user),
        }
    }
    all.sort_by_key(|user| Reverse(user.contributions));
    all
}
