//! Random trees, random edits, random moments: every scan agrees with a naive walk.

use super::*;
use proptest::prelude::*;
use std::os::unix::fs::symlink;

#[derive(Clone, Debug)]
enum Edit {
    Write(RelPath, u8),
    Append(RelPath),
    Mkdir(RelPath),
    Link(RelPath, u8),
    Remove(RelPath),
    Rename(RelPath, RelPath),
    Chmod(RelPath, u32),
    Later,
    Damage(usize),
}

fn any_path() -> impl Strategy<Value = RelPath> {
    let names: Vec<&'static [u8]> = vec![b"a", b"a-", b"a b", b"b", b"\xff", b"z.tmp", b".svn", b"longer name"];
    proptest::collection::vec(proptest::sample::select(names), 1..4).prop_map(|names| path(names.join(&b'/')))
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (any_path(), 0u8..4).prop_map(|(path, content)| Edit::Write(path, content)),
        1 => any_path().prop_map(Edit::Append),
        3 => any_path().prop_map(Edit::Mkdir),
        1 => (any_path(), 0u8..3).prop_map(|(path, target)| Edit::Link(path, target)),
        3 => any_path().prop_map(Edit::Remove),
        2 => (any_path(), any_path()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => (any_path(), proptest::sample::select(vec![0o644, 0o755, 0o4711])).prop_map(|(path, mode)| Edit::Chmod(path, mode)),
        1 => Just(Edit::Later),
        1 => any::<usize>().prop_map(Edit::Damage),
    ]
}

/// Edits that make no sense at the moment fail, and that is fine.
fn perform(kit: &mut Kit, edit: &Edit) {
    let parent = |path: &RelPath| {
        if let Some(parent) = path.parent() {
            drop(std::fs::create_dir_all(kit.at(parent.as_bytes())));
        }
    };
    match edit {
        Edit::Write(path, content) => {
            parent(path);
            if !kit.at(path.as_bytes()).is_symlink() {
                drop(std::fs::write(kit.at(path.as_bytes()), vec![*content; usize::from(content / 2)]));
            }
        }
        Edit::Append(path) if !kit.at(path.as_bytes()).is_symlink() => {
            let file = std::fs::File::options().append(true).open(kit.at(path.as_bytes()));
            drop(file.and_then(|mut file| std::io::Write::write_all(&mut file, b"more")));
        }
        Edit::Append(_) => {}
        Edit::Mkdir(path) => drop(std::fs::create_dir_all(kit.at(path.as_bytes()))),
        Edit::Link(path, target) => {
            parent(path);
            drop(symlink(["a", ".", "/nowhere"][usize::from(*target)], kit.at(path.as_bytes())));
        }
        Edit::Remove(path) => {
            let path = kit.at(path.as_bytes());
            drop(std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path)));
        }
        Edit::Rename(from, to) => {
            parent(to);
            drop(std::fs::rename(kit.at(from.as_bytes()), kit.at(to.as_bytes())));
        }
        Edit::Chmod(path, mode) if !kit.at(path.as_bytes()).is_symlink() => {
            let mode = std::fs::Permissions::from_mode(*mode);
            drop(std::fs::set_permissions(kit.at(path.as_bytes()), mode));
        }
        Edit::Chmod(..) => {}
        Edit::Later => kit.later(),
        Edit::Damage(seed) => {
            let keys: Vec<BlockKey> = kit.store.keys().cloned().collect();
            if let Some(bytes) = keys.get(seed % keys.len().max(1)).and_then(|key| kit.store.get_mut(key)) {
                let length = bytes.len();
                bytes[seed % length] ^= 0x40;
            }
        }
    }
}

/// Edits, scans, and edits again. Damage to the cache is left out.
fn edit_between_scans(kit: &mut Kit, before: &[Edit], after: &[Edit]) {
    let edit = |edits: &[Edit], kit: &mut Kit| {
        for edit in edits.iter().filter(|edit| !matches!(edit, Edit::Damage(_))) {
            perform(kit, edit);
        }
        kit.later();
    };
    edit(before, kit);
    kit.scan_and_compare();
    edit(after, kit);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_scan_is_what_a_naive_walk_sees(batches in proptest::collection::vec(proptest::collection::vec(any_edit(), 0..12), 1..6)) {
        let mut kit = Kit::new();
        for batch in batches {
            for edit in &batch {
                perform(&mut kit, edit);
            }
            // The root stays openable and nothing leads out of it: links point at siblings or nowhere.
            kit.scan_and_compare();
        }
        kit.later();
        kit.scan_and_compare();
        let idle = kit.scan_and_compare();
        prop_assert!((idle.changes().count() == 0) && idle.blocks.is_empty() && idle.counts.hashed == 0);
    }

    #[test]
    fn looking_again_at_what_changed_is_as_good_as_a_scan(
        before in proptest::collection::vec(any_edit(), 0..16),
        after in proptest::collection::vec(any_edit(), 1..12),
        ignored: bool,
    ) {
        let mut kit = Kit::new();
        if ignored {
            kit.ignore = Ignore::parse(b"b\n!z.tmp\n").expect("parses");
        }
        edit_between_scans(&mut kit, &before, &after);
        let now = kit.naive();
        let both = kit.tree.keys().chain(now.keys());
        let mut touched: Vec<RelPath> = both.filter(|path| kit.tree.get(path) != now.get(path)).cloned().collect();
        touched.sort();
        touched.dedup();
        let again = kit.scan_again(&touched);
        prop_assert!(again.problems.is_empty() && again.unsettled.is_empty());
        prop_assert_eq!(shown(&changes(&again)), touched.iter().map(ToString::to_string).collect::<Vec<_>>());
        prop_assert_eq!(&kit.tree, &now);
        let scan = kit.scan_and_compare();
        prop_assert!(scan.changes().count() == 0);
    }

    #[test]
    fn a_part_that_names_a_directory_whole_is_as_good_as_a_scan_of_it(
        before in proptest::collection::vec(any_edit(), 0..16),
        after in proptest::collection::vec(any_edit(), 1..12),
        depth in 1..3_usize,
    ) {
        let mut kit = Kit::new();
        edit_between_scans(&mut kit, &before, &after);
        let now = kit.naive();
        let both = kit.tree.keys().chain(now.keys());
        let touched: Vec<RelPath> = both.filter(|path| kit.tree.get(path) != now.get(path)).cloned().collect();
        // Instead of what changed, the directories that it is in, and of those above only themselves.
        let part: Part = touched.iter().flat_map(|path| {
            let above = path.ancestors().find(|above| above.depth() == depth).unwrap_or_else(|| path.clone());
            let chain = above.ancestors().map(|above| (above, Reach::Itself)).collect::<Vec<_>>();
            chain.into_iter().chain([(above, Reach::Whole)])
        }).collect();
        kit.scan_part(&part.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(&kit.tree, &now);
        prop_assert!(kit.scan_and_compare().changes().count() == 0);
    }
}
