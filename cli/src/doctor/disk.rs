//! What the system says of a file system and of what is on it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, StatxFlags};

use super::judge::{Room, Size};

/// The most entries that are counted: what bounds the time.
const MOST: u64 = 1 << 20;

/// The nearest of `path` and the directories above it that exists.
pub(super) fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"))
}

/// What there is room for at `path`; none if the system does not say.
pub(super) fn room(path: &Path) -> Option<Room> {
    let found = rustix::fs::statvfs(nearest(path)).ok()?;
    let files = (found.f_files > 0).then_some(found.f_favail);
    Some(Room { bytes: found.f_bavail.saturating_mul(found.f_frsize), files })
}

/// Whether the file system at `path` is mounted read-only.
pub(super) fn is_read_only(path: &Path) -> bool {
    rustix::fs::statvfs(nearest(path)).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// Whether this user may make and remove names in `directory`.
pub(super) fn may_write(directory: &Path) -> bool {
    use rustix::fs::{Access, access};
    access(directory, Access::WRITE_OK | Access::EXEC_OK | Access::READ_OK).is_ok()
}

/// The number of the mount that `path` is on: a rename does not cross from one to another, whatever device they have.
pub(super) fn mount(path: &Path) -> Option<u64> {
    let found = rustix::fs::statx(CWD, nearest(path), AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
    StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID).then_some(found.stx_mnt_id)
}

/// Whether something is mounted at `directory` itself.
pub(super) fn is_mount_point(directory: &Path) -> bool {
    directory.parent().is_some_and(|parent| mount(parent) != mount(directory))
}

/// The name of the file system at `path`, such as `ext4`.
pub(super) fn kind(path: &Path) -> Option<String> {
    let number = mount(path)?.to_string();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    kind_of(&mounts, &number).map(str::to_owned)
}

/// The name in the list of mounts: behind the ` - ` that ends the optional fields.
fn kind_of<'a>(mounts: &'a str, number: &str) -> Option<&'a str> {
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(number))?;
    line.split(' ').skip_while(|field| *field != "-").nth(1)
}

/// Device and inode.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|found| (found.dev(), found.ino()))
}

/// What is in `directory`, on its own file system; none if there is more than anybody wants to wait for.
pub(super) fn size(directory: &Path) -> Option<Size> {
    let device = directory.metadata().ok()?.dev();
    let mut size = Size { bytes: 0, entries: 0, directories: 0 };
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        // What cannot be read is for the scan to tell.
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            size.entries += 1;
            if size.entries > MOST {
                return None;
            }
            if !found.is_dir() {
                size.bytes += found.len();
            } else if found.dev() == device {
                size.directories += 1;
                waiting.push(entry.path());
            }
        }
    }
    Some(size)
}

/// How many nanoseconds of 123456789 a file in `directory` keeps as its time, tried with a file that has no name; none
/// where the file system has no such files.
pub(super) fn kept_nanoseconds(directory: &Path) -> Option<u32> {
    use rustix::fs::{Timespec, Timestamps, fstat, futimens};
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR).ok()?;
    let time = Timespec { tv_sec: 1_700_000_001, tv_nsec: 123_456_789 };
    futimens(&file, &Timestamps { last_access: time, last_modification: time }).ok()?;
    u32::try_from(fstat(&file).ok()?.st_mtime_nsec).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_number() {
        let mounts = "22 1 0:20 / / rw - ext4 /dev/vda rw\n\
                      140 22 0:40 / /mnt/a\\040- rw,relatime shared:2 master:1 - nfs4 server:/x rw\n";
        assert_eq!((kind_of(mounts, "22"), kind_of(mounts, "140")), (Some("ext4"), Some("nfs4")));
        assert_eq!((kind_of(mounts, "1"), kind_of(mounts, "")), (None, None));
        assert!(kind(Path::new("/proc/self")).is_some_and(|kind| kind == "proc"));
        assert!(is_mount_point(Path::new("/proc")) && !is_mount_point(Path::new("/proc/self")));
    }

    #[test]
    fn what_is_there_is_counted() {
        let top = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(top.path().join("a/b")).expect("directories");
        std::fs::write(top.path().join("a/b/c"), "12345").expect("a file");
        let Size { bytes, entries, directories } = size(top.path()).expect("few");
        assert_eq!((bytes, entries, directories), (5, 3, 2));
        assert!(size(&top.path().join("none")).is_none());
        assert_eq!(nearest(&top.path().join("x/y")), top.path());
        assert!(room(&top.path().join("x")).is_some_and(|room| room.bytes > 0));
    }
}
