//! The house rules, held by reading the sources: who may use whom, where SQL stands, who prints, who starts children.
//!
//! The rules are in `rules`, the order of the engine's rooms in [`rules::ROOMS`]. Each rule is also shown a small
//! sample that breaks it, so that a rule which no longer sees anything fails here.

mod lexer;
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lexer::Source;
use rules::{ROOMS, check};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this crate").to_owned()
}

const CRATES: [&str; 5] = ["engine", "transports", "cli", "tests", "benches"];

/// Every source file of the workspace, with its path relative to it.
fn sources() -> Vec<(String, String)> {
    let top = workspace();
    let mut waiting: Vec<PathBuf> = CRATES.iter().map(|name| top.join(name)).collect();
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("a readable directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&top).expect("below the workspace").to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).expect("a readable file")));
            }
        }
    }
    found.sort();
    found
}

/// Files that are compiled for tests only, named by a `#[cfg(test)] mod name;` of their neighbours.
fn test_only(sources: &[(String, String)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in sources {
        let parent =
            path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib").trim_end_matches("/main");
        for module in Source::shipped(text).test_files {
            found.insert(format!("{parent}/{module}"));
        }
    }
    found
}

#[test]
fn every_source_keeps_the_rules() {
    let sources = sources();
    assert!(sources.len() > 40, "the walk finds the sources");
    let test_only = test_only(&sources);
    let is_test_only = |path: &str| {
        test_only.iter().any(|module| path == format!("{module}.rs") || path.starts_with(&format!("{module}/")))
    };
    let mut breaches = Vec::new();
    for (path, text) in sources.iter().filter(|(path, _)| !is_test_only(path)) {
        breaches.extend(check(path, text).into_iter().map(|breach| format!("{path}:{}: {}", breach.line, breach.what)));
    }
    assert!(breaches.is_empty(), "the house rules are broken:\n{}", breaches.join("\n"));
}

#[test]
fn crates_depend_one_way() {
    let mut breaches = Vec::new();
    for name in CRATES {
        let text = fs::read_to_string(workspace().join(name).join("Cargo.toml")).expect("a manifest");
        breaches.extend(manifest(name, &text));
    }
    assert!(breaches.is_empty(), "the house rules are broken:\n{}", breaches.join("\n"));
}

/// What is wrong with the manifest of a crate.
fn manifest(name: &str, text: &str) -> Vec<String> {
    let manifest: toml::Table = text.parse().expect("a manifest is TOML");
    let own: &[&str] = match name {
        "engine" => &[],
        "transports" => &["depsync-engine"],
        // Its model; the harness only behind a feature that nobody gets unasked.
        "cli" => &["depsync-engine", "depsync-transports", "depsync-bench"],
        "tests" => &["depsync-engine", "depsync-transports"],
        _ => &["depsync-engine", "depsync-transports", "depsync-tests"],
    };
    let homes: &[(&str, &[&str])] = &[
        ("bincode", &["engine"]),
        ("rusqlite", &["engine", "tests"]),
        ("tokio", &["transports", "cli", "tests", "benches"]),
        ("clap", &["cli", "benches"]),
        ("indicatif", &["cli", "benches"]),
        ("anyhow", &["cli", "benches"]),
    ];
    let mut breaches = Vec::new();
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else { continue };
        for (dependency, _) in table {
            if dependency.starts_with("depsync") && !own.contains(&dependency.as_str()) {
                breaches.push(format!("{name}/Cargo.toml: must not depend on {dependency}"));
            }
            if homes.iter().any(|(guest, homes)| guest == dependency && !homes.contains(&name)) {
                breaches.push(format!("{name}/Cargo.toml: {dependency} does not live here"));
            }
        }
    }
    let features = manifest.get("features").and_then(toml::Value::as_table);
    let unasked = features.and_then(|features| features.get("default")).and_then(toml::Value::as_array);
    if name == "cli" && unasked.is_some_and(|unasked| unasked.iter().any(|feature| feature.as_str() == Some("bench"))) {
        breaches.push("cli/Cargo.toml: the harness comes only if it is asked for".to_owned());
    }
    breaches
}

#[test]
fn a_manifest_that_turns_the_house_upside_down_is_seen() {
    assert_eq!(manifest("engine", "[dependencies]\nbincode.workspace = true").len(), 0);
    assert_eq!(manifest("engine", "[dependencies]\ndepsync-transports.workspace = true").len(), 1);
    assert_eq!(manifest("engine", "[dev-dependencies]\ntokio = \"1\"").len(), 1);
    assert_eq!(manifest("tests", "[dependencies]\ndepsync = { path = \"../cli\" }").len(), 1);
    assert_eq!(manifest("cli", "[dependencies]\ndepsync-bench = { path = \"x\" }").len(), 0);
    assert_eq!(manifest("transports", "[dependencies]\ndepsync-bench = { path = \"x\" }").len(), 1);
    assert_eq!(manifest("cli", "[features]\ndefault = [\"nats\"]\nbench = []").len(), 0);
    assert_eq!(manifest("cli", "[features]\ndefault = [\"nats\", \"bench\"]").len(), 1);
}

/// The breaches of a sample, by their lines.
fn lines(path: &str, text: &str) -> Vec<usize> {
    check(path, text).into_iter().map(|breach| breach.line).collect()
}

#[test]
fn a_room_that_reaches_up_is_seen() {
    let tree = "engine/src/tree/page.rs";
    assert!(lines(tree, "use crate::hash::Digest;\nuse crate::{codec, path::RelPath};\nuse super::entry;").is_empty());
    assert_eq!(lines(tree, "use crate::hash::Digest;\nuse crate::content::Recipe;"), [2]);
    assert_eq!(lines(tree, "use crate::{\n hash,\n plan::{Plan, engine},\n};"), [3]);
    assert_eq!(lines(tree, "fn f() { crate::apply::now() }"), [1]);
    assert_eq!(lines(tree, "use super::super::scan;"), [1]);
    assert_eq!(lines("engine/src/tree/mod.rs", "use super::scan;"), [1]);
    assert!(lines("engine/src/tree/mod.rs", "use self::scan;").is_empty());
    assert!(lines(tree, "//! [`crate::engine`]\n#[cfg(test)] mod tests { use crate::engine::Node; }").is_empty());
    assert!(lines("engine/src/revdb/mod.rs", "use crate::transport::Ledger;").is_empty());
    assert_eq!(lines("engine/src/attic.rs", ""), [1]);
    assert!(lines("engine/src/lib.rs", "pub mod engine; pub use crate::engine::Node;").is_empty());
}

#[test]
fn printing_children_environment_codec_sql_and_unsafe_are_seen() {
    let engine = "engine/src/scan/mod.rs";
    assert_eq!(lines(engine, "fn f() {\n println!(\"x\");\n dbg!(1); }"), [2, 3]);
    assert_eq!(lines("cli/src/output.rs", "fn f() { eprintln!() }"), [1]);
    assert_eq!(lines(engine, "use std::io;\nfn f() { io::stdout().lock(); }"), [2]);
    assert!(lines("cli/src/output.rs", "fn f() { io::stdout().lock(); }").is_empty());
    assert!(
        lines("transports/src/child.rs", "use std::process::Command; fn f(c: Command) { c.stdout(x).spawn() }")
            .is_empty()
    );
    assert_eq!(lines("transports/src/mount/mod.rs", "use std::process::{Child, Command};"), [1]);
    assert_eq!(lines("cli/src/session.rs", "fn f() { tokio::process::Command::new(\"ls\"); }"), [1]);
    assert!(lines("cli/src/demo/stage.rs", "use std::process::Command;").is_empty());
    assert_eq!(lines(engine, "fn f() { std::env::var(\"HOME\"); }"), [1]);
    assert_eq!(lines(engine, "use std::{env, fs};"), [1]);
    assert!(lines(engine, "const V: &str = env!(\"CARGO_PKG_VERSION\");").is_empty());
    assert_eq!(lines("engine/src/content/recipe.rs", "use bincode::Encode;"), [1]);
    assert!(lines("engine/src/codec.rs", "use bincode::Encode;").is_empty());
    assert_eq!(lines("engine/src/scan/cache.rs", "const Q: &str = \"SELECT x\";\nuse rusqlite::Connection;"), [1, 2]);
    assert!(lines("engine/src/revdb/mod.rs", "const Q: &str = \"SELECT x\"; use rusqlite::Connection;").is_empty());
    assert_eq!(lines("tests/src/lib.rs", "unsafe fn f() {}"), [1]);
    assert_eq!(lines("engine/src/path.rs", "#[cfg(test)] mod tests { fn f() { unsafe {} } }"), [1]);
    assert_eq!(lines("engine/src/scan/utils.rs", ""), [1]);
}

#[test]
fn the_order_names_every_room_once() {
    assert_eq!(ROOMS.iter().collect::<BTreeSet<_>>().len(), ROOMS.len());
}
