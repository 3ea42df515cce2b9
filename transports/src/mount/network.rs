//! Network mounts: whether a directory is on one, and what it means when one fails.
//!
//! `nfs://` says that the hub must be on one: an unmounted share is an ordinary empty directory, and publishing into that
//! would make a second hub that nobody else sees. Whoever asks the mount itself may hang or be told an error; when it
//! has failed already, the list of mounts is read instead.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use depsync_engine::beneath::Root;
use depsync_engine::error::{Error, ErrorKind, Result};
use rustix::fs;
use rustix::io::Errno;

/// Network file systems: `f_type` (linux/magic.h and the projects' own headers), and names in the list of mounts.
const NETWORK: [(u64, &[&str]); 10] = [
    (0x6969, &["nfs", "nfs4"]),
    (0xff53_4d42, &["cifs"]),
    (0xfe53_4d42, &["smb3"]),
    (0x517b, &["smbfs"]),
    (0x00c3_6400, &["ceph"]),
    (0x0102_1997, &["9p"]),
    (0x5346_414f, &["afs"]),
    (0x0bd0_0bd0, &["lustre"]),
    (0x0116_1970, &["gfs2"]),
    (0x7461_636f, &["ocfs2"]),
];

/// What a call fails with when the server does not answer, or the way to it is cut.
const LOST: [Errno; 13] = [
    Errno::IO,
    Errno::TIMEDOUT,
    Errno::NETDOWN,
    Errno::NETUNREACH,
    Errno::NETRESET,
    Errno::HOSTDOWN,
    Errno::HOSTUNREACH,
    Errno::CONNREFUSED,
    Errno::CONNRESET,
    Errno::CONNABORTED,
    Errno::NOTCONN,
    Errno::SHUTDOWN,
    Errno::REMOTEIO,
];

/// Refuses a root that is not on a network file system.
pub(super) fn insist(root: &Root) -> Result<()> {
    let found = fs::fstatfs(root.handle()).map_err(|errno| Error::io("look at", root.shown().display(), errno))?;
    // The type's width differs between architectures; all of these fit 32 bits.
    check((found.f_type as u64) & 0xffff_ffff).map_err(|error| error.at(root.shown().display()))
}

fn check(kind: u64) -> Result<()> {
    if NETWORK.iter().any(|&(network, _)| network == kind) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, format!("not a network file system (type {kind:#x})"))
        .hint("mount the share, or write the path without `nfs://` if a local directory is meant"))
}

/// The same failure means a broken disk on a local file system, and on a network mount that nobody answers.
pub(super) fn judge(path: &Path, error: Error) -> Error {
    let lost = error.os_error().is_some_and(|number| LOST.iter().any(|errno| errno.raw_os_error() == number));
    if !lost || error.kind() == ErrorKind::Unreachable {
        return error;
    }
    if !lies_on_network(path) {
        return error;
    }
    error
        .with_kind(ErrorKind::Unreachable)
        .hint("the server of this mount does not answer; look at it and at the network")
}

/// Whether `path` leads to a network mount, by the list of mounts. Where that cannot be read: no.
pub(crate) fn lies_on_network(path: &Path) -> bool {
    std::fs::read("/proc/self/mountinfo").is_ok_and(|mounts| on_network(path, &network_mounts(&mounts)))
}

/// Every mount point, and whether a network file system is there. Of several at one point the last is what is seen.
fn network_mounts(text: &[u8]) -> Vec<(PathBuf, bool)> {
    let read = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b' ');
        let point = unescape(fields.nth(4)?);
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        let network = NETWORK.iter().any(|(_, names)| names.iter().any(|name| name.as_bytes() == kind));
        // Whoever looks at what is not mounted yet waits for the server.
        let network = network || kind == b"autofs";
        Some((PathBuf::from(OsString::from_vec(point)), network))
    };
    text.split(|&byte| byte == b'\n').filter_map(read).collect()
}

/// Blanks, tabs, newlines and backslashes are written as `\\` and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// Whether `path` leads to a network mount. Nothing on such a mount is touched: the walk ends where one begins.
fn on_network(path: &Path, mounts: &[(PathBuf, bool)]) -> bool {
    let Ok(mut path) = std::path::absolute(path) else { return false };
    'links: for _ in 0..40 {
        let mut so_far = PathBuf::new();
        for component in path.components() {
            if component == std::path::Component::ParentDir {
                // Links above are followed already, so this is the directory above.
                so_far.pop();
                continue;
            }
            so_far.push(component);
            if mounts.iter().rev().find(|(point, _)| *point == so_far).is_some_and(|(_, network)| *network) {
                return true;
            }
            if let Ok(target) = std::fs::read_link(&so_far) {
                let rest = path.strip_prefix(&so_far).map(Path::to_owned).unwrap_or_default();
                so_far.pop();
                path = so_far.join(target).join(rest);
                continue 'links;
            }
        }
        return false;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nfs_will_do_and_a_local_directory_will_not() {
        check(0x6969).expect("NFS");
        let dir = tempfile::tempdir().expect("tempdir");
        let error = insist(&Root::open(dir.path()).expect("open")).expect_err("local");
        assert_eq!(error.kind(), ErrorKind::Refused);
    }

    #[test]
    fn mounts_are_found_by_name_and_through_links() {
        let text = b"22 1 0:20 / / rw - ext4 /dev/vda rw\n\
            40 22 0:40 / /mnt/my\\040hub rw,relatime shared:2 master:1 - nfs4 server:/x rw\n\
            41 22 0:41 / /mnt/two rw - nfs server:/y rw\n42 41 0:42 / /mnt/two rw - tmpfs none rw\n\
            43 22 0:43 / /net rw - autofs auto.net rw\n";
        let mounts = network_mounts(text);
        let on = |path: &str| on_network(Path::new(path), &mounts);
        assert!(on("/mnt/my hub/main") && on("/mnt/my hub") && on("/net/server/hub"));
        assert!(!on("/mnt/my") && !on("/mnt/two/hub") && !on("/"));
        let top = tempfile::tempdir().expect("tempdir");
        std::os::unix::fs::symlink("/mnt/my hub", top.path().join("link")).expect("symlink");
        std::os::unix::fs::symlink("round", top.path().join("round")).expect("symlink");
        assert!(on_network(&top.path().join("link/deep"), &mounts));
        assert!(!on_network(&top.path().join("round/deep"), &mounts));
        std::os::unix::fs::symlink("/mnt/two/../my hub", top.path().join("up")).expect("symlink");
        assert!(on_network(&top.path().join("up"), &mounts));
    }

    #[test]
    fn a_broken_disk_is_not_a_lost_server() {
        let local = judge(Path::new("/proc"), Error::io("read", "/proc/x", Errno::IO));
        assert_eq!(local.kind(), ErrorKind::Io);
    }
}
