//! Relics: files of an earlier revision that lie here although nobody knows any more that depsync put them there.
//!
//! A node that has lost its state, or was put back from an old copy, meets the hub for the first time. Whatever the hub
//! has is adopted or replaced; but a file that the hub has removed meanwhile would stay, and on a manager the next
//! publish would bring it back for everybody. So at a first contact the revisions before the head are looked at: a file
//! that is here and not in the head, with the very content that an earlier revision had at this path, is a relic. It
//! goes, and is kept aside. So does a directory in which there was nothing but relics. What no revision ever had is the
//! node's own, and stays. So do the ignore patterns: without them what they hide would be published.

use std::collections::{BTreeSet, HashMap};

use super::Node;
use super::update::Target;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::plan::{Application, Plan, Trees};
use crate::scan::IGNORE_FILE;
use crate::transport::WantedContent;
use crate::tree::{Entry, Tree};

/// How many revisions are looked at, the newest first; fewer where gc has removed them.
pub(super) const LOOKED_AT: u64 = 200;

impl Node {
    /// The roots of the revisions up to the hub's newest that can still be read, newest first, but for `target` itself.
    pub(super) fn earlier_roots(&self, cx: &Context, newest: u64, target: Target) -> Result<Vec<Digest>> {
        let mut roots = Vec::new();
        for record in self.transport.history(cx, newest, LOOKED_AT)?.into_iter().rev() {
            let Some(root) = record.root.filter(|root| *root != target.root && !roots.contains(root)) else { continue };
            match self.ensure_tree(cx, record.revision, root) {
                Ok(_) => roots.push(root),
                // Collected, and so are those before it.
                Err(error) if error.kind() == ErrorKind::Damaged => break,
                Err(error) => return Err(error),
            }
        }
        Ok(roots)
    }

    /// Adds the removal of the relics of revisions up to the hub's newest to a plan: those of `earlier` trees, and what
    /// else the hub knows to have had.
    pub(super) fn remove_relics(
        &self,
        cx: &Context,
        newest: u64,
        plan: &mut Plan,
        trees: &Trees<'_>,
        earlier: &[Digest],
    ) -> Result<()> {
        let mut here: Vec<(RelPath, Entry)> = Vec::new();
        for change in trees.agreement.diff(&trees.local) {
            let change = change?;
            if let (None, Some(entry)) = (change.before, change.after)
                && change.path.as_bytes() != IGNORE_FILE.as_bytes()
                && trees.wanted.get(&change.path)?.is_none()
            {
                here.push((change.path, entry));
            }
        }
        let contents =
            here.iter().filter_map(|(path, entry)| Some((path, entry.content().filter(|(_, size)| *size > 0)?)));
        let contents: HashMap<&RelPath, (Digest, u64)> = contents.collect();
        if contents.is_empty() {
            return Ok(());
        }
        let mut relics: BTreeSet<&RelPath> = BTreeSet::new();
        let mut note = |path: &RelPath, entry: Option<&Entry>| {
            if let Some((path, content)) = contents.get_key_value(path)
                && entry.and_then(Entry::content) == Some(*content)
            {
                relics.insert(path);
            }
        };
        let mut newer = trees.wanted;
        for root in earlier {
            let older = Tree::new(&*self.db, *root);
            for change in newer.diff(&older) {
                let change = change?;
                note(&change.path, change.after.as_ref());
            }
            newer = older;
        }
        let mut rest: Vec<(RelPath, WantedContent)> = contents
            .iter()
            .filter(|(path, _)| !relics.contains(*path))
            .map(|(path, (hash, size))| ((*path).clone(), WantedContent { hash: *hash, size: *size }))
            .collect();
        rest.sort_by(|left, right| left.0.cmp(&right.0));
        for path in self.transport.had(cx, newest, LOOKED_AT, &rest)? {
            relics.extend(contents.get_key_value(&path).map(|(path, _)| *path));
        }
        // Deepest first: a directory goes with the last thing in it.
        let (mut stays, mut emptied) = (BTreeSet::new(), BTreeSet::new());
        let mut going: Vec<Application> = Vec::new();
        for (path, entry) in here.iter().rev() {
            let goes =
                relics.contains(path) || (entry.is_directory() && emptied.contains(path) && !stays.contains(path));
            if let Some(parent) = path.parent() {
                if goes {
                    emptied.insert(parent)
                } else {
                    stays.insert(parent)
                };
            }
            if goes {
                let (have, keep) = (Some(entry.clone()), !entry.is_directory());
                going.push(Application { path: path.clone(), have, want: None, keep });
            }
        }
        plan.also_apply(going.into_iter().rev());
        Ok(())
    }
}
