//! A process for one case. It reads how many repetitions are wanted, and writes what they took.

use std::env;
use std::fmt;
use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use corox_bench::StopWatch;
use corox_bench::cases::{self, Case, Size};

/// In front of what [`serve`] is to do.
const ONLY: &str = "--only";

/// What several repetitions took together.
pub(crate) struct Times {
    pub(crate) wall: Duration,
    pub(crate) processor: Duration,
}

/// Why there is no measurement.
#[derive(Debug)]
pub(crate) enum Failure {
    Hangs(Duration),
    Ended,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Hangs(limit) => write!(f, "it was not done after {limit:?}"),
            Failure::Ended => f.write_str("its process has ended early"),
        }
    }
}

/// A process, which ends with this.
pub(crate) struct Child {
    process: process::Child,
    wanted: ChildStdin,
    taken: Receiver<String>,
}

/// Far more than a machine that has other things to do needs for so many repetitions.
fn limit(times: u64) -> Duration {
    Duration::from_secs(10 + times.saturating_mul(3))
}

impl Child {
    pub(crate) fn of(case: &Case, size: Size) -> Child {
        let program = env::current_exe().expect("the path of this program");
        let mut process = Command::new(program)
            .args([ONLY, &case.key(), &format!("{size:?}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program once more");
        let (Some(wanted), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            unreachable!("both are pipes")
        };
        let (tx, taken) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(answers).lines().map_while(Result::ok);
            lines
                .take_while(|line| tx.send(line.clone()).is_ok())
                .count()
        });
        Child {
            process,
            wanted,
            taken,
        }
    }

    pub(crate) fn repeat(&mut self, times: u64) -> Result<Times, Failure> {
        writeln!(self.wanted, "{times}").map_err(|_| Failure::Ended)?;
        let limit = limit(times);
        let line = self
            .taken
            .recv_timeout(limit)
            .map_err(|error| match error {
                std::sync::mpsc::RecvTimeoutError::Timeout => Failure::Hangs(limit),
                std::sync::mpsc::RecvTimeoutError::Disconnected => Failure::Ended,
            })?;
        let nanoseconds: Option<Vec<u64>> =
            line.split(' ').map(|number| number.parse().ok()).collect();
        match nanoseconds.as_deref() {
            Some(&[wall, processor]) => Ok(Times {
                wall: Duration::from_nanos(wall),
                processor: Duration::from_nanos(processor),
            }),
            _ => unreachable!("two numbers, not {line:?}"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The part of the child, if this process is one.
pub(crate) fn serve() -> bool {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [only, key, size] = arguments.as_slice() else {
        return false;
    };
    if only != ONLY {
        return false;
    }
    let sizes = [Size::Whole, Size::Small];
    let size = sizes.into_iter().find(|it| format!("{it:?}") == *size);
    let cases = cases::all(size.expect("a size"));
    let case = cases
        .iter()
        .find(|case| case.key() == *key)
        .expect("a case");
    let watch = StopWatch::default();
    for line in stdin().lines() {
        let Some(times) = line.ok().and_then(|line| line.parse::<u64>().ok()) else {
            break;
        };
        let (mut wall, mut processor) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..times {
            case.repeat(&watch);
            let taken = watch.take();
            wall += taken.wall;
            processor += taken.processor;
        }
        println!("{} {}", wall.as_nanos(), processor.as_nanos());
    }
    // Without waiting for what the case has left suspended.
    process::exit(0)
}
