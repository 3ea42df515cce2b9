//! A tree that is the same on every machine, one change to it, and whether two trees are equal.
//!
//! Every file has its own content of the same size, alternately text (hexadecimal words, which compress to about a
//! half) and bytes that do not compress. None is named as an archive: without a valid end it would be held back. One file in the middle is of 1 KiB: it is the one that
//! changes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;

/// Files of one directory of the nested layout.
const A_DIRECTORY: usize = 100;
/// Bytes of the file that changes.
const CHANGED: usize = 1024;

/// Modification time of a version, less its number: seconds since the epoch, in 2023.
const VERSION_ZERO: u64 = 1_700_000_000;

/// How the files lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// 100 files a directory
    Nested,
    /// All in one directory
    Flat,
}

/// A tree of so many files of so many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) layout: Layout,
    pub(crate) files: usize,
    pub(crate) size: usize,
}

impl Shape {
    /// Makes it in `top`, which must not exist.
    pub(crate) fn make(&self, top: &Path) -> Result<()> {
        fs::create_dir(top).with_context(|| format!("making {}", top.display()))?;
        let mut content = Vec::with_capacity(self.size);
        for number in 0..self.files {
            let path = top.join(self.path(number));
            if self.layout == Layout::Nested && number % A_DIRECTORY == 0 {
                fs::create_dir(path.parent().context("a file lies in a directory")?)?;
            }
            let size = if number == self.changing() { CHANGED } else { self.size };
            fill(&mut content, number, 0, size);
            fs::write(&path, &content).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Gives the file of 1 KiB the content of `version`, in place.
    ///
    /// Its modification time is a second of that version alone: rsync compares the size and whole seconds, and would
    /// miss what changes twice in one.
    pub(crate) fn change(&self, top: &Path, version: u64) -> Result<()> {
        let mut content = Vec::new();
        fill(&mut content, self.changing(), version, CHANGED);
        let path = top.join(self.path(self.changing()));
        fs::write(&path, content)?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(VERSION_ZERO + version);
        Ok(fs::File::options().write(true).open(path)?.set_modified(time)?)
    }

    /// Saves the file `number` in place, with the content of `version`, which it gives.
    pub(crate) fn save(&self, top: &Path, number: usize, version: u64) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        fill(&mut content, number, version, self.size);
        fs::write(top.join(self.path(number)), &content)?;
        Ok(content)
    }

    /// Gives `count` files, spread over the tree, the content of `version`, as [`Self::change`] does for one.
    pub(crate) fn change_many(&self, top: &Path, version: u64, count: usize) -> Result<()> {
        let (mut content, step) = (Vec::new(), (self.files / count).max(1));
        for number in (0..self.files).step_by(step).take(count) {
            fill(&mut content, number, version, if number == self.changing() { CHANGED } else { self.size });
            let path = top.join(self.path(number));
            fs::write(&path, &content)?;
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(VERSION_ZERO + version);
            fs::File::options().write(true).open(path)?.set_modified(time)?;
        }
        Ok(())
    }

    /// Gives a directory, another for each version, another name.
    pub(crate) fn rename(&self, top: &Path, version: u64) -> Result<()> {
        let directories = self.files.div_ceil(A_DIRECTORY) as u64;
        let path = top.join(format!("app-{:05}", version % directories));
        let to = top.join(format!("moved-{version:05}"));
        fs::rename(&path, to).with_context(|| format!("renaming {}", path.display()))
    }

    /// Entries below the top: files and directories.
    pub(crate) fn entries(&self) -> usize {
        let directories = if self.layout == Layout::Nested { self.files.div_ceil(A_DIRECTORY) } else { 0 };
        self.files + directories
    }

    fn changing(&self) -> usize {
        self.files / 2
    }

    /// Where the file `number` lies.
    pub(crate) fn path(&self, number: usize) -> PathBuf {
        let kind = if number.is_multiple_of(2) { "xml" } else { "bin" };
        match self.layout {
            Layout::Flat => PathBuf::from(format!("part-{number:07}.{kind}")),
            Layout::Nested => PathBuf::from(format!("app-{:05}/part-{number:07}.{kind}", number / A_DIRECTORY)),
        }
    }
}

/// Fills `content` with `size` bytes that only this file at this version has. `SplitMix64`, by Steele, Lea and Flood.
fn fill(content: &mut Vec<u8>, number: usize, version: u64, size: usize) {
    content.clear();
    let mut state = (number as u64).wrapping_mul(0xd134_2543_de82_ef95) ^ version.wrapping_mul(0x2545_f491_4f6c_dd1d);
    while content.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        if number.is_multiple_of(2) {
            content.extend_from_slice(format!("{word:016x}\n").as_bytes());
        } else {
            content.extend_from_slice(&word.to_le_bytes());
        }
    }
    content.truncate(size);
}

/// Fails at the first path where two trees differ in name, kind, permissions, content or link target.
pub(crate) fn equal(wanted: &Path, got: &Path) -> Result<()> {
    equal_beside(wanted, got, None)
}

/// The same of trees that are equal but for one entry `besides` at the top.
pub(crate) fn equal_beside(wanted: &Path, got: &Path, besides: Option<&str>) -> Result<()> {
    let (mut ours, mut theirs) = (names(wanted)?, names(got)?);
    if let Some(besides) = besides {
        ours.remove(Path::new(besides));
        theirs.remove(Path::new(besides));
    }
    if let Some(name) = ours.keys().find(|name| !theirs.contains_key(*name)) {
        bail!("{}: missing", got.join(name).display());
    }
    if let Some(name) = theirs.keys().find(|name| !ours.contains_key(*name)) {
        bail!("{}: nobody made that", got.join(name).display());
    }
    for (name, ours) in &ours {
        let (wanted, got, theirs) = (wanted.join(name), got.join(name), &theirs[name]);
        if ours.mode() != theirs.mode() {
            bail!("{}: mode {:o}, not {:o}", got.display(), theirs.mode(), ours.mode());
        }
        if ours.is_dir() {
            equal(&wanted, &got)?;
        } else if ours.is_symlink() {
            if fs::read_link(&wanted)? != fs::read_link(&got)? {
                bail!("{}: another target", got.display());
            }
        } else if ours.file_type().is_fifo() || ours.len() != theirs.len() || read(&wanted)? != read(&got)? {
            bail!("{}: other bytes", got.display());
        }
    }
    Ok(())
}

fn names(dir: &Path) -> Result<BTreeMap<PathBuf, fs::Metadata>> {
    let entries = fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))?;
    entries.map(|entry| entry.and_then(|entry| Ok((PathBuf::from(entry.file_name()), entry.metadata()?)))).try_fold(
        BTreeMap::new(),
        |mut found, entry| {
            let (name, metadata) = entry?;
            found.insert(name, metadata);
            Ok(found)
        },
    )
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NESTED: Shape = Shape { layout: Layout::Nested, files: 250, size: 100 };

    #[test]
    fn content_is_the_same_everywhere() {
        let mut content = Vec::new();
        fill(&mut content, 0, 0, 34);
        assert_eq!(content, b"e220a8397b1dcdaf\n6e789e6aa1b965f4\n");
        fill(&mut content, 1, 0, 5);
        let first = content.clone();
        fill(&mut content, 1, 1, 5);
        assert_eq!(content.len(), 5);
        assert_ne!(content, first);
    }

    #[test]
    fn the_shape_says_what_is_there() {
        let place = tempfile::tempdir().expect("a directory");
        for (name, layout, entries) in [("nested", Layout::Nested, 253), ("flat", Layout::Flat, 250)] {
            let shape = Shape { layout, ..NESTED };
            let top = place.path().join(name);
            shape.make(&top).expect("a tree");
            assert_eq!(shape.entries(), entries);
            assert_eq!(crate::kit::walk::count(&top).expect("walks"), entries as u64);
        }
    }

    #[test]
    fn every_difference_shows() {
        let place = tempfile::tempdir().expect("a directory");
        let (one, two) = (place.path().join("one"), place.path().join("two"));
        NESTED.make(&one).expect("a tree");
        let alter = |what: &dyn Fn(&Path)| {
            let _ = fs::remove_dir_all(&two);
            NESTED.make(&two).expect("a tree");
            what(&two);
            equal(&one, &two)
        };
        alter(&|_| {}).expect("equal");
        assert!(alter(&|top| NESTED.change(top, 1).expect("changes")).is_err());
        assert!(alter(&|top| fs::remove_file(top.join(NESTED.path(7))).expect("removes")).is_err());
        assert!(alter(&|top| fs::write(top.join("more"), "").expect("writes")).is_err());
        let private = fs::Permissions::from_mode(0o600);
        assert!(alter(&|top| fs::set_permissions(top.join(NESTED.path(7)), private.clone()).expect("chmods")).is_err());
    }
}
