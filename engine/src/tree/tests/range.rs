//! Looking up: one path, the entries beneath a directory, the entries from a key on.

use proptest::prelude::*;

use super::*;

/// Paths over a small alphabet, nested, with bytes around the separator and beyond ASCII.
fn any_path() -> impl Strategy<Value = RelPath> {
    proptest::collection::vec(proptest::sample::select(&b"ab!//\xff.\n"[..]), 1..9)
        .prop_filter_map("a path", |bytes| RelPath::new(bytes).ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn ranges_are_those_of_the_sorted_set(
        paths in proptest::collection::btree_set(any_path(), 0..500),
        wanted in proptest::collection::vec(any_path(), 12),
    ) {
        let model: Model = paths.into_iter().zip(0..).map(|(path, number)| (path, entry(number))).collect();
        let (root, pages) = build_of(&model);
        let tree = Tree::new(&pages, root);
        let parents: Vec<RelPath> = model.keys().filter_map(RelPath::parent).take(12).collect();
        for path in wanted.iter().chain(&parents).chain(model.keys().step_by(37)) {
            prop_assert_eq!(tree.get(path).expect("reads"), model.get(path).cloned());
            let beneath: Model = tree.beneath(path).map(|entry| entry.expect("reads")).collect();
            let naive = model.iter().filter(|(key, _)| key.is_beneath(path));
            prop_assert!(beneath.iter().eq(naive));
            let from: Model = tree.from(path).map(|entry| entry.expect("reads")).collect();
            prop_assert!(from.iter().eq(model.range(path.clone()..)));
        }
    }
}

#[test]
fn a_range_reads_its_pages_only() {
    let mut model = Model::new();
    for directory in 0..40 {
        model.insert(path(&format!("d{directory:02}")), entry(5));
        for number in 0..500 {
            model.insert(path(&format!("d{directory:02}/f{number:03}")), file(number));
        }
    }
    let (root, pages) = build_of(&model);
    let counting = Counting::new(&pages);
    let tree = Tree::new(&counting, root);
    assert_eq!(tree.beneath(&path("d17")).count(), 500);
    let reads = counting.reads();
    assert!(reads < 24, "{reads} pages for 500 of 20,040 entries");
    assert!(tree.get(&path("d17/f123")).expect("reads").is_some());
    assert!(counting.reads() <= 4);
    assert_eq!(tree.totals().expect("reads").entries, 20_040);
    assert_eq!(counting.reads(), 1);
}

#[test]
fn a_walk_passes_over_what_it_is_told_to() {
    let model: Model = (0..20_000).map(|number| (POOL.pick(number).clone(), file(1))).collect();
    let (root, pages) = build_of(&model);
    let counting = Counting::new(&pages);
    let tree = Tree::new(&counting, root);
    let (mut found, mut read, mut entries) = (0, 0, 0);
    tree.walk_pages(|id, step| {
        match step {
            Step::Found => found += 1,
            Step::Read { bytes, leaf } => {
                assert_eq!(pages.page(id).expect("is there"), *bytes);
                read += 1;
                entries += leaf.len();
            }
        }
        Ok(true)
    })
    .expect("walks");
    assert_eq!((found, read, entries), (pages.len(), pages.len(), model.len()));
    counting.reads();

    // Not even the top page.
    tree.walk_pages(|_, _| Ok(false)).expect("walks");
    assert_eq!(counting.reads(), 0);
    // The top page alone, whichever way it is said.
    tree.walk_pages(|id, step| Ok(*id == root && matches!(step, Step::Found))).expect("walks");
    assert_eq!(counting.reads(), 1);
    tree.walk_pages(|id, _| Ok(*id == root)).expect("walks");
    assert_eq!(counting.reads(), 1);
    // The pages below the top page, and no further.
    let mut below = 0;
    tree.walk_pages(|id, step| {
        let found = matches!(step, Step::Found);
        below += usize::from(found && *id != root);
        Ok(*id == root || found)
    })
    .expect("walks");
    assert_eq!(counting.reads(), below + 1);
    assert!(below > 1 && below < pages.len() / 2);
}
