//! The commands beside publish: update, rollback, verify, resolve, gc, a lost state.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;

use depsync_engine::engine::{Role, Side, UpdateOptions};
use depsync_engine::error::ErrorKind;
use depsync_engine::path::RelPath;

use crate::member::{Moment, content};
use crate::oracle::{Merge, Name, PATTERNS, Plan, Rules, Tree, Wins, carry_out, edit, is_beneath, passes, visible};
use crate::world::{Collector, Counts, Revision, World, agree};

/// What bringing a disk to a revision should have done.
struct Brought {
    plan: Plan,
    /// Directories that had to stay, because something untracked is in them.
    left: BTreeSet<Name>,
    /// The same of a first pass, where there were two.
    left_before: BTreeSet<Name>,
}

impl Brought {
    fn problems(&self) -> BTreeSet<Name> {
        self.plan.blocked.clone()
    }

    /// One word for each directory that stayed, and none for anything else.
    fn check_warnings(&self, said: &[String]) {
        let shown = |path: &Name| format!("{}: the hub has removed it", RelPath::new(path.clone()).expect("a path"));
        let wanted: Vec<String> = self.left.iter().map(shown).collect();
        let allowed: Vec<String> = self.left_before.iter().map(shown).chain(wanted.iter().cloned()).collect();
        assert!(said.iter().all(|word| allowed.iter().any(|shown| word.starts_with(shown))), "{said:?} of {allowed:?}");
        assert!(wanted.iter().all(|shown| said.iter().any(|word| word.starts_with(shown))), "{said:?} for {wanted:?}");
    }

    fn conflicts(&self) -> BTreeSet<Name> {
        self.plan.conflicts.keys().cloned().collect()
    }

    fn applied(&self) -> BTreeSet<Name> {
        self.plan.apply.keys().filter(|path| !self.left.contains(*path)).cloned().collect()
    }

    fn counts(&self) -> Counts {
        let done = self.plan.apply.iter().filter(|(path, _)| !self.left.contains(*path));
        Counts::of(done.map(|(_, one)| (one.have.is_some(), one.want.is_some())))
    }
}

impl World {
    pub(crate) fn update(&mut self, who: usize, options: &UpdateOptions) -> bool {
        self.note(format!("{}: update {options:?}", self.members[who].name));
        self.tidy_up(who);
        let before = self.moment(who);
        let cx = self.context();
        let scoped = UpdateOptions { scope: self.scope(who), ..options.clone() };
        let said = self.node(who).update(&cx, &scoped);
        self.looked(who, said.is_ok() && !options.dry_run);
        if self.hub.is_empty() {
            let nothing = said.map_or_else(|error| error.kind() == ErrorKind::Unreachable, |said| !said.changed);
            assert!(nothing, "there is nothing to update to");
            return false;
        }
        let pinned = if options.unpin { None } else { self.members[who].pinned };
        let pinned = options.to.map(|to| usize::try_from(to).expect("small")).or(pinned);
        let target = pinned.unwrap_or(self.hub.len());
        if !options.dry_run {
            self.members[who].writes.get_or_insert(false);
        }
        let member = &self.members[who];
        let accepted = member.applied.is_some_and(|applied| self.hub[applied..].iter().any(|one| one.accepts));
        let allowed = options.allow_mass_delete || accepted;
        let emptied = visible(&before.tree, &Rules::of(&before.tree)).is_empty() && !member.agreement.is_empty();
        let shrunk = !passes(member.agreement.len(), self.hub[target - 1].tree.len());
        if !allowed && (emptied || shrunk) {
            assert_eq!(said.expect_err("looks like an accident").kind(), ErrorKind::Refused);
            self.check_disk(who, &before, &before.tree);
            return false;
        }
        let said = said.unwrap_or_else(|error| panic!("update: {error}"));
        let wins = member.wins();
        let brought = self.bring(who, &before, target, wins, options);
        if !options.dry_run {
            self.members[who].pinned = pinned;
        }
        let counts = brought.counts();
        agree("applied", said.changes.iter().map(|change| change.path), &brought.applied());
        assert_eq!((said.added, said.modified, said.removed), (counts.added, counts.modified, counts.removed));
        assert_eq!(said.changed, counts != Counts::default());
        assert_eq!((said.to, said.root), (Some(target as u64), self.hub[target - 1].root));
        agree("conflicts", said.conflicts.iter().map(|conflict| &conflict.path), &brought.conflicts());
        agree("problems", said.problems.iter().filter_map(|remark| remark.path.as_ref()), &brought.problems());
        brought.check_warnings(&said.warnings);
        said.changed
    }

    /// Before a first contact somebody removes what an earlier revision left there: which of these revisions gc has left
    /// readable by then, the model does not know. What becomes of such files is the subject of `tests/state`.
    fn tidy_up(&self, who: usize) {
        if self.members[who].applied.is_some() {
            return;
        }
        for (path, item) in self.moment(who).tree {
            let known = |revision: &Revision| revision.tree.get(&path).and_then(content) == content(&item);
            let lacks = |revision: &Revision| !revision.tree.contains_key(&path);
            if content(&item).is_some() && self.hub.iter().any(known) && self.hub.iter().any(lacks) {
                let file = self.dir(who).join(std::path::Path::new(std::ffi::OsStr::from_bytes(&path)));
                std::fs::remove_file(file).expect("a file that was seen");
            }
        }
    }

    /// Lets the model bring the disk to revision `target`, twice where the patterns changed, and holds the real disk
    /// against it.
    fn bring(&mut self, who: usize, before: &Moment, target: usize, wins: Wins, options: &UpdateOptions) -> Brought {
        let mut disk = before.tree.clone();
        let mut brought = self.bring_once(who, &mut disk, target, wins, options);
        if !options.dry_run && !brought.plan.blocked.is_empty() && brought.applied().contains(PATTERNS) {
            let again = self.bring_once(who, &mut disk, target, wins, options);
            // What the first had to leave may have gone with the second.
            brought.plan.apply.retain(|path, _| !brought.left.contains(path));
            brought.plan.apply.extend(again.plan.apply);
            brought.left_before = std::mem::replace(&mut brought.left, again.left);
            (brought.plan.blocked, brought.plan.conflicts) = (again.plan.blocked, again.plan.conflicts);
        }
        self.check_disk(who, before, &disk);
        brought
    }

    fn bring_once(
        &mut self,
        who: usize,
        disk: &mut Tree,
        target: usize,
        wins: Wins,
        options: &UpdateOptions,
    ) -> Brought {
        let before = disk.clone();
        let wanted = self.hub[target - 1].tree.clone();
        let (rules, none) = (Rules::of(disk), BTreeSet::new());
        let agreement = self.members[who].agreement.clone();
        let merge =
            Merge { agreement: &agreement, disk: &before, wanted: &wanted, rules: &rules, held: &none, forget: &none };
        let mut plan = merge.plan(wins);
        if options.prune {
            merge.prune(&mut plan);
        }
        if options.dry_run {
            return Brought { plan, left: BTreeSet::new(), left_before: BTreeSet::new() };
        }
        let left = carry_out(disk, &plan.apply);
        let member = &mut self.members[who];
        let applied = plan.apply.iter().filter(|(path, _)| !left.contains(*path)).map(|(path, one)| (path, &one.want));
        edit(&mut member.agreement, applied.chain(&plan.agree));
        if wins == Wins::Hub {
            // The agreement lets go of what the hub has removed, unless it still has something in it.
            for path in left.iter().rev() {
                if !member.agreement.keys().any(|other| is_beneath(other, path)) {
                    member.agreement.remove(path);
                }
            }
        }
        member.applied = Some(target);
        Brought { plan, left, left_before: BTreeSet::new() }
    }

    pub(crate) fn rollback(&mut self, who: usize, to: usize) {
        self.note(format!("{}: rollback {to}", self.members[who].name));
        self.tidy_up(who);
        let before = self.moment(who);
        let cx = self.context();
        let said = self.node(who).rollback(&cx, to as u64, "");
        let member = &self.members[who];
        if !member.writes() {
            assert_eq!(said.expect_err("no manager").kind(), ErrorKind::Usage);
            return;
        }
        if member.pinned.is_some() {
            assert_eq!(said.expect_err("pinned").kind(), ErrorKind::Refused);
            return;
        }
        let said = said.unwrap_or_else(|error| panic!("rollback: {error}"));
        let (now, then) = (self.head(), self.hub[to - 1].tree.clone());
        let every: BTreeSet<&Name> = now.keys().chain(then.keys()).collect();
        let differing = every.into_iter().filter(|path| now.get(*path) != then.get(*path));
        let counts = Counts::of(differing.map(|path| (now.contains_key(path), then.contains_key(path))));
        assert_eq!((said.added, said.modified, said.removed), (counts.added, counts.modified, counts.removed));
        assert_eq!(said.changed, now != then);
        if now != then {
            let accepts = !passes(now.len(), then.len());
            self.push(then, accepts, &said);
        }
        let wins = self.members[who].wins();
        let brought = self.bring(who, &before, self.hub.len(), wins, &UpdateOptions::default());
        agree("conflicts", said.conflicts.iter().map(|conflict| &conflict.path), &brought.conflicts());
        agree("problems", said.problems.iter().filter_map(|remark| remark.path.as_ref()), &brought.problems());
    }

    pub(crate) fn verify(&mut self, who: usize, repair: bool) {
        self.note(format!("{}: verify, repair: {repair}", self.members[who].name));
        let before = self.moment(who);
        let said = self.node(who).verify(&self.site.context(), repair);
        let Some(applied) = self.members[who].applied else {
            assert_eq!(said.expect_err("nothing applied").kind(), ErrorKind::Usage);
            return;
        };
        let said = said.unwrap_or_else(|error| panic!("verify: {error}"));
        if repair {
            self.bring(who, &before, applied, Wins::Hub, &UpdateOptions::default());
        } else {
            self.check_disk(who, &before, &before.tree);
        }
        let differing = self.members[who].drift(&self.moment(who).tree);
        agree("differing", said.differing.iter().filter_map(|remark| remark.path.as_ref()), &differing);
        assert_eq!(said.matches, differing.is_empty(), "measured {} of {}", said.measured, said.root);
    }

    /// Ends one conflict, if there is one.
    pub(crate) fn resolve(&mut self, who: usize, path: &[u8], side: Side) {
        self.note(format!("{}: resolve {} {side:?}", self.members[who].name, String::from_utf8_lossy(path)));
        let before = self.moment(who);
        let asked = RelPath::new(path.to_vec()).expect("a path");
        let said = self.node(who).resolve(&self.site.context(), &asked, side);
        let conflicts = self.merge(who, &before.tree, &self.head(), Wins::Nobody).conflicts;
        let ended: Vec<_> = conflicts
            .into_iter()
            .filter(|(other, _)| other == path || is_beneath(other, path))
            .map(|(path, (mine, theirs))| (path, if side == Side::Mine { theirs } else { mine }))
            .collect();
        if ended.is_empty() {
            assert_eq!(said.expect_err("no conflict").kind(), ErrorKind::Usage);
            return;
        }
        said.unwrap_or_else(|error| panic!("resolve: {error}"));
        edit(&mut self.members[who].agreement, ended.iter().map(|(path, item)| (path, item)));
        self.check_disk(who, &before, &before.tree);
    }

    pub(crate) fn status(&mut self, who: usize) {
        self.note(format!("{}: status", self.members[who].name));
        if !self.dir(who).exists() || self.hub.is_empty() {
            return;
        }
        let before = self.moment(who);
        let said = self.node(who).status(&self.site.context()).unwrap_or_else(|error| panic!("status: {error}"));
        let member = &self.members[who];
        assert_eq!(said.applied, member.applied.map(|applied| applied as u64));
        assert_eq!(said.pinned, member.pinned.map(|pinned| pinned as u64));
        assert_eq!(said.head, Some(self.hub.len() as u64));
        assert_eq!(said.writes, member.writes());
        if member.writes() {
            let plan = self.merge(who, &before.tree, &self.head(), Wins::Nobody);
            let conflicts = plan.conflicts.into_keys().collect();
            agree("conflicts", said.conflicts.iter().map(|conflict| &conflict.path), &conflicts);
            agree("local changes", said.drift.iter(), &plan.publish.into_keys().collect());
        } else {
            agree("drift", said.drift.iter(), &member.drift(&before.tree));
        }
        assert!(said.problems.is_empty() && said.hub_error.is_none());
        self.check_disk(who, &before, &before.tree);
    }

    /// Collects garbage: condemns at one call, deletes at the next.
    pub(crate) fn collect(&mut self, keep: usize) {
        self.note(format!("gc, keeping {keep}"));
        if self.hub.is_empty() {
            return;
        }
        let done = Collector::collect(&self.site, keep);
        let done = done.unwrap_or_else(|error| panic!("gc: {error}"));
        self.note(format!("  {done:?}"));
        self.oldest = self.oldest.max((self.hub.len() + 1).saturating_sub(keep));
    }

    /// The machine is set up anew: the state is gone, the directory is not.
    pub(crate) fn reinstall(&mut self, who: usize) {
        self.note(format!("{}: reinstalled", self.members[who].name));
        let state = self.node(who).places().state.clone();
        std::fs::remove_dir_all(state).expect("remove");
        self.members[who].forget_everything();
    }

    /// Whether the node can be told to publish at all.
    pub(crate) fn is_worker(&self, who: usize) -> bool {
        self.members[who].role == Some(Role::ReadOnly) || !self.members[who].manager
    }
}
