//! Which jobs live: the entries of the registry, and what the tree of jobs has below them.

use std::collections::BTreeMap;
use std::sync::Weak;

use super::registry::is_known;
use crate::job::{FINAL, Job, JobCell, Slot};

/// The jobs of these entries and those below them that are known and not final, in the order of their creation.
pub(super) fn below<'a>(entries: impl Iterator<Item = &'a Weak<JobCell<dyn Slot>>>) -> Vec<Job> {
    let mut found: BTreeMap<u64, Job> = BTreeMap::new();
    let mut left: Vec<Job> = entries.filter_map(Weak::upgrade).map(Job).collect();
    while let Some(job) = left.pop() {
        let core = job.core();
        let token = core.token();
        if !is_known(core) || core.flags.any(FINAL) || found.contains_key(&token) {
            continue;
        }
        left.extend(job.children());
        found.insert(token, job);
    }
    found.into_values().collect()
}
