//! Loads the contributors of an organisation's repositories over HTTP, in several ways.
//!
//! `cargo run --release --example contributors` needs no network: it starts a server of its own.
//! Each variant in `variants/` loads the same data, and the table at the end compares them.
//! Ctrl-C cancels at any moment. `--help` lists the options.

mod args;
mod blocking_client;
mod callback_client;
mod client;
mod data;
mod interrupt;
mod model;
mod progress;
mod server;
mod source;
mod table;
mod variants;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use corox::{FinallyExt, run_blocking};

use crate::args::{Args, Command};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::source::Source;
use crate::table::Row;
use crate::variants::Variant;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1);
    let args = match args::parse(args.map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(Command::Load(args)) => args,
        Ok(Command::Help) => {
            print(args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => return fail(format_args!("{message} (--help lists the options)")),
    };
    let interrupt = match Interrupt::arm(args.grace) {
        Ok(interrupt) => interrupt,
        Err(e) => return fail(format_args!("cannot listen for Ctrl-C: {e}")),
    };
    let outcome = load_all(args, &interrupt);
    if interrupt.happened() {
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    let rows = match outcome {
        Ok(rows) => rows,
        Err(e) => return fail(format_args!("{e}")),
    };
    let (table, verdict) = table::render(&rows);
    print(&table);
    match verdict {
        Ok(verdict) => {
            print(&format!("{verdict}\n"));
            ExitCode::SUCCESS
        }
        Err(difference) => fail(format_args!("{difference}")),
    }
}

/// Runs the variants one after another.
fn load_all(args: Args, interrupt: &Interrupt) -> corox::Result<Vec<Row>> {
    let _probe = corox::probe::install();
    let source = Source::open(args.source)?;
    run_blocking(async |scope| {
        interrupt.cancels(scope);
        let mut rows = Vec::new();
        for variant in args.variants {
            rows.push(load_one(variant, &source).await?);
        }
        Ok(rows)
    })
}

async fn load_one(variant: Variant, source: &Source) -> corox::Result<Row> {
    let github = source.client()?;
    let progress = Arc::new(Progress::new(variant.name()));
    let started = Instant::now();
    let contributors = async {
        let contributors = variant.load(&github, &progress).await?;
        progress.done(started.elapsed());
        Ok::<_, corox::Error>(contributors)
    }
    // However loading ends, no request is under way afterwards.
    .finally(async {
        github.idle().await;
        progress.close();
    })
    .await?;
    Ok(Row {
        variant: variant.name(),
        elapsed: started.elapsed(),
        peak: source.take_peak(&github),
        contributors,
    })
}

fn fail(message: std::fmt::Arguments<'_>) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}

/// Like `print!`, but a reader that has gone away is not a panic.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
