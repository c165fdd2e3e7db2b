//! The examples of the guide, one case at a time.
//!
//! `cargo run --release --example guide -- ID` runs one on the real clock, `--list` names them.

#[macro_use]
mod output;
#[macro_use]
mod case;
mod cases;

use std::process::ExitCode;

use corox::{run_blocking, set_debug_mode};

use crate::case::{Case, Code};

const USAGE: &str = "usage: guide ID, or guide --list";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [argument] = &arguments[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let argument = argument.to_string_lossy();
    if argument == "--list" {
        for case in cases::all() {
            println!("{:<28} {}", case.id, case.about);
        }
        return ExitCode::SUCCESS;
    }
    let Some(case) = cases::all().find(|case| case.id == argument) else {
        eprintln!("there is no case {argument}; {USAGE}");
        return ExitCode::from(2);
    };
    run(case)
}

/// Runs a case as a program of its own would: its failure is printed, and tells in the exit code.
fn run(case: &Case) -> ExitCode {
    // Coroutines have numbers, which the cases print; in a release build they would not.
    set_debug_mode(true);
    let outcome = match case.code {
        Code::Body(body) => run_blocking(async |scope| body(scope).await),
        Code::Function(function) => {
            function();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
