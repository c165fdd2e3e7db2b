//! Where the lines of a case go: to the terminal, or to a test that compares them.
//!
//! The cases print by `println!` like any program. In this crate the macros of that name write here, so that a test can run the same
//! function and see its lines, each with the time at which it was printed.

use std::fmt;
use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

/// A line of a recorded case.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "the program records nothing")]
pub(crate) struct Line {
    pub(crate) text: String,
    /// When its last part was printed, by the clock of the recording.
    pub(crate) at: Duration,
}

/// Lines are recorded here while a test runs a case.
static RECORDING: Mutex<Option<Recording>> = Mutex::new(None);

struct Recording {
    clock: Box<dyn Fn() -> Duration + Send>,
    lines: Vec<Line>,
    /// The last line has not ended.
    open: bool,
}

/// Records from now on, in place of printing.
#[allow(dead_code, reason = "the program records nothing")]
pub(crate) fn record(clock: impl Fn() -> Duration + Send + 'static) {
    *lock() = Some(Recording {
        clock: Box::new(clock),
        lines: Vec::new(),
        open: false,
    });
}

/// Ends the recording.
#[allow(dead_code, reason = "the program records nothing")]
pub(crate) fn recorded() -> Vec<Line> {
    let recording = lock().take();
    recording.map_or_else(Vec::new, |recording| recording.lines)
}

/// What `print!` and its kin write.
pub(crate) fn write(to_stderr: bool, arguments: fmt::Arguments<'_>) {
    let text = arguments.to_string();
    if let Some(recording) = &mut *lock() {
        recording.add(&text);
    } else if to_stderr {
        let _ = std::io::stderr().write_all(text.as_bytes());
    } else {
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

impl Recording {
    fn add(&mut self, text: &str) {
        let at = (self.clock)();
        for part in text.split_inclusive('\n') {
            let line = part.trim_end_matches('\n');
            match self.lines.last_mut() {
                Some(last) if self.open => {
                    last.text.push_str(line);
                    last.at = at;
                }
                _ => self.lines.push(Line {
                    text: line.to_owned(),
                    at,
                }),
            }
            self.open = !part.ends_with('\n');
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Recording>> {
    RECORDING.lock().unwrap_or_else(|e| e.into_inner())
}

macro_rules! print {
    ($($argument:tt)*) => { $crate::output::write(false, format_args!($($argument)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($argument:tt)*) => { print!("{}\n", format_args!($($argument)*)) };
}

macro_rules! eprintln {
    ($($argument:tt)*) => { $crate::output::write(true, format_args!("{}\n", format_args!($($argument)*))) };
}
