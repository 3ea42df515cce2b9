//! Streams written by hand, at random, and by the real `svnrdump`.
//!
//! | file | is |
//! |---|---|
//! | `encode` | deltas and records, written |
//! | `records` | every field of a record, read |
//! | `flaws` | every flaw, refused |
//! | `deltas` | svndiff: every instruction, every flaw, and windows at random |
//! | `broken` | random bytes, and streams that are cut or have a byte changed |
//! | `programs` | the system's `svnadmin`, `svnmucc` and `svnrdump` |
//! | `real` | what they write |
//! | `above` | what they write of directories above the dumped one, and of copies from elsewhere |

mod above;
mod broken;
mod deltas;
mod encode;
mod flaws;
pub(in crate::svn) mod programs;
mod real;
mod records;

use super::*;

/// A record, and what became of its text.
type Arrived = (Item, Option<Result<(Applied, Vec<u8>)>>);

/// Reads `stream` to its end, the dump of `dep`. Every delta is to `base`.
fn read_all(stream: &[u8], base: Option<&[u8]>) -> Result<Vec<Arrived>> {
    let mut dump = Dump::new(stream, b"dep");
    let mut found = Vec::new();
    while let Some(item) = dump.next()? {
        let text = matches!(&item, Item::Node(node) if node.text.is_some()).then(|| {
            let mut out = Vec::new();
            let base = base.as_ref().map(|base| base as &dyn Base);
            dump.text(base, &mut out).map(|applied| (applied, out))
        });
        found.push((item, text));
    }
    Ok(found)
}

/// The nodes alone.
fn nodes(stream: &[u8]) -> Vec<Node> {
    let items = read_all(stream, None).expect("a sound stream").into_iter();
    let nodes = items.filter_map(|(item, _)| if let Item::Node(node) = item { Some(*node) } else { None });
    nodes.collect()
}

fn within(path: &str) -> Place {
    Place::Within(path.as_bytes().to_vec())
}

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// A change of properties.
fn delta(set: &[(&str, &str)], deleted: &[&str]) -> Option<Properties> {
    let deleted = deleted.iter().map(|name| name.as_bytes().to_vec()).collect();
    Some(Properties::Delta { set: values(set), deleted })
}
