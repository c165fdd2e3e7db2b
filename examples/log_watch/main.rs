//! Watches a log that grows: parses its lines, counts them by component and level in windows of time, and shows a summary that
//! comes to rest before it is printed.
//!
//! ```text
//! cargo run --release --example log_watch            a thread of its own writes the log, which is put aside half-way
//! cargo run --release --example log_watch -- PATH    that file, until Ctrl-C
//! ```
//!
//! The live summary goes to stderr, the table at the end to stdout.

mod entry;
mod summary;
mod tail;
mod writer;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use corox::prelude::*;
use corox::{Interrupted, MutableStateFlow, run_blocking_until, shutdown_signal};

use entry::Entry;
use summary::Summary;

/// How many lines the writer of this program's own writes.
const LINES: usize = 2000;
/// Lines are counted together that come in so long a time, or are so many.
const WINDOW: Duration = Duration::from_millis(100);
const MOST_AT_A_TIME: usize = 500;
/// The live summary is printed when nothing has changed for so long.
const AT_REST: Duration = Duration::from_millis(30);
/// How long cleanup may take after Ctrl-C.
const GRACE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let watched = match std::env::args_os().nth(1) {
        None => watch_our_own(),
        Some(path) => watch_until_ctrl_c(path.into()),
    };
    match watched {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("log_watch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn watch_our_own() -> Result<Summary> {
    let directory = std::env::temp_dir().join(format!("log_watch-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("service.log");
    let writer = writer::start(path.clone(), LINES);
    let watched = run_blocking(async move |_| {
        let summary = MutableStateFlow::new(Summary::default());
        watch(path, LINES, summary.clone()).await?;
        Ok(summary.value())
    });
    writer.join().expect("the writer does not panic")?;
    std::fs::remove_dir_all(directory)?;
    watched
}

fn watch_until_ctrl_c(path: PathBuf) -> Result<Summary> {
    let summary = MutableStateFlow::new(Summary::default());
    let growing = summary.clone();
    let watched = run_blocking_until(shutdown_signal, GRACE, async move |_| {
        watch(path, usize::MAX, growing).await
    });
    match watched {
        Err(error) if error.downcast_ref::<Interrupted>().is_none() => Err(error),
        _ => Ok(summary.value()),
    }
}

/// Adds the first `lines` lines of the file at `path` to `summary`, and shows it as it grows.
async fn watch(path: PathBuf, lines: usize, summary: MutableStateFlow<Summary>) -> Result<()> {
    coroutine_scope(async |scope| {
        let live = summary.as_state_flow().debounce(AT_REST);
        let shown = live
            .on_each(|summary| eprintln!("{}", summary.in_short()))
            .launch_in(&scope);
        tail::tail(path)
            .flow_on(IO)
            .take(lines)
            .map(|line| Entry::parse(&line))
            .chunked_within(MOST_AT_A_TIME, WINDOW)
            .for_each(|window| summary.update(|so_far| so_far.clone().and(&window)))
            .await?;
        shown.cancel();
        Ok(())
    })
    .await
}
