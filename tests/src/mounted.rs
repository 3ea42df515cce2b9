//! Small file systems, for tests that fill or unmount them.
//!
//! Mounting needs root. A test binary that is not root runs itself again in a user and mount namespace of its own
//! ([`as_root`]).

use std::path::{Path, PathBuf};
use std::process::Command;

/// Set in the process that runs inside the namespace.
const INSIDE: &str = "DEPSYNC_TESTS_NAMESPACE";

/// Runs the test `name` as root of a mount namespace; says whether this is the process that is to do the work.
///
/// # Panics
/// If the test fails inside, or no namespace can be had.
pub fn as_root(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // A namespace also for root: what is mounted in it goes with the process, whatever becomes of that.
    let mut command = Command::new("unshare");
    command.arg(if rustix::process::geteuid().is_root() { "-m" } else { "-rm" });
    let output = command
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .output()
        .expect("`unshare` (util-linux) is there");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success(),
        "`{name}` in a mount namespace of its own (it needs root, or unprivileged user namespaces):\n{said}"
    );
    false
}

/// A mounted tmpfs; unmounted when dropped.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts a tmpfs of `kib` KiB at the existing directory `at`.
    pub fn mount(at: &Path, kib: usize) -> Self {
        let options = format!("size={kib}k,mode=755");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mount a tmpfs at {}", at.display());
        Self(at.to_owned())
    }

    /// Changes its size.
    pub fn resize(&self, kib: usize) {
        self.remount(&format!("size={kib}k"));
    }

    /// Leaves room for this many more files and directories, whatever their size; none lifts the limit.
    pub fn leave_files(&self, more: Option<usize>) {
        let found = rustix::fs::statvfs(&self.0).expect("statvfs");
        let used = usize::try_from(found.f_files - found.f_ffree).expect("a small file system");
        self.remount(&format!("nr_inodes={}", more.map_or(1_000_000, |more| used + more)));
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()), "{options} of {}", self.0.display());
    }

    /// Bytes in use, in KiB.
    pub fn used(&self) -> usize {
        let found = rustix::fs::statvfs(&self.0).expect("statvfs");
        usize::try_from((found.f_blocks - found.f_bfree) * found.f_frsize / 1024).expect("a small file system")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A directory mounted at another one; unmounted when dropped.
pub struct Bind(PathBuf);

impl Bind {
    /// Mounts the directory `from` at the existing directory `at`.
    pub fn mount(from: &Path, at: &Path) -> Self {
        let mounted = Command::new("mount").arg("--bind").arg(from).arg(at).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mount {} at {}", from.display(), at.display());
        Self(at.to_owned())
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
