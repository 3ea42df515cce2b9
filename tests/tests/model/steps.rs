//! What happens in a case: how it begins, its steps, and how the dust settles.

use std::os::unix::fs::PermissionsExt;

use depsync_engine::engine::{PublishOptions, Side, UpdateOptions};
use depsync_engine::path::RelPath;

use crate::edit::{Hand, remove};
use crate::member::tidy;
use crate::oracle::{Name, PATTERNS, Rules};
use crate::world::{World, assert_same};

const MANAGERS: [usize; 2] = [0, 1];
const EVERYBODY: [usize; 4] = [0, 1, 2, 3];

impl World {
    pub(crate) fn length(&mut self) -> usize {
        15 + self.dice.below(25)
    }

    /// A first manager with some files, and most often a first revision.
    pub(crate) fn begin(&mut self) {
        for who in MANAGERS {
            std::fs::create_dir(self.dir(who)).expect("mkdir");
        }
        for _ in 0..4 + self.dice.below(10) {
            self.edit(0);
        }
        if self.dice.chance(90) {
            self.publish(0, &PublishOptions::default());
            self.update(1, &UpdateOptions::default());
        }
    }

    fn edit(&mut self, who: usize) {
        let hand = if self.members[who].manager { Hand::Manager } else { Hand::Worker };
        let dir = self.dir(who);
        if dir.exists() {
            let what = self.editor.edit(&dir, hand);
            self.note(format!("{}: {what}", self.members[who].name));
        }
    }

    fn edits(&mut self, who: usize, most: usize) {
        for _ in 0..=self.dice.below(most) {
            self.edit(who);
        }
    }

    pub(crate) fn step(&mut self) {
        let manager = self.dice.below(2);
        let worker = 2 + self.dice.below(2);
        let anybody = self.dice.below(4);
        if self.dice.chance(12) {
            self.meddle = Some((1 + self.dice.below(4), self.dice.below(16), 1 + self.dice.below(2)));
        }
        match self.dice.below(100) {
            0..22 => self.edits(manager, 4),
            22..30 => self.edits(worker, 3),
            30..50 => {
                self.edits(manager, 3);
                let options = self.publish_options(manager);
                if self.dice.chance(25) {
                    self.publish(manager, &PublishOptions { dry_run: !self.hub.is_empty(), ..options.clone() });
                }
                self.publish(manager, &options);
            }
            50..54 => {
                self.edits(1 - manager, 2);
                self.edits(manager, 2);
                self.publish_raced(manager, 1 - manager, &PublishOptions::default());
            }
            54..66 => drop(self.update_somehow(manager)),
            66..80 => drop(self.update_somehow(worker)),
            80..85 => self.resolve_one(manager),
            85..88 => self.status(anybody),
            88..91 => {
                let repair = self.dice.chance(40);
                self.verify(anybody, repair);
            }
            91..94 => {
                if let Some(to) = self.kept_revision() {
                    self.meddle = None;
                    self.rollback(manager, to);
                }
            }
            94..96 => self.reinstall(anybody),
            96..97 => self.forget_one(manager),
            _ => {
                let keep = 1 + self.dice.below(6);
                self.collect(keep);
            }
        }
    }

    fn publish_options(&mut self, _who: usize) -> PublishOptions {
        PublishOptions {
            allow_mass_delete: self.dice.chance(15),
            no_hold: self.dice.chance(10),
            ..PublishOptions::default()
        }
    }

    fn update_somehow(&mut self, who: usize) -> bool {
        let mut options = UpdateOptions { allow_mass_delete: self.dice.chance(20), ..UpdateOptions::default() };
        if self.members[who].pinned.is_some() {
            options.unpin = self.dice.chance(60);
        } else if self.dice.chance(12) {
            options.to = self.kept_revision().map(|to| to as u64);
        }
        options.prune = self.is_worker(who) && self.dice.chance(10);
        if self.dice.chance(15) {
            self.update(who, &UpdateOptions { dry_run: true, ..options.clone() });
        }
        if options.to.is_some() {
            // That revision may be the one that goes.
            self.meddle = None;
        }
        self.update(who, &options)
    }

    /// A revision that gc has left alone.
    fn kept_revision(&mut self) -> Option<usize> {
        let kept: Vec<usize> = (self.oldest..=self.hub.len()).collect();
        self.dice.pick(&kept)
    }

    fn resolve_one(&mut self, who: usize) {
        if self.hub.is_empty() || self.members[who].pinned.is_some() {
            return;
        }
        let conflicts: Vec<Name> = self.conflicts(who).into_iter().collect();
        let side = if self.dice.chance(50) { Side::Mine } else { Side::Theirs };
        if let Some(path) = self.dice.pick(&conflicts) {
            self.resolve(who, &path, side);
        }
    }

    /// Takes a tracked and ignored path out of the deployment.
    fn forget_one(&mut self, who: usize) {
        let rules = Rules::of(&self.moment(who).tree);
        let hidden: Vec<Name> = self.members[who].agreement.keys().filter(|path| rules.hide(path)).cloned().collect();
        if let Some(path) = self.dice.pick(&hidden) {
            let forget = vec![RelPath::new(path).expect("a path")];
            self.publish(who, &PublishOptions { forget, ..PublishOptions::default() });
        }
    }

    /// Everybody stops editing; conflicts are resolved; what was ignored is cleared away. Then all are equal.
    pub(crate) fn settle(&mut self) {
        self.note("--- settling ---".to_owned());
        // Once more after they agree: one manager's patterns may only now have come to the other.
        for _ in 0..2 {
            for who in MANAGERS {
                let dir = self.dir(who);
                remove(&crate::edit::place(&dir, PATTERNS));
                self.clear_ignored(who);
            }
            self.agree();
        }
        for who in EVERYBODY {
            let update = UpdateOptions { unpin: true, allow_mass_delete: true, ..UpdateOptions::default() };
            self.update(who, &update);
            let agreed = self.members[who].agreement.clone();
            if self.dir(who).exists() {
                tidy(&self.dir(who), &agreed);
            }
            self.update(who, &update);
        }
        self.judge();
    }

    /// The managers publish and update until there is nothing left to do.
    fn agree(&mut self) {
        let update = UpdateOptions { allow_mass_delete: true, ..UpdateOptions::default() };
        let publish = PublishOptions { allow_mass_delete: true, no_hold: true, ..PublishOptions::default() };
        for round in 0.. {
            assert!(round < 12, "the managers do not come to rest");
            let mut busy = false;
            for who in MANAGERS {
                busy |= self.update(who, &UpdateOptions { unpin: true, ..update.clone() });
                while let Some(path) = (!self.hub.is_empty()).then(|| self.conflicts(who).pop_first()).flatten() {
                    let side = if self.dice.chance(50) { Side::Mine } else { Side::Theirs };
                    self.resolve(who, &path, side);
                    busy = true;
                }
                busy |= self.publish(who, &publish);
            }
            if !busy {
                return;
            }
        }
    }

    fn clear_ignored(&mut self, who: usize) {
        let tree = self.moment(who).tree;
        let rules = Rules::of(&tree);
        for path in tree.keys().rev().filter(|path| rules.hide(path)) {
            let _open = crate::edit::Opened::above(&self.dir(who), path);
            remove(&crate::edit::place(&self.dir(who), path));
        }
    }

    fn judge(&mut self) {
        let (head, Some(last)) = (self.head(), self.hub.last()) else { return };
        let root = last.root;
        for who in EVERYBODY {
            self.note(format!("{}: judged", self.members[who].name));
            let found = self.moment(who);
            assert_same(&found.tree, &head);
            let verified = self.node(who).verify(&self.site.context(), false).expect("verifies");
            assert!(verified.matches, "{:?}", verified.differing);
            assert_eq!(verified.measured, root);
            assert_eq!(self.members[who].agreement, head);
            assert_eq!(self.dir(who).metadata().expect("metadata").permissions().mode() & 0o700, 0o700);
        }
        let reports = self.node(0).status(&self.site.context()).expect("status").nodes;
        assert_eq!(reports.len(), 4);
        for report in reports.into_iter().map(|node| node.report) {
            assert_eq!(report.measured, Some(root), "{} measured something else", report.node);
            assert_eq!(report.applied.map(|applied| applied.number), Some(self.hub.len() as u64));
        }
        self.status(0);
    }
}
