use depsync_engine::name::NodeId;
use depsync_engine::tree::empty_root;
use proptest::prelude::*;

use super::*;
use crate::svn::known::{RECORD, Said};

const ROOM: usize = 1 << 20;

fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

fn file(text: &str) -> Entry {
    Entry::File { mode: Mode::new(0o644), size: text.len() as u64, hash: Digest::of(text.as_bytes()) }
}

/// A tree of these entries, and its pages.
fn tree(pages: &mut MemoryPages, entries: &BTreeMap<RelPath, Entry>, notable: &[(&str, Properties)]) -> Measured {
    let changes = entries.iter().map(|(path, entry)| Ok((path.clone(), Some(entry.clone()))));
    let mut fresh = MemoryPages::default();
    let root = tree::edit(Tree::new(&*pages, empty_root()), changes, &mut fresh).expect("a tree");
    pages.absorb(fresh);
    let notable = notable.iter().map(|(name, properties)| (path(name), properties.clone())).collect();
    Measured { root, notable: Arc::new(notable), externals: false, told: None }
}

/// A commit on `base` that made `root`, and says so.
fn commit(number: u64, base: Option<u64>, root: Digest, properties: &[String]) -> LogEntry {
    let node: NodeId = "m".parse().expect("a name");
    let said = Said { schema: 1, node: Some(node), root: Some(root), base, ..Said::default() };
    let mut entry = LogEntry { revision: number, ..LogEntry::default() };
    entry.properties.insert(RECORD.to_owned(), serde_json::to_vec(&said).expect("JSON"));
    for property in properties {
        let (name, value) = property.split_once('=').expect("a value");
        entry.properties.insert(name.to_owned(), value.as_bytes().to_vec());
    }
    entry
}

fn entries(named: &[(&str, &str)]) -> BTreeMap<RelPath, Entry> {
    named.iter().map(|(name, text)| (path(name), file(text))).collect()
}

/// Three trees, and the commits that make each of the one before, on a commit 3 that told nothing.
fn town(pages: &mut MemoryPages) -> (Vec<Measured>, Vec<LogEntry>) {
    let odd = Properties { executable: true, keywords: true, ..Properties::default() };
    let sets = [
        (entries(&[("a", "1"), ("b", "1")]), vec![("a", odd.clone())]),
        (entries(&[("a", "2"), ("c", "1")]), vec![("a", odd)]),
        (entries(&[("a", "2"), ("c", "3")]), vec![]),
    ];
    let mut trees: Vec<Measured> = sets.iter().map(|(entries, notable)| tree(pages, entries, notable)).collect();
    let (mut before, mut commits, mut base) = (Measured::empty(), Vec::new(), None);
    for (tree, number) in trees.iter_mut().zip([5, 6, 9]) {
        let telling = Telling::within(&before, tree, pages, ROOM).expect("tells");
        tree.told = telling.told;
        commits.push(commit(number, base, tree.root, &telling.properties));
        (before, base) = (tree.clone(), Some(number));
    }
    (trees, commits)
}

fn reached(
    commits: &[LogEntry],
    base: Option<(Option<u64>, Measured)>,
    pages: &dyn Pages,
) -> Option<(usize, Measured)> {
    reach(commits, base, pages).expect("no trouble").map(|reached| {
        let read: Result<Vec<_>> = Tree::new(&reached.pages, reached.measured.root).iter().collect();
        read.expect("the pages are there");
        (reached.index, reached.measured)
    })
}

fn same(one: &Measured, other: &Measured) {
    assert_eq!((one.root, &one.notable, one.told), (other.root, &other.notable, other.told));
}

#[test]
fn a_tree_is_told_from_nothing_and_from_one_that_is_known() {
    let mut pages = MemoryPages::default();
    let (trees, commits) = town(&mut pages);
    assert_eq!(trees.iter().map(|tree| tree.told).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    let (index, last) = reached(&commits, Some((None, Measured::empty())), &MemoryPages::default()).expect("told");
    assert_eq!(index, 2);
    same(&last, &trees[2]);
    // Whoever does not know what was before can begin where all of it is told, if that is not where he begins to read.
    let older = LogEntry { revision: 4, ..LogEntry::default() };
    assert!(reached(&commits[1..], None, &pages).is_none());
    assert!(reached(&commits, None, &pages).is_none(), "nobody knows whether it followed what it was made on");
    let mut on_it = commits.clone();
    on_it[0] = commit(5, Some(4), trees[0].root, &told_by(&commits[0]));
    let with_older: Vec<LogEntry> = [older].into_iter().chain(on_it).collect();
    let (index, last) = reached(&with_older, None, &MemoryPages::default()).expect("told");
    assert_eq!(index, 3);
    same(&last, &trees[2]);
    let (_, last) = reached(&commits[1..], Some((Some(5), trees[0].clone())), &pages).expect("told");
    same(&last, &trees[2]);
    assert_eq!(ago(&commits.iter().rev().cloned().collect::<Vec<_>>(), None), Some(2));
    assert_eq!((ago(&commits[1..], Some(7)), ago(&commits[1..], None)), (Some(9), None));
}

/// What a commit says beside its record.
fn told_by(entry: &LogEntry) -> Vec<String> {
    let others = entry.properties.iter().filter(|(name, _)| *name != RECORD);
    others.map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect()
}

#[test]
fn what_does_not_fit_its_record_is_not_believed() {
    let mut pages = MemoryPages::default();
    let (trees, commits) = town(&mut pages);
    let nothing = || Some((None, Measured::empty()));
    let with = |index: usize, entry: LogEntry| {
        let mut commits = commits.clone();
        commits[index] = entry;
        reached(&commits, nothing(), &pages).map(|(index, _)| index)
    };
    let told = told_by(&commits[1]);
    // Another root; another revision in between; no record; damaged; nothing told.
    assert_eq!(with(1, commit(6, Some(5), trees[2].root, &told)), Some(0));
    assert_eq!(with(1, commit(6, Some(4), trees[1].root, &told)), Some(0));
    assert_eq!(with(1, LogEntry { revision: 6, ..LogEntry::default() }), Some(0));
    let cut: Vec<String> = told.iter().map(|text| text[..text.len() - 4].to_owned()).collect();
    assert_eq!(with(1, commit(6, Some(5), trees[1].root, &cut)), Some(0));
    assert_eq!(with(1, commit(6, Some(5), trees[1].root, &["depsync:changes=***".to_owned()])), Some(0));
    assert_eq!(with(1, commit(6, Some(5), trees[1].root, &[])), Some(0));
    assert_eq!(with(0, commit(5, None, trees[0].root, &told)), None, "changes of nothing that give another root");
    assert_eq!(with(1, commits[1].clone()), Some(2));
}

#[test]
fn the_whole_tree_is_told_now_and_then_and_what_does_not_fit_is_not() {
    let mut pages = MemoryPages::default();
    let many: BTreeMap<RelPath, Entry> =
        (0..6_000).map(|number| (path(&format!("file-{number}")), file(&number.to_string()))).collect();
    let mut large = tree(&mut pages, &many, &[]);
    let telling = Telling::within(&Measured::empty(), &large, &pages, ROOM).expect("tells");
    let bytes: usize = telling.properties.iter().map(String::len).sum();
    println!("6,000 files in {} properties of {bytes} bytes", telling.properties.len());
    assert!((6_000 * 40..6_000 * 70).contains(&bytes), "{bytes} bytes");
    assert!(telling.properties.len() > 1 && telling.properties.iter().all(|text| text.len() < 128 << 10));
    let whole = commit(5, None, large.root, &telling.properties);
    let (_, read) = reached(&[whole], Some((None, Measured::empty())), &MemoryPages::default()).expect("told");
    assert_eq!((read.root, telling.told), (large.root, Some(0)));

    let mut next = many.clone();
    next.insert(path("file-7"), file("another"));
    let next = tree(&mut pages, &next, &[]);
    let mut telling = |told: Option<u32>, room: usize| {
        large.told = told;
        let telling = Telling::within(&large, &next, &pages, room).expect("tells");
        (telling.properties.first().map(|text| text.split_once('=').expect("a value").0.to_owned()), telling.told)
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(telling(Some(3), ROOM), (named(CHANGES), Some(4)));
    assert_eq!(telling(Some(AGAIN - 1), ROOM), (named(TREE), Some(0)));
    assert_eq!(telling(None, ROOM), (named(TREE), Some(0)));
    // Where there is no room for the whole, the change is told; and where there is none for that, nothing.
    assert_eq!(telling(None, 10_000), (named(CHANGES), None));
    assert_eq!(telling(Some(AGAIN), 10_000), (named(CHANGES), Some(AGAIN + 1)));
    assert_eq!(telling(Some(3), 10), (None, Some(4)));
    assert_eq!(telling(Some(u32::MAX), 10_000), (named(CHANGES), Some(u32::MAX)));
}

#[test]
fn what_there_is_no_room_for_is_as_good_as_untold() {
    let mut pages = MemoryPages::default();
    let (_, commits) = town(&mut pages);
    let told = commits.iter().map(|entry| told_by(entry).iter().map(String::len).sum::<usize>() - 1);
    let sizes: Vec<usize> = told.collect();
    for (room, left) in [(sizes[0] + sizes[1], 0), (sizes[0] + 3, 3)] {
        let (mut commits, mut room) = (commits.clone(), room);
        for entry in &mut commits[..2] {
            keep_within(entry, &mut room);
        }
        assert_eq!((room, says(&commits[1])), (left, left == 0));
        assert!(says(&commits[0]) && commits[1].properties.contains_key(RECORD));
    }
}

#[test]
fn what_is_told_reads_as_ever() {
    let mut pages = MemoryPages::default();
    let mut all = entries(&[("a.war", "1")]);
    all.insert(path("d"), Entry::Directory { mode: Mode::new(0o755) });
    all.insert(path("d/link"), Entry::Symlink { target: LinkTarget::new(*b"to").expect("a target") });
    let odd = Properties { keywords: true, ..Properties::default() };
    let tree = tree(&mut pages, &all, &[("a.war", odd)]);
    let telling = Telling::within(&Measured::empty(), &tree, &pages, ROOM).expect("tells");
    let text = telling.properties[0].strip_prefix("depsync:tree=").expect("the whole");
    let packed = BASE64.decode(text.as_bytes()).expect("Base64");
    let text = String::from_utf8(zstd::bulk::decompress(&packed, MOST).expect("zstd")).expect("text");
    let hash = Digest::of(b"1");
    let expected = format!(
        "{{\"schema\":1,\"paths\":[[\"a.war\",{{\"File\":[420,1,\"{hash}\"]}}],[\"d\",{{\"Directory\":493}}],\
         [\"d/link\",{{\"Link\":[116,111]}}]],\"notable\":[[\"a.war\",{{\"executable\":false,\"special\":false,\
         \"mode\":null,\"eol_style\":false,\"keywords\":true,\"externals\":false}}]],\"externals\":false}}"
    );
    assert_eq!(text, expected);
}

fn some_entries() -> impl Strategy<Value = BTreeMap<RelPath, Entry>> {
    let entry = prop_oneof![
        4 => (0..9_u64, 0..=0o777_u32).prop_map(|(size, mode)| Entry::File {
            mode: Mode::new(mode), size, hash: Digest::of(&size.to_le_bytes())
        }),
        1 => (0..=0o777_u32).prop_map(|mode| Entry::Directory { mode: Mode::new(mode) }),
        1 => any::<[u8; 2]>().prop_filter_map("no target", |bytes| {
            Some(Entry::Symlink { target: LinkTarget::new(bytes).ok()? })
        }),
    ];
    proptest::collection::btree_map("[a-d \u{e9}@%]{1,3}".prop_map(|name| path(&name)), entry, 0..20)
}

proptest! {
    #[test]
    fn what_was_told_is_what_was_made(before in some_entries(), after in some_entries(), ago in proptest::option::of(0..200_u32)) {
        let mut pages = MemoryPages::default();
        let mut old = tree(&mut pages, &before, &[]);
        old.told = ago;
        let mut new = tree(&mut pages, &after, &[]);
        let telling = Telling::within(&old, &new, &pages, ROOM).expect("tells");
        new.told = telling.told;
        let commits = [commit(8, Some(7), new.root, &telling.properties)];
        let (_, read) = reached(&commits, Some((Some(7), old)), &pages).expect("told");
        prop_assert_eq!((read.root, read.told), (new.root, new.told));
    }
}
