//! What an edit and a diff cost, in pages. The constants are stated, and low enough to notice a slip.

use super::*;

/// `count` files in one directory.
fn flat(count: u64) -> Model {
    (0..count).map(|number| (path(&format!("dir/file-{number:06}.xml")), file(number))).collect()
}

/// Levels of a tree of `count` entries at 64 a page, at least one.
fn levels(count: usize) -> usize {
    (count.max(2).ilog2() as usize).div_ceil(6)
}

/// Makes `count` changes of a kind.
fn random_changes(model: &Model, numbers: &mut Numbers, count: usize) -> Changes {
    let keys: Vec<&RelPath> = model.keys().collect();
    let mut changes = Changes::new();
    while changes.len() < count {
        let key = keys[numbers.below(keys.len())];
        match numbers.below(3) {
            0 => changes.insert(key.clone(), Some(file(numbers.next()))),
            1 => changes.insert(key.clone(), None),
            _ => {
                let name = format!("dir/file-{:06}-{}", numbers.below(keys.len()), numbers.below(1000));
                changes.insert(path(&name), Some(file(1)))
            }
        };
    }
    changes
}

#[test]
fn edits_and_diffs_cost_what_changed() {
    let model = flat(30_000);
    let (root, pages) = build_of(&model);
    let levels = levels(model.len());
    let mut numbers = Numbers(7);
    let (mut edited_pages, mut diffed_pages, mut all) = (0, 0, 0);
    for count in [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 5, 10, 30] {
        for _ in 0..3 {
            let changes = random_changes(&model, &mut numbers, count);
            let counting = Counting::new(&pages);
            let mut written = Written::default();
            let edited = edit_of(Tree::new(&counting, root), &changes, &mut written);
            let cost = counting.reads() + written.puts;
            assert!(cost <= 6 * count * levels, "{cost} pages read and written for {count} changes");
            edited_pages += cost;
            all += count;

            let overlay = super::super::Overlay::with(written.pages, &pages);
            let counting = Counting::new(&overlay);
            let (old, new) = (Tree::new(&counting, root), Tree::new(&counting, edited));
            let real = changes.iter().filter(|change| model.get(change.0) != change.1.as_ref()).count();
            assert_eq!(old.diff(&new).count(), real);
            let cost = counting.reads();
            assert!(cost <= 6 * count * levels, "{cost} pages read to find {count} changes");
            diffed_pages += cost;
            old.new_pages(&new).expect("reads");
            let cost = counting.reads();
            assert!(cost <= 6 * count * levels, "{cost} pages read to list new pages of {count} changes");
        }
    }
    // On average well below the bound of a single case.
    assert!(edited_pages <= 3 * all * levels, "{edited_pages} pages for {all} changes");
    assert!(diffed_pages <= 3 * all * levels, "{diffed_pages} pages for {all} changes");
}

/// Bytes written by `count` edits of one change each, sorted.
fn bytes_written(
    tree: &Tree<'_>,
    count: usize,
    mut change: impl FnMut(usize) -> (RelPath, Option<Entry>),
) -> Vec<usize> {
    let mut numbers = Numbers(99);
    let edit_once = |_| {
        let mut written = Written::default();
        edit_of(*tree, &Changes::from([change(numbers.below(100_000))]), &mut written);
        written.bytes
    };
    let mut all: Vec<usize> = (0..count).map(edit_once).collect();
    all.sort_unstable();
    all
}

#[test]
fn one_change_among_100_000_in_one_directory_writes_less_than_32_kib() {
    const LIMIT: usize = 32 << 10;
    let (root, pages) = build_of(&flat(100_000));
    let tree = Tree::new(&pages, root);
    let key = |number: usize| path(&format!("dir/file-{number:06}.xml"));
    let new = |number: usize| path(&format!("dir/file-{number:06}.xml.new"));

    // A changed file: no page but those on its way is written.
    let changed = bytes_written(&tree, 300, |number| (key(number), Some(file(5))));
    assert!(changed.iter().sum::<usize>() / 300 < LIMIT / 2);
    // A new or a removed one cuts anew up to the next natural end, on two levels at worst. Not a law but a tail: of all
    // 200,000 of this directory 9 write more, 36,681 bytes at most.
    let removed = bytes_written(&tree, 300, |number| (key(number), None));
    let added = bytes_written(&tree, 300, |number| (new(number), Some(file(5))));
    for (kind, bytes) in [("changed", changed), ("removed", removed), ("added", added)] {
        assert!(bytes[299] < LIMIT, "{} bytes for a {kind} file", bytes[299]);
    }
}

#[test]
fn a_tree_and_itself_are_told_equal_by_their_roots() {
    let (root, pages) = build_of(&flat(2_000));
    let counting = Counting::new(&pages);
    let tree = Tree::new(&counting, root);
    assert_eq!(tree.diff(&tree).count(), 0);
    assert!(tree.new_pages(&tree).expect("reads").is_empty());
    assert_eq!(counting.reads(), 0);
}

#[test]
fn a_first_edit_costs_what_a_build_costs() {
    let model = flat(20_000);
    let nothing = MemoryPages::default();
    let (root, pages) = build_of(&model);
    let counting = Counting::new(&nothing);
    let mut written = Written::default();
    let changes: Changes = model.iter().map(|(path, entry)| (path.clone(), Some(entry.clone()))).collect();
    assert_eq!(edit_of(Tree::empty(&counting), &changes, &mut written), root);
    assert_eq!((counting.reads(), written.puts), (0, pages.len()));
    // And to empty it again reads each page once and writes none.
    let counting = Counting::new(&pages);
    let mut written = Written::default();
    let changes: Changes = model.keys().map(|path| (path.clone(), None)).collect();
    edit_of(Tree::new(&counting, root), &changes, &mut written);
    assert_eq!((counting.reads(), written.puts), (pages.len(), 0));
}

#[test]
fn appending_at_either_end_touches_that_end() {
    let model = flat(20_000);
    let (root, pages) = build_of(&model);
    for name in ["a", "dir/file-999999.xml", "z"] {
        let counting = Counting::new(&pages);
        let mut written = Written::default();
        let changes = Changes::from([(path(name), Some(file(1)))]);
        edit_of(Tree::new(&counting, root), &changes, &mut written);
        let cost = counting.reads() + written.puts;
        assert!(cost <= 3 * levels(model.len()), "{cost} pages for {name}");
    }
}

#[test]
fn a_removed_subtree_is_not_read_to_list_new_pages() {
    let mut model = flat(20_000);
    let (root, mut pages) = build_of(&model);
    let changes: Changes = model.keys().skip(300).take(15_000).map(|path| (path.clone(), None)).collect();
    apply(&mut model, &changes);
    let (smaller, more) = build_of(&model);
    pages.absorb(more);
    let counting = Counting::new(&pages);
    Tree::new(&counting, root).new_pages(&Tree::new(&counting, smaller)).expect("reads");
    let cost = counting.reads();
    assert!(cost <= 30, "{cost} pages");
}

#[test]
fn leaves_are_about_4_kib() {
    let (_, pages) = build_of(&flat(30_000));
    let bytes: usize = pages.iter().map(|(_, bytes)| bytes.len()).sum();
    let average = bytes / pages.len();
    assert!((2_000..5_000).contains(&average), "{average} bytes");
    assert!(bytes / 30_000 < 60, "{} bytes an entry", bytes / 30_000);
}
