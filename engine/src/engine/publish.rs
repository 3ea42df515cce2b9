//! `publish`: what is on this disk becomes the hub's next revision.

use std::time::Instant;

use super::agree::agree;
use super::disk::{Disk, Gaze, Remember};
use super::hub::Head;
use super::outcome::Counts;
use super::race::Races;
use super::report::Ending;
use super::update::{conflict_count, conflicts};
use super::{Founding, Node, PublishOptions, PublishOutcome, Remark, Role, Scope};
use crate::beneath::Root;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::{Revision, random_bytes};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Agreed, Guard, Lazy, Plan, Policy, Trees, Unsettled};
use crate::record::{Acceptance, Draft};
use crate::revdb::{Applied, Position, Proposed, Settlement, Work};
use crate::scan::{Everything, archive_flaw, is_called_archive};
use crate::transport::{Capabilities, Look, Names, OpenMode, Outcome, Proposal, Published};
use crate::tree::{self, Change, Entry, Overlay, Pages, Totals, Tree, empty_root};

/// How often files that change meanwhile are held back and the rest is tried again.
const MOVES: u32 = 32;

/// How an attempt ended that must be made again.
enum Again {
    /// Somebody else has published on top of this revision.
    Raced(Option<Revision>),
    Moved(Vec<RelPath>),
}

/// What is being published.
struct Attempt<'a> {
    options: &'a PublishOptions,
    begun: Instant,
    /// Files that changed between scan and upload in an earlier attempt.
    moving: Vec<RelPath>,
    /// A lost race leaves packs behind; this counts what all attempts sent.
    sent: u64,
}

impl Node {
    /// Publishes the directory as a new revision, if there is anything new in it.
    ///
    /// Refused ([`ErrorKind::Refused`]) when it looks like an accident; then nothing was changed.
    pub fn publish(&self, cx: &Context, options: &PublishOptions) -> Result<PublishOutcome> {
        let published = self.soundly(|| self.publish_once(cx, options));
        self.reported(cx, options.dry_run, published)
    }

    pub(super) fn publish_once(&self, cx: &Context, options: &PublishOptions) -> Result<PublishOutcome> {
        cx.check()?;
        if self.options.role == Some(Role::ReadOnly) {
            return Err(Error::new(ErrorKind::Usage, "this node is configured as a worker, which does not publish"));
        }
        let begun = Instant::now();
        let _lock = self.lock(cx)?;
        if !options.dry_run {
            self.recover(cx)?;
        }
        let mut attempt = Attempt { options, begun, moving: Vec::new(), sent: 0 };
        let (mut races, mut moves) = (Races::default(), 0);
        loop {
            match self.attempt(cx, &mut attempt)? {
                Ok(outcome) => return Ok(outcome),
                Err(Again::Raced(parent)) => races.lost(cx, self, parent).map_err(|error| error.op("publish"))?,
                Err(Again::Moved(paths)) if moves < MOVES => {
                    moves += 1;
                    attempt.moving.extend(paths);
                }
                Err(Again::Moved(_)) => {
                    return Err(Error::new(ErrorKind::Locked, "files change faster than they can be read")
                        .op("publish")
                        .at(self.places.dir.display())
                        .hint("publish when whoever writes there has finished"));
                }
            }
        }
    }

    fn attempt(&self, cx: &Context, attempt: &mut Attempt<'_>) -> Result<Result<PublishOutcome, Again>> {
        let options = attempt.options;
        let mut position = self.db.position()?;
        let before = position.clone();
        if let Some(pinned) = position.pinned {
            return Err(Error::new(ErrorKind::Refused, format!("this node is pinned to revision {pinned}"))
                .hint("`depsync update --unpin` brings it back to the newest revision"));
        }
        let dir = self.open_dir(&position)?;
        let mode = match options.founds {
            Founding::Hub if !options.dry_run => OpenMode::Create,
            Founding::Deployment if !options.dry_run => OpenMode::Deployment,
            _ => OpenMode::Existing,
        };
        let hub =
            self.look_at_hub(cx, &mut position, mode, Look::Heal).map_err(|error| self.unseeded(options, error))?;
        if !options.dry_run {
            self.adopt_hub(cx, hub.facts.as_ref())?;
            self.claim_lost_publish(cx, &mut position, &hub)?;
        }
        let wanted_root = hub.head.as_ref().map_or(empty_root(), |head| head.root);
        if let Some(head) = &hub.head {
            self.ensure_tree(cx, head.revision, head.root)?;
        }
        let remember = if options.dry_run { Remember::No } else { Remember::Yes };
        // A worker's looks have passed over what it does not track.
        let scope = if self.writes() { &options.scope } else { &Scope::Whole };
        let part = self.part_of(scope, &position, None)?;
        let disk = self.look(cx, dir, Gaze { part, ..Gaze::new(&Everything, remember) })?;
        let pages = disk.pages(&*self.db);
        let trees = Trees {
            agreement: Tree::new(&pages, position.agreement),
            known: Tree::new(&pages, position.known()),
            local: Tree::new(&pages, disk.observed),
            wanted: Tree::new(&pages, wanted_root),
        };
        let first_contact = position.applied.is_none() && hub.head.is_some();
        if first_contact && disk.observed != wanted_root {
            return Err(Error::new(ErrorKind::Refused, "the hub has revisions that this node has never applied")
                .at(self.transport.endpoint())
                .hint("run `depsync update` first: it adopts what is equal and keeps what differs aside"));
        }
        if options.founds == Founding::Nothing && hub.head.is_none() && disk.observed != empty_root() {
            return Err(self.not_seeded());
        }
        let held = self.held(&disk, &trees, &pages, options, &attempt.moving)?;
        let mut listed = disk.unknown();
        listed.extend(held.iter().filter_map(|remark| remark.path.clone()));
        let forget = &options.forget;
        let hidden = |path: &RelPath, directory: bool| {
            disk.ignore.matches(path, directory) && !forget.iter().any(|gone| path.is_within(gone))
        };
        let occupied = |path: &RelPath| disk.is_occupied(path);
        let laziness = self.laziness(&position)?;
        let covers = |path: &RelPath, directory: bool| laziness.covers(path, directory);
        let unsettled = Unsettled::new(listed, &hidden, &occupied);
        let mut plan = plan::plan(trees, Policy::ThreeWay, &unsettled, &Lazy::new(&covers, Vec::new()))?;
        self.check_place(&position, &disk, plan.publish.is_empty())?;
        let accepts = self.guard(&trees, &plan, options)?;
        let mut outcome = PublishOutcome::of(&mut plan, &hub.head, held, &disk, attempt.begun);
        if options.dry_run {
            if outcome.changed {
                let parent = hub.head.as_ref().map(|head| head.revision);
                self.weigh(cx, attempt, parent, (&disk.root, &pages), &trees, accepts, &mut outcome)?;
            }
            return Ok(Ok(outcome));
        }
        position.place = Some((disk.scan.device, disk.scan.inode));
        position.held = outcome.held.iter().map(Remark::as_pair).collect();
        cx.step("state.role");
        self.set_identity(|identity| identity.writes = Some(true))?;
        if !outcome.changed {
            return self.settle_unchanged(cx, position, &before, &hub.head, &plan.agree, outcome).map(Ok);
        }
        // Only now: whether the hub can be published to is found out by writing to it.
        let facts = hub.facts.map_or_else(|| self.open_hub(cx, mode), Ok)?;
        if let Some(why) = facts.capabilities.publish_refused {
            return Err(Error::new(ErrorKind::Unsupported, why).op("publish").at(self.transport.endpoint()));
        }
        can_hold(&facts.capabilities, &outcome.changes)?;
        let parent = hub.head.as_ref().map(|head| head.revision);
        // What the scan holds of every file is not needed any more.
        let Disk { root, observed, scan, .. } = disk;
        drop(scan);
        self.propose(cx, attempt, position, parent, (&root, observed), &trees, plan, accepts, outcome)
    }

    /// Nothing new here: the agreement takes in what both sides have alike.
    fn settle_unchanged(
        &self,
        cx: &Context,
        mut position: Position,
        before: &Position,
        head: &Option<Head>,
        agreed: &Packed<Agreed>,
        mut outcome: PublishOutcome,
    ) -> Result<PublishOutcome> {
        let mut pages = Overlay::new(&*self.db);
        agree(&mut position, agreed, &mut pages)?;
        if let Some(head) = head {
            position.seen = Some((head.revision, head.root));
            if position.known() == head.root {
                position.applied = position.seen;
                position.whole = true;
            }
        }
        // Looking for records beyond the head is not worth a write of its own.
        if (Position { healed: before.healed, ..position.clone() }) != *before {
            cx.step("publish.settle");
            self.settle(&position, &pages, None, &[], &[])?;
        }
        self.report_published(cx, &position, &mut outcome)?;
        Ok(outcome)
    }

    #[allow(clippy::too_many_arguments, reason = "the state of one attempt; split off only for its length")]
    fn propose(
        &self,
        cx: &Context,
        attempt: &mut Attempt<'_>,
        mut position: Position,
        parent: Option<Revision>,
        (content, observed): (&Root, Digest),
        trees: &Trees<'_>,
        plan: Plan,
        accepts: Vec<Acceptance>,
        mut outcome: PublishOutcome,
    ) -> Result<Result<PublishOutcome, Again>> {
        let mut pages = Overlay::new(&*self.db);
        let published = outcome.changes.iter().map(|change| Ok((change.path, change.after)));
        let root = tree::edit(trees.wanted, published, &mut pages)?;
        let new_pages = Tree::new(&pages, trees.wanted.root()).new_pages(&Tree::new(&pages, root))?;
        let proposal = Proposal {
            parent,
            draft: self.draft(cx, root, &attempt.options.message, accepts)?,
            changes: &outcome.changes,
            new_pages: &new_pages,
            pages: &pages,
            content,
            recipes: &|content| self.db.recipe(content),
            effort: attempt.options.effort.unwrap_or(self.options.effort),
            restores: None,
        };
        cx.step("publish.write-down");
        self.db.set_proposed(&Proposed {
            base: trees.wanted.root(),
            number: parent.map_or(1, |parent| parent.number + 1),
            nonce: proposal.draft.nonce.clone(),
            root,
        })?;
        cx.step("publish.propose");
        // The hub's root is another one if it has merged what somebody else did: that comes with the next update.
        let (revision, hub_root, sent, recipes) = match self.transport.publish(cx, &proposal)? {
            Published::Raced => return Ok(Err(Again::Raced(parent))),
            Published::Moved(paths) => return Ok(Err(Again::Moved(paths))),
            Published::Done { revision, root, sent, recipes } => (revision, root, sent, recipes),
        };
        attempt.sent += sent;
        cx.step("state.cache-pages");
        self.cache_tree(&pages, &new_pages)?;
        let published = outcome.changes.iter().map(|change| (change.path, change.after));
        let moved: Packed<Agreed> = plan::merge(published, plan.agree).collect();
        agree(&mut position, &moved, &mut pages)?;
        position.seen = Some((revision, hub_root));
        if position.known() == hub_root {
            position.applied = position.seen;
            position.whole = true;
        }
        outcome.parent = outcome.revision;
        outcome.revision = Some(revision.number);
        outcome.root = hub_root;
        outcome.bytes_sent = attempt.sent;
        outcome.duration_ms = u64::try_from(attempt.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let row = Applied {
            at: cx.now(),
            work: Work::Publish,
            from: parent.map(|parent| parent.number),
            to: Some(revision.number),
            root: position.known(),
            entries: outcome.changes.len() as u64,
            bytes: attempt.sent,
            millis: outcome.duration_ms,
            outcome: if outcome.conflicts.is_empty() { "applied" } else { "partial" }.to_owned(),
            detail: None,
        };
        let forgotten: Vec<Digest> =
            outcome.changes.iter().filter_map(|change| change.before?.content()).map(|(hash, _)| hash).collect();
        cx.step("publish.settle");
        self.settle(&position, &pages, Some(&row), &recipes, &forgotten)?;
        self.report_published(cx, &position, &mut outcome)?;
        cx.step("state.sweep-cache");
        self.db.sweep_cache(&[observed, root])?;
        Ok(Ok(outcome))
    }

    /// Says in the outcome what would be sent, where the transport can tell.
    #[allow(clippy::too_many_arguments, reason = "the state of one attempt; split off only for its length")]
    fn weigh(
        &self,
        cx: &Context,
        attempt: &Attempt<'_>,
        parent: Option<Revision>,
        (content, pages): (&Root, &dyn Pages),
        trees: &Trees<'_>,
        accepts: Vec<Acceptance>,
        outcome: &mut PublishOutcome,
    ) -> Result<()> {
        let mut pages = Overlay::new(pages);
        let published = outcome.changes.iter().map(|change| Ok((change.path, change.after)));
        let root = tree::edit(trees.wanted, published, &mut pages)?;
        let new_pages = Tree::new(&pages, trees.wanted.root()).new_pages(&Tree::new(&pages, root))?;
        let proposal = Proposal {
            parent,
            draft: self.draft(cx, root, &attempt.options.message, accepts)?,
            changes: &outcome.changes,
            new_pages: &new_pages,
            pages: &pages,
            content,
            recipes: &|content| self.db.recipe(content),
            effort: attempt.options.effort.unwrap_or(self.options.effort),
            restores: None,
        };
        if let Some(weight) = self.transport.weigh(cx, &proposal)? {
            outcome.bytes_sent = weight.bytes;
            outcome.freight = Some(weight.freight);
        }
        Ok(())
    }

    /// What the record is to say.
    pub(super) fn draft(&self, cx: &Context, root: Digest, message: &str, accepts: Vec<Acceptance>) -> Result<Draft> {
        let identity = self.identity();
        let author =
            if self.options.author.is_empty() { identity.node.to_string() } else { self.options.author.clone() };
        Ok(Draft {
            root,
            author,
            node: identity.node,
            nonce: data_encoding::HEXLOWER.encode(&random_bytes()?),
            time: cx.now(),
            message: message.to_owned(),
            accepts,
        })
    }

    pub(super) fn settle(
        &self,
        position: &Position,
        pages: &Overlay<'_>,
        history: Option<&Applied>,
        recipes: &[(Digest, crate::content::Recipe)],
        forgotten: &[Digest],
    ) -> Result<()> {
        let times = std::collections::BTreeMap::new();
        let ends_journal = false;
        self.db.settle(&Settlement { position, pages, history, recipes, forgotten, times: &times, ends_journal })
    }

    pub(super) fn report_published(
        &self,
        cx: &Context,
        position: &Position,
        outcome: &mut PublishOutcome,
    ) -> Result<()> {
        let whole = position.whole && outcome.conflicts.is_empty();
        let kind = if whole { Outcome::Applied } else { Outcome::Partial };
        let problem = (!outcome.conflicts.is_empty()).then(|| conflict_count(outcome.conflicts.len()));
        let cost = outcome.changed.then_some((outcome.duration_ms, outcome.bytes_sent));
        let ending = Ending { outcome: kind, problem, measured: Some(position.known()), cost };
        let report = self.compose_report(cx, position, ending)?;
        self.send_report(cx, &report, &mut outcome.warnings)
    }

    /// Halts on suspicion; gives what the record must say that the publisher confirmed.
    fn guard(&self, trees: &Trees<'_>, plan: &Plan, options: &PublishOptions) -> Result<Vec<Acceptance>> {
        let agreed = trees.known.totals()?;
        let counts = Counts::of(&plan.publish);
        let here = after(agreed, &counts);
        let checked = plan::check_removal(Guard::Source, agreed, here).and_then(|()| {
            let parent = trees.wanted.totals()?;
            plan::check_removal(Guard::Source, parent, after(parent, &counts))
        });
        match checked {
            Ok(()) => Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::Refused && options.allow_mass_delete => {
                Ok(vec![Acceptance::MassDelete])
            }
            Err(error) => Err(error.at(self.places.dir.display())),
        }
    }

    /// What looks half-copied, or kept changing.
    fn held(
        &self,
        disk: &Disk,
        trees: &Trees<'_>,
        pages: &dyn Pages,
        options: &PublishOptions,
        moving: &[RelPath],
    ) -> Result<Vec<Remark>> {
        let remark = |path: &RelPath, reason: &str| Remark { path: Some(path.clone()), reason: reason.to_owned() };
        let mut held: Vec<Remark> = Vec::new();
        for path in disk.scan.unsettled.iter().chain(moving) {
            held.push(remark(path, "it is still changing"));
        }
        if options.no_hold {
            return Ok(held);
        }
        let (agreement, local) = (Tree::new(pages, trees.agreement.root()), Tree::new(pages, trees.local.root()));
        for change in agreement.diff(&local) {
            let change = change?;
            let new_content = change.after.as_ref().and_then(Entry::content);
            if new_content.is_none() || new_content == change.before.as_ref().and_then(Entry::content) {
                continue;
            }
            let archives = &self.options.archives;
            if !is_called_archive(change.path.name(), archives) && !disk.scan.may_be_archive(&change.path) {
                continue;
            }
            // A file that cannot be opened any more is noticed when its content is cut.
            let Ok(file) = disk.root.read(&change.path) else { continue };
            if let Some(flaw) = archive_flaw(&file, change.path.name(), archives)? {
                held.push(remark(&change.path, &flaw.to_string()));
            }
        }
        held.sort_by(|left, right| left.path.cmp(&right.path));
        held.dedup_by(|left, right| left.path == right.path);
        Ok(held)
    }
}

/// What a tree has after `changes`, as far as a guard must know.
fn after(totals: Totals, counts: &Counts) -> Totals {
    Totals { entries: (totals.entries + counts.added).saturating_sub(counts.removed), ..totals }
}

impl Remark {
    fn as_pair(&self) -> (String, String) {
        (self.path.as_ref().map(ToString::to_string).unwrap_or_default(), self.reason.clone())
    }
}

impl PublishOutcome {
    /// What `plan` comes to; its list of what is to be published moves here.
    fn of(plan: &mut Plan, head: &Option<Head>, held: Vec<Remark>, disk: &Disk, begun: Instant) -> Self {
        let revision = head.as_ref().map(|head| head.revision.number);
        Self {
            root: head.as_ref().map_or(empty_root(), |head| head.root),
            held,
            conflicts: conflicts(&plan.conflicts, revision.unwrap_or(0)),
            problems: disk.problems(),
            warnings: disk.skipped(),
            ..Self::counting(std::mem::take(&mut plan.publish), revision, begun)
        }
    }

    /// An outcome that counts `changes`.
    pub(super) fn counting(changes: Packed<Change>, revision: Option<u64>, begun: Instant) -> Self {
        let Counts { added, modified, removed, bytes } = Counts::of(&changes);
        Self {
            revision,
            root: empty_root(),
            parent: None,
            changed: !changes.is_empty(),
            added,
            modified,
            removed,
            held: Vec::new(),
            conflicts: Vec::new(),
            problems: Vec::new(),
            bytes_changed: bytes,
            bytes_sent: 0,
            freight: None,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            changes,
            warnings: Vec::new(),
        }
    }
}

/// Refuses what the hub cannot hold, before anything is sent.
fn can_hold(capabilities: &Capabilities, changes: &Packed<Change>) -> Result<()> {
    if capabilities.names == Names::Bytes && capabilities.symlinks {
        return Ok(());
    }
    for Change { path, after, .. } in changes.iter() {
        let refused = |why: &str| Err(Error::new(ErrorKind::Unsupported, why).op("publish").at(&path));
        match after {
            None => {}
            Some(_) if !capabilities.holds_name(&path) => {
                return refused("the hub can hold names in UTF-8 without control characters only")
                    .map_err(|error: Error| error.hint("rename it, or add it to .depsyncignore"));
            }
            Some(Entry::Symlink { .. }) if !capabilities.symlinks => {
                return refused("the hub cannot hold symbolic links").map_err(|error: Error| {
                    error.hint("replace it by what it points to, or add it to .depsyncignore")
                });
            }
            Some(_) => {}
        }
    }
    Ok(())
}
