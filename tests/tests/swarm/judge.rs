//! Holds what the managers did and were told against the revisions that stand.

use std::collections::{BTreeMap, BTreeSet};

use depsync_engine::hash::Digest;

use crate::archive::{Archive, Files};
use crate::manager::{Event, Manager, Told};

/// Goes through the life of `manager`. Nothing that it published is lost, nothing is published twice or under a
/// number that it was not told, and nothing that it did not write was changed by it.
pub(crate) fn judge(manager: &Manager, archive: &Archive, trees: &[Files]) {
    // What it wrote and what no revision of its own has published yet.
    let mut waiting: BTreeMap<&str, Option<Digest>> = BTreeMap::new();
    let mut by_message: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, revision) in archive.0.iter().enumerate() {
        by_message.entry(&revision.message).or_default().push(at);
    }
    for event in &manager.events {
        match event {
            Event::Edited(path, content) => drop(waiting.insert(path, *content)),
            Event::GaveIn(path) => drop(waiting.remove(path.as_str())),
            Event::Published(message, told) => {
                let standing = by_message.get(message.as_str()).map(Vec::as_slice).unwrap_or_default();
                assert!(standing.len() <= 1, "{message} stands {} times", standing.len());
                if let Some(&at) = standing.first() {
                    let revision = &archive.0[at];
                    assert_eq!(Some(revision.node.as_str()), manager.dir.file_name().and_then(|name| name.to_str()));
                    for (path, (_, after)) in &revision.changes {
                        let wrote = waiting.remove(path.as_str());
                        assert_eq!(wrote.as_ref(), Some(after), "{message} (revision {}) changed {path}", at + 1);
                    }
                }
                if let Some(told) = told {
                    hold(message, told, standing.first().copied(), &mut waiting, archive, trees);
                }
            }
        }
    }
    assert!(waiting.is_empty(), "manager {} waits in the end for {:?}", manager.number, waiting.keys());
}

/// Holds an answer against what stands.
fn hold(
    message: &str,
    told: &Told,
    standing: Option<usize>,
    waiting: &mut BTreeMap<&str, Option<Digest>>,
    archive: &Archive,
    trees: &[Files],
) {
    let number = told.revision.expect("somebody has published");
    let published = standing.map(|at| at as u64 + 1);
    assert_eq!(published, told.changed.then_some(number), "{message} was told {told:?}");
    // What both sides have alike is agreed on without a word.
    let tree = &trees[usize::try_from(number - 1).expect("a small number")];
    waiting.retain(|path, wrote| tree.get(*path) != wrote.as_ref());
    let left: BTreeSet<&str> = waiting.keys().copied().collect();
    let said: BTreeSet<&str> = told.conflicts.iter().chain(&told.held).map(String::as_str).collect();
    assert_eq!(left, said, "{message}: what was not published, and what it was told");
    for path in &told.conflicts {
        assert!(path.starts_with("shared/"), "{message}: {path} is nobody else's, and in conflict");
        let before = &archive.0[..usize::try_from(number).expect("a small number")];
        let others = before.iter().filter(|revision| revision.changes.contains_key(path));
        assert!(others.count() > 0, "{message}: nobody has changed {path}");
    }
}
