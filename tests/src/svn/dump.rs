//! What a revision holds, byte by byte: `svnadmin dump`, read. No keyword and no end of a line is translated, and no
//! rule hides anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::PACKAGE;
use super::person::done;
use crate::snapshot::{Item, Snapshot};
use crate::sshd::program;

/// A file or a directory of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A file's content. None for a directory.
    pub content: Option<Vec<u8>>,
    /// Its properties.
    pub properties: BTreeMap<String, Vec<u8>>,
}

impl Node {
    /// What `svn` would make of it on disk, with the usual mode, but with the repository's bytes.
    fn item(&self) -> Item {
        let Some(content) = &self.content else { return Item::Directory(0o755) };
        let target = content.strip_prefix(b"link ").filter(|_| self.properties.contains_key("svn:special"));
        match target {
            Some(target) => Item::Link(target.to_vec()),
            None if self.properties.contains_key("svn:executable") => Item::File(0o755, content.clone()),
            None => Item::File(0o644, content.clone()),
        }
    }
}

/// All nodes of a revision, by path; the root has the empty one.
pub(super) fn nodes(repository: &Path, revision: u64) -> BTreeMap<String, Node> {
    let mut command = Command::new(program("svnadmin", PACKAGE));
    command.args(["dump", "-q", "-r", &revision.to_string()]).arg(repository);
    parse(&done(command))
}

/// What is beneath the directory `path`.
pub(super) fn tree(nodes: &BTreeMap<String, Node>, path: &str) -> Snapshot {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let beneath = nodes.iter().filter_map(|(path, node)| Some((path.strip_prefix(&prefix)?, node)));
    let named = beneath.filter(|(path, _)| !path.is_empty());
    named.map(|(path, node)| (path.as_bytes().to_vec(), node.item())).collect()
}

/// Reads a dump of one revision: records of header lines, an empty line, properties and text.
fn parse(dump: &[u8]) -> BTreeMap<String, Node> {
    let mut nodes = BTreeMap::new();
    let mut rest = dump;
    while let Some(headers) = headers(&mut rest) {
        let length = |name: &str| headers.get(name).map_or(0, |text| text.parse().expect("a length"));
        let body = take(&mut rest, length("Content-length"));
        let (properties, text) = body.split_at(length("Prop-content-length"));
        let Some(path) = headers.get("Node-path") else { continue };
        assert_eq!(headers["Node-action"], "add", "{path}: a dump of one revision adds everything");
        let content = (headers["Node-kind"] == "file").then(|| text.to_vec());
        nodes.insert(path.clone(), Node { content, properties: read_properties(properties) });
    }
    nodes
}

fn headers(rest: &mut &[u8]) -> Option<BTreeMap<String, String>> {
    while rest.first() == Some(&b'\n') {
        take(rest, 1);
    }
    let mut headers = BTreeMap::new();
    while !rest.is_empty() {
        let line = line(rest);
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.insert(name.to_owned(), value.to_owned());
    }
    (!headers.is_empty()).then_some(headers)
}

/// `K 3`, a name, `V 5`, a value, and so on; at the end `PROPS-END`.
fn read_properties(mut rest: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut properties = BTreeMap::new();
    let mut counted = |letter: &str| {
        let count = line(&mut rest).strip_prefix(letter)?.trim().parse().expect("a length");
        let bytes = take(&mut rest, count).to_vec();
        take(&mut rest, 1);
        Some(bytes)
    };
    while let Some(name) = counted("K") {
        let value = counted("V").expect("a name has a value");
        properties.insert(String::from_utf8(name).expect("names are UTF-8"), value);
    }
    properties
}

fn line(rest: &mut &[u8]) -> String {
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let line = String::from_utf8(take(rest, end).to_vec()).expect("headers are UTF-8");
    let last = rest.len().min(1);
    take(rest, last);
    line
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(count);
    *rest = left;
    taken
}
