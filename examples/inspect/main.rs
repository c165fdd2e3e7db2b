//! The inspector over the example `contributors`, whose variants load the same data in a loop, all at once.
//!
//! `cargo run --release --example inspect` prints the address of the page. `--help` lists the options.

mod args;
mod progress;

#[path = "../contributors/blocking_client.rs"]
#[allow(dead_code)]
mod blocking_client;
#[path = "../contributors/callback_client.rs"]
#[allow(dead_code)]
mod callback_client;
#[path = "../contributors/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../contributors/data.rs"]
mod data;
#[path = "../contributors/interrupt.rs"]
mod interrupt;
#[path = "../contributors/model.rs"]
mod model;
#[path = "../contributors/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "../contributors/source.rs"]
#[allow(dead_code)]
mod source;
#[path = "../contributors/variants/mod.rs"]
mod variants;

use std::io::Write;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use corox::{CoroutineName, FinallyExt, await_all, run_blocking};
use corox_debug::Inspector;

use crate::args::{Args, Command};
use crate::interrupt::Interrupt;
use crate::model::Contributor;
use crate::progress::Progress;
use crate::source::{Source, SourceArgs};
use crate::variants::Variant;

/// Milliseconds until the server answers, at least and mostly at most.
const LATENCY: (u64, u64) = (20, 120);

/// After Ctrl-C.
const GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1);
    let args = match args::parse(args.map(|arg| arg.to_string_lossy().into_owned())) {
        Ok(Command::Run(args)) => args,
        Ok(Command::Help) => {
            print(args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => return fail(format_args!("{message} (--help lists the options)")),
    };
    let interrupt = match Interrupt::arm(GRACE) {
        Ok(interrupt) => interrupt,
        Err(e) => return fail(format_args!("cannot listen for Ctrl-C: {e}")),
    };
    // Before the first coroutine: what is older is unknown to it.
    let inspector = match Inspector::serve((Ipv4Addr::LOCALHOST, args.port)) {
        Ok(inspector) => inspector,
        Err(e) => return fail(format_args!("{e}")),
    };
    print(&format!("the inspector is at {}\n", inspector.url()));
    let outcome = load(&args, &interrupt);
    if interrupt.happened() {
        return ExitCode::from(interrupt::EXIT_CODE);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(format_args!("{e}")),
    }
}

/// All variants at once, each in a coroutine of its name and round after round, until there were enough.
fn load(args: &Args, interrupt: &Interrupt) -> corox::Result<()> {
    let source = Arc::new(Source::open(SourceArgs::Own {
        repos: args.repos,
        latency: LATENCY,
        fail: None,
    })?);
    let rounds = args.rounds.map_or(u64::MAX, NonZeroU64::get);
    run_blocking(async |scope| {
        interrupt.cancels(scope.clone());
        let variants = Variant::ALL.map(|variant| {
            let source = source.clone();
            let named = scope.with(CoroutineName::new(variant.name()));
            named.spawn(async move {
                let mut found = load_one(variant, &source).await?;
                for _ in 1..rounds {
                    found = load_one(variant, &source).await?;
                }
                Ok(found)
            })
        });
        let found = await_all(variants).await?;
        if found.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(corox::Error::msg(
                "the variants found different contributors",
            ));
        }
        let (variants, found) = (found.len(), found.first().map_or(0, Vec::len));
        print(&format!(
            "{variants} variants have found the same {found} contributors, rounds: {rounds}\n"
        ));
        Ok(())
    })
}

async fn load_one(variant: Variant, source: &Source) -> corox::Result<Vec<Contributor>> {
    let github = source.client()?;
    let progress = Arc::new(Progress);
    async { variant.load(&github, &progress).await }
        // However loading ends, no request is under way afterwards.
        .finally(async { github.idle().await })
        .await
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
