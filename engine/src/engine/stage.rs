//! Rebuilding the files of an update in the staging area.

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;

use rayon::prelude::*;
use rustix::fs::{self, Mode as FsMode, Timespec, Timestamps};

use super::Node;
use crate::apply::{Stage, choose_mtime};
use crate::beneath::Root;
use crate::content::assemble::{self, Assembly, LocalFile, WantedFile};
use crate::content::cutter::Cutter;
use crate::content::kin;
use crate::content::{ObjectId, ObjectKind, Piece, Recipe};
use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::Application;
use crate::stamp::Stamp;
use crate::transport::{Base, Deliver, Want, WantedContent};
use crate::tree::{Entry, Tree};

/// What staging brought.
#[derive(Default)]
pub(super) struct Staged {
    /// Bytes read from the hub.
    pub(super) fetched: u64,
    /// Recipes of the files rebuilt.
    pub(super) recipes: Vec<(Digest, Recipe)>,
}

/// How many files, and how many bytes of them, are rebuilt in one go: what bounds memory.
const BATCH_FILES: usize = 16_384;
const BATCH_BYTES: u64 = 4 << 30;
/// No file of this size or less is cut: the least that the chunker makes of one.
const CERTAINLY_ONE_PIECE: u64 = 4 << 10;

/// A file to rebuild: the number of its application, and the modification time that it is to have.
struct BatchFile {
    number: usize,
    application: Application,
    time: Timespec,
}

/// Files that are rebuilt in one go, ascending by number.
#[derive(Default)]
struct Batch {
    files: Vec<BatchFile>,
    bytes: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.files.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES
    }

    fn file(&self, number: usize) -> Option<&BatchFile> {
        let at = self.files.binary_search_by_key(&number, |file| file.number).ok()?;
        self.files.get(at)
    }
}

/// What the batches of one update have in common.
pub(super) struct Staging<'a> {
    pub(super) cx: &'a Context,
    pub(super) stage: &'a Stage,
    pub(super) root: &'a Root,
    /// The revision that the content is fetched as of.
    pub(super) at: Revision,
}

impl Node {
    /// Stages every file and link that `applications` bring, verified, with mode and modification time set.
    ///
    /// The staging number of a file is the number of its application.
    pub(super) fn stage(
        &self,
        staging: &Staging<'_>,
        applications: &Packed<Application>,
        stamp_of: &dyn Fn(&Application) -> Option<Stamp>,
    ) -> Result<Staged> {
        let cx = staging.cx;
        let mut staged = Staged::default();
        let (mut leaving, mut total) = (Vec::new(), 0);
        for application in applications.iter() {
            if brings_content(&application) {
                total += wanted_size(&application);
            } else if application.want.is_none() && application.have.as_ref().is_some_and(Entry::is_file) {
                leaving.push(application);
            }
        }
        let remembers = self.db.remembers_times()?;
        let (mut batch, mut done) = (Batch::default(), 0);
        for (number, application) in applications.iter().enumerate() {
            match &application.want {
                Some(Entry::Symlink { target }) => {
                    cx.step("stage.link");
                    staging.stage.link(number as u64, target.as_bytes())?;
                }
                Some(Entry::File { .. }) if brings_content(&application) => {
                    batch.bytes += wanted_size(&application);
                    let time = self.time_for(cx, &application, remembers, stamp_of)?;
                    batch.files.push(BatchFile { number, application, time });
                }
                _ => continue,
            }
            if batch.is_full() {
                let full = std::mem::take(&mut batch);
                self.stage_batch(staging, &full, &leaving, &mut staged)?;
                done += full.bytes;
                cx.progress(Phase::Stage, done, Some(total));
            }
        }
        if !batch.files.is_empty() {
            self.stage_batch(staging, &batch, &leaving, &mut staged)?;
        }
        cx.progress(Phase::Stage, total, Some(total));
        Ok(staged)
    }

    fn stage_batch(
        &self,
        staging: &Staging<'_>,
        batch: &Batch,
        leaving: &[Application],
        staged: &mut Staged,
    ) -> Result<()> {
        let (cx, root) = (staging.cx, staging.root);
        let wanted = batch.files.iter().filter_map(|file| {
            let (hash, size) = file.application.want.as_ref()?.content()?;
            Some(WantedFile { tag: file.number, hash, size })
        });
        let wanted = wanted.collect();
        let mut sources = Vec::new();
        for application in batch.files.iter().map(|file| &file.application).chain(leaving) {
            if let Some((hash, size)) = application.have.as_ref().and_then(Entry::content) {
                let recipe = self.recipe_of(cx, root, &application.path, hash, size)?;
                sources.push(LocalFile { path: application.path.clone(), hash, size, recipe });
            }
        }
        self.add_kin(cx, root, batch, &mut sources)?;
        let slots = Slots { cx, stage: staging.stage, batch };
        let of_tag = |tag| batch.file(tag).map(|file| file.application.path.clone());
        let rebuilt = self.rebuild(cx, staging.at, wanted, &slots, (root, sources), &of_tag)?;
        staged.fetched += rebuilt.fetched;
        staged.recipes.extend(rebuilt.recipes);
        Ok(())
    }

    /// Adds what was agreed on before and what files that are new may be stored against: the archives beside the directories
    /// that they come into, other versions of them, or what they were unpacked into.
    fn add_kin(&self, cx: &Context, root: &Root, batch: &Batch, sources: &mut Vec<LocalFile>) -> Result<()> {
        let agreement = Tree::new(&*self.db, self.db.position()?.agreement);
        if agreement.is_empty() {
            return Ok(());
        }
        let mut known: HashSet<RelPath> = sources.iter().map(|source| source.path.clone()).collect();
        let mut looked = HashSet::new();
        for file in &batch.files {
            let path = &file.application.path;
            let mut found = kin::archives_above(&agreement, path, &mut looked)?;
            if file.application.have.is_none() {
                found.extend(kin::versions(&agreement, path)?);
                found.extend(kin::files_unpacked(&agreement, path)?);
            }
            for (path, hash, size) in found {
                if known.insert(path.clone()) {
                    let recipe = self.recipe_of(cx, root, &path, hash, size)?;
                    sources.push(LocalFile { path, hash, size, recipe });
                }
            }
        }
        Ok(())
    }

    /// Rebuilds `wanted` files of revision `at`, from local `sources` and the hub, each verified.
    pub(super) fn rebuild(
        &self,
        cx: &Context,
        at: Revision,
        wanted: Vec<WantedFile>,
        slots: &dyn assemble::Staging,
        (root, sources): (&Root, Vec<LocalFile>),
        of_tag: &dyn Fn(usize) -> Option<RelPath>,
    ) -> Result<Staged> {
        let mut rebuilt = Staged::default();
        cx.step("stage.begin");
        let assembly = Assembly::begin(cx, wanted, slots, root, sources)?;
        let mut arriving = Arriving { cx, assembly, wants_few: self.rules.fingerprint().is_some() };
        let unresolved: Vec<WantedContent> =
            arriving.assembly.unresolved().into_iter().map(|(hash, size)| WantedContent { hash, size }).collect();
        if !unresolved.is_empty() {
            cx.step("stage.fetch");
            rebuilt.fetched = self.transport.fetch(cx, at, Want::Contents(&unresolved), &mut arriving)?.bytes;
        }
        cx.step("stage.finish");
        let finished = arriving.assembly.finish(cx)?;
        if let Some(failure) = finished.failed.into_iter().next() {
            let error = failure.error;
            return Err(match failure.tags.first().and_then(|&tag| of_tag(tag)) {
                Some(path) => Error::new(error.kind(), error.to_string()).op("rebuild").at(&path),
                None => error,
            });
        }
        rebuilt.recipes = finished.recipes;
        Ok(rebuilt)
    }

    /// How the file that is there now is cut: as remembered, or as it is cut now.
    fn recipe_of(&self, cx: &Context, root: &Root, path: &RelPath, hash: Digest, size: u64) -> Result<Option<Recipe>> {
        if size <= CERTAINLY_ONE_PIECE {
            return Ok(None);
        }
        if let Some(recipe) = self.db.recipe(&hash)? {
            return Ok(Some(recipe));
        }
        // Any failure only means that nothing is taken from this file.
        let Ok(file) = root.read(path) else { return Ok(None) };
        match Cutter::default().measure(cx, &file, size) {
            Ok(cut) if cut.hash == hash => Ok(Some(cut.recipe)),
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            _ => Ok(None),
        }
    }

    /// A modification time that the path did not have lately.
    fn time_for(
        &self,
        cx: &Context,
        application: &Application,
        remembers: bool,
        stamp_of: &dyn Fn(&Application) -> Option<Stamp>,
    ) -> Result<Timespec> {
        // Also of a path that is new here: it may have been removed a moment ago.
        let mut lately = if remembers { self.db.lately(&application.path)? } else { Vec::new() };
        if application.have.is_some() {
            lately.extend(stamp_of(application).map(|stamp| stamp.mtime_seconds()));
        }
        let now = cx.now();
        let seconds = choose_mtime(now.as_second(), &lately);
        Ok(Timespec { tv_sec: seconds, tv_nsec: now.subsec_nanosecond().max(0).into() })
    }
}

/// Whether a file must be staged: not for a change of permissions alone.
pub(super) fn brings_content(application: &Application) -> bool {
    match (&application.have, &application.want) {
        (Some(have), Some(want)) => want.is_file() && (application.keep || !have.differs_in_mode_only(want)),
        (None, Some(want)) => want.is_file(),
        _ => false,
    }
}

fn wanted_size(application: &Application) -> u64 {
    application.want.as_ref().map_or(0, Entry::size)
}

/// The staging area as the assembly sees it.
struct Slots<'a> {
    cx: &'a Context,
    stage: &'a Stage,
    batch: &'a Batch,
}

impl assemble::Staging for Slots<'_> {
    fn create(&self, tag: usize, _size: u64) -> Result<File> {
        self.cx.step("stage.create");
        self.stage.create(tag as u64)
    }

    fn reopen(&self, tag: usize) -> Result<File> {
        self.stage.reopen(tag as u64)
    }

    /// Gives the file its mode and modification time. Through the handle: where files are staged in the directory
    /// itself, a link may have been planted in the place of the name, and its target would be changed.
    fn complete(&self, tag: usize, file: &File) -> Result<()> {
        let Some(BatchFile { application, time, .. }) = self.batch.file(tag) else { return Ok(()) };
        let Some(Entry::File { mode, .. }) = application.want else { return Ok(()) };
        let times = Timestamps { last_access: *time, last_modification: *time };
        let set = fs::fchmod(file, FsMode::from_raw_mode(mode.bits())).and_then(|()| fs::futimens(file, &times));
        set.map_err(|errno| Error::io("prepare a staged file for", &application.path, errno))
    }
}

/// The receiving side of a fetch of contents.
struct Arriving<'a> {
    cx: &'a Context,
    assembly: Assembly<'a>,
    /// Whether there is more in the hub than is wanted here.
    wants_few: bool,
}

impl Deliver for Arriving<'_> {
    fn wants_few(&self) -> bool {
        self.wants_few
    }

    fn page(&mut self, _: Digest, _: Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn recipe(&mut self, file: Digest, recipe: Recipe) -> Result<()> {
        self.assembly.recipe(file, recipe)
    }

    fn needed(&mut self) -> Result<Vec<ObjectId>> {
        self.assembly.copy_local(self.cx)?;
        let mut needed = self.assembly.needed();
        // Contents without a recipe are one piece of the same name.
        needed.extend(self.assembly.unresolved().into_iter().map(|(hash, _)| ObjectId::piece(hash)));
        Ok(needed)
    }

    fn has_base(&self, object: &ObjectId) -> bool {
        match object.kind {
            ObjectKind::Piece => self.assembly.holds_piece(&object.hash),
            ObjectKind::Recipe => self.assembly.held_recipe(&object.hash).is_some(),
            ObjectKind::Page => false,
        }
    }

    fn base(&mut self, object: &ObjectId) -> Result<Option<Base>> {
        Ok(match object.kind {
            ObjectKind::Piece => self.assembly.held_piece(&object.hash).map(Base::Piece),
            ObjectKind::Recipe => {
                let recipe = self.assembly.held_recipe(&object.hash);
                recipe.map(|recipe| Base::Recipe(Arc::new(recipe.clone())))
            }
            ObjectKind::Page => None,
        })
    }

    fn pieces(&mut self, pieces: &[Piece<'_>]) -> Result<()> {
        pieces.par_iter().try_for_each(|piece| self.assembly.piece(self.cx, piece).map(drop))
    }
}
