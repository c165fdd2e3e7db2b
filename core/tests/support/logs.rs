//! What a log of tracing-subscriber says.
#![allow(dead_code, unreachable_pub)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use corox_core::{CoroutineContext, CoroutineName, CoroutineScope, Result, run_blocking};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::support::checked;

/// The text of a log; clones share it.
#[derive(Clone, Default)]
pub struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Text {
    type Writer = Text;

    fn make_writer(&'a self) -> Text {
        self.clone()
    }
}

impl Text {
    /// The lines so far, as they were written.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

/// The lines that the fmt layer writes of this thread while `f` runs.
pub fn logged(level: LevelFilter, spans: FmtSpan, f: impl FnOnce()) -> Vec<String> {
    let text = Text::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(text.clone())
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_max_level(level)
        .with_span_events(spans)
        .finish();
    tracing::subscriber::with_default(subscriber, f);
    text.lines()
}

/// The line without the fields of coroutines, but for their names: `INFO coroutine{loader}: hello`.
pub fn short(line: &str) -> String {
    let mut short = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("coroutine{") {
        let (fields, after) = after.split_once('}').expect("fields end");
        let name = fields.split(' ').find_map(|f| f.strip_prefix("name="));
        let name = name.map_or("", |name| name.trim_matches('"'));
        short += &format!("{before}{{{name}}}");
        rest = after;
    }
    short + rest
}

/// As [`logged`], of INFO and with the lines [`short`].
pub fn infos(f: impl FnOnce()) -> Vec<String> {
    let lines = logged(LevelFilter::INFO, FmtSpan::NONE, f);
    lines.iter().map(|line| short(line)).collect()
}

/// As [`infos`], with a line for each span that closes.
pub fn infos_and_ends(f: impl FnOnce()) -> Vec<String> {
    let lines = logged(LevelFilter::INFO, FmtSpan::CLOSE, f);
    lines.iter().map(|line| short(line)).collect()
}

/// The lines of [`infos`] of a root with `body`, which ends well, and is named `{}`.
pub fn infos_of<F>(body: F) -> Vec<String>
where
    F: AsyncFnOnce(CoroutineScope) -> Result<()> + Send + 'static,
{
    checked(|| infos(|| run_blocking(body).unwrap()))
}

/// The same, with a line for each span that closes.
pub fn ends_of<F>(body: F) -> Vec<String>
where
    F: AsyncFnOnce(CoroutineScope) -> Result<()> + Send + 'static,
{
    checked(|| infos_and_ends(|| run_blocking(body).unwrap()))
}

/// The lines of `level` of a root with `body`, however that ends.
pub fn said_of<F>(level: LevelFilter, body: F) -> Vec<String>
where
    F: AsyncFnOnce(CoroutineScope) -> Result<()> + Send + 'static,
{
    let lines = checked(move || {
        logged(level, FmtSpan::NONE, || {
            let _ = run_blocking(body);
        })
    });
    lines.iter().map(|line| short(line)).collect()
}

/// Writes a line of INFO, as the last thing in a body.
pub fn say(text: &str) -> Result<()> {
    tracing::info!("{text}");
    Ok(())
}

pub fn name(name: &'static str) -> CoroutineName {
    CoroutineName::new(name)
}

/// The scope of the coroutine that runs here.
pub fn here() -> CoroutineScope {
    CoroutineScope::new(CoroutineContext::current())
}
