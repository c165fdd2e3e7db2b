//! The lines of a file that grows, and is perhaps put aside for a new one.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

use corox::prelude::*;
use corox::{Emitter, flow};

/// How often a file that has nothing new is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// The lines of the file at `path`, from its beginning, without their ends; it never ends. What was begun when the file was put
/// aside is given as it is. It blocks its thread while it reads: run it on `IO`.
pub(crate) fn tail(path: PathBuf) -> impl Flow<Item = Vec<u8>> {
    flow(async move |emitter: &Emitter<Vec<u8>>| -> Result<()> {
        let mut tail = Tail::new(path);
        loop {
            while let Some(line) = tail.next_line()? {
                emitter.emit(line).await;
            }
            delay(INTERVAL).await;
        }
    })
}

struct Tail {
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// A line whose end was not there yet.
    begun: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Tail {
            path,
            file: None,
            begun: Vec::new(),
        }
    }

    /// The next whole line, if there is one.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(file) = &mut self.file else {
                match File::open(&self.path) {
                    Ok(file) => self.file = Some(BufReader::new(file)),
                    // Between two files.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(error),
                }
                continue;
            };
            // Looked at before the last read: what is written in between belongs to this file.
            let put_aside = is_put_aside(file, &self.path)?;
            if file.read_until(b'\n', &mut self.begun)? > 0 {
                if self.begun.last() != Some(&b'\n') {
                    continue;
                }
                self.begun.pop();
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
            if !put_aside {
                return Ok(None);
            }
            self.file = None;
            if !self.begun.is_empty() {
                return Ok(Some(std::mem::take(&mut self.begun)));
            }
        }
    }
}

/// Whether there is another file at `path` now, or this one was cut.
fn is_put_aside(file: &mut BufReader<File>, path: &Path) -> io::Result<bool> {
    let position = file.stream_position()?;
    let open = file.get_ref().metadata()?;
    if open.len() < position {
        return Ok(true);
    }
    match std::fs::metadata(path) {
        Ok(now) => Ok(!is_same(&open, &now)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// As far as it is known.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.created().ok() == other.created().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_that_is_put_aside_is_read_to_its_end_and_then_the_new_one() {
        let directory = std::env::temp_dir().join(format!("log_watch-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("log");
        let mut tail = Tail::new(path.clone());
        let mut next = || {
            tail.next_line()
                .unwrap()
                .map(|it| String::from_utf8(it).unwrap())
        };
        assert_eq!(next(), None, "there is no file yet");

        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(next().as_deref(), Some("one"));
        assert_eq!(next(), None, "the second line is not whole");
        file.write_all(b"o\n").unwrap();
        assert_eq!(next().as_deref(), Some("two"));

        std::fs::rename(&path, directory.join("log.1")).unwrap();
        file.write_all(b"three\nfour").unwrap();
        let mut file = File::create(&path).unwrap();
        file.write_all(b"five\n").unwrap();
        assert_eq!(next().as_deref(), Some("three"));
        assert_eq!(next().as_deref(), Some("four"));
        assert_eq!(next().as_deref(), Some("five"));
        assert_eq!(next(), None);
        drop(file);

        // Cut, and written anew.
        std::fs::write(&path, b"x\n").unwrap();
        assert_eq!(next().as_deref(), Some("x"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
