//! What looks like an accident is refused, and a refusal changes nothing.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use depsync_engine::engine::{PublishOptions, UpdateOptions};
use depsync_engine::error::ErrorKind;
use depsync_tests::cluster::{Site, copy_tree};
use depsync_tests::crash::{self, Child, End, Work};
use depsync_tests::guarded::refused;
use depsync_tests::mounted::{Bind, Tmpfs, as_root};
use depsync_tests::snapshot::{snapshot, write_tree};

const TREE: &[(&str, &str)] =
    &[("a", "a"), ("b", "b"), ("c/d", "d"), ("c/e", "e"), ("f.war", "not really"), ("g", "g")];

/// A manager and a worker at revision 2.
fn site() -> Site {
    let site = Site::new();
    write_tree(&site.dir("m"), TREE);
    // Not an archive: it would be held back.
    std::fs::remove_file(site.dir("m").join("f.war")).expect("remove");
    site.publish("m").expect("publishes");
    write_tree(&site.dir("m"), &[("a", "a2")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    site
}

fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("list") {
        let path = entry.expect("entry").path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("remove");
    }
}

/// Everything that reads or writes is refused on both nodes.
fn both_refused(site: &Site, what: &str) {
    refused(site, &["m", "w"], &format!("{what}: publish"), || site.publish("m"));
    refused(site, &["m", "w"], &format!("{what}: update of the worker"), || site.update("w"));
    refused(site, &["m", "w"], &format!("{what}: update of the manager"), || site.update("m"));
}

#[test]
fn an_emptied_directory() {
    let site = site();
    empty(&site.dir("m"));
    empty(&site.dir("w"));
    both_refused(&site, "emptied");
    write_tree(&site.dir("m"), &[("untracked.log~", "ignored")]);
    refused(&site, &["m"], "nothing but ignored files", || site.publish("m"));
}

#[test]
fn a_vanished_directory() {
    let site = site();
    for node in ["m", "w"] {
        std::fs::rename(site.dir(node), site.path().join(format!("away-{node}"))).expect("rename");
    }
    both_refused(&site, "vanished");
    assert!(!site.dir("w").exists());
    for node in ["m", "w"] {
        std::fs::write(site.dir(node), "a file in its place").expect("write");
    }
    both_refused(&site, "a file in its place");
}

#[test]
fn a_half_deleted_directory() {
    let site = site();
    for path in ["a", "b", "c/d", "g"] {
        std::fs::remove_file(site.dir("m").join(path)).expect("remove");
    }
    refused(&site, &["m", "w"], "2 of 6 entries left", || site.publish("m"));
    // A worker brings back what is missing: nothing can spread from there.
    for path in ["a", "b", "c/d", "g"] {
        std::fs::remove_file(site.dir("w").join(path)).expect("remove");
    }
    assert_eq!(site.update("w").expect("repairs").added, 4);
}

#[test]
fn a_confirmed_mass_removal_reaches_the_workers() {
    let site = site();
    for path in ["a", "b", "c/d", "g"] {
        std::fs::remove_file(site.dir("m").join(path)).expect("remove");
    }
    let options = PublishOptions { allow_mass_delete: true, ..PublishOptions::default() };
    let publish = |options: &PublishOptions| site.node("m").publish(&site.context(), options);
    assert_eq!(publish(&options).expect("publishes").removed, 4);
    // The record that says so need not be the newest.
    write_tree(&site.dir("m"), &[("h", "h")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));

    empty(&site.dir("m"));
    refused(&site, &["m", "w"], "everything removed", || site.publish("m"));
    publish(&options).expect("publishes nothing at all");
    site.update("w").expect("updates");
    assert!(snapshot(&site.dir("w")).is_empty());
    write_tree(&site.dir("m"), TREE);
    publish(&PublishOptions { no_hold: true, ..PublishOptions::default() }).expect("publishes");
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
}

#[test]
fn an_unconfirmed_mass_removal_is_refused_by_the_worker() {
    let site = site();
    // One by one, each an ordinary change; for a worker that was away it is one large removal.
    let paths = ["a", "b", "c/d", "c/e", "g"];
    for path in paths {
        std::fs::remove_file(site.dir("m").join(path)).expect("remove");
        write_tree(&site.dir("m"), &[("x", path)]);
        site.publish("m").expect("publishes");
    }
    refused(&site, &["m", "w"], "2 of 6 entries left", || site.update("w"));
    let options = UpdateOptions { allow_mass_delete: true, ..UpdateOptions::default() };
    site.node("w").update(&site.context(), &options).expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
}

#[test]
fn a_renamed_archive_in_a_deployment_of_one_goes_through() {
    let site = Site::new();
    let zip = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    std::fs::create_dir(site.dir("m")).expect("mkdir");
    std::fs::write(site.dir("m").join("shop-1.war"), &zip).expect("write");
    assert_eq!(site.publish("m").expect("publishes").added, 1);
    site.update("w").expect("updates");
    std::fs::rename(site.dir("m").join("shop-1.war"), site.dir("m").join("shop-2.war")).expect("rename");
    let published = site.publish("m").expect("publishes");
    assert_eq!((published.added, published.removed), (1, 1));
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
}

#[test]
fn an_archive_that_is_not_called_one_is_held_until_it_is_whole() {
    let site = site();
    let whole = [&b"PK\x03\x04 stored here PK\x05\x06"[..], &[0; 12], &17u32.to_le_bytes(), &[0; 2]].concat();
    let path = site.dir("m").join("bundle");
    std::fs::write(&path, &whole[..whole.len() - 1]).expect("write");
    // The second scan does not read the file again.
    for _ in 0..2 {
        std::thread::sleep(std::time::Duration::from_millis(30));
        let published = site.publish("m").expect("publishes");
        let held: Vec<String> = published.held.iter().map(|remark| format!("{remark:?}")).collect();
        assert!(!published.changed && held.len() == 1 && held[0].contains("bundle"), "{held:?}");
    }
    std::fs::write(&path, &whole).expect("write");
    let published = site.publish("m").expect("publishes");
    assert_eq!((published.added, published.held.len()), (1, 0));
}

#[test]
fn an_unmounted_directory() {
    if !as_root("an_unmounted_directory") {
        return;
    }
    // Two ways: the state was made while the file system was mounted, and before it was.
    for mounted_first in [true, false] {
        let site = Site::new();
        let mut mounts = Vec::new();
        for node in ["m", "w"] {
            std::fs::create_dir(site.dir(node)).expect("mkdir");
            if !mounted_first {
                site.node(node);
            }
            mounts.push(Tmpfs::mount(&site.dir(node), 4096));
        }
        write_tree(&site.dir("m"), TREE);
        let options = PublishOptions { no_hold: true, ..PublishOptions::default() };
        site.node("m").publish(&site.context(), &options).expect("publishes");
        site.update("w").expect("updates");
        assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
        drop(mounts);
        assert!(snapshot(&site.dir("w")).is_empty());
        both_refused(&site, "unmounted, and empty");
        // What an operator finds under a mount point: files from before it was one.
        for node in ["m", "w"] {
            write_tree(&site.dir(node), &[("old", "from before the mount"), ("older", "from before the mount")]);
        }
        both_refused(&site, "unmounted, with other files");
        let _again = [Tmpfs::mount(&site.dir("m"), 4096), Tmpfs::mount(&site.dir("w"), 4096)];
        both_refused(&site, "another file system, empty");
    }
}

#[test]
fn another_device_with_the_same_content_is_no_accident() {
    if !as_root("another_device_with_the_same_content_is_no_accident") {
        return;
    }
    let site = site();
    let aside = site.path().join("aside");
    std::fs::rename(site.dir("w"), &aside).expect("rename");
    std::fs::create_dir(site.dir("w")).expect("mkdir");
    let _mount = Tmpfs::mount(&site.dir("w"), 4096);
    copy_tree(&aside, &site.dir("w"));
    assert!(!site.update("w").expect("updates").changed);
    write_tree(&site.dir("m"), &[("a", "a3")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
}

/// Set in the process that has given up being root.
const NOBODY: &str = "DEPSYNC_TESTS_NOBODY";

/// Runs the test `name` without root's power to read everything; says whether this is the process to do the work.
fn as_nobody(name: &str) -> bool {
    if !rustix::process::geteuid().is_root() || std::env::var_os(NOBODY).is_some() {
        return true;
    }
    let output = Command::new("setpriv")
        .args(["--inh-caps=-all", "--bounding-set=-all"])
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(NOBODY, "1")
        .output()
        .expect("`setpriv` (util-linux) is there");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    false
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).expect("chmod");
}

#[test]
fn an_unreadable_directory() {
    if !as_nobody("an_unreadable_directory") {
        return;
    }
    let site = site();
    for mode in [0o000, 0o100] {
        for node in ["m", "w"] {
            chmod(&site.dir(node), mode);
        }
        for (node, what) in [("m", "publish"), ("w", "update"), ("m", "update")] {
            // A directory that cannot be read cannot be compared either: the hub and the other node are.
            let asked = || if what == "publish" { site.publish(node).map(drop) } else { site.update(node).map(drop) };
            refused(&site, &[], &format!("{what} with {mode:o}"), asked);
        }
        for node in ["m", "w"] {
            chmod(&site.dir(node), 0o755);
        }
    }
    assert!(!site.publish("m").expect("publishes").changed);
    assert!(!site.update("w").expect("updates").changed);
}

#[test]
fn what_cannot_be_read_is_not_removed() {
    if !as_nobody("what_cannot_be_read_is_not_removed") {
        return;
    }
    let site = site();
    let wanted = snapshot(&site.dir("w"));
    chmod(&site.dir("m").join("c"), 0o000);
    chmod(&site.dir("m").join("g"), 0o000);
    let published = site.publish("m").expect("publishes the rest");
    assert_eq!((published.changed, published.problems.len()), (false, 2), "{:?}", published.problems);
    site.update("w").expect("updates");
    assert_eq!(snapshot(&site.dir("w")), wanted);
    chmod(&site.dir("m").join("c"), 0o755);
    chmod(&site.dir("m").join("g"), 0o644);
}

#[test]
fn a_missing_an_empty_and_a_foreign_hub() {
    let site = site();
    let aside = site.path().join("aside");
    std::fs::rename(site.hub(), &aside).expect("rename");
    both_refused(&site, "missing");
    assert!(!site.hub().exists());
    std::fs::create_dir(site.hub()).expect("mkdir");
    both_refused(&site, "empty");
    std::fs::create_dir(site.hub().join("lost+found")).expect("mkdir");
    both_refused(&site, "empty but for what mounting leaves");
    refused(&site, &["m"], "init", || site.node("m").init(&site.context(), None));
    std::fs::write(site.hub().join("letter.txt"), "not a hub").expect("write");
    both_refused(&site, "not a hub");
    std::fs::remove_dir_all(site.hub()).expect("remove");

    let other = Site::new();
    write_tree(&other.dir("m"), &[("theirs", "x")]);
    other.publish("m").expect("publishes");
    std::fs::create_dir(site.hub()).expect("mkdir");
    copy_tree(&other.hub(), &site.hub());
    both_refused(&site, "foreign");
    refused(&site, &["m"], "init", || site.node("m").init(&site.context(), None));

    std::fs::remove_dir_all(site.hub()).expect("remove");
    std::fs::rename(&aside, site.hub()).expect("rename");
    assert!(!site.publish("m").expect("publishes").changed);
    assert!(!site.update("w").expect("updates").changed);
}

#[test]
fn an_unmounted_hub() {
    if !as_root("an_unmounted_hub") {
        return;
    }
    let site = Site::new();
    std::fs::create_dir(site.hub()).expect("mkdir");
    let mount = Tmpfs::mount(&site.hub(), 4096);
    write_tree(&site.dir("m"), &TREE[..4]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    drop(mount);
    both_refused(&site, "unmounted");
    assert!(snapshot(&site.hub()).is_empty());
}

/// A hub put back from a copy of revision 2 after revision 4 was published and applied.
fn restored() -> Site {
    let site = site();
    let copy = site.path().join("copy");
    std::fs::create_dir(&copy).expect("mkdir");
    copy_tree(&site.hub(), &copy);
    site.update("late").expect("updates");
    for content in ["a3", "a4"] {
        write_tree(&site.dir("m"), &[("a", content)]);
        site.publish("m").expect("publishes");
    }
    site.update("w").expect("updates");
    std::fs::remove_dir_all(site.hub()).expect("remove");
    std::fs::rename(&copy, site.hub()).expect("rename");
    site
}

#[test]
fn a_hub_restored_from_a_backup() {
    let site = restored();
    both_refused(&site, "restored");
    site.pass(3600);
    both_refused(&site, "restored, an hour later");
    refused(&site, &["m"], "rollback", || site.node("m").rollback(&site.context(), 1, ""));
    // Whoever had not seen the lost revisions has nothing to refuse.
    assert!(!site.update("late").expect("updates").changed);
}

#[test]
fn a_restored_hub_that_others_have_published_to() {
    // Fewer revisions than are known here, as many, and more.
    for published in 1..=4 {
        let site = restored();
        site.update("other").expect("updates");
        for number in 0..published {
            write_tree(&site.dir("other"), &[("b", &format!("other {number}"))]);
            let done = site.publish("other").expect("the other manager publishes");
            assert_eq!(done.revision, Some(3 + number));
        }
        both_refused(&site, &format!("restored, then {published} published"));
        site.pass(3600);
        both_refused(&site, &format!("restored, then {published} published, an hour later"));
        assert!(site.update("late").expect("updates").changed);
    }
}

#[test]
fn a_hub_whose_newest_records_are_gone() {
    let site = site();
    std::fs::remove_file(site.hub().join("d/main/revisions/000000000002")).expect("remove");
    let write = |head: &str| std::fs::write(site.hub().join("d/main/HEAD"), head).expect("write");
    let first = std::fs::read(site.hub().join("d/main/revisions/000000000001")).expect("read");
    let line = first.split(|&byte| byte == b'\n').next().expect("a line");
    let hash = depsync_engine::hash::Domain::Record.digest(line);
    write(&format!("1 {hash}\n"));
    site.pass(3600);
    both_refused(&site, "rewound by one");
    std::fs::remove_dir_all(site.hub().join("d")).expect("remove");
    both_refused(&site, "without the deployment");
}

#[test]
fn a_pinned_node_cannot_publish() {
    let site = site();
    let to = UpdateOptions { to: Some(1), ..UpdateOptions::default() };
    site.node("m").update(&site.context(), &to).expect("pins");
    write_tree(&site.dir("m"), &[("a", "while pinned")]);
    refused(&site, &["m", "w"], "publish while pinned", || site.publish("m"));
    refused(&site, &["m", "w"], "rollback while pinned", || site.node("m").rollback(&site.context(), 1, ""));
    let unpin = UpdateOptions { unpin: true, ..UpdateOptions::default() };
    site.node("m").update(&site.context(), &unpin).expect("unpins");
    site.publish("m").expect("publishes");
}

#[test]
fn first_contact_of_a_worker() {
    let site = site();
    write_tree(&site.dir("n"), &[("a", "a2"), ("b", "other"), ("c/d", "d"), ("mine", "mine"), ("c/e/f", "in the way")]);
    let stat = |path: &str| {
        let found = site.dir("n").join(path).metadata().expect("metadata");
        (found.ino(), found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
    };
    let equal = ["a", "c/d"];
    let before = equal.map(stat);
    let update = site.update("n").expect("updates");
    assert_eq!(equal.map(stat), before, "equal files are adopted untouched");
    assert_eq!(update.to, Some(2));
    let mut wanted = snapshot(&site.dir("m"));
    wanted.insert(b"mine".to_vec(), snapshot(&site.dir("n"))[&b"mine"[..]].clone());
    assert_eq!(snapshot(&site.dir("n")), wanted);
    let kept = snapshot(&site.path().join(".n.depsync/recovery"));
    let kept: Vec<_> = kept.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    assert!(kept.iter().any(|path| path.ends_with("/b")), "{kept:?}");
    assert!(kept.iter().any(|path| path.ends_with("/c/e/f")), "{kept:?}");
    assert!(!site.update("n").expect("updates").changed);
}

#[test]
fn first_contact_of_a_manager() {
    let site = site();
    // A re-installed manager with an old copy: what was deleted since must not come back.
    write_tree(&site.dir("n"), &[("a", "a"), ("deleted-long-ago", "x")]);
    let error = refused(&site, &["m", "w"], "publish to a populated hub", || site.publish("n"));
    assert!(error.advice().is_some_and(|advice| advice.contains("update")), "{error}");
    site.update("n").expect("updates");
    assert_eq!(std::fs::read(site.dir("n").join("a")).expect("read"), b"a2");
    // The same tree as the head's is no danger.
    copy_tree(&site.dir("m"), &{
        std::fs::create_dir(site.dir("twin")).expect("mkdir");
        site.dir("twin")
    });
    let adopted = site.publish("twin").expect("adopts");
    assert_eq!((adopted.revision, adopted.changed), (Some(2), false));
    write_tree(&site.dir("twin"), &[("a", "a3")]);
    assert_eq!(site.publish("twin").expect("publishes").revision, Some(3));
}

#[test]
fn a_worker_waits_for_a_hub_and_a_manager_makes_one() {
    let site = Site::new();
    std::fs::create_dir(site.hub()).expect("mkdir");
    let error = site.update("w").expect_err("no hub");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(snapshot(&site.hub()).is_empty() && !site.dir("w").exists());
}

#[test]
fn child() {
    crash::child();
}

#[test]
fn a_directory_unmounted_after_a_crash() {
    if !as_root("a_directory_unmounted_after_a_crash") {
        return;
    }
    let site = Site::new();
    std::fs::create_dir(site.path().join("volume")).expect("mkdir");
    std::fs::create_dir(site.dir("w")).expect("mkdir");
    let _volume = Tmpfs::mount(&site.path().join("volume"), 4096);
    let mount = || Bind::mount(&site.path().join("volume"), &site.dir("w"));
    let mounted = mount();
    write_tree(&site.dir("m"), &[("a", "a"), ("b", "b"), ("c/d", "d"), ("gone", "x")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    write_tree(&site.dir("m"), &[("a", "a2"), ("new/f", "f")]);
    std::fs::remove_file(site.dir("m").join("gone")).expect("remove");
    site.publish("m").expect("publishes");
    let update = Child { node: "w", work: Work::Update, poor: false };
    let mut at = 0;
    let journalled = loop {
        match crash::run(&site, update, Some(at)) {
            End::Killed(step) if step == "apply.make-directory" => break step,
            End::Killed(_) => at += 1,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(journalled, "apply.make-directory");
    drop(mounted);
    refused(&site, &["w"], "update, unmounted after a crash", || site.update("w"));
    assert!(snapshot(&site.dir("w")).is_empty());
    let _mounted = mount();
    assert!(site.update("w").expect("recovers").recovered);
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
}
