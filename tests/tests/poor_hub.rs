//! Hubs that can be read and not published to: a file system without hard links, and one that is mounted read-only.
//!
//! A machine of its own ([`depsync_tests::uml`]) mounts a FAT, which this machine's kernel may not have.

use std::path::{Path, PathBuf};
use std::process::Command;

use depsync_tests::cli::Bench;
use depsync_tests::cluster::copy_tree;
use depsync_tests::snapshot::{check_same, snapshot};
use depsync_tests::uml::{Disk, Machine, Scenarios, images, inside, mount};

const FAT: &str = "/mnt/fat";

/// What the program answered: its exit status and all it said.
fn run(bench: &Bench, line: &[&str]) -> (Option<i32>, String) {
    let output = bench.output(line);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A hub with one revision, copied to the FAT.
fn hub(bench: &Bench) -> PathBuf {
    bench.write("manager/file", "content");
    bench.write("manager/conf/file", "more content");
    assert_eq!(run(bench, &["publish", "manager", "hub", "--node", "m"]).0, Some(0));
    let fat = Path::new(FAT).join("hub");
    std::fs::create_dir(&fat).expect("mkdir");
    let copied = Command::new("cp").arg("-r").arg(bench.path("hub").join(".")).arg(&fat).status().expect("cp");
    assert!(copied.success());
    fat
}

fn without_hard_links(bench: &Bench, fat: &Path) {
    let hub = fat.display().to_string();
    let (status, said) = run(bench, &["update", "worker", &hub, "--node", "w"]);
    assert_eq!(status, Some(0), "{said}");
    check_same(&snapshot(&bench.path("worker")), &snapshot(&bench.path("manager")), "the worker");
    assert!(fat.join("d/main/nodes/w.json").is_file(), "it has reported");
    let before = snapshot(fat);
    bench.write("manager/file", "changed");
    let (status, said) = run(bench, &["publish", "manager", &hub, "--node", "m"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("hard link") && said.contains(&hub), "{said}");
    let (status, said) = run(bench, &["update", "worker", &hub, "--node", "w"]);
    assert_eq!((status, said.contains("nothing to do")), (Some(0), true), "{said}");
    let after = snapshot(fat);
    for name in ["d/main/HEAD", "HEADS", "FORMAT"] {
        assert_eq!(before.get(name.as_bytes()), after.get(name.as_bytes()), "{name}");
    }
    assert!(!fat.join("d/main/revisions/000000000002").exists());
    let new = Path::new(FAT).join("new");
    std::fs::create_dir(&new).expect("mkdir");
    let (status, said) = run(bench, &["init", "other", &new.display().to_string(), "--node", "o"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("hard link"), "{said}");
    assert!(!new.join("FORMAT").exists(), "no hub was made");
}

fn read_only(bench: &Bench) {
    let hub = Path::new("/mnt/read-only");
    std::fs::create_dir_all(hub).expect("mkdir");
    mount(1, hub, "ext4", "");
    copy_tree(&bench.path("hub"), hub);
    rustix::mount::mount_remount(hub, rustix::mount::MountFlags::RDONLY, c"").expect("read-only");
    let before = snapshot(hub);
    let address = hub.display().to_string();
    let (status, said) = run(bench, &["update", "reader", &address, "--node", "r"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("warning") && said.contains("report"),
        "a report that cannot be written is a warning: {said}"
    );
    let (status, said) = run(bench, &["update", "reader", &address, "--node", "r"]);
    assert_eq!(status, Some(0), "{said}");
    bench.write("manager/file", "changed once more");
    let (status, said) = run(bench, &["publish", "manager", &address, "--node", "m"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("may not write there"), "{said}");
    check_same(&snapshot(hub), &before, "the hub");
}

#[test]
fn hubs_that_can_only_be_read() {
    let images = images();
    let (fat, plain) = (Disk::vfat(images.path(), "fat", 32), Disk::ext4(images.path(), "plain", 32));
    let modules = ["vfat", "nls_cp437", "nls_iso8859-1", "nls_utf8"];
    if !inside("hubs_that_can_only_be_read", &Machine::new().disk(&fat).disk(&plain).modules(&modules)) {
        return;
    }
    mount(0, Path::new(FAT), "vfat", "utf8");
    let bench = Bench::new();
    let hub = hub(&bench);
    let mut scenarios = Scenarios::default();
    scenarios.run("without hard links", || without_hard_links(&bench, &hub));
    scenarios.run("read-only", || read_only(&bench));
    scenarios.end();
}
