//! The same by somebody who is not root, who needs write permission in a directory to rename it.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn without_root_it_is_all_the_same() {
    if !rustix::process::geteuid().is_root() {
        // Then all the others have shown it.
        return;
    }
    let room = tempfile::tempdir_in("/dev/shm").expect("a directory");
    std::fs::set_permissions(room.path(), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    // Where everybody may read it.
    let copy = room.path().join("unit");
    std::fs::copy(std::env::current_exe().expect("this binary"), &copy).expect("copied");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy)
        .args(["--test-threads=2", "--skip=goes_on_belonging", "--skip=a_reader_never"])
        .current_dir("/")
        .output()
        .expect("`setpriv` (util-linux) is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("a_locked_unit_and_locked_directories_in_it_change_too ... ok"), "{said}");
}
