//! What the README shows is what the examples run.

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
