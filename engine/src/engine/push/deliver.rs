//! A push to one node: who is there, what is there, what must come, and is it there now.
//!
//! ```text
//! begin ─► start ─► guards ─► look, sums ─► plan ─► lay ready ─► bring ─► sums ─► record busy ─► mark busy
//!                                │                                                                  │
//!                                └ nothing to do: done      record settled ◄─ mark settled ◄─ look ◄─ carry out
//! ```
//! Until the mark says busy nothing live has changed. What was broken off after that is in doubt: the next push looks at
//! every path that it may have touched. A record says only what was seen there.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::bring::check_parents;
use super::super::stage::brings_content;
use super::super::verify::how;
use super::super::{Node, Remark};
use super::materials::Content;
use super::start::Start;
use super::{Addressed, Delivery, Load};
use crate::apply::{self, Surroundings};
use crate::context::{Context, Delivering};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::random_bytes;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Application, Lazy, Policy, Trees, Unsettled};
use crate::push::{Area, Arrival, Found, Holder, Laid, Mark, Scope, Survey, Tracked};
use crate::revdb::{Busy, Pushed};
use crate::stamp::Stamp;
use crate::transport::{NodeReport, Outcome, REPORT_SCHEMA};
use crate::tree::{Change, Entry, MemoryPages, Mode, Overlay, Tree};

/// How many broken-off pushes to a node are remembered, the last ones: what an older one has left there is nobody's.
const REMEMBERED: usize = 32;

impl Node {
    /// Brings a node to the revision of `load`.
    pub(super) fn deliver(
        &self,
        cx: &Context,
        load: &Load<'_>,
        node: &mut Addressed,
        delivery: &mut Delivery,
    ) -> Result<()> {
        let mut known = self.known_of(&node.node, &node.address)?;
        delivery.from = known.applied.map(|(revision, _)| revision.number);
        delivery.applied = delivery.from;
        let arrival = node.destination.begin(cx, &self.holder())?;
        let mut start = self.start(cx, load, &known, &arrival)?;
        self.guard_start(cx, load, &start, &arrival, &node.address)?;
        let wanted = Tree::new(&*self.db, load.root);
        if !start.everything && start.doubtful.is_empty() && start.base_root() == load.root {
            return self.confirm(cx, load, node, &mut known, (&arrival, &start), delivery);
        }
        cx.delivering(node.node.as_str(), Delivering::Looking);
        let doubtful: Vec<Tree<'_>> = start.doubtful.iter().map(|root| Tree::new(&*self.db, *root)).collect();
        let tracked = Tracked { base: Tree::new(&*self.db, start.base_root()), doubtful: &doubtful, wanted };
        let survey = self.survey(cx, load, node, tracked, &mut start)?;
        if start.everything {
            guard_remains(&survey, load, &node.address)?;
            delivery.untracked = Some(survey.untracked.len() as u64);
        }
        delivery.checked = start.everything;
        let scene = Scene { cx, load, tracked, arrival: &arrival };
        let applications = self.plan_delivery(&scene, node, &survey, delivery)?;
        let applications = &*applications;
        delivery.count(&applications.iter().map(Change::from).collect());
        if !applications.is_empty() {
            self.carry_there(&scene, node, applications, &mut known, delivery)?;
        }
        if delivery.problems.is_empty() {
            self.confirm(cx, load, node, &mut known, (&arrival, &start), delivery)?;
        }
        Ok(())
    }

    /// Who we are to a lock. A copy of the state elsewhere is somebody else: our own kernel lock does not keep it away.
    fn holder(&self) -> Holder {
        let identity = self.identity();
        let host = rustix::system::uname();
        let own = format!("{} {:?} {}", identity.nonce, host.nodename(), self.places.state.display());
        Holder { node: identity.node.to_string(), nonce: Digest::of(own.as_bytes()).short() }
    }

    /// Looks at what is in question; at everything, if a directory turns out to be gone.
    fn survey(
        &self,
        cx: &Context,
        load: &Load<'_>,
        node: &mut Addressed,
        tracked: Tracked<'_>,
        start: &mut Start,
    ) -> Result<Survey> {
        if !start.everything {
            let mut survey = if start.doubtful.is_empty() {
                let questions = || Survey::of_changes(tracked);
                load.undisturbed.surveys.get(start.base_root(), questions)?.as_ref().clone()
            } else {
                Survey::of_changes(tracked)?
            };
            survey.answer(node.destination.look(cx, Scope::Paths(&survey.paths()))?);
            if !survey.lacks_a_directory() {
                return Ok(survey);
            }
            start.everything = true;
        }
        Survey::of_everything(tracked, node.destination.look(cx, Scope::Everything)?)
    }

    /// What is to be changed there.
    fn plan_delivery(
        &self,
        scene: &Scene<'_>,
        node: &mut Addressed,
        survey: &Survey,
        delivery: &mut Delivery,
    ) -> Result<Arc<Packed<Application>>> {
        let (cx, tracked) = (scene.cx, scene.tracked);
        scene.load.materials.learn(cx, &survey.candidates())?;
        let sums = node.destination.sums(cx, Area::Live, &survey.to_be_summed())?;
        let mut fresh = MemoryPages::default();
        let sum_of = |hash: &Digest| scene.load.materials.sum(hash);
        let (there, ours) = survey.trees(tracked, &sums, &sum_of, &mut fresh)?;
        let pages = Overlay::with(fresh, &*self.db);
        let trees = Trees {
            agreement: Tree::new(&pages, ours),
            known: Tree::new(&pages, ours),
            local: Tree::new(&pages, there),
            wanted: Tree::new(&pages, scene.load.root),
        };
        for change in trees.agreement.diff(&trees.local) {
            let change = change?;
            if change.before.is_some() {
                delivery.drift.push(Remark { reason: how(&change).to_owned(), path: Some(change.path) });
            }
        }
        for path in survey.strange() {
            let reason = "a socket, a fifo or a device stands there".to_owned();
            delivery.problems.push(Remark { path: Some(path.clone()), reason });
        }
        let unsettled = Unsettled::new(survey.strange().cloned().collect(), &|_, _| false, &|_| false);
        let plan = || {
            let plan = plan::plan(trees, Policy::HubWins, &unsettled, &Lazy::nothing())?;
            check_parents(&plan.apply, &trees.wanted).map(|()| plan)
        };
        let prune = scene.load.options.prune && !survey.untracked.is_empty();
        let base = tracked.base.root();
        if there == base && ours == base && survey.strange().next().is_none() && !prune {
            return scene.load.undisturbed.plans.get(base, || Ok(plan()?.apply));
        }
        let mut plan = plan()?;
        if prune {
            plan.also_apply(survey.untracked.iter().filter_map(pruned));
        }
        Ok(Arc::new(plan.apply))
    }

    /// Brings, carries out, and looks whether it was done.
    fn carry_there(
        &self,
        scene: &Scene<'_>,
        node: &mut Addressed,
        applications: &Packed<Application>,
        known: &mut Pushed,
        delivery: &mut Delivery,
    ) -> Result<()> {
        let Scene { cx, load, .. } = *scene;
        let materials = &load.materials;
        let files = files_of(applications);
        cx.delivering(node.node.as_str(), Delivering::Sending(files.len() as u64));
        if !files.is_empty() {
            let all = materials.provide(cx, &files)?;
            let paths: Vec<RelPath> = files.iter().map(|(path, ..)| path.clone()).collect();
            delivery.bytes_sent =
                node.destination.bring(cx, &Laid { directory: materials.directory(), files: &paths, all })?;
            let sums = node.destination.sums(cx, Area::Staged, &paths)?;
            for (path, hash, _) in &files {
                if sums.get(path).is_none_or(|sum| materials.sum(hash).as_ref() != Some(sum)) {
                    return Err(Error::damaged(
                        format!("{}/{path}", node.address),
                        "what arrived is not what was sent",
                    )
                    .hint("nothing live was changed; push again"));
                }
            }
        }
        cx.check()?;
        cx.delivering(node.node.as_str(), Delivering::Applying(applications.len() as u64));
        let steps = apply::steps(applications, &[], scene)?;
        let nonce = data_encoding::HEXLOWER.encode(&random_bytes()?);
        let mut bringing = known.busy.take().map_or_else(Vec::new, |busy| busy.bringing);
        bringing.retain(|before| *before != (load.revision, load.root));
        bringing.push((load.revision, load.root));
        let surplus = bringing.len().saturating_sub(REMEMBERED);
        bringing.drain(..surplus);
        known.busy = Some(Busy { nonce: nonce.clone(), bringing });
        cx.step("push.record-busy");
        self.db.set_pushed(&node.node, known)?;
        node.destination.mark(cx, &Mark::Busy { nonce })?;
        let folder = cx.now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        let complaint = node.destination.carry_out(cx, &steps, &folder)?;
        delivery.kept_aside = applications.iter().filter(|one| one.keep).map(|one| one.path).collect();
        delivery.kept_in = (!delivery.kept_aside.is_empty()).then_some(folder);
        self.look_whether_done(scene, node, applications, complaint.as_deref(), delivery)
    }

    /// Whatever is not as it should be is a problem.
    fn look_whether_done(
        &self,
        scene: &Scene<'_>,
        node: &mut Addressed,
        applications: &Packed<Application>,
        complaint: Option<&str>,
        delivery: &mut Delivery,
    ) -> Result<()> {
        let cx = scene.cx;
        let paths: Vec<RelPath> = applications.iter().map(|one| one.path).collect();
        let found: HashMap<RelPath, Found> = node.destination.look(cx, Scope::Paths(&paths))?.into_iter().collect();
        // Where all was done without a word, a file of that size and those permissions is the one that was brought.
        let sums = match complaint {
            None => HashMap::new(),
            Some(_) => {
                let files: Vec<RelPath> = files_of(applications).into_iter().map(|(path, ..)| path).collect();
                node.destination.sums(cx, Area::Live, &files)?
            }
        };
        for application in applications.iter() {
            let here = found.get(&application.path);
            let same_content = || match application.want.as_ref().and_then(Entry::content) {
                Some((hash, size)) if complaint.is_some() && size > 0 => {
                    sums.get(&application.path).is_some_and(|sum| scene.load.materials.sum(&hash).as_ref() == Some(sum))
                }
                _ => true,
            };
            if is_as(here, application.want.as_ref()) && same_content() {
                continue;
            }
            let path = application.path;
            if application.want.is_none() && matches!(here, Some(Found::Directory { .. })) {
                delivery.warnings.push(format!(
                    "{path}: the revision has it no more; something that depsync does not track keeps it there"
                ));
                continue;
            }
            let reason = complaint.unwrap_or("somebody has changed it meanwhile").to_owned();
            delivery.problems.push(Remark { path: Some(path), reason });
        }
        Ok(())
    }

    /// The directory has the revision: the mark and the record say so.
    fn confirm(
        &self,
        cx: &Context,
        load: &Load<'_>,
        node: &mut Addressed,
        known: &mut Pushed,
        (arrival, start): (&Arrival, &Start),
        delivery: &mut Delivery,
    ) -> Result<()> {
        let mark = Mark::Settled { number: load.revision.number, root: load.root };
        if delivery.changed || arrival.mark.as_ref() != Some(&mark) {
            node.destination.mark(cx, &mark)?;
        }
        let mut place = arrival.place;
        if place.is_none() {
            // It was made just now; which one it is the next push will see.
            place = known.place;
        }
        let checked = if start.everything { Some(cx.now()) } else { known.checked };
        let after = Pushed { applied: Some((load.revision, load.root)), place, busy: None, checked, ..known.clone() };
        if after != *known {
            cx.step("push.record-settled");
            self.db.set_pushed(&node.node, &after)?;
            *known = after;
        }
        delivery.applied = Some(load.revision.number);
        Ok(())
    }

    /// Tells the hub, so that `status` shows it everywhere.
    pub(super) fn note_delivery(&self, cx: &Context, load: &Load<'_>, delivery: &mut Delivery) -> Result<()> {
        let mut known = self.known_of(&delivery.node, &delivery.address)?;
        let outcome = match (&delivery.error, delivery.has_it()) {
            (Some(_), _) => Outcome::Failed,
            (None, true) => Outcome::Applied,
            (None, false) => Outcome::Partial,
        };
        let problem = match &delivery.error {
            Some(error) => Some(error.to_string()),
            None => delivery.problems.first().map(ToString::to_string),
        };
        let report = NodeReport {
            schema: REPORT_SCHEMA,
            node: delivery.node.clone(),
            nonce: self.identity().nonce,
            writes: false,
            applied: known.applied.map(|(revision, _)| revision),
            root: known.applied.map(|(_, root)| root),
            measured: if delivery.has_it() { Some(load.root) } else { None },
            time: cx.now(),
            full_scan: known.checked,
            pinned: false,
            outcome,
            problem,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: None,
            duration_ms: None,
            bytes: None,
            beat_s: None,
        };
        if known.reported.as_ref().is_some_and(|told| report.says_the_same_as(told)) {
            return Ok(());
        }
        self.transport.report(cx, &report)?;
        known.reported = Some(report);
        cx.step("push.record-report");
        self.db.set_pushed(&delivery.node, &known)
    }
}

/// What a delivery looks at while it works.
#[derive(Clone, Copy)]
struct Scene<'a> {
    cx: &'a Context,
    load: &'a Load<'a>,
    tracked: Tracked<'a>,
    arrival: &'a Arrival,
}

impl Surroundings for Scene<'_> {
    fn stamp(&self, _: &RelPath) -> Option<Stamp> {
        None
    }

    fn must_open(&self, directory: &RelPath) -> Result<Option<Mode>> {
        if self.arrival.privileged {
            return Ok(None);
        }
        let entry = match self.tracked.base.get(directory)? {
            Some(entry) => Some(entry),
            None => self.tracked.wanted.get(directory)?,
        };
        let mode = entry.filter(Entry::is_directory).and_then(|entry| entry.mode());
        Ok(mode.filter(|mode| mode.bits() & 0o300 != 0o300))
    }
}

/// The files that must be brought for `applications`.
fn files_of(applications: &Packed<Application>) -> Vec<Content> {
    let brought = applications.iter().filter(brings_content);
    let contents = brought.filter_map(|one| one.want.as_ref()?.content().map(|content| (one.path.clone(), content)));
    contents.map(|(path, (hash, size))| (path, hash, size)).collect()
}

/// What `--prune` does with what nobody tracks.
fn pruned((path, found): &(RelPath, Found)) -> Option<Application> {
    let have = match found {
        Found::File { mode, size } => Entry::File { mode: *mode, size: *size, hash: Digest::of(b"foreign") },
        Found::Directory { mode } => Entry::Directory { mode: *mode },
        Found::Symlink { target } => Entry::Symlink { target: target.clone() },
        Found::Other => return None,
    };
    let keep = !have.is_directory();
    Some(Application { path: path.clone(), have: Some(have), want: None, keep })
}

fn is_as(found: Option<&Found>, wanted: Option<&Entry>) -> bool {
    match (found, wanted) {
        (None, None) => true,
        (Some(Found::File { mode, size }), Some(Entry::File { mode: wanted, size: length, .. })) => {
            mode == wanted && size == length
        }
        (Some(Found::Directory { mode }), Some(Entry::Directory { mode: wanted })) => mode == wanted,
        (Some(Found::Symlink { target }), Some(Entry::Symlink { target: wanted })) => target == wanted,
        _ => false,
    }
}

/// Refuses a directory that has lost most of what was pushed there, unless it is to be put right.
fn guard_remains(survey: &Survey, load: &Load<'_>, address: &str) -> Result<()> {
    let (remain, of) = survey.remaining();
    if load.options.check || remain * 2 >= of {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("the directory has {remain} of {of} entries left that were pushed there"),
    )
    .at(address)
    .hint("see whether a mount is missing; `--check` brings everything back"))
}
