//! `verify`: every tracked file is read and compared with what was applied; `--repair` brings back what differs.

use std::time::Instant;

use super::disk::{Disk, Gaze, Remember};
use super::tracked::Tracked;
use super::update::{Manner, Progressed, Summons, Target};
use super::{Heal, Node, Remark, Scope, VerifyOutcome};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Policy, Trees};
use crate::revdb::Position;
use crate::transport::{Look, OpenMode};
use crate::tree::{Change, Entry, Tree, empty_root};

impl Node {
    /// Reads everything that is tracked. With `repair`, what differs is fetched and put back; what was there is kept
    /// aside, also on a manager.
    pub fn verify(&self, cx: &Context, repair: bool) -> Result<VerifyOutcome> {
        self.soundly(|| self.verify_once(cx, repair))
    }

    fn verify_once(&self, cx: &Context, repair: bool) -> Result<VerifyOutcome> {
        cx.check()?;
        let begun = Instant::now();
        let _lock = self.lock(cx)?;
        if repair {
            self.recover(cx)?;
        }
        let mut position = self.db.position()?;
        let Some((revision, root)) = position.applied else {
            return Err(Error::new(
                ErrorKind::Usage,
                "nothing was ever applied here, so there is nothing to compare with",
            )
            .at(self.places.dir.display())
            .hint("run `depsync update` first"));
        };
        let mut repaired = Progressed::default();
        if repair {
            if position.agreement != empty_root() && !self.places.dir.exists() {
                std::fs::create_dir(&self.places.dir)
                    .map_err(|source| Error::io("make the directory", self.places.dir.display(), source))?;
            }
            let before = position.clone();
            self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Glance)?;
            let manner = Manner {
                policy: Policy::HubWins,
                full: true,
                prune: false,
                dry_run: false,
                allow_mass_delete: true,
                first_contact: None,
                scope: &Scope::Whole,
                heal: &Heal::All,
                summons: Summons::default(),
                evicting: false,
            };
            repaired = self.bring_and_tell(cx, &mut position, &before, Target { revision, root }, &manner)?;
        }
        let found = self.compare(cx, &mut position, !repair)?;
        Ok(VerifyOutcome {
            revision: Some(revision.number),
            repaired: repaired.applied.len() as u64,
            bytes_read: found.bytes_read + repaired.bytes_read,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..found
        })
    }

    fn compare(&self, cx: &Context, position: &mut Position, full: bool) -> Result<VerifyOutcome> {
        let dir = self.open_dir(position)?;
        let tracked = Tracked::new([Tree::new(&*self.db, position.known())]);
        let disk = self.look(cx, dir, Gaze { full, ..Gaze::new(&tracked, Remember::Yes) })?;
        if full {
            position.full_scan = Some(cx.now());
            self.db.set_position(position)?;
        }
        let pages = disk.pages(&*self.db);
        let trees = Trees {
            agreement: Tree::new(&pages, position.agreement),
            known: Tree::new(&pages, position.known()),
            local: Tree::new(&pages, disk.observed),
            wanted: Tree::new(&pages, position.known()),
        };
        let measured = disk.measured(&trees)?;
        let root = position.known();
        Ok(VerifyOutcome {
            revision: None,
            root,
            measured,
            matches: measured == root && disk.scan.problems.is_empty(),
            differing: differing(&trees, &disk)?,
            problems: disk.problems(),
            repaired: 0,
            entries: disk.scan.counts.entries,
            bytes_read: disk.scan.counts.hashed_bytes,
            duration_ms: 0,
        })
    }
}

fn differing(trees: &Trees<'_>, disk: &Disk) -> Result<Vec<Remark>> {
    let remark = |change: Change| Remark { reason: how(&change).to_owned(), path: Some(change.path) };
    disk.differing(trees).map(|change| change.map(remark)).collect()
}

/// How what is there differs from what should be.
pub(super) fn how(change: &Change) -> &'static str {
    match (&change.before, &change.after) {
        (_, None) => "missing",
        (Some(before), Some(after)) if before.differs_in_mode_only(after) => "other permissions",
        (Some(Entry::File { size, .. }), Some(Entry::File { size: now, .. })) if size != now => "other size",
        (Some(Entry::File { .. }), Some(Entry::File { .. })) => "other content",
        (Some(Entry::Symlink { .. }), Some(Entry::Symlink { .. })) => "another target",
        _ => "another kind",
    }
}
