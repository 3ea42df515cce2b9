//! The staging area of one run: numbered files that wait for their name.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::sweep::sweep;
use super::{Places, WorkArea};
use crate::beneath::Root;
use crate::error::{Error, Result};

/// The prefix of staged files inside a deployment directory; the default ignore rules hide it.
const INSIDE: &str = ".depsync-stage-";

/// A staging area.
#[derive(Debug)]
pub struct Stage {
    directory: OwnedFd,
    shown: PathBuf,
    /// What every name in it begins with.
    prefix: String,
    /// Its own directory, to be removed at the end.
    own: Option<PathBuf>,
}

impl Stage {
    /// Opens the staging area of `run`, making it if it is not there.
    pub fn open(places: &Places, run: &str) -> Result<Self> {
        match &places.work {
            WorkArea::Beside(work) => {
                let own = work.join("staging").join(run);
                std::fs::create_dir_all(&own).map_err(|source| Error::io("make", own.display(), source))?;
                let directory = Root::open(&own)?.directory(None)?;
                Ok(Self { directory, shown: own.clone(), prefix: String::new(), own: Some(own) })
            }
            WorkArea::Inside => Ok(Self {
                directory: Root::open(&places.dir)?.directory(None)?,
                shown: places.dir.clone(),
                prefix: format!("{INSIDE}{run}-"),
                own: None,
            }),
        }
    }

    /// The directory that the names are in.
    pub fn directory(&self) -> impl AsFd + '_ {
        self.directory.as_fd()
    }

    /// Whether nobody else looks into the directory: it is not the deployment directory.
    pub fn is_private(&self) -> bool {
        self.own.is_some()
    }

    /// Where it is, for messages.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The name of staged file `number`.
    pub fn name(&self, number: u64) -> String {
        format!("{}{number}", self.prefix)
    }

    /// The name under which a removed file waits until it is known to be what was to be removed.
    pub fn removed_name(&self, step: usize) -> String {
        format!("{}gone-{step}", self.prefix)
    }

    /// The second name of what staged file `number` replaces, where two names cannot be exchanged.
    pub fn displaced_name(&self, number: u64) -> String {
        format!("{}-was", self.name(number))
    }

    /// Creates staged file `number`, readable by nobody else until it is placed. A leftover is replaced.
    pub fn create(&self, number: u64) -> Result<File> {
        let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        fs::openat(&self.directory, self.name(number), flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|errno| self.failed("create", errno))
    }

    /// Opens staged file `number` again.
    pub fn reopen(&self, number: u64) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        fs::openat(&self.directory, self.name(number), flags, Mode::empty())
            .map(File::from)
            .map_err(|errno| self.failed("open", errno))
    }

    /// Creates the symbolic link `number`.
    pub fn link(&self, number: u64, target: &[u8]) -> Result<()> {
        let name = self.name(number);
        match fs::unlinkat(&self.directory, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(self.failed("replace", errno)),
        }
        fs::symlinkat(target, &self.directory, &name).map_err(|errno| self.failed("create", errno))
    }

    /// Flushes everything staged with one call.
    pub fn flush(&self) -> Result<()> {
        // A handle opened for reading is needed: O_PATH handles cannot be flushed.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle =
            fs::openat(&self.directory, ".", flags, Mode::empty()).map_err(|errno| self.failed("open", errno))?;
        fs::syncfs(handle).map_err(|errno| self.failed("flush", errno))
    }

    /// Removes what is left of this area.
    pub fn remove(self) -> Result<()> {
        match &self.own {
            Some(own) => sweep(own).map_err(|source| Error::io("remove", own.display(), source)),
            None => remove_with_prefix(&self.shown, &self.prefix),
        }
    }

    /// Removes the areas of runs that ended without a journal.
    pub fn sweep(places: &Places) -> Result<()> {
        match &places.work {
            WorkArea::Beside(work) => {
                sweep(&work.join("staging")).map_err(|source| Error::io("sweep", work.display(), source))
            }
            WorkArea::Inside if places.dir.exists() => remove_with_prefix(&places.dir, INSIDE),
            WorkArea::Inside => Ok(()),
        }
    }

    fn failed(&self, op: &str, errno: Errno) -> Error {
        Error::io(&format!("{op} a file in the staging area"), self.shown.display(), errno)
    }
}

fn remove_with_prefix(directory: &Path, prefix: &str) -> Result<()> {
    let failed = |source| Error::io("sweep", directory.display(), source);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A directory of such a name is not ours, and must not keep us from working.
        let is_directory = entry.file_type().map_err(failed)?.is_dir();
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) && !is_directory {
            match std::fs::remove_file(entry.path()) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(failed(source)),
                _ => {}
            }
        }
    }
    Ok(())
}
