//! The cases as their users run them: each a process of its own.
#![cfg(unix)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::expectation::Run;
use crate::output::Line;

/// Most of the time they wait.
const AT_ONCE: usize = 16;

/// Runs the cases of these names, several at a time.
pub(crate) fn run_all(ids: impl Iterator<Item = &'static str>) -> HashMap<&'static str, Run> {
    let ids: Vec<_> = ids.collect();
    let mut runs = HashMap::new();
    for ids in ids.chunks(AT_ONCE) {
        thread::scope(|threads| {
            let running: Vec<_> = ids
                .iter()
                .map(|&id| (id, threads.spawn(move || run(id))))
                .collect();
            for (id, run) in running {
                runs.insert(id, run.join().expect("a run"));
            }
        });
    }
    runs
}

/// Runs one.
pub(crate) fn run(id: &str) -> Run {
    // One stream for stdout and stderr, which keeps the order of their lines.
    let (ours, its) = UnixStream::pair().expect("a pair of sockets");
    let error = its.try_clone().expect("a second handle");
    let begin = Instant::now();
    let mut child = Command::new(example())
        .arg(id)
        .stdin(Stdio::null())
        .stdout(Stdio::from(OwnedFd::from(its)))
        .stderr(Stdio::from(OwnedFd::from(error)))
        .spawn()
        .expect("the example starts");
    let mut lines = Vec::new();
    for line in BufReader::new(ours).lines() {
        let line = Line {
            text: line.expect("text"),
            at: begin.elapsed(),
        };
        lines.push(line);
    }
    child.wait().expect("the example ends");
    Run {
        lines: crate::without_locations(lines),
        total: begin.elapsed(),
        uncaught: None,
    }
}

/// The example, which a run of all tests has built.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("the path of this test");
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("guide{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --example guide`",
        path.display()
    );
    path
}
