use super::*;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use depsync_engine::error::ErrorKind;

use crate::hub::layout;

fn storage(path: &std::path::Path) -> MountStorage {
    MountStorage::new(path, false).expect("storage")
}

fn record(number: u64) -> RelPath {
    layout::record(&"main".parse().expect("name"), number)
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

#[test]
fn files_and_directories_inherit_from_the_root_whatever_the_umask() {
    for (root, directory, file) in
        [(0o755, 0o755, 0o644), (0o2775, 0o2775, 0o664), (0o700, 0o700, 0o600), (0o777, 0o775, 0o664)]
    {
        let hub = tempfile::tempdir().expect("tempdir");
        // Another group, where this process may give files away.
        let _ = std::os::unix::fs::chown(hub.path(), None, Some(12_345));
        std::fs::set_permissions(hub.path(), PermissionsExt::from_mode(root)).expect("chmod");
        let group = std::fs::metadata(hub.path()).expect("there").gid();
        let (storage, cx) = (storage(hub.path()), Context::new());
        assert_eq!(storage.create_exclusive(&cx, &record(1), b"x").expect("create"), Placed::Created);
        storage.replace(&cx, &layout::heads(), b"y").expect("replace");
        for name in ["d", "d/main", "d/main/revisions", "tmp"] {
            assert_eq!(mode(&hub.path().join(name)), directory, "{root:o} {name}");
            assert_eq!(std::fs::metadata(hub.path().join(name)).expect("there").gid(), group);
        }
        for name in ["d/main/revisions/000000000001", "HEADS"] {
            assert_eq!(mode(&hub.path().join(name)), file, "{root:o} {name}");
            assert_eq!(std::fs::metadata(hub.path().join(name)).expect("there").gid(), group);
        }
    }
}

#[test]
fn nothing_is_left_in_tmp_and_a_cut_off_file_is_healed() {
    let hub = tempfile::tempdir().expect("tempdir");
    let (storage, cx) = (storage(hub.path()), Context::new());
    let pack = layout::pack(&depsync_engine::hash::Digest::of(b"x"));
    assert_eq!(storage.put_if_absent(&cx, &pack, b"whole").expect("put"), Created::Yes);
    assert_eq!(storage.put_if_absent(&cx, &pack, b"whole").expect("put"), Created::Existed);
    std::fs::write(hub.path().join(pack.as_path()), "who").expect("write");
    assert_eq!(storage.put_if_absent(&cx, &pack, b"whole").expect("put"), Created::Yes);
    assert_eq!(storage.get(&cx, &pack, 5).expect("get"), b"whole");
    assert_eq!(storage.create_exclusive(&cx, &record(1), b"one").expect("create"), Placed::Created);
    assert_eq!(storage.create_exclusive(&cx, &record(1), b"two").expect("create"), Placed::Existed);
    assert_eq!(storage.get(&cx, &record(1), 5).expect("get"), b"one");
    assert!(storage.probe(&cx).expect("probe").exclusive);
    assert!(storage.list(&cx, Some(&layout::temporary_directory()), 10).expect("list").is_empty());
}

#[test]
fn a_swept_file_cannot_be_committed() {
    let hub = tempfile::tempdir().expect("tempdir");
    let (storage, cx) = (storage(hub.path()), Context::new());
    let staged = Staged::new().expect("a name");
    storage.stage(&cx, &staged, b"x").expect("stage");
    storage.remove(&cx, &staged.name).expect("remove");
    assert_eq!(storage.commit(&cx, &staged, &record(1)).expect("commit"), Placed::Swept);
    assert_eq!(storage.find(&cx, &record(1), 5).expect("find"), None);
}

#[test]
fn reads_are_bounded_and_exact() {
    let hub = tempfile::tempdir().expect("tempdir");
    let (storage, cx) = (storage(hub.path()), Context::new());
    storage.replace(&cx, &layout::heads(), b"0123456789").expect("replace");
    let kind = |result: Result<Vec<u8>>| result.expect_err("an error").kind();
    assert_eq!(kind(storage.get(&cx, &layout::heads(), 9)), ErrorKind::Damaged);
    assert_eq!(kind(storage.get(&cx, &layout::format(), 9)), ErrorKind::NotFound);
    assert_eq!(storage.get_range(&cx, &layout::heads(), 3, 4).expect("range"), b"3456");
    for (offset, length) in [(7, 4), (11, 1), (u64::MAX, 2)] {
        assert_eq!(kind(storage.get_range(&cx, &layout::heads(), offset, length)), ErrorKind::Damaged);
    }
    assert_eq!(storage.list(&cx, Some(&layout::packs()), 5).expect("list"), []);
    assert_eq!(storage.list(&cx, None, 1).expect_err("many").kind(), ErrorKind::Refused);
}

#[test]
fn a_planted_link_is_not_followed() {
    let (hub, outside) = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
    std::fs::create_dir(outside.path().join("revisions")).expect("mkdir");
    std::fs::create_dir(hub.path().join("d")).expect("mkdir");
    symlink(outside.path(), hub.path().join("d/main")).expect("symlink");
    let (storage, cx) = (storage(hub.path()), Context::new());
    assert_eq!(storage.create_exclusive(&cx, &record(1), b"x").expect_err("link").kind(), ErrorKind::Refused);
    assert_eq!(storage.find(&cx, &record(1), 5).expect_err("link").kind(), ErrorKind::Refused);
    assert_eq!(std::fs::read_dir(outside.path().join("revisions")).expect("list").count(), 0);
}

#[test]
fn a_missing_place_is_not_found_and_made_only_below_an_existing_one() {
    let above = tempfile::tempdir().expect("tempdir");
    let cx = Context::new();
    let there = storage(&above.path().join("hub"));
    let error = there.get(&cx, &layout::format(), 5).expect_err("missing");
    assert!(error.kind() == ErrorKind::NotFound && error.advice().is_some());
    let deep = storage(&above.path().join("not/mounted"));
    assert_eq!(deep.make(&cx).expect_err("deep").kind(), ErrorKind::NotFound);
    there.make(&cx).expect("make");
    there.make(&cx).expect("again");
    assert_eq!(there.find(&cx, &layout::format(), 5).expect("find"), None);
    let network = MountStorage::new(above.path(), true).expect("storage");
    assert_eq!(network.find(&cx, &layout::format(), 5).expect_err("local").kind(), ErrorKind::Refused);
    assert_eq!(network.replace(&cx, &layout::heads(), b"x").expect_err("local").kind(), ErrorKind::Refused);
}
