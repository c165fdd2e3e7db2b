//! A program that writes a log, for want of another one: a thread that writes so many lines, some of them malformed, and puts its
//! file aside in the middle.

use std::fs::{File, rename};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How many lines it writes at a time.
const AT_A_TIME: usize = 25;
/// The pause in between.
const PAUSE: Duration = Duration::from_millis(10);

const COMPONENTS: [&str; 4] = ["api", "cache", "db", "mail"];

/// Begins to write `lines` lines.
pub(crate) fn start(path: PathBuf, lines: usize) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || write(&path, lines))
}

fn write(path: &Path, lines: usize) -> io::Result<()> {
    let mut file = File::create(path)?;
    for n in 0..lines {
        if n == lines / 2 {
            rename(path, path.with_extension("1"))?;
            file = File::create(path)?;
        }
        file.write_all(&line(n))?;
        if n % AT_A_TIME == AT_A_TIME - 1 {
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// The line of this number: always the same.
fn line(n: usize) -> Vec<u8> {
    if n % 50 == 7 {
        return b"cut off in the midd\n".to_vec();
    }
    if n % 100 == 33 {
        return b"17 INFO \xff\xfe not a text\n".to_vec();
    }
    let level = match n % 20 {
        3 => "ERROR",
        5 | 15 => "WARN",
        _ => "INFO",
    };
    let component = COMPONENTS[n / 3 % COMPONENTS.len()];
    format!("{n} {level} {component} did thing number {n}\n").into_bytes()
}
