//! Surroundings that do not hold still, do not let us read, or lie.

use super::*;
use crate::error::ErrorKind;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicBool;

/// Runs `work` on a thread that permissions apply to, also when the tests run as root.
fn without_privileges<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut sets = capabilities(None).expect("capabilities");
            let overriding = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            sets.effective.remove(overriding);
            sets.permitted.remove(overriding);
            set_capabilities(None, sets).expect("give up capabilities");
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn populated() -> Kit {
    let kit = Kit::new();
    for name in ["a/file", "a/sub/x", "a/sub/deep/y", "b/file", "c"] {
        kit.write(name, name);
    }
    kit.later();
    kit
}

#[test]
fn what_cannot_be_read_is_a_problem_and_never_gone() {
    for (forbidden, mode, subtree) in
        [("a/sub", 0o000, true), ("a", 0o400, true), ("a", 0o100, true), ("a/file", 0o000, false)]
    {
        let mut kit = populated();
        kit.scan_and_compare();
        let before = kit.tree.clone();
        kit.chmod(forbidden, mode);
        kit.write("b/file", "changed meanwhile");
        let scan = without_privileges(|| kit.scan());
        assert_eq!(shown(&changes(&scan)), ["b/file"], "{forbidden} {mode:o}");
        let [problem] = &scan.problems[..] else { panic!("{:?}", scan.problems) };
        assert_eq!((problem.path.as_ref(), problem.subtree), (Some(&path(forbidden)), subtree));
        assert_eq!(problem.error.kind(), ErrorKind::PermissionDenied);
        assert!(problem.error.to_string().contains(forbidden), "{}", problem.error);
        // Without a difference to start from, what was observed is still said.
        let damaged = kit.store.keys().find(|key| *key.directory == *b"b").expect("a block").clone();
        kit.store.get_mut(&damaged).expect("it").pop();
        let scan = without_privileges(|| kit.scan());
        assert!(scan.rebuilt);
        assert_eq!(kit.tree.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
        kit.chmod(forbidden, 0o755);
        kit.scan_and_compare();
        assert_eq!(kit.tree.len(), before.len());
    }
}

#[test]
fn what_was_never_read_is_a_problem_and_no_entry() {
    let mut kit = populated();
    kit.chmod("a/sub", 0o000);
    kit.chmod("b/file", 0o000);
    let scan = without_privileges(|| kit.scan());
    assert_eq!(shown(&changes(&scan)), ["a", "a/file", "b", "c"]);
    let problems: Vec<_> = scan.problems.iter().map(|problem| (problem.path.clone(), problem.subtree)).collect();
    assert_eq!(problems, [(Some(path("a/sub")), true), (Some(path("b/file")), false)]);
    kit.chmod("a/sub", 0o755);
    let scan = kit.scan();
    assert_eq!(shown(&changes(&scan)), ["a/sub", "a/sub/deep", "a/sub/deep/y", "a/sub/x", "b/file"]);
}

#[test]
fn a_root_that_cannot_be_read_is_an_error() {
    for mode in [0o000, 0o400, 0o100] {
        let mut kit = populated();
        kit.scan_and_compare();
        let root = kit.root();
        let set = |mode| std::fs::set_permissions(kit.directory.path(), std::fs::Permissions::from_mode(mode));
        set(mode).expect("chmod");
        let cache = kit.cache();
        let scan = without_privileges(|| scan(&kit.cx, &root, &kit.ignore, &Options::default(), cache));
        set(0o755).expect("chmod");
        assert_eq!(scan.expect_err("unreadable").kind(), ErrorKind::PermissionDenied, "{mode:o}");
    }
    let kit = populated();
    let root = kit.root();
    std::fs::remove_dir_all(kit.directory.path()).expect("remove");
    assert!(scan(&kit.cx, &root, &kit.ignore, &Options::default(), Cache::new()).is_err());
}

#[test]
fn a_file_that_never_holds_still_is_unsettled_and_stays_what_it_was() {
    let mut kit = Kit::new();
    let target = kit.at("log");
    let writing = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&writing);
    kit = kit.with_hook(move || {
        if switch.load(Ordering::SeqCst) {
            let file = std::fs::File::options().append(true).open(&target);
            drop(file.and_then(|mut file| file.write_all(b"more")));
        }
    });
    // The hook replaced the clock, not the directory.
    kit.write("log", "first");
    kit.write("other", "x");
    kit.later();
    kit.scan_and_compare();
    writing.store(true, Ordering::SeqCst);
    kit.write("log", "second");
    kit.write("other", "y");
    let scan = kit.scan();
    assert_eq!(scan.unsettled, [path("log")]);
    assert_eq!(shown(&changes(&scan)), ["other"]);
    assert_eq!(kit.tree[&path("log")].content(), Some((Digest::of(b"first"), 5)));
    writing.store(false, Ordering::SeqCst);
    assert_eq!(shown(&changes(&kit.scan_and_compare())), ["log"]);
}

#[test]
fn a_file_that_is_written_all_the_time_is_never_torn() {
    let mut kit = Kit::new();
    let target = kit.at("file");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0u8;
            while !stop.load(Ordering::SeqCst) {
                // Each version is one byte repeated; a torn one would not be.
                std::fs::write(&target, vec![round; 300_000]).expect("write");
                round = round.wrapping_add(1);
                if round.is_multiple_of(16) {
                    std::thread::sleep(Duration::from_millis(12));
                }
            }
        });
        let whole: std::collections::HashSet<Digest> =
            (0..=255u8).map(|byte| Digest::of(&vec![byte; 300_000])).collect();
        for _ in 0..30 {
            let scan = kit.scan();
            for (_, entry) in scan.changes() {
                let content = entry.as_ref().and_then(Entry::content);
                // One tick is what the stamps cannot see; such a hash is not trusted and is read again.
                let torn = content.is_some_and(|(hash, size)| size == 300_000 && !whole.contains(&hash));
                assert!(!torn || kit.scan().counts.hashed > 0 || !scan.unsettled.is_empty());
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    kit.scan_and_compare();
}

/// Does something when the scan asks about a path: after it was looked at, before it is opened.
struct Meanwhile<F: Fn() + Sync>(&'static str, F);

impl<F: Fn() + Sync> Interest for Meanwhile<F> {
    fn wants(&self, path: &RelPath, _is_directory: bool) -> bool {
        if path.as_bytes() == self.0.as_bytes() {
            (self.1)();
        }
        true
    }
}

#[test]
fn a_directory_swapped_for_a_link_is_not_followed() {
    let outside = Kit::new();
    outside.write("secret", "s");
    let mut kit = populated();
    let (victim, aside, beyond) = (kit.at("a"), kit.at("aside.tmp"), outside.directory.path().to_owned());
    let swap = Meanwhile("a", move || {
        std::fs::rename(&victim, &aside).expect("rename");
        symlink(&beyond, &victim).expect("symlink");
    });
    let scan = kit.scan_with(&Options { interest: &swap, ..Options::default() });
    assert_eq!(scan.unsettled, [path("a")]);
    assert_eq!(shown(&changes(&scan)), ["b", "b/file", "c"]);
    assert_eq!(shown(&changes(&kit.scan_and_compare())), ["a"]);
}

#[test]
fn what_vanishes_meanwhile_is_absent() {
    for victim in ["a", "a/sub", "b/file"] {
        let mut kit = populated();
        let target = kit.at(victim);
        let vanish = Meanwhile(victim, move || {
            drop(std::fs::remove_dir_all(&target).or_else(|_| std::fs::remove_file(&target)));
        });
        let scan = kit.scan_with(&Options { interest: &vanish, ..Options::default() });
        assert!(scan.problems.is_empty() && scan.unsettled.is_empty(), "{victim} {:?}", scan.problems);
        assert_eq!(kit.tree, kit.naive(), "{victim}");
    }
}

#[test]
fn a_tracked_directory_that_vanishes_meanwhile_takes_everything_with_it() {
    let mut kit = populated();
    kit.scan_and_compare();
    // The new name is asked about before the walk goes down into `a`.
    kit.write("new", "n");
    let target = kit.at("a");
    let vanish = Meanwhile("new", move || std::fs::remove_dir_all(&target).expect("remove"));
    let scan = kit.scan_with(&Options { interest: &vanish, ..Options::default() });
    assert_eq!(shown(&changes(&scan)), ["a", "a/file", "a/sub", "a/sub/deep", "a/sub/deep/y", "a/sub/x", "new"]);
    assert_eq!(kit.tree, kit.naive());
}

#[test]
fn damaged_blocks_cost_a_reading_and_nothing_else() {
    let mut kit = populated();
    kit.scan_and_compare();
    let keys: Vec<BlockKey> = kit.store.keys().cloned().collect();
    for key in keys {
        kit.store.get_mut(&key).expect("it")[20] ^= 1;
        // What the damaged block knew may be gone meanwhile.
        if *key.directory == *b"b" {
            kit.remove("b/file");
        }
        let scan = kit.scan_and_compare();
        assert!(scan.rebuilt && scan.counts.hashed < 5);
        assert!(!kit.scan_and_compare().rebuilt);
    }
    kit.store.clear();
    assert!(kit.scan_and_compare().rebuilt);
}

#[test]
fn blocks_without_their_directory_are_no_observation() {
    let mut kit = populated();
    kit.scan_and_compare();
    let root = kit.store.keys().next().expect("a block").clone();
    assert!(root.directory.is_empty());
    kit.store.remove(&root);
    kit.tree.clear();
    // The store lost a whole block without leaving a trace; the tree that is left has no `a`.
    let scan = kit.scan_and_compare();
    assert_eq!(scan.changes().count(), kit.tree.len());
    kit.store.retain(|key, _| !key.directory.is_empty());
    kit.tree.clear();
    kit.remove("a");
    kit.scan_and_compare();
    assert!(kit.store.keys().all(|key| !key.directory.starts_with(b"a")));
}

#[test]
fn a_directory_that_became_a_file_beside_a_damaged_block_takes_nothing_out_of_the_empty_tree() {
    let mut kit = populated();
    kit.scan_and_compare();
    let damaged = kit.store.keys().find(|key| *key.directory == *b"a/sub").expect("a block").clone();
    kit.store.get_mut(&damaged).expect("it")[20] ^= 1;
    kit.remove("b");
    kit.write("b", "a file");
    assert!(kit.scan_and_compare().rebuilt);
}
