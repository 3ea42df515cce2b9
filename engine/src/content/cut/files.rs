//! Reading and cutting the files of a job, each distinct content once.

use std::io::Read;

use rayon::prelude::*;

use crate::context::{Context, Phase};
use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;

use super::super::chunker::{Chunking, Cut, Pieces};
use super::super::local::LocalContent;
use super::super::object::ObjectId;
use super::bundle::Bundle;
use super::{Cutting, Job, NewFile};

/// Files up to this many bytes are read whole, the others are streamed.
const SMALL: u64 = 1 << 20;
/// How many bytes of content are held at a time.
const BATCH_BYTES: u64 = 8 << 20;
/// How many small files are read at a time.
const BATCH_FILES: usize = 4096;

/// Cuts all files of the job into `bundle`.
pub(super) fn cut_files(cx: &Context, job: &Job<'_>, bundle: &mut Bundle<'_>) -> Result<Cutting> {
    let total = job.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    let run = Run { cx, job, bundle, twins: Twins::of(job.files)?, outcome: Cutting::default(), done: 0, total };
    run.all()
}

struct Run<'a, 'b> {
    cx: &'a Context,
    job: &'a Job<'a>,
    bundle: &'a mut Bundle<'b>,
    twins: Twins,
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
    fn of(file: &NewFile<'_>, cut: Cut) -> Self {
        if cut.hash == file.hash && cut.recipe.size() == file.size { Self::Whole(cut) } else { Self::Changed }
    }

    /// The recipe to store, for a file that was read and needs one.
    fn recipe(&self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Whole(cut) if cut.recipe.is_needed() => cut.recipe.encode().map(Some),
            _ => Ok(None),
        }
    }
}

impl Run<'_, '_> {
    fn all(mut self) -> Result<Cutting> {
        let empty = Digest::of(b"");
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (index, file) in self.job.files.iter().enumerate() {
            let held = file.hash == empty || self.twins.is_repeated(index) || self.hub_has(file);
            if held {
                self.advance(file.size);
                continue;
            }
            if file.size > SMALL {
                self.small(std::mem::take(&mut batch))?;
                bytes = 0;
                self.large(index)?;
                continue;
            }
            batch.push(index);
            bytes += file.size;
            if bytes >= BATCH_BYTES || batch.len() == BATCH_FILES {
                self.small(std::mem::take(&mut batch))?;
                bytes = 0;
            }
        }
        self.small(batch)?;
        Ok(self.outcome)
    }

    /// Whether the hub has the content. It has the pieces of every recipe that it has.
    fn hub_has(&self, file: &NewFile<'_>) -> bool {
        !self.bundle.lacks(&ObjectId::piece(file.hash)) || !self.bundle.lacks(&ObjectId::recipe(file.hash))
    }

    /// Reads, cuts and adds a batch of small files. Those that fail give way to others with the same content.
    fn small(&mut self, mut batch: Vec<usize>) -> Result<()> {
        while !batch.is_empty() {
            self.cx.check()?;
            let (cx, job) = (self.cx, self.job);
            let (local, chunking) = (job.local, job.chunking);
            let files: Vec<&NewFile<'_>> = batch.iter().map(|&index| &job.files[index]).collect();
            let read: Vec<(Ending, Vec<u8>)> =
                files.par_iter().map(|file| read_small(cx, local, &chunking, file)).collect::<Result<_>>()?;
            let recipes: Vec<Option<Vec<u8>>> =
                read.iter().map(|(ending, _)| ending.recipe()).collect::<Result<_>>()?;
            let mut objects = Vec::new();
            for ((ending, bytes), recipe) in read.iter().zip(&recipes) {
                let Ending::Whole(cut) = ending else { continue };
                for (offset, piece) in cut.recipe.positions() {
                    let start = usize::try_from(offset).expect("because the file is in memory");
                    objects.push((ObjectId::piece(piece.hash), &bytes[start..start + piece.length as usize]));
                }
                objects.extend(recipe.iter().map(|raw| (ObjectId::recipe(cut.hash), raw.as_slice())));
            }
            self.bundle.add(&objects)?;
            let mut again = Vec::new();
            for (index, (ending, _)) in batch.into_iter().zip(read) {
                again.extend(self.conclude(index, ending));
            }
            batch = again;
        }
        Ok(())
    }

    /// Streams one large file, or the next with the same content.
    fn large(&mut self, index: usize) -> Result<()> {
        let mut next = Some(index);
        while let Some(index) = next {
            let ending = self.stream(&self.job.files[index])?;
            if let Some(recipe) = ending.recipe()? {
                self.bundle.add(&[(ObjectId::recipe(self.job.files[index].hash), &recipe)])?;
            }
            next = self.conclude(index, ending);
        }
        Ok(())
    }

    fn stream(&mut self, file: &NewFile<'_>) -> Result<Ending> {
        let opened = match self.job.local.open(file.path) {
            Ok(opened) => opened,
            Err(error) => return Ok(Ending::Unreadable(error)),
        };
        // One byte more than wanted shows that it grew; a file that grows without end is not followed.
        let mut pieces = Pieces::new(&self.job.chunking, opened.take(file.size.saturating_add(1)), file.size);
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
                Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::DeadlineExceeded) => {
                    return Err(error);
                }
                Err(error) => return Ok(Ending::Unreadable(error.at(file.path))),
            }
            if held >= BATCH_BYTES {
                self.add_owned(&mut batch)?;
                held = 0;
                self.cx.progress(Phase::Upload, (self.done + passed).min(self.total), Some(self.total));
            }
        }
        self.add_owned(&mut batch)?;
        Ok(Ending::of(file, pieces.finish()?))
    }

    fn add_owned(&mut self, batch: &mut Vec<(ObjectId, Vec<u8>)>) -> Result<()> {
        let objects: Vec<(ObjectId, &[u8])> = batch.iter().map(|(id, raw)| (*id, raw.as_slice())).collect();
        self.bundle.add(&objects)?;
        batch.clear();
        Ok(())
    }

    /// Books how a file ended; after a failure, names the next file with the same content.
    fn conclude(&mut self, index: usize, ending: Ending) -> Option<usize> {
        let file = &self.job.files[index];
        // One that is read in place of an earlier one was counted when it was passed over.
        self.advance(if self.twins.is_repeated(index) { 0 } else { file.size });
        match ending {
            Ending::Whole(cut) => {
                if cut.recipe.is_needed() {
                    self.outcome.recipes.push((cut.hash, cut.recipe));
                }
                return None;
            }
            Ending::Changed => self.outcome.changed_meanwhile.push(file.path.clone()),
            Ending::Unreadable(error) => self.outcome.unreadable.push((file.path.clone(), error)),
        }
        self.twins.next(index)
    }

    fn advance(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes).min(self.total);
        self.cx.progress(Phase::Upload, self.done, Some(self.total));
    }
}

/// Reads and cuts one small file. The error is cancellation; how reading went is the ending.
fn read_small(
    cx: &Context,
    local: &dyn LocalContent,
    chunking: &Chunking,
    file: &NewFile<'_>,
) -> Result<(Ending, Vec<u8>)> {
    cx.check()?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.size).expect("because it is at most 1 MiB") + 1);
    let read = local.open(file.path).and_then(|opened| {
        // One byte more than wanted shows that it grew.
        opened.take(file.size + 1).read_to_end(&mut bytes).map_err(|source| Error::io("read", file.path, source))
    });
    let ending = match read {
        Err(error) => Ending::Unreadable(error),
        Ok(_) if bytes.len() as u64 != file.size => Ending::Changed,
        Ok(_) => Ending::of(file, chunking.cut_slice(&bytes)?),
    };
    Ok((ending, bytes))
}

/// Which files have the same content: for each the next one, and whether there is an earlier one. Four bytes a file.
struct Twins(Vec<Twin>);

#[derive(Clone, Copy)]
struct Twin(u32);

const REPEATED: u32 = 1 << 31;
const NOBODY: u32 = REPEATED - 1;

impl Twins {
    fn of(files: &[NewFile<'_>]) -> Result<Self> {
        let count = u32::try_from(files.len())
            .ok()
            .filter(|&count| count < NOBODY)
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, "there are too many files to publish at once"))?;
        let mut order: Vec<u32> = (0..count).collect();
        let key = |index: u32| (files[index as usize].hash, files[index as usize].size);
        order.par_sort_unstable_by_key(|&index| (key(index), index));
        let mut twins = vec![Twin(NOBODY); files.len()];
        for pair in order.windows(2) {
            if key(pair[0]) == key(pair[1]) {
                let first = &mut twins[pair[0] as usize];
                first.0 = (first.0 & REPEATED) | pair[1];
                twins[pair[1] as usize].0 |= REPEATED;
            }
        }
        Ok(Self(twins))
    }

    /// Whether an earlier file has the same content.
    fn is_repeated(&self, index: usize) -> bool {
        self.0[index].0 & REPEATED != 0
    }

    /// The next file with the same content.
    fn next(&self, index: usize) -> Option<usize> {
        let next = self.0[index].0 & NOBODY;
        (next != NOBODY).then_some(next as usize)
    }
}
