//! Pages that are kept decoded: read once, checked as ever, and not too many.

use super::super::KeptPages;
use super::*;

/// A store that counts, and whose pages are kept.
pub(super) struct Keeping<'a> {
    counting: Counting<'a>,
    kept: KeptPages,
}

impl<'a> Keeping<'a> {
    pub(super) fn new(base: &'a dyn Pages) -> Self {
        Self { counting: Counting::new(base), kept: KeptPages::default() }
    }
}

impl Pages for Keeping<'_> {
    fn page(&self, id: &Digest) -> Result<Arc<[u8]>> {
        self.counting.page(id)
    }

    fn kept(&self, _: &Digest) -> Option<&KeptPages> {
        Some(&self.kept)
    }
}

fn model(count: usize) -> Model {
    (0..count).map(|number| (POOL.pick(number).clone(), entry(number as u64))).collect()
}

#[test]
fn what_was_read_once_is_not_read_again() {
    let mut numbers = Numbers(3);
    let older = model(900);
    let (root, mut pages) = build_of(&older);
    let changes: Changes =
        (0..40).map(|_| (POOL.pick(numbers.below(1200)).clone(), Some(entry(numbers.next())))).collect();
    let mut newer = older.clone();
    apply(&mut newer, &changes);
    let (edited, more) = build_of(&newer);
    let plain = pages.clone();
    pages.absorb(more);
    let keeping = Keeping::new(&pages);
    let (old, new) = (Tree::new(&keeping, root), Tree::new(&keeping, edited));
    for round in 0..3 {
        let found: Vec<_> = old.diff(&new).map(|change| change.expect("reads")).collect();
        let expected = Tree::new(&pages, root).diff(&Tree::new(&pages, edited)).map(|change| change.expect("reads"));
        assert!(expected.eq(found));
        let mut written = Written::default();
        assert_eq!(edit_of(Tree::new(&keeping, root), &changes, &mut written), edited);
        assert!(old.iter().map(|entry| entry.expect("reads")).eq(older.clone()));
        for (path, entry) in &newer {
            assert_eq!(new.get(path).expect("reads").as_ref(), Some(entry));
        }
        let reads = keeping.counting.reads();
        assert_eq!(reads, if round == 0 { pages.len() } else { 0 });
    }
    // A walk wants the bytes as they are stored.
    assert_eq!(pages_of(&old).len(), plain.len());
    assert_eq!(keeping.counting.reads(), plain.len());
}

#[test]
fn of_more_than_there_is_room_for_some_are_kept_and_not_for_ever() {
    const ROOM: usize = 400_000;
    let tree_of = |from: u64| {
        let entries = (from..from + 20_000).map(|number| (path(&format!("dir/file-{number:06}.xml")), file(number)));
        build_of(&entries.collect())
    };
    let ((root, mut pages), (other, more)) = (tree_of(0), tree_of(500_000));
    let count = pages.len();
    pages.absorb(more);
    let keeping = Keeping { counting: Counting::new(&pages), kept: KeptPages::new(ROOM) };
    let reads = |root: Digest| {
        assert_eq!(Tree::new(&keeping, root).iter().filter(Result::is_ok).count(), 20_000);
        keeping.counting.reads()
    };
    assert_eq!(reads(root), count);
    let again = reads(root);
    assert!((count / 2..count * 9 / 10).contains(&again), "{again} of {count} pages");
    let held: usize = pages.iter().filter_map(|(id, _)| Some(keeping.kept.get(id)?.memory())).sum();
    assert!((ROOM * 9 / 10..=ROOM).contains(&held), "{held} bytes");
    // Another tree gets the room in the end.
    let passes: Vec<usize> = (0..40).map(|_| reads(other)).collect();
    assert!(passes.iter().any(|&reads| reads < passes[0]), "{passes:?}");
}

#[test]
fn what_was_used_before_a_rest_is_kept_over_it_and_nothing_else() {
    let ((root, mut pages), (other, more)) = (build_of(&model(900)), build_of(&model(300)));
    pages.absorb(more);
    let keeping = Keeping::new(&pages);
    let reads = |root: Digest| {
        assert!(Tree::new(&keeping, root).iter().all(|entry| entry.is_ok()));
        keeping.counting.reads()
    };
    let (fewer, more) = (reads(other), reads(root));
    assert!(fewer > 0 && more > 0);
    keeping.kept.rest();
    assert_eq!((reads(root), reads(other)), (0, 0), "both were used before it");
    keeping.kept.rest();
    assert_eq!(reads(other), 0);
    keeping.kept.rest();
    assert_eq!(reads(other), 0);
    assert!(reads(root) > 0, "it was of no use for a whole turn");
    keeping.kept.rest();
    keeping.kept.rest();
    assert_eq!(reads(other), fewer, "nothing was used");
}
