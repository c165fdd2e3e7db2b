//! The tree below a job as a text (P-6).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use corox_core::Job;
use corox_core::probe_protocol::{is_part, token_of};

use crate::coroutine_info::CoroutineInfo;

/// How deep it indents: else the text of a chain of `n` jobs has `n`² characters.
const DEEPEST_INDENT: usize = 40;

/// A line for each job from `root` downwards, but for scopes inside coroutines.
pub(crate) fn job_tree(root: &Job, infos: &[CoroutineInfo]) -> String {
    let infos: BTreeMap<u64, &CoroutineInfo> = infos
        .iter()
        .map(|info| (token_of(&info.job), info))
        .collect();
    let mut text = String::new();
    let mut stack = vec![(root.clone(), 0)];
    while let Some((job, depth)) = stack.pop() {
        let mut below = depth;
        if !is_part(&job) {
            text.push_str(&"\t".repeat(depth.min(DEEPEST_INDENT)));
            if depth > DEEPEST_INDENT {
                let _ = write!(text, "[{depth}] ");
            }
            let description = job.to_string();
            let name = description
                .rsplit_once('@')
                .map_or(&*description, |(name, _)| name);
            text.push_str(name);
            if let Some(info) = infos.get(&token_of(&job)) {
                let _ = write!(text, ", continuation is {}", info.state);
                if let Some(line) = info.last_observed.first().and_then(|trace| trace.first()) {
                    let _ = write!(text, " at line {line}");
                }
            }
            text.push('\n');
            below += 1;
        }
        let children = job.children();
        stack.extend(children.into_iter().rev().map(|child| (child, below)));
    }
    text
}
