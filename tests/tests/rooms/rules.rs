//! The rules of the house, each a function from a source file to what is wrong with it.

use crate::lexer::{Source, Token};

/// The engine's rooms, ground floor first. Each may use those before it and none after it.
pub(crate) const ROOMS: [&str; 25] = [
    "error",
    "hash",
    "path",
    "name",
    "patterns",
    "context",
    "codec",
    "packed",
    "stamp",
    "beneath",
    "durable",
    "tree",
    "content",
    "scan",
    "watch",
    "record",
    "transport",
    "channel",
    "revdb",
    "plan",
    "apply",
    "push",
    "engine",
    "daemon",
    "estate",
];

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) line: usize,
    pub(crate) what: String,
}

fn breach(token: &Token, what: impl Into<String>) -> Breach {
    Breach { line: token.line, what: what.into() }
}

/// Checks one file. `path` is relative to the workspace, with `/`.
pub(crate) fn check(path: &str, text: &str) -> Vec<Breach> {
    let whole = Source::whole(text);
    let shipped = Source::shipped(text);
    let mut found = no_unsafe(&whole);
    found.extend(no_catch_all_name(path));
    found.extend(rooms_in_order(path, &shipped));
    if !path.starts_with("tests/") && !path.starts_with("benches/") {
        found.extend(prints(path, &shipped));
        found.extend(children(path, &shipped));
        found.extend(environment(path, &shipped));
        found.extend(codec(path, &shipped));
        found.extend(sql(path, &shipped));
    }
    found
}

fn no_unsafe(source: &Source) -> Vec<Breach> {
    let found = source.tokens.iter().filter(|token| token.text == "unsafe");
    found.map(|token| breach(token, "`unsafe`: nowhere in this house")).collect()
}

fn no_catch_all_name(path: &str) -> Option<Breach> {
    let catch_all =
        |part: &str| matches!(part.trim_end_matches(".rs"), "util" | "utils" | "helpers" | "common" | "misc");
    let what = "a name that says nothing: a folder is a noun, a file a part or a verb of it".to_owned();
    path.split('/').any(catch_all).then_some(Breach { line: 1, what })
}

/// The room of a file of the engine; none for `lib.rs` and other crates.
fn room_of(path: &str) -> Option<&str> {
    let room = path.strip_prefix("engine/src/")?.split('/').next()?;
    Some(room.strip_suffix(".rs").unwrap_or(room)).filter(|room| *room != "lib")
}

fn rooms_in_order(path: &str, source: &Source) -> Vec<Breach> {
    let Some(room) = room_of(path) else { return Vec::new() };
    let Some(floor) = ROOMS.iter().position(|name| *name == room) else {
        return vec![Breach {
            line: 1,
            what: format!("room `{room}` has no place in the order (tests/tests/rooms/rules.rs)"),
        }];
    };
    let depth = path.trim_end_matches("/mod.rs").matches('/').count() - 1;
    let used = rooms_used(&source.tokens, depth);
    let above = used.into_iter().filter(|token| ROOMS[floor + 1..].contains(&token.text.as_str()));
    above.map(|token| breach(token, format!("room `{room}` uses `{}`, which is above it", token.text))).collect()
}

/// The words that follow `crate::` (or as many `super::` as lead to the root from a file `depth` modules below it).
fn rooms_used(tokens: &[Token], depth: usize) -> Vec<&Token> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start = at;
        let mut supers = 0;
        while is(at, "super") && is(at + 1, "::") {
            (supers, at) = (supers + 1, at + 2);
        }
        let inside_path = start > 0 && is(start - 1, "::");
        let rooted = if supers > 0 { supers >= depth } else { is(at, "crate") && is(at + 1, "::") };
        if supers == 0 {
            at += if rooted { 2 } else { 1 };
        }
        if rooted && !inside_path {
            found.extend(heads(tokens, at));
        }
    }
    found
}

/// The first words of a path or of each path of a group `{a::b, c}` at `at`.
fn heads(tokens: &[Token], at: usize) -> Vec<&Token> {
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first.text != "{" {
        return vec![first];
    }
    let mut found = Vec::new();
    let mut depth = 0;
    for pair in tokens[at..].windows(2) {
        match pair[0].text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0].text.as_str(), "{" | ",") && pair[1].text != "}" {
            found.push(&pair[1]);
        }
    }
    found
}

/// The tokens at which `path` (such as `process::Command`) is named, also through a group.
fn names<'a>(source: &'a Source, module: &str, item: &str) -> Vec<&'a Token> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if tokens[at].text == module && tokens.get(at + 1).is_some_and(|token| token.text == "::") {
            found.extend(heads(tokens, at + 2).into_iter().filter(|token| token.text == item));
        }
    }
    found
}

fn prints(path: &str, source: &Source) -> Vec<Breach> {
    let tokens = &source.tokens;
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let word = token.text.as_str();
        // An example is a program of its own.
        let macros = !path.contains("/examples/")
            && matches!(word, "print" | "println" | "eprint" | "eprintln" | "dbg")
            && is(at + 1, "!");
        if macros {
            found.push(breach(token, format!("`{word}!`: what is said goes through cli/src/output.rs")));
        }
        let handle = matches!(word, "stdout" | "stderr") && is(at + 1, "(") && is(at + 2, ")");
        if handle && !(at > 0 && is(at - 1, ".")) && !path.starts_with("cli/") {
            found.push(breach(token, format!("`{word}()`: only the cli prints")));
        }
    }
    found
}

fn children(path: &str, source: &Source) -> Vec<Breach> {
    let homes = ["cli/src/demo/", "cli/src/envoy.rs", "cli/tests/", "transports/src/child"];
    if homes.iter().any(|home| path.starts_with(home)) {
        return Vec::new();
    }
    let found = names(source, "process", "Command").into_iter();
    found
        .map(|token| {
            breach(token, "child processes start in transports/src/child, cli/src/envoy.rs and cli/src/demo only")
        })
        .collect()
}

fn environment(path: &str, source: &Source) -> Vec<Breach> {
    if path.starts_with("cli/") {
        return Vec::new();
    }
    let found = names(source, "std", "env").into_iter();
    found.map(|token| breach(token, "`std::env`: only the cli looks at its surroundings")).collect()
}

fn codec(path: &str, source: &Source) -> Vec<Breach> {
    if room_of(path) == Some("codec") {
        return Vec::new();
    }
    let found = source.tokens.iter().filter(|token| token.text == "bincode");
    found.map(|token| breach(token, "`bincode`: only engine/src/codec.rs encodes and decodes")).collect()
}

fn sql(path: &str, source: &Source) -> Vec<Breach> {
    if room_of(path) == Some("revdb") {
        return Vec::new();
    }
    let starts = ["SELECT ", "INSERT ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA ", "REPLACE INTO "];
    let is_sql = |text: &str| starts.iter().any(|start| text.trim_start().starts_with(start));
    let texts = source.texts.iter().filter(|text| is_sql(&text.text));
    let crates = source.tokens.iter().filter(|token| token.text == "rusqlite");
    texts.chain(crates).map(|token| breach(token, "SQL stands in engine/src/revdb only")).collect()
}
