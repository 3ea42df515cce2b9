//! What is copied: content that a change takes from one path and puts at another, or brings back from an old revision.
//!
//! svn keeps a history along copies, and a copy costs no content. A directory whose whole tree went away and came back
//! elsewhere is one copy; so is a file. Sources are paths that the change removes, as the parent revision has them; or,
//! where an old tree is restored, the same paths as that revision has them.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use depsync_engine::hash::{Digest, Hasher};
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Change, Entry};

/// Where each path that is copied comes from. What is beneath a copied directory comes with it and is not in here.
#[derive(Debug, Default)]
pub(super) struct Moves {
    from: HashMap<RelPath, (RelPath, Entry)>,
    restored: Option<u64>,
}

impl Moves {
    /// Finds what moved.
    pub(super) fn of(changes: &Packed<Change>) -> Self {
        let gone = whole(changes, |change| change.after.is_none().then_some(change.before.as_ref()).flatten());
        let come = whole(changes, |change| change.before.is_none().then_some(change.after.as_ref()).flatten());
        let mut sources: HashMap<Digest, &(RelPath, Entry)> = HashMap::new();
        for (source, tree) in &gone {
            sources.entry(*tree).or_insert(source);
        }
        let mut moves: HashMap<RelPath, (RelPath, Entry)> = HashMap::new();
        let mut last: Option<&RelPath> = None;
        for ((path, _), tree) in &come {
            // Directories come before what is beneath them.
            if last.is_some_and(|last| path.is_beneath(last)) {
                continue;
            }
            if let Some(source) = sources.get(tree) {
                moves.insert(path.clone(), (*source).clone());
                last = Some(path);
            }
        }
        let mut contents: HashMap<Digest, (RelPath, Entry)> = HashMap::new();
        for Change { path, before, after } in changes.iter() {
            if let (Some(entry), None) = (before, after)
                && let Some((hash, _)) = entry.content().filter(|(_, size)| *size > 0)
            {
                contents.entry(hash).or_insert((path, entry));
            }
        }
        let mut last: Option<RelPath> = None;
        for change in changes.iter() {
            let Change { path, before: None, after: Some(entry) } = change else { continue };
            if last.as_ref().is_some_and(|last: &RelPath| path.is_beneath(last)) {
                continue;
            }
            match (moves.entry(path), entry.content().and_then(|(hash, _)| contents.get(&hash))) {
                (Slot::Occupied(moved), _) => last = Some(moved.key().clone()),
                (Slot::Vacant(free), Some(source)) => drop(free.insert(source.clone())),
                (Slot::Vacant(_), None) => {}
            }
        }
        Self { from: moves, restored: None }
    }

    /// What comes back with the tree of revision `number`: everything but permissions of what stands there.
    pub(super) fn back_to(changes: &Packed<Change>, number: u64) -> Self {
        let mut from = HashMap::new();
        let mut last: Option<RelPath> = None;
        for Change { path, before, after } in changes.iter() {
            let Some(after) = after.filter(|_| !last.as_ref().is_some_and(|last| path.is_beneath(last))) else {
                continue;
            };
            let stays = before.is_some_and(|before| {
                before.differs_in_mode_only(&after) || (before.is_directory() && after.is_directory())
            });
            if !stays {
                last = after.is_directory().then(|| path.clone()).or(last);
                from.insert(path.clone(), (path, after));
            }
        }
        Self { from, restored: Some(number) }
    }

    /// The revision that everything is copied from, if it is not the parent.
    pub(super) fn restored(&self) -> Option<u64> {
        self.restored
    }

    /// Where `path` is copied from, if it is, and what that is.
    pub(super) fn source(&self, path: &RelPath) -> Option<(&RelPath, &Entry)> {
        self.from.get(path).map(|(source, entry)| (source, entry))
    }
}

/// The directories that `pick` picks with all that is beneath them in `changes`, and a digest of what that is: a Merkle
/// tree of their own. Without those that hold no file: of them there are many alike.
fn whole(changes: &Packed<Change>, pick: impl Fn(&Change) -> Option<&Entry>) -> Vec<Whole> {
    let mut found = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    for change in changes.iter() {
        close(&mut open, Some(&change.path), &mut found);
        let Some(entry) = pick(&change) else { continue };
        if let Some(above) = open.last_mut() {
            above.take(change.path.name(), entry);
        }
        if entry.is_directory() {
            let (path, entry) = (change.path.clone(), entry.clone());
            let mut directory = Open { path, entry: entry.clone(), hasher: Hasher::plain(), files: false };
            directory.take(b"", &entry);
            open.push(directory);
        }
    }
    close(&mut open, None, &mut found);
    found.sort_by(|left, right| left.0.0.cmp(&right.0.0));
    found
}

/// A directory, and a digest of it with all that is beneath it.
type Whole = ((RelPath, Entry), Digest);

/// A directory, and what was seen of it so far.
struct Open {
    path: RelPath,
    entry: Entry,
    hasher: Hasher,
    files: bool,
}

impl Open {
    fn take(&mut self, name: &[u8], entry: &Entry) {
        let said = format!("{} {entry:?}", name.len());
        self.hasher.update(&(said.len() as u64).to_le_bytes());
        self.hasher.update(said.as_bytes());
        self.hasher.update(name);
        self.files |= !entry.is_directory();
    }
}

/// Closes the directories that `next` is not beneath.
fn close(open: &mut Vec<Open>, next: Option<&RelPath>, found: &mut Vec<Whole>) {
    while let Some(last) = open.pop_if(|last| next.is_none_or(|next| !next.is_beneath(&last.path))) {
        let digest = last.hasher.finish();
        if let Some(above) = open.last_mut() {
            above.hasher.update(digest.as_bytes());
            above.files |= last.files;
        }
        if last.files {
            found.push(((last.path, last.entry), digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svn::testing::{changes, directory, file};
    use depsync_engine::tree::Mode;

    fn moved(before: &[(&str, Entry)], after: &[(&str, Entry)]) -> Vec<String> {
        let moves = Moves::of(&changes(before, after));
        let mut moved: Vec<String> = moves.from.iter().map(|(to, (from, _))| format!("{from} -> {to}")).collect();
        moved.sort();
        moved
    }

    #[test]
    fn a_directory_that_moved_is_one_copy() {
        let tree = |top: &'static str| -> Vec<(String, Entry)> {
            let beneath =
                [("", directory()), ("/a", file(1)), ("/b", directory()), ("/b/c", file(2)), ("/e", directory())];
            beneath.into_iter().map(|(name, entry)| (format!("{top}{name}"), entry)).collect()
        };
        let (old, new) = (tree("app-1"), tree("x-app-2"));
        let borrowed =
            |tree: &'static [(String, Entry)]| tree.iter().map(|(name, entry)| (&**name, entry.clone())).collect();
        let old: Vec<(&str, Entry)> = borrowed(old.leak());
        let mut new: Vec<(&str, Entry)> = borrowed(new.leak());
        assert_eq!(moved(&old, &new), ["app-1 -> x-app-2"]);
        // Not whole any more: the file that stayed what it was is copied.
        new[1].1 = file(7);
        assert_eq!(moved(&old, &new), ["app-1/b -> x-app-2/b"]);
        // A directory without files is no find.
        assert!(moved(&[("a", directory())], &[("b", directory())]).is_empty());
    }

    #[test]
    fn a_file_that_moved_is_a_copy_and_one_that_stays_is_not() {
        assert_eq!(moved(&[("a", file(1))], &[("b", file(1)), ("c", file(1))]), ["a -> b", "a -> c"]);
        assert!(moved(&[("a", file(1))], &[("a", file(1)), ("b", file(1))]).is_empty());
        let (one, two) =
            (file(1), Entry::File { mode: Mode::new(0o755), size: 1, hash: Digest::of(&1u64.to_le_bytes()) });
        assert_eq!(moved(&[("a", one)], &[("b", two)]), ["a -> b"]);
        let empty = Entry::File { mode: Mode::new(0o644), size: 0, hash: Digest::of(b"") };
        assert!(moved(&[("a", empty.clone())], &[("b", empty)]).is_empty());
    }
}
