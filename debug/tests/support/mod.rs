//! What the tests have in common.
#![allow(dead_code)]

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use corox_core::probe;
use corox_debug::{CoroutineInfo, DebugProbes};

/// One test at a time, for the probes belong to the process; with a limit of time.
pub(crate) fn alone<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!DebugProbes::is_installed());
    let (over, ended) = sync_channel::<()>(1);
    let thread = std::thread::Builder::new().name("tester".to_owned());
    let thread = thread.spawn(move || {
        let _over = over;
        test()
    });
    if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_secs(60)) {
        panic!("the test hangs; these live:\n{}", probe::dump());
    }
    let result = thread.unwrap().join();
    DebugProbes::set_creation_stacks(false);
    DebugProbes::set_sanitized_stacks(true);
    DebugProbes::set_ignore_inline_scopes(true);
    result.unwrap_or_else(|payload| resume_unwind(payload))
}

/// [`alone`], with probes.
pub(crate) fn probed<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    alone(|| DebugProbes::with_probes(test))
}

pub(crate) fn infos() -> Vec<CoroutineInfo> {
    DebugProbes::dump_coroutines_info().unwrap()
}

/// Without addresses, numbers of coroutines, columns and the time; lines of `file` as counted from `first`.
pub(crate) fn plain(text: &str, file: &str, first: u32) -> String {
    let lines = text.lines().map(|line| {
        let line = without(line, '@');
        let line = without(&line, '#');
        match line.split_once(file) {
            Some((before, after)) => {
                let (place, rest) = after.split_once(')').unwrap_or((after, ""));
                let number = place.split(':').nth(1).unwrap();
                let number = i64::from(number.parse::<u32>().unwrap()) - i64::from(first);
                let before = before.rsplit_once('(').map_or(before, |(before, _)| before);
                format!("{before}(line {number}){rest}\n")
            }
            None if line.starts_with("Coroutines dump ") => "Coroutines dump\n".to_owned(),
            None => format!("{line}\n"),
        }
    });
    lines.collect()
}

/// Without each `mark` and the hexadecimal digits after it.
pub(crate) fn without(text: &str, mark: char) -> String {
    let mut parts = text.split(mark);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    plain
}
