//! One set, one root, however it came about; and what differs is found.

use proptest::prelude::*;

use super::super::{Change, empty_root};
use super::*;
use crate::error::ErrorKind;

/// Numbers of [`Pool::pick`] with a value each.
fn any_model(most: usize) -> impl Strategy<Value = Model> {
    proptest::collection::vec((0..20_000_usize, 0..40_u64), 0..most)
        .prop_map(|items| items.into_iter().map(|(key, value)| (POOL.pick(key).clone(), entry(value))).collect())
}

/// Changes of the pool, some of them absent paths to be removed; `removals` of 8 are removals.
fn any_changes(most: usize) -> impl Strategy<Value = Changes> {
    (0..9_u64, proptest::collection::vec((0..20_000_usize, any::<u64>()), 0..most)).prop_map(|(removals, items)| {
        let change = |value: u64| if value % 8 < removals { None } else { Some(entry(value / 8)) };
        items.into_iter().map(|(key, value)| (POOL.pick(key).clone(), change(value))).collect()
    })
}

/// Changes of paths that are in the model: a slice of neighbours or a scattering, removed or given other values.
fn any_hits() -> impl Strategy<Value = (usize, usize, usize, bool)> {
    (any::<usize>(), 1..400_usize, 1..5_usize, any::<bool>())
}

fn hits(model: &Model, (start, count, stride, remove): (usize, usize, usize, bool)) -> Changes {
    let start = start % model.len().max(1);
    let picked = model.keys().skip(start).step_by(stride).take(count);
    picked.map(|path| (path.clone(), if remove { None } else { Some(file(77)) })).collect()
}

fn naive_diff(older: &Model, newer: &Model) -> Vec<Change> {
    let mut paths: Vec<_> = older.keys().chain(newer.keys()).cloned().collect();
    paths.sort();
    paths.dedup();
    let all = paths.into_iter().map(|path| {
        let (before, after) = (older.get(&path).cloned(), newer.get(&path).cloned());
        Change { path, before, after }
    });
    all.filter(|change| change.before != change.after).collect()
}

/// Holds the edited tree against the bulk build, and the old tree against the new one.
fn check(pages: &mut MemoryPages, root: Digest, before: &Model, changes: &Changes) -> (Digest, Model) {
    let mut after = before.clone();
    apply(&mut after, changes);
    let (bulk, bulk_pages) = build_of(&after);
    let mut fresh = MemoryPages::default();
    let edited = edit_of(Tree::new(pages, root), changes, &mut fresh);
    assert_eq!(edited, bulk, "edit equals bulk build");
    let old_pages = pages_of(&Tree::new(pages, root));
    pages.absorb(fresh);

    let (old, new) = (Tree::new(pages, root), Tree::new(pages, edited));
    let new_pages = pages_of(&new);
    for (id, bytes) in bulk_pages.iter() {
        assert!(new_pages.contains(id), "a build writes no page in vain");
        assert_eq!(pages.page(id).expect("was written"), *bytes);
    }
    assert_eq!(new_pages.len(), bulk_pages.len());
    let entries: Model = new.iter().map(|entry| entry.expect("reads")).collect();
    assert_eq!(entries, after);
    let bytes = after.values().map(Entry::size).sum();
    let totals = new.totals().expect("reads");
    assert_eq!((totals.entries, totals.bytes), (after.len() as u64, bytes));

    for (from, to, from_model, to_model) in [(&old, &new, before, &after), (&new, &old, &after, before)] {
        let changes: Vec<Change> = from.diff(to).map(|change| change.expect("reads")).collect();
        assert_eq!(changes, naive_diff(from_model, to_model));
    }
    let listed = old.new_pages(&new).expect("reads");
    let exact: HashSet<Digest> = new_pages.difference(&old_pages).copied().collect();
    assert_eq!(listed.len(), exact.len(), "each once");
    assert_eq!(listed.into_iter().collect::<HashSet<_>>(), exact);
    (edited, after)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, ..ProptestConfig::default() })]

    #[test]
    fn any_history_has_the_root_of_its_set(
        model in any_model(600),
        first in any_changes(60),
        hit in any_hits(),
        second in any_changes(8),
    ) {
        let (root, mut pages) = build_of(&model);
        let (root, model) = check(&mut pages, root, &model, &first);
        let (root, model) = check(&mut pages, root, &model, &hits(&model, hit));
        let (root, model) = check(&mut pages, root, &model, &second);
        let nothing: Changes = model.keys().map(|path| (path.clone(), None)).collect();
        let (root, _) = check(&mut pages, root, &model, &nothing);
        prop_assert_eq!(root, empty_root());
    }

    #[test]
    fn single_changes_of_small_trees(model in any_model(24), key in 0..20_000_usize, hit in any_hits()) {
        let (root, mut pages) = build_of(&model);
        let one = Changes::from([(POOL.pick(key).clone(), Some(file(1)))]);
        let (root, model) = check(&mut pages, root, &model, &one);
        let (root, model) = check(&mut pages, root, &model, &hits(&model, (hit.0, 1, 1, true)));
        check(&mut pages, root, &model, &hits(&model, hit));
    }

    #[test]
    fn where_no_key_ends_a_page_pages_end_by_force(kept in proptest::collection::vec(any::<bool>(), 1000), hit in any_hits()) {
        let keys = POOL.flat.iter().zip(kept).filter(|(_, kept)| *kept);
        let model: Model = keys.map(|(path, _)| (path.clone(), file(3))).collect();
        let (root, mut pages) = build_of(&model);
        let (root, model) = check(&mut pages, root, &model, &hits(&model, hit));
        let back: Changes = POOL.flat.iter().step_by(3).map(|path| (path.clone(), Some(file(4)))).collect();
        check(&mut pages, root, &model, &back);
    }

    #[test]
    fn where_every_key_ends_a_page_pages_hold_one_item(count in 0..600_usize, hit in any_hits()) {
        let keys = POOL.ends.iter().chain(&POOL.high).take(count);
        let model: Model = keys.map(|path| (path.clone(), file(3))).collect();
        let (root, mut pages) = build_of(&model);
        let (root, model) = check(&mut pages, root, &model, &hits(&model, hit));
        let more: Changes = POOL.high.iter().map(|path| (path.clone(), Some(file(4)))).collect();
        check(&mut pages, root, &model, &more);
    }

    #[test]
    fn unrelated_trees_differ_as_their_sets_do(left in any_model(300), right in any_model(300)) {
        let (left_root, left_pages) = build_of(&left);
        let (right_root, right_pages) = build_of(&right);
        let (old, new) = (Tree::new(&left_pages, left_root), Tree::new(&right_pages, right_root));
        let changes: Vec<Change> = old.diff(&new).map(|change| change.expect("reads")).collect();
        prop_assert_eq!(changes, naive_diff(&left, &right));
        let listed: HashSet<Digest> = old.new_pages(&new).expect("reads").into_iter().collect();
        let exact: HashSet<Digest> = pages_of(&new).difference(&pages_of(&old)).copied().collect();
        prop_assert_eq!(listed, exact);
    }
}

// Long keys are compared and shared byte by byte, which is slow without optimisation: fewer cases.
proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn long_keys_end_a_page_by_force(kept in proptest::collection::vec(any::<bool>(), 80), hit in any_hits()) {
        let keys = POOL.long.iter().zip(kept).filter(|(_, kept)| *kept);
        let model: Model = keys.map(|(path, _)| (path.clone(), file(3))).collect();
        let (root, mut pages) = build_of(&model);
        let (root, model) = check(&mut pages, root, &model, &hits(&model, hit));
        let back: Changes = POOL.long.iter().step_by(7).map(|path| (path.clone(), Some(file(4)))).collect();
        check(&mut pages, root, &model, &back);
    }
}

/// Keys of great height at the start, in the middle and at the end, and a few between: all their sets, and all ways
/// from one set to another. Tall trees of few entries are where a top may be made in vain.
#[test]
fn all_small_sets_and_all_edits_between_them() {
    let tallest = |from: usize| POOL.high.iter().skip(from).step_by(2).max_by_key(|path| height_of(path.as_bytes()));
    let keys = [tallest(0), tallest(1), POOL.high.first(), POOL.ends.first(), POOL.flat.first()];
    let keys: Vec<&RelPath> = keys.into_iter().flatten().collect();
    let set = |bits: usize| -> Model {
        let chosen = keys.iter().enumerate().filter(|(index, _)| bits >> index & 1 == 1);
        chosen.map(|(_, path)| ((*path).clone(), file(1))).collect()
    };
    for from in 0..1 << keys.len() {
        let (root, pages) = build_of(&set(from));
        for to in 0..1 << keys.len() {
            let target = set(to);
            let changes = keys.iter().map(|path| ((*path).clone(), target.get(*path).cloned()));
            let changes: Changes =
                changes.filter(|(path, entry)| entry.is_some() != set(from).contains_key(path)).collect();
            check(&mut pages.clone(), root, &set(from), &changes);
        }
    }
}

#[test]
fn a_page_has_at_most_128_items_and_ends_at_16_kib_of_keys() {
    for keys in [&POOL.flat, &POOL.long] {
        let model: Model = keys.iter().map(|path| (path.clone(), file(1))).collect();
        let (root, pages) = build_of(&model);
        let mut leaves = 0;
        Tree::new(&pages, root)
            .walk_pages(|_, step| {
                if let Step::Read { leaf, .. } = step
                    && !leaf.is_empty()
                {
                    let before = leaf.iter().rev().skip(1);
                    let bytes: usize = before.map(|(key, _)| key.len()).sum();
                    assert!(leaf.len() <= 128 && bytes < 16 << 10);
                    leaves += 1;
                }
                Ok(true)
            })
            .expect("walks");
        assert!(leaves >= 4);
    }
}

#[test]
fn the_pool_holds_what_it_says() {
    assert!(POOL.flat.len() == 1_000 && POOL.ends.len() == 600 && POOL.high.len() > 5);
    assert!(POOL.long.iter().any(|path| path.as_bytes().len() > 3_500));
    assert!(POOL.flat.iter().any(|path| std::str::from_utf8(path.as_bytes()).is_err()));
}

/// Where pages end: the last key of every page above the leaves' entries, by level.
fn cuts(tree: &Tree<'_>) -> Vec<(RelPath, usize)> {
    let mut cuts = Vec::new();
    tree.walk_pages(|_, step| {
        if let Step::Read { leaf, .. } = step
            && let Some((key, _)) = leaf.iter().next_back()
        {
            cuts.push((RelPath::new(key).expect("a path"), leaf.len()));
        }
        Ok(true)
    })
    .expect("walks");
    cuts
}

#[test]
fn a_value_never_moves_a_boundary() {
    let model: Model = (0..3_000).map(|number| (POOL.pick(number).clone(), file(1))).collect();
    let target = LinkTarget::new(vec![b't'; 4_000]).expect("a target");
    let fat: Model = model.keys().map(|path| (path.clone(), Entry::Symlink { target: target.clone() })).collect();
    let (thin_root, thin_pages) = build_of(&model);
    let (fat_root, fat_pages) = build_of(&fat);
    let (thin, fat) = (Tree::new(&thin_pages, thin_root), Tree::new(&fat_pages, fat_root));
    assert_eq!(cuts(&thin), cuts(&fat));
    assert_eq!(thin_pages.len(), fat_pages.len());
}

#[test]
fn kinds_modes_targets_and_sizes_are_identity() {
    let directory = |mode| Entry::Directory { mode: Mode::new(mode) };
    let link = |target: &[u8]| Entry::Symlink { target: LinkTarget::new(target).expect("a target") };
    let file = |mode, size, hash: &[u8]| Entry::File { mode: Mode::new(mode), size, hash: Digest::of(hash) };
    let variants = [
        directory(0o755),
        directory(0o700),
        link(b"a"),
        link(b"\xff"),
        file(0o644, 1, b"x"),
        file(0o755, 1, b"x"),
        file(0o644, 2, b"x"),
        file(0o644, 1, b"y"),
    ];
    let mut roots: Vec<Digest> =
        variants.iter().map(|entry| build_of(&Model::from([(path("a"), entry.clone())])).0).collect();
    roots.sort();
    roots.dedup();
    assert_eq!(roots.len(), variants.len());
}

#[test]
fn the_empty_tree_needs_no_store() {
    let nothing = MemoryPages::default();
    let empty = Tree::empty(&nothing);
    assert_eq!(build_of(&Model::new()).0, empty.root());
    assert!(build_of(&Model::new()).1.is_empty());
    assert!(empty.is_empty() && empty.iter().next().is_none());
    assert_eq!(empty.get(&path("a")).expect("reads"), None);
    assert_eq!(empty.totals().expect("reads").entries, 0);
    assert!(pages_of(&empty).is_empty());
    assert!(empty.new_pages(&empty).expect("reads").is_empty());
    let mut sink = Written::default();
    assert_eq!(edit_of(empty, &Changes::from([(path("a"), None)]), &mut sink), empty.root());
    assert_eq!(sink.puts, 0);
}

#[test]
fn broken_order_is_an_error_of_the_caller() {
    for (first, second) in [("b", "a"), ("a", "a"), ("a b", "a/b")] {
        let mut pages = MemoryPages::default();
        let built = build([Ok((path(first), file(1))), Ok((path(second), file(1)))], &mut pages);
        assert_eq!(built.expect_err("order").kind(), ErrorKind::Internal);
        let none = MemoryPages::default();
        let changes = [Ok((path(first), None)), Ok((path(second), None))];
        assert_eq!(edit(Tree::empty(&none), changes, &mut pages).expect_err("order").kind(), ErrorKind::Internal);
    }
}

#[test]
fn errors_of_the_input_come_out() {
    let fail = || crate::error::Error::new(ErrorKind::Cancelled, "stop");
    let mut sink = MemoryPages::default();
    assert_eq!(build([Err(fail())], &mut sink).expect_err("stops").kind(), ErrorKind::Cancelled);
    let model: Model = (0..900).map(|number| (POOL.pick(number).clone(), file(1))).collect();
    let (root, pages) = build_of(&model);
    let changes = [Ok((path("a/n"), None)), Err(fail())];
    assert_eq!(edit(Tree::new(&pages, root), changes, &mut sink).expect_err("stops").kind(), ErrorKind::Cancelled);
}
