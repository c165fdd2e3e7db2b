//! What must not compile, and what a newcomer reads then.
//!
//! The texts are those of one compiler, and compared only with it: `TRYBUILD=overwrite cargo test -p corox-compile-fail`
//! writes them anew.
//!
//! Each case says in its first lines where the way out is named:
//!
//! - `// says: ..`: in the first lines of an error: what it is, where it is, and the labels there;
//! - `// notes: ..`: further down;
//! - `// documented in PATH: ..`: in a page or in the documentation of an item, where the text is the compiler's alone.

use std::path::{Path, PathBuf};

/// The compiler whose texts stand in `cases/*.stderr`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn messages_are_as_written_down() {
    let version = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .arg("--version")
        .output()
        .expect("the compiler that built this test");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(COMPILER) {
        eprintln!("not compared: the texts are those of {COMPILER}x, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/cases/*.rs");
}

#[test]
fn each_case_names_the_way_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = sources(&root.join("tests/cases"));
    assert!(!cases.is_empty());
    let mut missing = Vec::new();
    for case in &cases {
        let source = read(case);
        let message = read(&case.with_extension("stderr"));
        let first_lines: Vec<String> = message
            .split("\n\n")
            .map(|error| error.lines().take_while(|line| !is_further_down(line)))
            .map(|lines| lines.collect::<Vec<_>>().join("\n"))
            .collect();
        let mut named = 0;
        for line in source.lines().take_while(|line| line.starts_with("//")) {
            let found = if let Some(text) = line.strip_prefix("// says: ") {
                first_lines.iter().any(|error| error.contains(text))
            } else if let Some(text) = line.strip_prefix("// notes: ") {
                message.contains(text)
            } else if let Some(place) = line.strip_prefix("// documented in ") {
                let (path, text) = place.split_once(": ").expect("a path and a text");
                unwrapped(&read(&root.join("..").join(path))).contains(text)
            } else {
                continue;
            };
            named += 1;
            if !found {
                missing.push(format!("{}: {line}", case.display()));
            }
        }
        if named == 0 {
            missing.push(format!("{}: no line says where", case.display()));
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Whether a line of an error begins what stands below its labels.
fn is_further_down(line: &str) -> bool {
    let line = line.trim_start();
    ["= note: ", "= help: ", "note: ", "help: "]
        .iter()
        .any(|start| line.starts_with(start))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of the cases");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect();
    paths.sort();
    paths
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A comment or a paragraph without its line breaks.
fn unwrapped(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim_start();
        line.strip_prefix("/// ").unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join(" ")
}
