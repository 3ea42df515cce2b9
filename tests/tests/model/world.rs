//! Nodes over one hub, each command run twice: by the engine on the disk, and by the model in memory.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use depsync_engine::context::{Context, Observer};
use depsync_engine::engine::{Node, Options, PublishOptions, PublishOutcome, Role, Scope, UnitRule};
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::DeploymentName;
use depsync_engine::path::RelPath;
use depsync_engine::transport::MemoryLedger;
use depsync_engine::tree::{self, Entry, LinkTarget, MemoryPages, Mode};
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::Item;
use depsync_transports::hub::{Collected, Retention};

use crate::edit::{Editor, unlock};
use crate::member::{Member, Moment, content, recovered};
use crate::oracle::{Merge, Name, Plan, Rules, Tree, Wins, above, edit, held, is_directory, passes, visible};
use crate::sentry::Sentry;
use depsync_tests::dice::Dice;

/// A published revision.
pub(crate) struct Revision {
    pub(crate) tree: Tree,
    pub(crate) root: Digest,
    /// Whether it confirms a mass removal.
    pub(crate) accepts: bool,
}

/// Everything.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) site: Arc<Site>,
    pub(crate) dice: Dice,
    pub(crate) editor: Editor,
    pub(crate) members: Vec<Member>,
    /// The deployment's history; revision 1 is the first.
    pub(crate) hub: Vec<Revision>,
    /// The oldest revision that gc has surely left alone.
    pub(crate) oldest: usize,
    /// A node whose directory lies where nothing can lie beside it: its files are staged inside.
    inside: Option<usize>,
    /// Every directory at the top changes as one. What nobody tracks moves along, so the outcome is no other.
    units: bool,
    /// Who watches each directory, if somebody does.
    sentries: Option<Vec<Sentry>>,
    /// Every content ever published.
    published: BTreeSet<Vec<u8>>,
    /// What happens in the middle of the next command: gc, keeping so many revisions, after so many steps, so often.
    pub(crate) meddle: Option<(usize, usize, usize)>,
    log: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let fixed = dice.chance(50);
        let role = |role| fixed.then_some(role);
        let managers = ["m1", "m2"].map(|name| Member::new(name, role(Role::ReadWrite)));
        let workers = ["w1", "w2"].map(|name| Member::new(name, role(Role::ReadOnly)));
        let editor = Editor::new(Dice::new(dice.roll()));
        let inside = dice.pick(&[None, None, Some(0), Some(3)]).flatten();
        let sentries = dice.chance(50).then(|| (0..4).map(|_| Sentry::new()).collect());
        let site = Arc::new(Site::new());
        std::fs::create_dir(site.path().join("webapps")).expect("mkdir");
        let members = managers.into_iter().chain(workers).collect();
        // A die of its own: what else happens in a case is not to depend on it.
        let units = Dice::new(seed ^ 0x756e_6974).chance(40);
        Self {
            seed,
            site,
            dice,
            editor,
            members,
            hub: Vec::new(),
            oldest: 1,
            inside,
            units,
            sentries,
            published: BTreeSet::new(),
            meddle: None,
            log: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, what: String) {
        self.log.push(what);
    }

    pub(crate) fn dir(&self, who: usize) -> PathBuf {
        let name = self.members[who].name;
        if self.inside == Some(who) { self.site.path().join("webapps").join(name) } else { self.site.dir(name) }
    }

    pub(crate) fn head(&self) -> Tree {
        self.hub.last().map(|revision| revision.tree.clone()).unwrap_or_default()
    }

    fn options(&self, who: usize) -> Options {
        // Where files are staged inside, no directory can be.
        let units = self.units && self.inside != Some(who);
        let rule = || UnitRule { directory: "*".to_owned(), carry: vec!["*".to_owned()], keep: UnitRule::KEEP };
        let units = units.then(rule).into_iter().collect();
        let options = self.site.options(self.members[who].name);
        Options { role: self.members[who].role, dir: self.dir(who), units, ..options }
    }

    /// Opens the node as its next process would.
    pub(crate) fn node(&self, who: usize) -> Node {
        self.site.open(self.options(who))
    }

    /// The context of the next command.
    pub(crate) fn context(&mut self) -> Context {
        let cx = self.site.context();
        let Some((keep, after, times)) = self.meddle.take().filter(|_| !self.hub.is_empty()) else { return cx };
        self.note(format!("  gc, keeping {keep}, {times} times after {after} steps"));
        // One more than there are: it may be run when a new one stands already.
        self.oldest = self.oldest.max((self.hub.len() + 2).saturating_sub(keep));
        cx.with_observer(Arc::new(Collector { site: Arc::clone(&self.site), keep, when: Mutex::new((after, times)) }))
    }

    pub(crate) fn moment(&self, who: usize) -> Moment {
        Moment::of(&self.dir(who))
    }

    /// Whether revision `number` was published as the model has it, and that it is a tree at all.
    pub(crate) fn push(&mut self, tree: Tree, accepts: bool, said: &PublishOutcome) {
        for path in tree.keys() {
            let parents = above(path).all(|parent| is_directory(tree.get(parent)));
            assert!(parents, "published {} without its directory", String::from_utf8_lossy(path));
        }
        self.published.extend(tree.values().filter_map(content).map(<[u8]>::to_vec));
        let revision = Revision { root: root_of(&tree), tree, accepts };
        assert_eq!(said.root, revision.root, "the published root is not that of the model's tree");
        self.hub.push(revision);
        assert_eq!(said.revision, Some(self.hub.len() as u64));
    }

    /// Looks at the disk after a command that may have changed it: it is as predicted, and nothing is lost.
    pub(crate) fn check_disk(&self, who: usize, before: &Moment, predicted: &Tree) {
        let after = self.moment(who);
        assert_same(&after.tree, predicted);
        before.check_times(&after);
        let mut aside = None;
        for (path, content) in before.contents() {
            let still_there = after.content(path) == Some(content);
            if still_there || self.published.contains(content) {
                continue;
            }
            let aside = aside.get_or_insert_with(|| recovered(&self.node(who).places().recovery()));
            assert!(
                aside.contains(content),
                "lost: {} had {:?}, which is neither in the hub nor aside",
                String::from_utf8_lossy(path),
                String::from_utf8_lossy(content)
            );
        }
    }

    pub(crate) fn merge(&self, who: usize, disk: &Tree, wanted: &Tree, wins: Wins) -> Plan {
        let (rules, none) = (Rules::of(disk), BTreeSet::new());
        let agreement = &self.members[who].agreement;
        Merge { agreement, disk, wanted, rules: &rules, held: &none, forget: &none }.plan(wins)
    }

    /// The conflicts of a manager with the hub's head.
    pub(crate) fn conflicts(&self, who: usize) -> BTreeSet<Name> {
        let disk = self.moment(who).tree;
        self.merge(who, &disk, &self.head(), Wins::Nobody).conflicts.into_keys().collect()
    }

    pub(crate) fn publish(&mut self, who: usize, options: &PublishOptions) -> bool {
        self.note(format!("{}: publish {options:?}", self.members[who].name));
        let cx = self.context();
        let scoped = PublishOptions { scope: self.scope(who), ..options.clone() };
        let said = self.node(who).publish(&cx, &scoped);
        self.looked(who, said.is_ok() && !options.dry_run);
        self.judge_publish(who, options, said)
    }

    /// What a command of this node has to look at.
    pub(crate) fn scope(&mut self, who: usize) -> Scope {
        let dir = self.dir(who);
        self.sentries.as_mut().map_or(Scope::Whole, |sentries| sentries[who].scope(&dir))
    }

    /// A command of this node has looked, if it has.
    pub(crate) fn looked(&mut self, who: usize, has_looked: bool) {
        if let Some(sentries) = self.sentries.as_mut().filter(|_| has_looked) {
            sentries[who].looked();
        }
    }

    /// Publishes while another manager publishes between the scan and the compare-and-swap.
    pub(crate) fn publish_raced(&mut self, who: usize, other: usize, options: &PublishOptions) {
        self.note(format!("{}: publish {options:?}, raced by {}", self.members[who].name, self.members[other].name));
        let rival = Rival {
            site: Arc::clone(&self.site),
            options: self.options(other),
            publish: options.clone(),
            said: Mutex::new(None),
        };
        let rival = Arc::new(rival);
        let cx = self.site.context().with_observer(Arc::clone(&rival) as Arc<dyn Observer>);
        let scoped = PublishOptions { scope: self.scope(who), ..options.clone() };
        let said = self.node(who).publish(&cx, &scoped);
        self.looked(who, said.is_ok() && !options.dry_run);
        let first = rival.said.lock().expect("no panic").take();
        if let Some(first) = first {
            self.note("the rival was there".to_owned());
            self.judge_publish(other, options, first);
            // It had made up its mind to be a manager before it was raced.
            self.members[who].writes = Some(true);
        }
        self.judge_publish(who, options, said);
    }

    /// Holds what a publish said and did against the model; whether a revision was published.
    fn judge_publish(&mut self, who: usize, options: &PublishOptions, said: Result<PublishOutcome>) -> bool {
        let before = self.moment(who);
        let (head, number) = (self.head(), self.hub.len());
        let rules = Rules::of(&before.tree);
        let member = &mut self.members[who];
        let first_contact = member.applied.is_none() && number > 0;
        if member.role == Some(Role::ReadOnly) {
            assert_eq!(said.expect_err("a worker").kind(), ErrorKind::Usage);
            return false;
        }
        if member.pinned.is_some() || (first_contact && visible(&before.tree, &rules) != head) {
            assert_eq!(said.expect_err("pinned, or first contact").kind(), ErrorKind::Refused);
            return false;
        }
        let agreement = member.agreement.clone();
        let held = if options.no_hold { BTreeSet::new() } else { held(&agreement, &before.tree, &rules) };
        let forget = options.forget.iter().map(|path| path.as_bytes().to_vec()).collect();
        let merge = Merge {
            agreement: &agreement,
            disk: &before.tree,
            wanted: &head,
            rules: &rules,
            held: &held,
            forget: &forget,
        };
        let plan = merge.plan(Wins::Nobody);
        let counts =
            Counts::of(plan.publish.iter().map(|(path, after)| (agreement.contains_key(path), after.is_some())));
        let passes =
            passes(agreement.len(), counts.after(agreement.len())) && passes(head.len(), counts.after(head.len()));
        if !passes && !options.allow_mass_delete {
            assert_eq!(said.expect_err("a mass removal").kind(), ErrorKind::Refused);
            return false;
        }
        let said = said.unwrap_or_else(|error| panic!("publish: {error}"));
        agree("published", said.changes.iter().map(|change| change.path), &plan.publish.keys().cloned().collect());
        assert_eq!((said.added, said.modified, said.removed), (counts.added, counts.modified, counts.removed));
        assert_eq!(said.changed, !plan.publish.is_empty());
        agree("conflicts", said.conflicts.iter().map(|conflict| &conflict.path), &plan.conflicts.into_keys().collect());
        agree("held", said.held.iter().filter_map(|remark| remark.path.as_ref()), &held);
        assert!(said.problems.is_empty() && said.warnings.is_empty(), "{:?} {:?}", said.problems, said.warnings);
        let changed = !plan.publish.is_empty();
        let mut tree = head;
        edit(&mut tree, &plan.publish);
        edit(&mut member.agreement, plan.publish.iter().chain(&plan.agree));
        if options.dry_run {
            member.agreement = agreement;
            return false;
        }
        member.writes = Some(true);
        if changed || number > 0 {
            let number = if changed { number + 1 } else { number };
            if member.agreement == tree {
                member.applied = Some(number);
            }
        }
        if changed {
            self.push(tree, !passes, &said);
        } else {
            assert_eq!(said.revision, (number > 0).then_some(number as u64));
        }
        self.check_disk(who, &before, &before.tree);
        changed
    }
}

/// What a publish, an update or a rollback counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) added: u64,
    pub(crate) modified: u64,
    pub(crate) removed: u64,
}

impl Counts {
    /// Of pairs: was there, is there.
    pub(crate) fn of(changes: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for (before, after) in changes {
            match (before, after) {
                (false, _) => counts.added += 1,
                (true, true) => counts.modified += 1,
                (true, false) => counts.removed += 1,
            }
        }
        counts
    }

    fn after(self, entries: usize) -> usize {
        let small = |count: u64| usize::try_from(count).expect("small");
        (entries + small(self.added)).saturating_sub(small(self.removed))
    }
}

/// Collects garbage in the middle of somebody else's command, at one of its steps, once or twice.
pub(crate) struct Collector {
    pub(crate) site: Arc<Site>,
    pub(crate) keep: usize,
    /// How many steps to let pass first, and how often to collect then.
    pub(crate) when: Mutex<(usize, usize)>,
}

impl Collector {
    pub(crate) fn collect(site: &Site, keep: usize) -> Result<Collected> {
        let ledger = Arc::new(MemoryLedger::default());
        let hub = depsync_transports::open(
            &site.hub().display().to_string(),
            &Default::default(),
            DeploymentName::default(),
            ledger,
            &site.hub(),
        )?;
        let retention =
            Retention { keep_revisions: keep as u64, keep_age: Duration::ZERO, grace: Duration::ZERO, raw: false };
        hub.gc(&site.context(), &retention)
    }
}

impl Observer for Collector {
    fn step(&self, name: &'static str) {
        // What is half uploaded is younger than any grace period; here that is none at all.
        if name.starts_with("durable.") || name == "hub.format" {
            return;
        }
        let mut when = self.when.lock().expect("no panic");
        match *when {
            (0, times) => {
                for _ in 0..times {
                    Self::collect(&self.site, self.keep).expect("collects");
                }
                *when = (0, 0);
            }
            (steps, times) => *when = (steps - 1, times),
        }
    }
}

/// Publishes from another node at the moment when the first is about to.
struct Rival {
    site: Arc<Site>,
    options: Options,
    publish: PublishOptions,
    said: Mutex<Option<Result<PublishOutcome>>>,
}

impl Observer for Rival {
    fn step(&self, name: &'static str) {
        let mut said = self.said.lock().expect("no panic");
        if name == "publish.propose" && said.is_none() {
            let node = self.site.open(self.options.clone());
            *said = Some(node.publish(&self.site.context(), &self.publish));
        }
    }
}

/// Holds paths that the engine named against those that the model expects.
pub(crate) fn agree(what: &str, said: impl Iterator<Item = impl Borrow<RelPath>>, expected: &BTreeSet<Name>) {
    let said: BTreeSet<Name> = said.map(|path| path.borrow().as_bytes().to_vec()).collect();
    let shown = |names: &BTreeSet<Name>, others: &BTreeSet<Name>| -> Vec<String> {
        names.difference(others).map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    };
    assert!(
        said == *expected,
        "{what}: only the engine says {:?}, only the model {:?}",
        shown(&said, expected),
        shown(expected, &said)
    );
}

/// The root of a tree by the engine's own room: what a disk with exactly this content must measure.
fn root_of(tree: &Tree) -> Digest {
    let mut entries: Vec<(RelPath, Entry)> = tree
        .iter()
        .map(|(path, item)| {
            let entry = match item {
                Item::File(mode, bytes) => {
                    Entry::File { mode: Mode::new(*mode), size: bytes.len() as u64, hash: Digest::of(bytes) }
                }
                Item::Directory(mode) => Entry::Directory { mode: Mode::new(*mode) },
                Item::Link(target) => Entry::Symlink { target: LinkTarget::new(target.clone()).expect("a target") },
            };
            (RelPath::new(path.clone()).expect("a path"), entry)
        })
        .collect();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    tree::build(entries.into_iter().map(Ok), &mut MemoryPages::default()).expect("builds")
}

/// Compares two trees and names the first paths that differ.
pub(crate) fn assert_same(found: &Tree, expected: &Tree) {
    let every: BTreeSet<&Name> = found.keys().chain(expected.keys()).collect();
    let differing: Vec<String> = every
        .into_iter()
        .filter(|path| found.get(*path) != expected.get(*path))
        .take(5)
        .map(|path| {
            let shown = |item: Option<&Item>| match item {
                Some(Item::File(mode, bytes)) => {
                    format!("file {mode:o} {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]))
                }
                other => format!("{other:?}"),
            };
            let (found, expected) = (shown(found.get(path)), shown(expected.get(path)));
            format!("{}: found {found}, expected {expected}", String::from_utf8_lossy(path))
        })
        .collect();
    assert!(differing.is_empty(), "the disk is not as the model says:\n{}", differing.join("\n"));
}

impl Drop for World {
    #[allow(clippy::print_stderr, reason = "how to repeat a failure is for the person who reads the test's output")]
    fn drop(&mut self) {
        unlock(self.site.path());
        if std::thread::panicking() {
            eprintln!("--- repeat with DEPSYNC_TEST_SEED={} ---\n{}", self.seed, self.log.join("\n"));
        }
    }
}
