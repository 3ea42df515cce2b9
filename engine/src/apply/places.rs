//! Where things lie: state, staging and recovery, live.
//!
//! *State* belongs on a local disk, *staging* and *recovery* on the directory's own file system (files arrive by
//! rename), and nothing of either inside the directory: an application server deploys whatever directory appears
//! there. A hidden sibling `.NAME.depsync/` serves both. Where no sibling can be (the directory is a mount point, lies
//! below a `webapps`, or its parent cannot be written) the state goes elsewhere, files are staged inside as hidden
//! *files*, and what is kept aside is copied to the state.
//!
//! Law: a state that exists is found again, whatever is mounted. A mount point has its state elsewhere, and the plain
//! directory that is left when the file system is not mounted could have a sibling: with a new and ignorant state there,
//! every guard would be off just when it is needed.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::error::{Error, ErrorKind, Result};
use crate::hash::Digest;
use crate::revdb::{has_state, on_network_file_system};

/// Where files are staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkArea {
    /// In a directory of its own on the same file system; recovery lies there too.
    Beside(PathBuf),
    /// As hidden files in the deployment directory itself.
    Inside,
}

/// The places of one deployment on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The deployment directory, absolute, symbolic links resolved.
    pub dir: PathBuf,
    /// The state directory.
    pub state: PathBuf,
    /// Where files are staged.
    pub work: WorkArea,
}

/// What the operator said about places.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// The state directory, if it is given.
    pub state: Option<&'a Path>,
    /// Beneath this directory the state lies if no sibling can be.
    pub fallback: &'a Path,
    /// The directory for staging areas, if it is given; several deployments may share it.
    pub staging: Option<&'a Path>,
    /// Whether the state must be there already.
    pub must_exist: bool,
}

impl Places {
    /// Finds the places of `dir` and makes the directories that are missing, except `dir` itself.
    pub fn find(dir: &Path, wishes: Wishes<'_>) -> Result<Self> {
        let places = Self::look(dir, wishes)?;
        make(&places.state)?;
        if let WorkArea::Beside(directory) = &places.work {
            make(directory)?;
            same_device(directory, &places.dir)?;
        }
        Ok(places)
    }

    /// Finds the places of `dir`, and makes nothing.
    pub fn look(dir: &Path, wishes: Wishes<'_>) -> Result<Self> {
        let dir = resolve(dir)?;
        let sibling = sibling_of(&dir);
        let local_sibling = match &sibling {
            Some(sibling) if !on_network_file_system(parent_of(sibling))? => Some(sibling.clone()),
            _ => None,
        };
        let elsewhere = wishes.fallback.join(folder_for(&dir));
        let known = [hidden_beside(&dir).filter(|beside| may_write(beside)), Some(elsewhere.clone())];
        let known = known.into_iter().flatten().find(|state| has_state(state));
        if let (None, None, Some(beside)) = (wishes.state, &known, hidden_beside(&dir)) {
            refuse_locked(&beside)?;
        }
        let state = match (wishes.state, known, &local_sibling) {
            (Some(state), _, _) => {
                std::path::absolute(state).map_err(|source| Error::io("find", state.display(), source))?
            }
            (None, Some(known), _) => known,
            (None, None, Some(sibling)) => sibling.clone(),
            (None, None, None) => elsewhere.clone(),
        };
        let work = match (wishes.staging, sibling) {
            // A folder of its own: whoever sweeps leftovers must not meet another deployment's files.
            (Some(staging), _) => WorkArea::Beside(staging.join(folder_for(&dir))),
            // The state went elsewhere although a local sibling is possible now: something is not mounted.
            (None, Some(_)) if wishes.state.is_none() && local_sibling.is_some() && state == elsewhere => {
                WorkArea::Inside
            }
            (None, Some(sibling)) => WorkArea::Beside(sibling),
            (None, None) => WorkArea::Inside,
        };
        if wishes.must_exist && !state.join("state.db").is_file() {
            return Err(Error::new(ErrorKind::Usage, "nothing was ever published from here or brought here")
                .at(dir.display())
                .hint("check the path; `depsync update DIR HUB` or `depsync publish DIR HUB` begins"));
        }
        Ok(Self { dir, state, work })
    }

    /// Where content is kept aside.
    pub fn recovery(&self) -> PathBuf {
        match &self.work {
            WorkArea::Beside(directory) => directory.join("recovery"),
            WorkArea::Inside => self.state.join("recovery"),
        }
    }
}

/// The absolute path with links resolved; the last component need not exist.
fn resolve(dir: &Path) -> Result<PathBuf> {
    let failed = |source| Error::io("find the directory", dir.display(), source);
    match dir.canonicalize() {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
        resolved => return resolved.map_err(failed),
    }
    let absolute = std::path::absolute(dir).map_err(failed)?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(Error::new(ErrorKind::Usage, "not a directory that can be deployed to").at(dir.display()));
    };
    match parent.canonicalize() {
        Ok(parent) => Ok(parent.join(name)),
        Err(source) => Err(failed(source).hint("make the directory above it first")),
    }
}

/// The hidden sibling, if there can be one.
fn sibling_of(dir: &Path) -> Option<PathBuf> {
    let sibling = hidden_beside(dir)?;
    let parent = dir.parent()?;
    if parent.components().any(|component| component.as_os_str() == "webapps") {
        return None;
    }
    let parent_device = parent.metadata().ok()?.dev();
    if dir.metadata().is_ok_and(|dir| dir.dev() != parent_device) {
        return None;
    }
    let asked = if sibling.is_dir() { sibling.as_path() } else { parent };
    may_write(asked).then_some(sibling)
}

/// What the hidden sibling is called.
fn hidden_beside(dir: &Path) -> Option<PathBuf> {
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(dir.file_name()?);
    hidden.push(".depsync");
    Some(dir.parent()?.join(hidden))
}

/// Refuses a hidden sibling that belongs to somebody else: a state may be in it, and beside it a second one must not be
/// begun.
fn refuse_locked(beside: &Path) -> Result<()> {
    let found = match beside.metadata() {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(|source| Error::io("look at", beside.display(), source))?,
    };
    if !found.is_dir() || may_write(beside) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::PermissionDenied, "the state is there, but it cannot be written to")
        .at(beside.display())
        .hint("run depsync as the user whom it belongs to, make its file system writable, or name another place with --state"))
}

fn may_write(directory: &Path) -> bool {
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// A folder name for the state of `dir` among those of other directories.
fn folder_for(dir: &Path) -> String {
    let name: String = dir.file_name().unwrap_or_default().to_string_lossy().chars().take(64).collect();
    let hash = Digest::of(dir.as_os_str().as_encoded_bytes()).to_string();
    format!("{name}-{}", &hash[..8])
}

fn make(directory: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|source| Error::io("make the directory", directory.display(), source))
}

fn same_device(staging: &Path, dir: &Path) -> Result<()> {
    let of = |path: &Path| {
        path.metadata().map(|found| found.dev()).map_err(|source| Error::io("look at", path.display(), source))
    };
    let live = if dir.exists() { dir } else { parent_of(dir) };
    if of(staging)? == of(live)? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "the staging directory is on another file system than the deployment directory")
        .at(staging.display())
        .hint("files arrive by rename: choose a staging directory on the same file system, or leave it out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(fallback: &Path) -> Wishes<'_> {
        Wishes { state: None, fallback, staging: None, must_exist: false }
    }

    #[test]
    fn a_sibling_serves_state_and_staging() {
        let top = tempfile::tempdir().expect("tempdir");
        let dir = top.path().join("apps");
        std::fs::create_dir(&dir).expect("mkdir");
        let places = Places::find(&dir, wishes(&top.path().join("fallback"))).expect("places");
        let sibling = dir.canonicalize().expect("real").with_file_name(".apps.depsync");
        assert_eq!((places.state, places.work), (sibling.clone(), WorkArea::Beside(sibling)));
        assert!(!top.path().join("fallback").exists());
    }

    #[test]
    fn below_webapps_nothing_is_put_beside() {
        let top = tempfile::tempdir().expect("tempdir");
        let dir = top.path().join("webapps/shop");
        std::fs::create_dir_all(&dir).expect("mkdir");
        let fallback = top.path().join("fallback");
        let places = Places::find(&dir, wishes(&fallback)).expect("places");
        assert!(places.state.starts_with(&fallback));
        assert_eq!(places.work, WorkArea::Inside);
        assert_eq!(std::fs::read_dir(top.path().join("webapps")).expect("list").count(), 1);
    }

    #[test]
    fn a_state_that_exists_is_found_again_whatever_is_mounted() {
        let top = tempfile::tempdir().expect("tempdir");
        let (dir, fallback) = (top.path().join("apps"), top.path().join("fallback"));
        std::fs::create_dir(&dir).expect("mkdir");
        // As if `apps` had been a mount point when the state was made.
        let elsewhere = fallback.join(folder_for(&dir.canonicalize().expect("real")));
        std::fs::create_dir_all(&elsewhere).expect("mkdir");
        std::fs::write(elsewhere.join("state.db"), "").expect("write");
        let places = Places::find(&dir, wishes(&fallback)).expect("places");
        assert_eq!((places.state, places.work), (elsewhere, WorkArea::Inside));
        assert_eq!(std::fs::read_dir(top.path()).expect("list").count(), 2, "nothing was made");
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_has_places_too() {
        let top = tempfile::tempdir().expect("tempdir");
        let places = Places::find(&top.path().join("new"), wishes(top.path())).expect("places");
        assert!(places.state.ends_with(".new.depsync") && !places.dir.exists());
        let looked = Places::look(&top.path().join("other"), wishes(top.path())).expect("places");
        assert!(looked.state.ends_with(".other.depsync") && !looked.state.exists(), "a look makes nothing");
        assert!(Places::find(&top.path().join("no/new"), wishes(top.path())).is_err());
    }

    #[test]
    fn deployments_that_share_a_staging_directory_do_not_sweep_each_other() {
        let top = tempfile::tempdir().expect("tempdir");
        let staging = top.path().join("staging");
        let of = |name: &str| {
            let wishes = Wishes { staging: Some(&staging), ..wishes(top.path()) };
            Places::find(&top.path().join(name), wishes).expect("places")
        };
        let (one, two) = (of("one"), of("two"));
        let staged = crate::apply::Stage::open(&one, "run").expect("a staging area");
        drop(staged.create(0).expect("a file"));
        crate::apply::Stage::sweep(&two, jiff::Timestamp::now()).expect("swept");
        assert!(staged.reopen(0).is_ok());
        assert_ne!(one.recovery(), two.recovery());
    }

    #[test]
    fn staging_on_another_file_system_is_refused() {
        let shm = Path::new("/dev/shm");
        let top = tempfile::tempdir_in("/var/tmp").expect("tempdir");
        let staging = tempfile::tempdir_in(shm).expect("tempdir");
        let wishes = Wishes { staging: Some(staging.path()), ..wishes(top.path()) };
        let refused = Places::find(&top.path().join("apps"), wishes).expect_err("other device");
        assert_eq!(refused.kind(), ErrorKind::Usage);
    }
}
