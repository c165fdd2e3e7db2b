//! A case as a test: its body is that of `run_test`, unless it is a function with roots of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use corox::{coroutine_scope, set_debug_mode, thread_label};
use corox_test::run_test;

use crate::case::{Case, Code};
use crate::expectation::Run;
use crate::output::{Line, record, recorded};

/// What a test learns of a case, beside its lines.
#[derive(Default)]
struct Seen {
    /// The number of the root coroutine.
    root: u64,
    /// When the case had ended.
    total: Duration,
}

/// Runs a case under `run_test`. One at a time: what it prints is recorded for the process.
pub(crate) fn run(case: &Case) -> Run {
    set_debug_mode(true);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let told = seen.clone();
    let code = case.code;
    let test = move || {
        let body = match code {
            Code::Body(body) => body,
            Code::Function(function) => {
                // The clock is its own: it prints what that says.
                record(|| Duration::ZERO);
                return function();
            }
        };
        run_test(async move |t| {
            let scheduler = t.scheduler().clone();
            record(move || scheduler.current_time());
            told.lock().unwrap().root = number_in(&thread_label()).expect("a number");
            // The scope ends as `run_blocking` does in the program: with a failure that it prints.
            let outcome = coroutine_scope(async |scope| body(scope).await).await;
            if let Err(error) = outcome {
                eprintln!("{error}");
            }
            told.lock().unwrap().total = t.current_time();
        });
    };
    // Named as the thread of a program is.
    let thread = std::thread::Builder::new().name("main".to_owned());
    let thread = thread.spawn(move || catch_unwind(AssertUnwindSafe(test)));
    let outcome = thread.expect("a thread").join().expect("it catches panics");
    let seen = seen.lock().unwrap();
    Run {
        lines: crate::without_locations(recorded())
            .into_iter()
            .map(|line| from_one(line, seen.root))
            .collect(),
        total: seen.total,
        uncaught: outcome.err().map(|payload| {
            let text = payload.downcast::<String>().map(|text| *text);
            text.unwrap_or_else(|_| "a panic without a text".to_owned())
        }),
    }
}

/// The number of a coroutine in a text like `main @coroutine#2`.
fn number_in(label: &str) -> Option<u64> {
    label.rsplit_once('#')?.1.parse().ok()
}

/// Numbers go on from case to case; in a program the root has number 1.
fn from_one(line: Line, root: u64) -> Line {
    let numbers = regex::Regex::new("#([0-9]+)").expect("a pattern");
    let text = numbers.replace_all(&line.text, |groups: &regex::Captures<'_>| {
        match groups[1].parse::<u64>() {
            Ok(number) if root > 0 && number >= root => format!("#{}", number - root + 1),
            _ => groups[0].to_owned(),
        }
    });
    Line {
        text: text.into_owned(),
        at: line.at,
    }
}
