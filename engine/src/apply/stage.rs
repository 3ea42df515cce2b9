//! The staging area of one run: numbered files, and whole directories, that wait for their name.
//!
//! A unit that was exchanged stays beside the areas of the runs for a while, under a name that says until when, for
//! whoever still reads from it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::sweep::sweep;
use super::{Places, WorkArea};
use crate::beneath::Root;
use crate::error::{Error, Result};

/// The prefix of staged files inside a deployment directory; the default ignore rules hide it.
const INSIDE: &str = ".depsync-stage-";
/// The prefix of units that were replaced and are kept; behind it stands until when.
const KEPT: &str = "until-";
/// How that is written: names sort by time.
const UNTIL: &str = "%Y%m%dT%H%M%SZ";

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

    /// The name of a staged unit.
    pub fn unit_name(&self, number: u64) -> String {
        format!("{}unit-{number}", self.prefix)
    }

    /// The name of a unit that was replaced, until it is known what in it must be kept.
    pub fn old_unit_name(&self, number: u64) -> String {
        format!("{}-was", self.unit_name(number))
    }

    /// Moves a unit that was replaced out of this area, to be kept `until` then.
    pub fn retire(&self, number: u64, until: Timestamp) -> Result<()> {
        let Some((areas, run)) = self.own.as_deref().and_then(|own| Some((own.parent()?, own.file_name()?))) else {
            return Ok(());
        };
        let kept = format!("{KEPT}{}-{}-{number}", until.strftime(UNTIL), run.to_string_lossy());
        let name = self.old_unit_name(number);
        fs::renameat(&self.directory, name, fs::CWD, areas.join(kept)).map_err(|errno| self.failed("keep", errno))
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

    /// Removes the areas of runs that ended without a journal, and the units whose time is over.
    pub fn sweep(places: &Places, now: Timestamp) -> Result<()> {
        match &places.work {
            WorkArea::Beside(work) => {
                sweep_areas(&work.join("staging"), now).map_err(|source| Error::io("sweep", work.display(), source))
            }
            WorkArea::Inside if places.dir.exists() => remove_with_prefix(&places.dir, INSIDE),
            WorkArea::Inside => Ok(()),
        }
    }

    /// Whether two names can be exchanged on the file system of the staging areas. Where files are staged inside the
    /// deployment directory, no directory can be staged at all.
    pub fn can_exchange(places: &Places) -> Result<bool> {
        let WorkArea::Beside(work) = &places.work else { return Ok(false) };
        let area = work.join("staging").join("exchange");
        let failed = |source: std::io::Error| Error::io("try the exchange in", area.display(), source);
        for name in ["a", "b"] {
            std::fs::create_dir_all(area.join(name)).map_err(failed)?;
        }
        let exchanged = fs::renameat_with(fs::CWD, area.join("a"), fs::CWD, area.join("b"), RenameFlags::EXCHANGE);
        sweep(&area).map_err(failed)?;
        match exchanged {
            Ok(()) => Ok(true),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV) => Ok(false),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    fn failed(&self, op: &str, errno: Errno) -> Error {
        Error::io(&format!("{op} a file in the staging area"), self.shown.display(), errno)
    }
}

/// Removes what is in `areas`, but for units that are still to be kept. Nothing to do is one look.
fn sweep_areas(areas: &Path, now: Timestamp) -> std::io::Result<()> {
    let listing = match std::fs::read_dir(areas) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        listing => listing?,
    };
    let now = now.strftime(UNTIL).to_string();
    let mut keeps = false;
    for entry in listing {
        let entry = entry?;
        let name = entry.file_name();
        let Some(until) = name.to_str().and_then(|name| name.strip_prefix(KEPT)) else {
            if entry.file_type()?.is_dir() {
                sweep(&entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
            continue;
        };
        if until.split('-').next().is_some_and(|until| until > now.as_str()) {
            keeps = true;
        } else if let Err(error) = sweep(&entry.path()) {
            // What the server has made of it meanwhile must not keep anybody from updating.
            keeps = true;
            tracing::warn!(%error, directory = %entry.path().display(), "a unit that was replaced cannot be removed");
        }
    }
    if keeps {
        return Ok(());
    }
    match std::fs::remove_dir(areas) {
        Ok(()) => Ok(()),
        // Something is left that an NFS client keeps.
        Err(_) => sweep(areas),
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
