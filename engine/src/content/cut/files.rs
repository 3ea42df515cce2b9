//! Reading and cutting the files of a job, each distinct content once.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;

use rayon::prelude::*;

use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::{Change, Entry};

use super::super::archive;
use super::super::chunker::{Cut, Pieces};
use super::super::cutter::Cutter;
use super::super::kin;
use super::super::local::LocalContent;
use super::super::object::ObjectId;
use super::super::recipe::MAX_PIECE;
use super::super::stem::stem;
use super::archive::{Base, Beside, bundle_archive, bundle_recipe};
use super::bundle::Bundle;
use super::kinship::{self, Kinship, Twin};
use super::{Cutting, Job};

/// Files up to this many bytes are read whole, the others are streamed.
const SMALL: u64 = 1 << 20;
/// A file of fewer bytes is no base for another.
const LEAST: u64 = 4 << 10;
/// From this many pieces on the recipe of a file that is no archive is held against that of the file before.
const MANY: usize = 64;
/// How many bytes of content are held at a time.
const BATCH_BYTES: u64 = 8 << 20;
/// How many small files are read at a time.
const BATCH_FILES: usize = 4096;

/// A file to publish, as the scan measured it.
struct NewFile {
    path: RelPath,
    hash: Digest,
    size: u64,
    /// The content that was at this path.
    before: Option<Digest>,
}

impl NewFile {
    /// The new content that a change brings, if it brings any.
    fn of(change: Change) -> Option<Self> {
        let (hash, size) = change.after.as_ref().and_then(Entry::content)?;
        let before = change.before.as_ref().and_then(Entry::content);
        let same = before == Some((hash, size));
        (!same).then_some(Self { path: change.path, hash, size, before: before.map(|(hash, _)| hash) })
    }
}

/// Cuts all new files of the job into `bundle`.
pub(super) fn cut_files(cx: &Context, job: &Job<'_>, bundle: &mut Bundle<'_>) -> Result<Cutting> {
    let sizes = job.changes.iter().filter_map(NewFile::of).map(|file| file.size);
    let total = sizes.fold(0, u64::saturating_add);
    let run = Run {
        cx,
        job,
        bundle,
        leaving: leaving(job),
        kinship: Kinship::new(job),
        outcome: Cutting::default(),
        done: 0,
        total,
    };
    run.all()
}

/// The contents that leave, by what their paths are without their versions.
fn leaving(job: &Job<'_>) -> HashMap<Vec<u8>, Digest> {
    let gone = job.changes.iter().filter(|change| change.after.as_ref().and_then(Entry::content).is_none());
    let gone = gone.filter_map(|change| Some((change.path, change.before.as_ref().and_then(Entry::content)?)));
    gone.filter(|(_, (_, size))| *size > LEAST).map(|(path, (hash, _))| (stem(path.as_bytes()), hash)).collect()
}

struct Run<'a, 'b> {
    cx: &'a Context,
    job: &'a Job<'a>,
    bundle: &'a mut Bundle<'b>,
    leaving: HashMap<Vec<u8>, Digest>,
    kinship: Kinship<'a>,
    outcome: Cutting,
    done: u64,
    total: u64,
}

/// How reading one file ended.
enum Ending {
    Whole(Cut),
    Changed,
    Unreadable(Error),
}

impl Ending {
    fn of(file: &NewFile, cut: Cut) -> Self {
        if cut.hash == file.hash && cut.recipe.size() == file.size { Self::Whole(cut) } else { Self::Changed }
    }
}

impl Run<'_, '_> {
    fn all(mut self) -> Result<Cutting> {
        let first = self.archives_first()?;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for file in self.job.changes.iter().filter_map(NewFile::of).filter(|file| !first.contains(&file.path)) {
            if self.hub_has(&file) {
                self.advance(file.size);
            } else if file.size > SMALL {
                self.small(std::mem::take(&mut batch))?;
                bytes = 0;
                self.large(file)?;
            } else {
                bytes += file.size;
                batch.push(file);
                if bytes >= BATCH_BYTES || batch.len() == BATCH_FILES {
                    self.small(std::mem::take(&mut batch))?;
                    bytes = 0;
                }
            }
        }
        self.small(batch)?;
        Ok(self.outcome)
    }

    /// Cuts the archives beside which stands the directory that they were unpacked into; gives their paths.
    fn archives_first(&mut self) -> Result<HashSet<RelPath>> {
        let mut first = HashSet::new();
        for file in self.job.changes.iter().filter_map(NewFile::of) {
            if self.kinship.unpacked(&file.path)?.is_none() {
                continue;
            }
            first.insert(file.path.clone());
            if self.hub_has(&file) {
                self.advance(file.size);
            } else {
                self.large(file)?;
            }
        }
        Ok(first)
    }

    /// Whether the hub has the content, this job's packs included. It has the pieces of every recipe that it has.
    fn hub_has(&self, file: &NewFile) -> bool {
        let (piece, recipe) = (ObjectId::piece(file.hash), ObjectId::recipe(file.hash));
        file.size == 0 || !self.bundle.lacks(&piece) || !self.bundle.lacks(&recipe)
    }

    /// Reads, cuts and adds a batch of small files. Of those with the same content one is read; should it have changed,
    /// the next.
    fn small(&mut self, mut files: Vec<NewFile>) -> Result<()> {
        while !files.is_empty() {
            self.cx.check()?;
            let mut taken = HashSet::with_capacity(files.len());
            let (batch, twins): (Vec<NewFile>, Vec<NewFile>) =
                files.into_iter().partition(|file| taken.insert(file.hash));
            let (cx, job) = (self.cx, self.job);
            let (local, cutter) = (job.local, job.cutter);
            let mut read: Vec<(Ending, Vec<u8>)> =
                batch.par_iter().map(|file| read_small(cx, local, &cutter, file)).collect::<Result<_>>()?;
            let mut objects = Vec::new();
            for (file, (ending, bytes)) in batch.iter().zip(&read) {
                let Ending::Whole(cut) = ending else { continue };
                if cut.recipe.is_archive() {
                    continue;
                }
                let pieces = cut.recipe.positions().map(|(offset, piece)| {
                    let start = usize::try_from(offset).expect("because the file is in memory");
                    (ObjectId::piece(piece.hash), &bytes[start..start + piece.length as usize])
                });
                match self.kinship.twin(&file.path, &self.outcome.recipes)? {
                    None => objects.extend(pieces),
                    Some((archive, twin)) => {
                        let lacking: Vec<_> = pieces.filter(|(id, _)| self.bundle.lacks(id)).collect();
                        self.bundle.add_encoded(&self.kinship.encode(&lacking, &archive, twin)?)?;
                    }
                }
            }
            self.bundle.add(&objects)?;
            drop(objects);
            for (file, (ending, bytes)) in batch.iter().zip(&mut read) {
                let Ending::Whole(cut) = ending else { continue };
                if cut.recipe.is_archive() {
                    self.archive(file, cut, bytes)?;
                } else {
                    self.recipe(file, cut)?;
                }
            }
            for (file, (ending, _)) in batch.into_iter().zip(read) {
                self.conclude(file, ending);
            }
            let (there, lacking): (Vec<_>, Vec<_>) = twins.into_iter().partition(|file| self.hub_has(file));
            there.iter().for_each(|file| self.advance(file.size));
            files = lacking;
        }
        Ok(())
    }

    /// Bundles what is new in an archive. `false` if it is another file by now.
    fn archive(&mut self, file: &NewFile, cut: &Cut, source: &(dyn archive::Source + Sync)) -> Result<bool> {
        if self.unpacked(file)? {
            return Ok(true);
        }
        let base = self.base(file, true)?;
        let unpacked = self.kinship.unpacked(&file.path)?;
        let beside = unpacked.as_ref().map(|directory| Beside { directory, packed: &mut self.kinship.packed });
        bundle_archive(self.cx, self.job, self.bundle, cut, source, base.as_ref(), beside)
    }

    /// Bundles an archive that was unpacked from another one beside it, where it is deflated: all of it as one piece,
    /// against that entry. `false` if it is none.
    fn unpacked(&mut self, file: &NewFile) -> Result<bool> {
        if file.size > MAX_PIECE as u64 {
            return Ok(false);
        }
        let Some((archive, twin)) = self.kinship.twin(&file.path, &self.outcome.recipes)? else { return Ok(false) };
        let Some((raw, data)) = self.kinship.whole(file.hash, &archive, twin)? else { return Ok(false) };
        let encoded = kinship::encode(&raw, &data, twin)?;
        // Its pieces would be less than all of it as it is.
        let is_against = encoded.base().is_some();
        if is_against {
            self.bundle.add_encoded(&[(ObjectId::piece(file.hash), encoded)])?;
        }
        Ok(is_against)
    }

    /// Bundles the recipe of a file that is no archive.
    fn recipe(&mut self, file: &NewFile, cut: &Cut) -> Result<()> {
        let base = if cut.recipe.pieces().len() < MANY { None } else { self.base(file, false)? };
        let columns = base.as_ref().map(|base| cut.recipe.against(&base.recipe)).transpose()?;
        bundle_recipe(self.job, self.bundle, cut, base.as_ref().zip(columns.as_deref()))
    }

    /// What was there before: at this path, or under a name that is like it, which leaves or stays.
    fn base(&self, file: &NewFile, far: bool) -> Result<Option<Base>> {
        let known = file.before.or_else(|| self.leaving.get(&stem(file.path.as_bytes())).copied());
        let candidates = match known {
            Some(known) => vec![known],
            None => kin::versions(&self.job.tree, &file.path)?.into_iter().map(|(_, hash, _)| hash).collect(),
        };
        for content in candidates.into_iter().filter(|content| *content != file.hash) {
            if let Some(recipe) = self.job.bases.recipe(&content, far)? {
                return Ok(Some(Base { content, recipe }));
            }
        }
        Ok(None)
    }

    /// Reads one large file: an archive with its headers first, any other as a stream.
    fn large(&mut self, file: NewFile) -> Result<()> {
        let opened = match self.job.local.open(&file.path) {
            Ok(opened) => opened,
            Err(error) => {
                self.conclude(file, Ending::Unreadable(error));
                return Ok(());
            }
        };
        let ending = match self.job.cutter.measure_archive(self.cx, &opened, file.size) {
            Ok(None) => self.stream(&file, opened)?,
            Ok(Some(cut)) => match Ending::of(&file, cut) {
                Ending::Whole(cut) if !self.archive(&file, &cut, &opened)? => Ending::Changed,
                ending => ending,
            },
            Err(error) if is_ours(&error) => return Err(error),
            Err(error) => Ending::Unreadable(error.at(&file.path)),
        };
        if let Ending::Whole(cut) = &ending
            && !cut.recipe.is_archive()
        {
            self.recipe(&file, cut)?;
        }
        self.conclude(file, ending);
        Ok(())
    }

    fn stream(&mut self, file: &NewFile, opened: File) -> Result<Ending> {
        // One byte more than wanted shows that it grew; a file that grows without end is not followed.
        let mut pieces = Pieces::new(self.job.cutter.chunking(), opened.take(file.size.saturating_add(1)), file.size);
        let twin = self.kinship.twin(&file.path, &self.outcome.recipes)?;
        let mut batch: Vec<(ObjectId, Vec<u8>)> = Vec::new();
        let (mut held, mut passed) = (0, 0);
        loop {
            match pieces.next(self.cx) {
                Ok(None) => break,
                Ok(Some(piece)) => {
                    passed += piece.bytes.len() as u64;
                    let id = ObjectId::piece(piece.hash);
                    if self.bundle.lacks(&id) {
                        held += piece.bytes.len() as u64;
                        batch.push((id, piece.bytes.to_vec()));
                    }
                }
                Err(error) if is_ours(&error) => return Err(error),
                Err(error) => return Ok(Ending::Unreadable(error.at(&file.path))),
            }
            if held >= BATCH_BYTES {
                self.add_owned(&mut batch, twin.as_ref())?;
                held = 0;
                self.cx.progress(Phase::Upload, (self.done + passed).min(self.total), Some(self.total));
            }
        }
        self.add_owned(&mut batch, twin.as_ref())?;
        Ok(Ending::of(file, pieces.finish()?))
    }

    fn add_owned(&mut self, batch: &mut Vec<(ObjectId, Vec<u8>)>, twin: Option<&(RelPath, Twin)>) -> Result<()> {
        let objects: Vec<(ObjectId, &[u8])> = batch.iter().map(|(id, raw)| (*id, raw.as_slice())).collect();
        match twin {
            None => self.bundle.add(&objects)?,
            Some((archive, twin)) => {
                self.bundle.add_encoded(&self.kinship.encode(&objects, archive, *twin)?)?;
            }
        }
        batch.clear();
        Ok(())
    }

    /// Books how a file ended.
    fn conclude(&mut self, file: NewFile, ending: Ending) {
        self.advance(file.size);
        match ending {
            Ending::Whole(cut) if cut.recipe.is_needed() => self.outcome.recipes.push((cut.hash, cut.recipe)),
            Ending::Whole(_) => {}
            Ending::Changed => self.outcome.changed_meanwhile.push(file.path),
            Ending::Unreadable(error) => self.outcome.unreadable.push((file.path, error)),
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes).min(self.total);
        self.cx.progress(Phase::Upload, self.done, Some(self.total));
    }
}

/// Whether it is not the file's fault.
fn is_ours(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::DeadlineExceeded)
}

/// Reads and cuts one small file. The error is cancellation; how reading went is the ending.
fn read_small(cx: &Context, local: &dyn LocalContent, cutter: &Cutter, file: &NewFile) -> Result<(Ending, Vec<u8>)> {
    cx.check()?;
    let size = usize::try_from(file.size).expect("because it is at most 1 MiB");
    // One byte more than wanted shows that it grew.
    let mut bytes = vec![0; size + 1];
    let read = local.open(&file.path).and_then(|opened| {
        read_up_to(opened, &mut bytes, size).map_err(|source| Error::io("read", &file.path, source))
    });
    let ending = match read {
        Err(error) => Ending::Unreadable(error),
        Ok(length) if length != size => Ending::Changed,
        Ok(_) => {
            bytes.truncate(size);
            Ending::of(file, cutter.cut_slice(&bytes)?)
        }
    };
    Ok((ending, bytes))
}

/// Reads until `bytes` are full, or `enough` were read, or there are no more. Where there is more than enough, the
/// read that brings the last of it brings more: mostly one read does.
fn read_up_to(mut file: File, bytes: &mut [u8], enough: usize) -> std::io::Result<usize> {
    let mut length = 0;
    while length < enough {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
