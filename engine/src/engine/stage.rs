//! Rebuilding the files of an update in the staging area.

use std::fs::File;

use rustix::fs::{self, AtFlags, Mode as FsMode, Timespec, Timestamps};

use super::Node;
use crate::apply::{Stage, choose_mtime};
use crate::beneath::Root;
use crate::content::assemble::{Assembly, LocalFile, Staging, WantedFile};
use crate::content::chunker::Chunking;
use crate::content::{ObjectId, Recipe};
use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::name::Revision;
use crate::plan::Application;
use crate::stamp::Stamp;
use crate::transport::{Deliver, Want, WantedContent};
use crate::tree::Entry;

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

impl Node {
    /// Stages every file and link that `applications` bring, verified, with mode and modification time set.
    ///
    /// The staging number of a file is the number of its application.
    pub(super) fn stage(
        &self,
        cx: &Context,
        stage: &Stage,
        root: &Root,
        at: Revision,
        applications: &[Application],
        stamp_of: &dyn Fn(&Application) -> Option<Stamp>,
    ) -> Result<Staged> {
        let mut staged = Staged::default();
        let leaving: Vec<&Application> = applications
            .iter()
            .filter(|application| application.want.is_none() && application.have.as_ref().is_some_and(Entry::is_file))
            .collect();
        let mut batch: Vec<usize> = Vec::new();
        let mut bytes = 0;
        let mut done = 0;
        let total = applications.iter().filter(|one| brings_content(one)).map(wanted_size).sum();
        for (number, application) in applications.iter().enumerate() {
            match &application.want {
                Some(Entry::Symlink { target }) => {
                    cx.step("stage.link");
                    stage.link(number as u64, target.as_bytes())?;
                }
                Some(Entry::File { .. }) if brings_content(application) => {
                    batch.push(number);
                    bytes += wanted_size(application);
                }
                _ => continue,
            }
            if batch.len() >= BATCH_FILES || bytes >= BATCH_BYTES {
                self.stage_batch(cx, stage, root, at, applications, &batch, &leaving, &mut staged)?;
                done += bytes;
                cx.progress(Phase::Stage, done, Some(total));
                (batch, bytes) = (Vec::new(), 0);
            }
        }
        if !batch.is_empty() {
            self.stage_batch(cx, stage, root, at, applications, &batch, &leaving, &mut staged)?;
        }
        self.date(cx, stage, applications, stamp_of)?;
        cx.progress(Phase::Stage, total, Some(total));
        Ok(staged)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one batch; a struct would only name them again")]
    fn stage_batch(
        &self,
        cx: &Context,
        stage: &Stage,
        root: &Root,
        at: Revision,
        applications: &[Application],
        batch: &[usize],
        leaving: &[&Application],
        staged: &mut Staged,
    ) -> Result<()> {
        let wanted: Vec<WantedFile> = batch
            .iter()
            .filter_map(|&tag| {
                let (hash, size) = applications[tag].want.as_ref()?.content()?;
                Some(WantedFile { tag, hash, size })
            })
            .collect();
        let mut sources = Vec::new();
        for application in batch.iter().map(|&tag| &applications[tag]).chain(leaving.iter().copied()) {
            if let Some((hash, size)) = application.have.as_ref().and_then(Entry::content) {
                let recipe = self.recipe_of(cx, root, application, hash, size)?;
                sources.push(LocalFile { path: application.path.clone(), hash, size, recipe });
            }
        }
        let staging = Slots(cx, stage);
        cx.step("stage.begin");
        let assembly = Assembly::begin(cx, wanted, &staging, root, sources)?;
        let mut arriving = Arriving { cx, assembly };
        let unresolved: Vec<WantedContent> =
            arriving.assembly.unresolved().into_iter().map(|(hash, size)| WantedContent { hash, size }).collect();
        if !unresolved.is_empty() {
            cx.step("stage.fetch");
            staged.fetched += self.transport.fetch(cx, at, Want::Contents(&unresolved), &mut arriving)?.bytes;
        }
        cx.step("stage.finish");
        let finished = arriving.assembly.finish(cx)?;
        if let Some(failure) = finished.failed.into_iter().next() {
            let path = failure.tags.first().map(|&tag| applications[tag].path.clone());
            let error = failure.error;
            return Err(match path {
                Some(path) => Error::new(error.kind(), error.to_string()).op("rebuild").at(path),
                None => error,
            });
        }
        staged.recipes.extend(finished.recipes);
        Ok(())
    }

    /// How the file that is there now is cut: as remembered, or as it is cut now.
    fn recipe_of(
        &self,
        cx: &Context,
        root: &Root,
        application: &Application,
        hash: Digest,
        size: u64,
    ) -> Result<Option<Recipe>> {
        if size <= CERTAINLY_ONE_PIECE {
            return Ok(None);
        }
        if let Some(recipe) = self.db.recipe(&hash)? {
            return Ok(Some(recipe));
        }
        // Any failure only means that nothing is taken from this file.
        let Ok(file) = root.read(&application.path) else { return Ok(None) };
        match Chunking::V1.measure(cx, file, size) {
            Ok(cut) if cut.hash == hash => Ok(Some(cut.recipe)),
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            _ => Ok(None),
        }
    }

    /// Gives every staged file its mode and a modification time that its path did not have lately.
    fn date(
        &self,
        cx: &Context,
        stage: &Stage,
        applications: &[Application],
        stamp_of: &dyn Fn(&Application) -> Option<Stamp>,
    ) -> Result<()> {
        let now = cx.now();
        let remembers = self.db.remembers_times()?;
        for (number, application) in applications.iter().enumerate() {
            let Some(Entry::File { mode, .. }) = &application.want else { continue };
            if !brings_content(application) {
                continue;
            }
            // Also of a path that is new here: it may have been removed a moment ago.
            let mut lately = if remembers { self.db.lately(&application.path)? } else { Vec::new() };
            if application.have.is_some() {
                lately.extend(stamp_of(application).map(|stamp| stamp.mtime_seconds()));
            }
            let seconds = choose_mtime(now.as_second(), &lately);
            let time = Timespec { tv_sec: seconds, tv_nsec: now.subsec_nanosecond().max(0).into() };
            let times = Timestamps { last_access: time, last_modification: time };
            let name = stage.name(number as u64);
            cx.step("stage.date");
            let set = fs::chmodat(stage.directory(), &name, FsMode::from_raw_mode(mode.bits()), AtFlags::empty())
                .and_then(|()| fs::utimensat(stage.directory(), &name, &times, AtFlags::SYMLINK_NOFOLLOW));
            set.map_err(|errno| Error::io("prepare a staged file for", &application.path, errno))?;
        }
        Ok(())
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
struct Slots<'a>(&'a Context, &'a Stage);

impl Staging for Slots<'_> {
    fn create(&self, tag: usize, _size: u64) -> Result<File> {
        self.0.step("stage.create");
        self.1.create(tag as u64)
    }

    fn reopen(&self, tag: usize) -> Result<File> {
        self.1.reopen(tag as u64)
    }
}

/// The receiving side of a fetch of contents.
struct Arriving<'a> {
    cx: &'a Context,
    assembly: Assembly<'a>,
}

impl Deliver for Arriving<'_> {
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

    fn piece(&mut self, hash: Digest, bytes: &[u8]) -> Result<()> {
        self.assembly.piece(self.cx, hash, bytes).map(|_| ())
    }
}
