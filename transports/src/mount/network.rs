//! Whether a directory is on a live network mount.
//!
//! `nfs://` says that it must be: an unmounted share is an ordinary empty directory, and publishing into that would
//! make a second hub that nobody else sees.

use depsync_engine::beneath::Root;
use depsync_engine::error::{Error, ErrorKind, Result};
use rustix::fs;

/// `f_type` of network file systems (linux/magic.h and the projects' own headers).
const NETWORK: [(u64, &str); 10] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x517b, "SMB"),
    (0x00c3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x5346_414f, "AFS"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
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
}
