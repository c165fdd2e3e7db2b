//! What the README and the first steps show is what the examples run, and how this version is asked for.

#[test]
fn first_program_of_the_readme_is_the_example_hello() {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("```rust\n").expect("a Rust block");
    let (program, _) = after.split_once("```\n").expect("the end of the block");
    let example = include_str!("../examples/hello.rs");
    let (comment, code) = example.split_once("\n\n").expect("a comment, then code");
    assert!(comment.starts_with("//!"));
    assert_eq!(program, code);
}

#[test]
fn the_first_steps_ask_for_this_version_and_edition() {
    let page = include_str!("../docs/first-steps.md");
    let (_, after) = page.split_once("```toml\n").expect("a manifest");
    let (manifest, _) = after.split_once("```\n").expect("the end of the block");
    let version = concat!(
        env!("CARGO_PKG_VERSION_MAJOR"),
        ".",
        env!("CARGO_PKG_VERSION_MINOR")
    );
    for name in ["corox", "corox-test"] {
        let line = format!("\n{name} = \"{version}\"\n");
        assert!(manifest.contains(&line), "{line:?} is not in\n{manifest}");
    }
    let own = include_str!("../Cargo.toml");
    assert!(own.contains("edition = \"2024\"") && manifest.contains("edition = \"2024\""));
    let rust = concat!("Rust ", env!("CARGO_PKG_RUST_VERSION"), " or newer");
    assert!(page.contains(rust), "{rust:?} is not on the page");
}
