//! Removing a directory of depsync's own with everything in it.
//!
//! On NFS a file that somebody on this machine has open does not go when it is removed: the client keeps it as `.nfs…`
//! until it is closed, and answers "busy" to whoever would remove that. So a file that an application still reads
//! comes to the staging area when it is replaced, and stays. Such names, and the directories that hold them, are left
//! for the next sweep; they are nobody's trouble.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Removes `directory`, or all of it but what an NFS client keeps. One that is not there is no error.
pub(super) fn sweep(directory: &Path) -> io::Result<()> {
    let listing = match opened(directory, || std::fs::read_dir(directory)) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(()),
        listing => listing?,
    };
    for entry in listing {
        let entry = entry?;
        // The kind of the name itself: a link is not followed.
        if entry.file_type()?.is_dir() {
            sweep(&entry.path())?;
            continue;
        }
        match opened(directory, || std::fs::remove_file(entry.path())) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) if source.kind() == io::ErrorKind::ResourceBusy && is_kept(&entry) => {}
            removed => removed?,
        }
    }
    let above = directory.parent().unwrap_or(directory);
    match opened(above, || std::fs::remove_dir(directory)) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        // What was open when it was removed just now has got such a name by that.
        Err(_) if holds_only_kept(directory)? => Ok(()),
        removed => removed,
    }
}

/// Does `deed` in `directory`, and once more with its permissions if they forbid it: what is removed may be a unit with
/// directories that its revision has locked.
fn opened<T>(directory: &Path, deed: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match deed() {
        Err(source) if source.kind() == io::ErrorKind::PermissionDenied => {
            std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
            deed()
        }
        done => done,
    }
}

fn is_kept(entry: &std::fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".nfs")
}

/// Whether all that is left beneath `directory` is what an NFS client keeps, and that something is.
fn holds_only_kept(directory: &Path) -> io::Result<bool> {
    let mut any = false;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kept = if entry.file_type()?.is_dir() { holds_only_kept(&entry.path())? } else { is_kept(&entry) };
        if !kept {
            return Ok(false);
        }
        any = true;
    }
    Ok(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_and_nothing_is_followed() {
        let top = tempfile::tempdir().expect("tempdir");
        let (area, other) = (top.path().join("area"), top.path().join("other"));
        std::fs::create_dir_all(area.join("a/b")).expect("mkdir");
        std::fs::create_dir(&other).expect("mkdir");
        for name in ["area/file", "area/a/b/file", "area/a/.nfs0001", "other/file"] {
            std::fs::write(top.path().join(name), "x").expect("write");
        }
        std::os::unix::fs::symlink(&other, area.join("a/link")).expect("symlink");
        sweep(&area).expect("swept");
        assert!(!area.exists() && other.join("file").exists());
        sweep(&area).expect("gone already");
    }

    #[test]
    fn what_is_locked_goes_too() {
        let top = tempfile::tempdir().expect("tempdir");
        let area = top.path().join("area");
        std::fs::create_dir_all(area.join("a/b")).expect("mkdir");
        std::fs::write(area.join("a/b/file"), "x").expect("write");
        for (locked, mode) in [("a/b", 0o000), ("a", 0o555)] {
            std::fs::set_permissions(area.join(locked), std::fs::Permissions::from_mode(mode)).expect("chmod");
        }
        sweep(&area).expect("swept");
        assert!(!area.exists());
    }

    #[test]
    fn what_is_kept_for_others_is_told_from_what_is_left() {
        let top = tempfile::tempdir().expect("tempdir");
        assert!(!holds_only_kept(top.path()).expect("listed"));
        std::fs::create_dir(top.path().join("a")).expect("mkdir");
        std::fs::write(top.path().join("a/.nfs0001"), "x").expect("write");
        assert!(holds_only_kept(top.path()).expect("listed"));
        std::fs::write(top.path().join("a/file"), "x").expect("write");
        assert!(!holds_only_kept(top.path()).expect("listed"));
    }
}
