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
fn no_more_is_kept_than_two_generations() {
    const GENERATION: usize = 200_000;
    let entries = (0..20_000).map(|number| (path(&format!("dir/file-{number:06}.xml")), file(number)));
    let (root, pages) = build_of(&entries.collect());
    let keeping = Keeping { counting: Counting::new(&pages), kept: KeptPages::new(GENERATION) };
    let tree = Tree::new(&keeping, root);
    let first = path("dir/file-000000.xml");
    let (mut passed, mut again) = (0, 0);
    for entry in tree.iter() {
        entry.expect("reads");
        passed += keeping.counting.reads();
        // What is met again and again stays.
        tree.get(&first).expect("reads");
        again += keeping.counting.reads();
    }
    assert_eq!((passed, again), (pages.len(), 0));
    let memory = |id: &Digest| keeping.kept.get(id).map_or(0, |page| page.memory());
    let held: usize = pages.iter().map(|(id, _)| memory(id)).sum();
    let largest = pages.iter().map(|(id, _)| memory(id)).max().unwrap_or_default();
    assert!((GENERATION / 2..=2 * (GENERATION + largest)).contains(&held), "{held} bytes");
}
