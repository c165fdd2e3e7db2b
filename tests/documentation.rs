//! What the documentation of a public item has: an example that asserts something, what is lost when its future is dropped, when
//! its `Result` is an `Err`; and a place in the tour of its crate. Read from the sources, as `cargo fmt` lays them out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{read_dir, read_to_string};
use std::path::Path;

const CRATES: [&str; 8] = [
    "scheduler",
    "core",
    "sync",
    "channels",
    "flow",
    "debug",
    "test-support",
    "",
];
/// What an item says whose example stands elsewhere: at what makes it, or at a neighbour.
const EXAMPLE_ELSEWHERE: &str =
    "The future of |The clause of [`|The flow of [`|; made by [`|; see [`|example of [`";
/// Their documentation is given to a macro.
const MADE_BY_A_MACRO: [&str; 4] = [
    "BoxFlow",
    "LocalBoxFlow",
    "StandardTestDispatcher",
    "UnconfinedTestDispatcher",
];

/// Public items by name, `Type::method` for those inside of a type: their documentation, and their signature.
type Items = BTreeMap<String, (String, String)>;

/// The names behind each `pub use` at the root of a crate that is not hidden.
fn exported(mut root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    while let Some((before, list)) = root.rsplit_once("\npub use ") {
        root = before;
        let list = list.split(';').next().unwrap_or(list);
        let list = list.rsplit(['{', ':']).next().unwrap_or(list);
        let list = list.split([',', '}']).map(|name| name.trim().to_owned());
        if !before.ends_with("#[doc(hidden)]") {
            names.extend(list.filter(|name| !name.is_empty() && name != "*"));
        }
    }
    names
}

fn first_word(text: &str) -> Option<&str> {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.next()
}

/// The name of the item that begins in this line.
fn item<'a>(code: &'a str, kinds: &[&str]) -> Option<&'a str> {
    let code = code.strip_prefix("async ").unwrap_or(code);
    let code = code.strip_prefix("unsafe ").unwrap_or(code);
    let (kind, rest) = code.split_once(' ')?;
    first_word(rest).filter(|_| kinds.contains(&kind))
}

/// The type whose own `impl` begins in this line.
fn type_of_impl(code: &str) -> Option<&str> {
    let rest = code.strip_prefix("impl")?;
    match rest.split_once("> ").filter(|_| rest.starts_with('<')) {
        _ if rest.contains(" for ") => None,
        Some((_, of)) => first_word(of),
        None => first_word(rest.trim_start()),
    }
}

/// Adds the public ones of the items of a file.
fn read(text: &str, is_public: &dyn Fn(&str) -> bool, items: &mut Items) {
    let (mut docs, mut attributes) = (String::new(), String::new());
    let (mut around, mut in_trait) = ("", false);
    let lines = text.lines().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///") {
            docs = docs + doc + "\n";
        } else if code.starts_with('#') || !(attributes.is_empty() || attributes.ends_with(']')) {
            attributes += line;
        } else if !code.starts_with("//") {
            let indent = line.len() - code.len();
            if indent == 0 && !["where", "{"].contains(&code) {
                let of_trait = code.strip_prefix("pub trait ");
                let of_trait = of_trait.or(code.strip_prefix("pub unsafe trait "));
                let of_trait = of_trait.and_then(first_word);
                around = of_trait.or(type_of_impl(code)).unwrap_or("");
                in_trait = of_trait.is_some();
            }
            let public = code.strip_prefix("pub ");
            let name = match indent {
                4 if in_trait => item(code, &["fn"]).map(|name| format!("{around}::{name}")),
                4 if !around.is_empty() => {
                    let member = public.and_then(|code| item(code, &["fn", "const"]));
                    member.map(|name| format!("{around}::{name}"))
                }
                // `pin_project!` has structs in it.
                0 | 4 => {
                    let kinds = ["struct", "enum", "trait", "fn", "const", "type"];
                    let top = public.and_then(|code| item(code, &kinds));
                    top.map(str::to_owned)
                }
                _ => None,
            };
            let (docs, attributes) = (std::mem::take(&mut docs), std::mem::take(&mut attributes));
            let name = name.filter(|name| first_word(name).is_some_and(is_public));
            if let Some(name) = name.filter(|_| !attributes.contains("doc(hidden)")) {
                let lines = text.lines().skip(at);
                let end = lines.clone().position(|line| line.ends_with(['{', ';']));
                let signature = lines.take(end.unwrap_or(0) + 1).collect();
                items.insert(name, (docs, signature));
            }
        }
    }
}

/// Adds the public ones of the items below a directory.
fn read_all(directory: &Path, is_public: &dyn Fn(&str) -> bool, items: &mut Items) {
    for entry in read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, is_public, items);
            continue;
        }
        // Modules that are public themselves.
        let all = path.ends_with("src/lib.rs") || path.ends_with("src/probe.rs");
        let is_public = |name: &str| all || is_public(name);
        read(&read_to_string(path).unwrap(), &is_public, items);
    }
}

/// The examples in `docs`, with what their fences say.
fn examples(docs: &str) -> impl Iterator<Item = (&str, &str)> {
    let fences = docs.split("```").skip(1).step_by(2);
    let fences = fences.filter_map(|fence| fence.split_once('\n'));
    fences.filter(|(mark, _)| *mark != "text")
}

#[test]
fn each_public_item_has_its_documentation() {
    let (mut names, mut items, mut missing) = (BTreeSet::new(), Items::new(), Vec::new());
    for directory in CRATES {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        let root = read_to_string(directory.join("src/lib.rs")).unwrap();
        let exported = exported(&root);
        let tour = root + &read_to_string(directory.join("README.md")).unwrap();
        for name in exported
            .iter()
            .filter(|name| !tour.contains(&format!("`{name}")))
        {
            missing.push(format!("{name}: a place in the tour"));
        }
        let is_public = |name: &str| exported.contains(name);
        read_all(&directory.join("src"), &is_public, &mut items);
        names.extend(exported);
    }
    for name in names.iter().filter(|name| !items.contains_key(*name)) {
        let known = MADE_BY_A_MACRO.contains(&name.as_str());
        assert!(known, "{name} is not found in the sources");
    }
    for (name, (docs, signature)) in &items {
        let (of, member) = name.split_once("::").unwrap_or((name, name));
        let shared = items.get(of).map_or("", |(docs, _)| docs);
        let flat = docs.split_whitespace().collect::<Vec<_>>().join(" ") + " ";
        let has_example = examples(docs).next().is_some()
            || examples(shared).any(|(_, code)| code.contains(member))
            || EXAMPLE_ELSEWHERE.split('|').any(|says| flat.contains(says));
        let asserts = |(mark, code): (&str, &str)| !mark.is_empty() || code.contains("assert");
        let is_future = signature.contains("async fn") || signature.contains("-> impl Future");
        let is_fn = signature.contains("fn ");
        let can_fail = is_fn && !is_future && signature.contains("-> Result<");
        let facts = [
            ("an example", has_example),
            ("an assertion in each example", examples(docs).all(asserts)),
            (
                "what dropping its future loses",
                !is_future || docs.contains("ancel"),
            ),
            (
                "when it gives an `Err`",
                !can_fail || docs.contains("# Errors"),
            ),
        ];
        for (what, _) in facts.iter().filter(|(_, is_there)| !is_there) {
            missing.push(format!("{name}: {what}"));
        }
    }
    let missing = missing.join("\n");
    assert!(missing.is_empty(), "not documented:\n{missing}");
}
