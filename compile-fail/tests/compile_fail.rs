//! What must not compile, and what a newcomer reads then.
//!
//! The texts are those of one compiler, and compared only with it: `TRYBUILD=overwrite cargo test -p corox-compile-fail`
//! writes them anew.

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
