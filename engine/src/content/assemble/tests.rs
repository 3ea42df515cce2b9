use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

use proptest::prelude::*;
use rayon::prelude::*;

use super::*;
use crate::beneath::Root;
use crate::content::chunker::{ChunkerParams, Chunking, Cut};
use crate::content::cutter::Cutter;
use crate::content::testing::{Packed, archive, noise};
use crate::content::{ObjectKind, PieceRef};

/// A live directory, a staging directory and a hub in memory.
struct World {
    live: Root,
    _directories: (tempfile::TempDir, tempfile::TempDir),
    live_path: PathBuf,
    staging: Directory,
    hub: HashMap<ObjectId, Vec<u8>>,
}

/// Where staged files are, and the tags of those that are complete.
struct Directory(PathBuf, Mutex<BTreeSet<usize>>);

impl Staging for Directory {
    fn create(&self, tag: usize, _size: u64) -> Result<File> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        options.open(self.0.join(tag.to_string())).map_err(|source| Error::io("create", tag, source))
    }

    fn reopen(&self, tag: usize) -> Result<File> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).open(self.0.join(tag.to_string()));
        opened.map_err(|source| Error::io("open", tag, source))
    }

    fn complete(&self, tag: usize, file: &File) -> Result<()> {
        if !self.1.lock().expect("lock").insert(tag) {
            return Err(Error::new(ErrorKind::Internal, format!("{tag} twice")));
        }
        // It is not written to any more, by no handle.
        file.set_modified(SystemTime::UNIX_EPOCH).map_err(|source| Error::io("date", tag, source))
    }
}

fn fine() -> Chunking {
    let params = ChunkerParams::new(64, 256, 1024).expect("params");
    Chunking::new(params, params, u64::MAX)
}

fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

fn wanted(tag: usize, bytes: &[u8]) -> WantedFile {
    WantedFile { tag, hash: Digest::of(bytes), size: bytes.len() as u64 }
}

/// Hands a piece over as a fetch would.
fn give(assembly: &Assembly<'_>, hash: Digest, raw: &[u8]) -> Result<bool> {
    assembly.piece(&Context::new(), &Piece::verify(hash, raw)?)
}

impl World {
    fn new() -> Self {
        let directories = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
        let live_path = directories.0.path().to_owned();
        let live = Root::open(&live_path).expect("open");
        let staging = Directory(directories.1.path().to_owned(), Mutex::default());
        Self { live, _directories: directories, live_path, staging, hub: HashMap::new() }
    }

    /// Makes a local file and says what the node knows of it.
    fn local(&self, name: &str, bytes: &[u8], with_recipe: bool) -> LocalFile {
        std::fs::write(self.live_path.join(name), bytes).expect("write");
        let recipe = with_recipe.then(|| fine().cut_slice(bytes).expect("cut").recipe);
        LocalFile { path: path(name), hash: Digest::of(bytes), size: bytes.len() as u64, recipe }
    }

    fn publish(&mut self, bytes: &[u8]) -> Recipe {
        let cut = fine().cut_slice(bytes).expect("cut");
        for (offset, piece) in cut.recipe.positions() {
            let raw = bytes[offset as usize..offset as usize + piece.length as usize].to_vec();
            self.hub.insert(ObjectId::piece(piece.hash), raw);
        }
        if cut.recipe.is_needed() {
            self.hub.insert(ObjectId::recipe(cut.hash), cut.recipe.encode().expect("encodes"));
        }
        cut.recipe
    }

    fn begin(&self, wanted: Vec<WantedFile>, sources: Vec<LocalFile>) -> Assembly<'_> {
        self.staging.1.lock().expect("lock").clear();
        Assembly::begin(&Context::new(), wanted, &self.staging, &self.live, sources).expect("begins")
    }

    /// Resolves everything from the hub; gives the single pieces that took.
    fn resolve(&self, assembly: &mut Assembly<'_>) -> usize {
        let mut singles = 0;
        for (hash, _) in assembly.unresolved() {
            if let Some(raw) = self.hub.get(&ObjectId::recipe(hash)) {
                assembly.recipe(hash, Recipe::decode(raw).expect("recipe")).expect("fits");
            } else if let Some(raw) = self.hub.get(&ObjectId::piece(hash)) {
                assert!(give(assembly, hash, raw).expect("writes"));
                singles += 1;
            }
        }
        singles
    }

    /// Fetches what is needed, last first; gives the number of pieces.
    fn fetch(&self, assembly: &Assembly<'_>) -> usize {
        let needed = assembly.needed();
        for id in needed.iter().rev() {
            assert!(give(assembly, id.hash, &self.hub[id]).expect("writes"));
        }
        assert!(assembly.needed().is_empty());
        needed.len()
    }

    fn staged(&self, tag: usize) -> Vec<u8> {
        let path = self.staging.0.join(tag.to_string());
        let modified = path.metadata().and_then(|found| found.modified()).expect("staged");
        assert_eq!(modified, SystemTime::UNIX_EPOCH, "{tag} is complete, and was not written to since");
        std::fs::read(path).expect("staged")
    }

    /// The whole flow; gives the number of pieces that were fetched.
    fn rebuild(&self, files: &[&[u8]], sources: Vec<LocalFile>) -> usize {
        let cx = Context::new();
        let list = files.iter().enumerate().map(|(tag, bytes)| wanted(tag, bytes)).collect();
        let mut assembly = self.begin(list, sources);
        let mut fetched = self.resolve(&mut assembly);
        assembly.copy_local(&cx).expect("copies");
        fetched += self.fetch(&assembly);
        let finished = assembly.finish(&cx).expect("finishes");
        assert_eq!(finished.all().expect("whole"), (0..files.len()).collect::<Vec<_>>());
        for (tag, bytes) in files.iter().enumerate() {
            assert!(self.staged(tag) == *bytes, "file {tag}");
        }
        fetched
    }
}

#[test]
fn without_anything_local_everything_is_fetched_once() {
    let mut world = World::new();
    let (small, large) = (noise(1, 50), noise(2, 30_000));
    world.publish(&small);
    let pieces = world.publish(&large).pieces().len();
    assert_eq!(world.rebuild(&[&small, &large, b"", &small, &large, b""], vec![]), 1 + pieces);
}

#[test]
fn a_moved_file_is_copied_whether_its_recipe_is_known_or_not() {
    for with_recipe in [false, true] {
        let world = World::new();
        let (small, large) = (noise(1, 50), noise(2, 400_000));
        let sources = vec![world.local("s", &small, with_recipe), world.local("l", &large, with_recipe)];
        // The hub is empty: nothing may be asked of it.
        assert_eq!(world.rebuild(&[&large, &small, &large], sources), 0);
    }
}

#[test]
fn an_edited_file_is_rebuilt_from_its_old_self() {
    let mut world = World::new();
    let old = noise(3, 100_000);
    let mut new = old.clone();
    new.splice(50_000..50_000, noise(4, 10));
    world.publish(&new);
    let source = world.local("old", &old, true);
    let fetched = world.rebuild(&[&new], vec![source]);
    assert!((1..=4).contains(&fetched), "{fetched} pieces");
}

#[test]
fn pieces_are_found_across_files_of_one_piece() {
    let mut world = World::new();
    let large = noise(5, 5000);
    let recipe = world.publish(&large);
    let first = large[..recipe.pieces()[0].length as usize].to_vec();
    // A wanted file that is a piece of a local one, and a wanted file of which a local one is a piece.
    let known = world.local("large", &large, true);
    assert_eq!(world.begin(vec![wanted(0, &first)], vec![known.clone()]).unresolved().len(), 1);
    let cx = Context::new();
    let assembly = world.begin(vec![wanted(0, &first)], vec![known]);
    assembly.copy_local(&cx).expect("copies");
    assert_eq!(assembly.finish(&cx).expect("finishes").all().expect("whole"), [0]);
    assert_eq!(world.staged(0), first);
    let source = world.local("first", &first, false);
    assert_eq!(world.rebuild(&[&large], vec![source]), recipe.pieces().len() - 1);
}

#[test]
fn local_files_that_changed_vanished_or_lie_are_no_error() {
    let mut world = World::new();
    let (old, new) = (noise(6, 20_000), [noise(6, 20_000), noise(7, 100)].concat());
    world.publish(&old);
    world.publish(&new);
    let all = world.publish(&new).pieces().len();
    type Damage<'a> = (&'a str, &'a dyn Fn(&std::path::Path));
    let damage: [Damage<'_>; 3] = [
        ("edited", &|file| std::fs::write(file, noise(8, 20_000)).expect("write")),
        ("shortened", &|file| std::fs::write(file, b"x").expect("write")),
        ("removed", &|file| std::fs::remove_file(file).expect("remove")),
    ];
    for (how, damage) in damage {
        for with_recipe in [true, false] {
            let source = world.local("f", &old, with_recipe);
            damage(&world.live_path.join("f"));
            // Also as a whole: the copy is begun, found out, and made anew from the hub.
            assert!(world.rebuild(&[&new, &old], vec![source]) >= all, "{how}");
        }
    }
    // A recipe that belongs to another file of the same size.
    let mut liar = world.local("f", &old, true);
    liar.recipe = Some(fine().cut_slice(&noise(9, 20_000)).expect("cut").recipe);
    assert_eq!(world.rebuild(&[&new], vec![liar]), all);
}

#[test]
fn deliveries_may_come_early_twice_unasked_and_from_many_threads() {
    let cx = Context::new();
    let mut world = World::new();
    let files: Vec<Vec<u8>> = (0..80).map(|seed| noise(seed, 3000)).collect();
    for file in &files {
        world.publish(file);
    }
    let list: Vec<_> = files.iter().enumerate().map(|(tag, file)| wanted(tag, file)).collect();
    let mut assembly = world.begin(list, vec![]);
    let pieces: Vec<(&ObjectId, &Vec<u8>)> = world.hub.iter().filter(|(id, _)| id.kind == ObjectKind::Piece).collect();
    assert!(!give(&assembly, pieces[0].0.hash, pieces[0].1).expect("early"), "nobody knows yet that it is needed");
    world.resolve(&mut assembly);
    assert_eq!(assembly.needed().len(), pieces.len());
    assert!(!give(&assembly, Digest::of(b"unasked"), b"unasked").expect("ignored"));
    assembly.recipe(Digest::of(b"unasked"), Recipe::default()).expect("ignored");
    let assembly = assembly;
    let twice: Vec<_> = pieces.iter().chain(&pieces).collect();
    twice.into_par_iter().for_each(|(id, raw)| {
        give(&assembly, id.hash, raw).expect("writes");
    });
    assert!(!give(&assembly, pieces[0].0.hash, pieces[0].1).expect("late"), "nobody needs it any more");
    let finished = assembly.finish(&cx).expect("finishes");
    assert_eq!((finished.complete.len(), finished.recipes.len()), (80, 80));
    assert!(files.iter().enumerate().all(|(tag, file)| &world.staged(tag) == file));
}

#[test]
fn a_forged_piece_is_refused_and_the_right_one_still_taken() {
    let cx = Context::new();
    let mut world = World::new();
    let file = noise(1, 5000);
    world.publish(&file);
    world.publish(b"single");
    let mut assembly = world.begin(vec![wanted(0, &file), wanted(1, b"single")], vec![]);
    assert_eq!(give(&assembly, Digest::of(b"single"), b"double").expect_err("forged").kind(), ErrorKind::Damaged);
    world.resolve(&mut assembly);
    let id = assembly.needed()[0];
    let mut forged = world.hub[&id].clone();
    forged[0] ^= 1;
    assert_eq!(give(&assembly, id.hash, &forged).expect_err("forged").kind(), ErrorKind::Damaged);
    world.fetch(&assembly);
    assert_eq!(assembly.finish(&cx).expect("finishes").all().expect("whole"), [0, 1]);
}

#[test]
fn what_is_missing_or_wrong_is_named_and_the_rest_is_whole() {
    let cx = Context::new();
    let mut world = World::new();
    let (fine_one, torn, forged, unknown) = (noise(1, 5000), noise(2, 5000), noise(3, 5000), noise(4, 5000));
    world.publish(&fine_one);
    world.publish(&torn);
    // A recipe of the right size whose pieces are those of another file.
    let other = world.publish(&noise(5, 5000));
    world.hub.insert(ObjectId::recipe(Digest::of(&forged)), other.encode().expect("encodes"));
    // A recipe of the right size that gives a piece another length than it has.
    let stretched = noise(6, 600);
    let lie =
        vec![PieceRef { hash: Digest::of(b"five!"), length: 300 }, PieceRef { hash: Digest::of(b"six"), length: 300 }];
    world.hub.insert(ObjectId::recipe(Digest::of(&stretched)), Recipe::new(lie).expect("recipe").encode().expect("ok"));
    world.hub.insert(ObjectId::piece(Digest::of(b"five!")), b"five!".to_vec());
    world.hub.insert(ObjectId::piece(Digest::of(b"six")), b"six".to_vec());
    let list = [&fine_one, &torn, &forged, &unknown, &stretched].into_iter().enumerate();
    let mut assembly = world.begin(list.map(|(tag, bytes)| wanted(tag, bytes)).collect(), vec![]);
    world.resolve(&mut assembly);
    let withheld = fine().cut_slice(&torn).expect("cut").recipe.pieces()[1].hash;
    for id in assembly.needed().into_iter().filter(|id| id.hash != withheld) {
        give(&assembly, id.hash, &world.hub[&id]).expect("writes");
    }
    let finished = assembly.finish(&cx).expect("finishes");
    assert_eq!((&finished.complete[..], &*world.staging.1.lock().expect("lock")), (&[0][..], &BTreeSet::from([0])));
    assert_eq!(finished.recipes.len(), 1);
    let why: BTreeMap<usize, String> =
        finished.failed.iter().map(|fail| (fail.tags[0], fail.error.to_string())).collect();
    assert_eq!(why.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(finished.failed.iter().all(|failure| failure.error.kind() == ErrorKind::Damaged));
    assert!(finished.failed.iter().all(|failure| failure.error.to_string().contains(&failure.hash.to_string())));
    assert!(why[&1].contains("1 of its"), "{}", why[&1]);
    assert!(why[&2].contains("another hash") && why[&3].contains("neither") && why[&4].contains("length"), "{why:?}");
    assert_eq!(finished.all().expect_err("failed").kind(), ErrorKind::Damaged);
}

#[test]
fn contradictions_are_refused_before_anything_is_written() {
    let world = World::new();
    let begin = |list| Assembly::begin(&Context::new(), list, &world.staging, &world.live, vec![]).err();
    let file = wanted(0, b"content");
    for list in [
        vec![file, WantedFile { tag: 1, size: 8, ..file }],
        vec![WantedFile { size: 0, ..file }],
        vec![WantedFile { size: 1, ..wanted(0, b"") }],
    ] {
        assert_eq!(begin(list).expect("refused").kind(), ErrorKind::Damaged);
    }
    assert_eq!(std::fs::read_dir(&world.staging.0).expect("list").count(), 0);
    let mut assembly = world.begin(vec![file], vec![]);
    let short = Recipe::single(Digest::of(b"conten"), 6).expect("recipe");
    assert_eq!(assembly.recipe(file.hash, short).expect_err("size").kind(), ErrorKind::Damaged);
}

#[test]
fn a_failing_staging_area_and_a_cancelled_context_are_errors() {
    struct Full;
    impl Staging for Full {
        fn create(&self, tag: usize, _: u64) -> Result<File> {
            Err(Error::io("create", tag, std::io::Error::from_raw_os_error(28)))
        }
        fn reopen(&self, tag: usize) -> Result<File> {
            self.create(tag, 0)
        }
        fn complete(&self, _: usize, _: &File) -> Result<()> {
            unreachable!("nothing was created")
        }
    }
    let cx = Context::new();
    let world = World::new();
    let source = world.local("f", b"content", false);
    let begun = Assembly::begin(&cx, vec![wanted(0, b"content")], &Full, &world.live, vec![source]);
    assert_eq!(begun.err().expect("full").kind(), ErrorKind::NoSpace);
    let assembly = Assembly::begin(&cx, vec![wanted(0, b"content")], &Full, &world.live, vec![]).expect("begins");
    for _ in 0..2 {
        let written = give(&assembly, Digest::of(b"content"), b"content");
        assert_eq!(written.expect_err("full").kind(), ErrorKind::NoSpace, "a failed write may be tried again");
    }
    cx.cancel().cancel();
    assert_eq!(assembly.finish(&cx).expect("nothing to read").failed.len(), 1);
    let world = World::new();
    let begun = Assembly::begin(&cx, vec![wanted(0, b"")], &world.staging, &world.live, vec![]);
    assert_eq!(begun.err().expect("cancelled").kind(), ErrorKind::Cancelled);
}

#[test]
fn few_files_are_held_open() {
    let cx = Context::new();
    let mut world = World::new();
    let files: Vec<Vec<u8>> = (0..300).map(|seed| noise(seed, 2500)).collect();
    for file in &files {
        world.publish(file);
    }
    let mut assembly = world.begin(files.iter().enumerate().map(|(tag, file)| wanted(tag, file)).collect(), vec![]);
    world.resolve(&mut assembly);
    world.fetch(&assembly);
    let staging = world.staging.0.canonicalize().expect("path");
    let open = std::fs::read_dir("/proc/self/fd").expect("list").flatten();
    let held = open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|target| target.starts_with(&staging))).count();
    assert!((1..=32).contains(&held), "{held} open");
    assert_eq!(assembly.finish(&cx).expect("finishes").complete.len(), 300);
}

/// A class of some kilobytes, and one that says which build this is.
fn built(number: usize, stamp: u32) -> Vec<u8> {
    let entries: Vec<(String, Vec<u8>)> = (0..60u64)
        .map(|seed| (format!("com/example/C{seed}.class"), noise(seed, 7000)))
        .chain([("com/example/Build.class".to_owned(), format!("build {number}").into_bytes())])
        .collect();
    let packed: Vec<Packed<'_>> = entries.iter().map(|(name, content)| (&name[..], &content[..], None)).collect();
    archive(&packed, stamp)
}

#[test]
fn an_archive_is_made_of_the_one_before_but_for_what_is_new() {
    let cx = Context::new();
    let cut = |bytes: &[u8]| Cutter::default().cut_slice(bytes).expect("cut");
    let old = built(1, 0x5000_0000);
    // The same times, so that nearly all of it is just as before; and other times, so that nothing is between pieces.
    for new in [built(2, 0x5000_0000), built(2, 0x6000_0000)] {
        for is_gone in [false, true] {
            let world = World::new();
            let mut source = world.local("old.war", &old, false);
            source.recipe = Some(cut(&old).recipe);
            if is_gone {
                // What is there by now is of the same length, and otherwise in its first half.
                let half = old.len() / 2;
                std::fs::write(world.live_path.join("old.war"), [&noise(7, half), &old[half..]].concat())
                    .expect("write");
            }
            let Cut { recipe, hash } = cut(&new);
            assert!(recipe.is_archive() && recipe.pieces().len() == 61);
            let mut assembly = world.begin(vec![wanted(0, &new), wanted(1, &new)], vec![source]);
            assembly.recipe(hash, recipe.clone()).expect("fits");
            assembly.copy_local(&cx).expect("copies");
            let needed = assembly.needed();
            assert!(if is_gone { (30..33).contains(&needed.len()) } else { needed.len() == 1 }, "{}", needed.len());
            for (offset, piece) in recipe.positions().filter(|(_, piece)| needed.contains(&ObjectId::piece(piece.hash)))
            {
                let raw = &new[offset as usize..offset as usize + piece.length as usize];
                assert!(give(&assembly, piece.hash, raw).expect("writes"));
            }
            assembly.finish(&cx).expect("finishes").all().expect("whole");
            assert!(world.staged(0) == new && world.staged(1) == new);
        }
    }
}

/// An edit: where, how many bytes go, how many come.
fn edits() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    proptest::collection::vec((0usize..60_000, 0usize..300, 0usize..300), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn edited_files_are_rebuilt_exactly_from_few_pieces(seed: u64, length in 0usize..60_000, edits in edits()) {
        let mut world = World::new();
        let old = noise(seed, length);
        let mut new = old.clone();
        for (n, &(at, gone, come)) in edits.iter().enumerate() {
            let at = at.min(new.len());
            let end = (at + gone).min(new.len());
            new.splice(at..end, noise(seed ^ (n as u64 + 1), come));
        }
        world.publish(&new);
        let source = world.local("old", &old, true);
        let fetched = world.rebuild(&[&new, b"", &new], vec![source]);
        // An edit damages the pieces it touches and those after it until the cuts agree again: a handful.
        prop_assert!(fetched <= edits.len() * 12 + 1, "{} pieces for {} edits", fetched, edits.len());
    }
}
