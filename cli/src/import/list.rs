//! The nodes of a script as a list that depsync reads.
//!
//! The script's own list is kept where depsync reads the same nodes in it. Otherwise a new one is made, a node a line:
//! where the list named several a line, where the script made addresses of hosts, or where rsync would have made a directory
//! inside the destination, which then stands behind every path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use depsync_engine::error::Result;
use depsync_transports::nodes::{self, Addressee};

use super::script::{Field, Piece, Source};

/// The nodes, and the list that names them.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) list: List,
    pub(super) found: Vec<Addressee>,
}

/// A list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum List {
    /// The script's.
    Kept(PathBuf),
    /// A new one, and why.
    Made { text: String, why: &'static str },
}

/// How addresses are made of what the list says.
#[derive(Debug)]
pub(super) struct Recipe<'a> {
    /// The destination as the script has it, the node somewhere in it.
    pub(super) destination: &'a Field,
    /// What rsync would have made inside the destination.
    pub(super) inside: Option<&'a str>,
    /// The user, where an address names none.
    pub(super) user: Option<&'a str>,
    /// Where the nodes stand that stand in no list.
    pub(super) place: &'a str,
}

/// Finds the nodes of `source`.
pub(super) fn nodes(source: &Source, recipe: &Recipe<'_>, home: Option<&Path>) -> Result<Nodes> {
    let (file, words) = match source {
        Source::File(file) => (Some(file), words(&read(file)?, false)),
        Source::Lines(file) => (Some(file), words(&read(file)?, true)),
        Source::Words(words) => (None, words.iter().map(|word| (word.clone(), None)).collect()),
        Source::Unknown(_) => (None, Vec::new()),
    };
    let as_it_is = matches!(recipe.destination.pieces.as_slice(), [Piece::Each(_)]) && recipe.inside.is_none();
    if let (Some(file), true) = (file, as_it_is)
        && let Ok(found) = nodes::read(file, home)
        && (recipe.user.is_none() || found.iter().all(|node| node.address.user.is_some()))
    {
        return Ok(Nodes { list: List::Kept(file.clone()), found });
    }
    let why = match (recipe.inside, as_it_is, file) {
        (Some(_), _, _) => "rsync made the directory inside each destination",
        (None, false, _) => "the script makes the addresses itself",
        (None, true, None) => "the nodes stand in the script",
        (None, true, Some(_)) => "one node a line, each once, with its user",
    };
    let mut text = String::new();
    let mut origins = Vec::new();
    let mut seen = BTreeSet::new();
    for (word, line) in words {
        let destination = format!("{}\n", address(&word, recipe));
        if seen.insert(destination.clone()) {
            text.push_str(&destination);
            origins.push(line);
        }
    }
    let place = file.map_or_else(|| recipe.place.to_owned(), |file| file.display().to_string());
    // What is wrong is wrong in the old list, and said there: the new one is not written.
    let found = nodes::parse(&text, &place, Path::new("/"), home).map_err(|error| {
        let number =
            error.place().and_then(|found| found.strip_prefix(&place)?.strip_prefix(':')?.parse::<usize>().ok());
        let line = number.and_then(|number| origins.get(number - 1).copied()).flatten();
        error.found_at(line.map_or(place.clone(), |line| format!("{place}:{line}")))
    })?;
    Ok(Nodes { list: List::Made { text, why }, found })
}

/// The words of an old list with their lines; whole lines where the script read them so. Comments are left out.
fn words(text: &str, by_line: bool) -> Vec<(String, Option<usize>)> {
    let mut words = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let found: Vec<&str> = if by_line { vec![line] } else { line.split_whitespace().collect() };
        words.extend(found.into_iter().filter(|word| !word.is_empty()).map(|word| (word.to_owned(), Some(index + 1))));
    }
    words
}

/// A line of the new list.
fn address(word: &str, recipe: &Recipe<'_>) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        _ => word.to_owned(),
    };
    let mut address: String = recipe.destination.pieces.iter().map(piece).collect();
    if let Some(user) = recipe.user
        && !address.split(':').next().unwrap_or_default().contains('@')
    {
        address.insert_str(0, &format!("{user}@"));
    }
    if let Some(name) = recipe.inside {
        if !address.ends_with([':', '/']) {
            address.push('/');
        }
        address.push_str(name);
    }
    if address.contains(char::is_whitespace) { format!("\"{address}\"") } else { address }
}

fn read(file: &Path) -> Result<String> {
    super::text_of(file, nodes::MAX_BYTES as u64, "read the list of the nodes")
        .map_err(|error| error.hint("name the list: --list FILE"))
}
