use std::collections::BTreeMap;

use super::*;
use crate::hash::Digest;
use crate::name::Revision;
use crate::path::RelPath;
use crate::transport::Ledger;
use crate::tree::{self, Entry, MemoryPages, Mode, Overlay, Pages, Tree};

fn open() -> (tempfile::TempDir, RevDb) {
    let dir = tempfile::tempdir().expect("tempdir");
    let db = RevDb::open(dir.path()).expect("opens");
    (dir, db)
}

#[test]
fn a_released_migration_is_never_edited() {
    // Whoever changes a table appends a migration, and adds its digest here.
    let digests =
        |migrations: &[&str]| migrations.iter().map(|text| Digest::of(text.as_bytes()).short()).collect::<Vec<_>>();
    assert_eq!(
        digests(&schema::STATE),
        ["6a06bf8e5349", "ffb2da546002", "1a1175e90734", "04f939365138", "e766f25f30a5"]
    );
    assert_eq!(digests(&schema::REGISTER), ["e3b59998e9ed"]);
    assert_eq!(digests(&schema::CACHE), ["f07f412e0cea", "c9379f957e79", "8b11e2d83dad", "e06f0d86bbdc"]);
}

#[test]
fn a_stat_cache_in_the_old_spelling_is_forgotten() {
    let (dir, db) = open();
    let root = Digest::of(b"a tree");
    let block = (b"d".to_vec(), b"a".to_vec(), b"as it was written once".to_vec());
    db.set_stat_cache(root, [(block.0.clone(), block.1.clone(), Some(block.2.clone()))]).expect("writes");
    assert_eq!(db.stat_cache().expect("reads"), (root, vec![block]));
    db.cache().execute_batch("DROP TABLE sum").expect("what came later");
    db.cache().pragma_update(None, "user_version", 2).expect("pragma");
    drop(db);
    let db = RevDb::open(dir.path()).expect("opens");
    assert_eq!(db.stat_cache().expect("reads"), (tree::empty_root(), Vec::new()));
}

#[test]
fn one_multi_pack_index_is_remembered() {
    let (dir, db) = open();
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    db.remember_hub_index(&old, b"old index").expect("remembers");
    db.remember_hub_index(&new, b"new index").expect("remembers");
    drop(db);
    let db = RevDb::open(dir.path()).expect("opens");
    assert_eq!(db.hub_index(&old).expect("asked"), None);
    assert_eq!(db.hub_index(&new).expect("asked"), Some(b"new index".to_vec()));
}

fn tree_of(count: u32, salt: u8, pages: &mut MemoryPages) -> Digest {
    let entries = (0..count).map(|number| {
        let path = RelPath::new(format!("f{number:06}").into_bytes()).expect("path");
        let content = if number == count / 2 { salt } else { 0 };
        Ok((path, Entry::File { mode: Mode::new(0o644), size: 1, hash: Digest::of(&[content]) }))
    });
    tree::build(entries, pages).expect("builds")
}

fn settle(db: &RevDb, pages: &MemoryPages, agreement: Digest) {
    let position = Position { agreement, ..db.position().expect("position") };
    let mut overlay = Overlay::new(db);
    overlay.absorb(pages.clone()).expect("absorbs");
    db.settle(&Settlement {
        position: &position,
        pages: &overlay,
        history: None,
        recipes: &[],
        forgotten: &[],
        times: &BTreeMap::new(),
        ends_journal: true,
    })
    .expect("settles");
}

fn count(db: &RevDb, sql: &str) -> i64 {
    db.state().query_row(sql, [], |row| row.get(0)).expect(sql)
}

#[test]
fn a_settlement_keeps_exactly_the_pages_of_the_agreement() {
    let (_dir, db) = open();
    let mut pages = MemoryPages::default();
    let (one, two) = (tree_of(5_000, 1, &mut pages), tree_of(5_000, 2, &mut pages));
    settle(&db, &pages, one);
    let before = count(&db, "SELECT count(*) FROM page");
    settle(&db, &pages, two);
    assert_eq!(count(&db, "SELECT count(*) FROM page"), before);
    let entries = Tree::new(&db, two).iter().collect::<Result<Vec<_>>>().expect("reads");
    assert_eq!(entries.len(), 5_000);
    settle(&db, &pages, tree::empty_root());
    assert_eq!(count(&db, "SELECT count(*) FROM page"), 0);
}

#[test]
fn the_journal_is_there_until_the_settlement() {
    let (dir, db) = open();
    let head = JournalHead {
        run: "0f".into(),
        target: (Revision { number: 7, record: Digest::of(b"r") }, Digest::of(b"t")),
        whole: true,
        from: Some(6),
        lazy: None,
        evicts: false,
    };
    let steps = [vec![1], vec![2, 3]];
    db.write_journal(&head, steps.iter().cloned().map(Ok)).expect("writes");
    assert!(db.write_journal(&head, []).is_err(), "one journal at a time");
    drop(db);
    let db = RevDb::open(dir.path()).expect("opens again");
    let journal = db.journal().expect("reads").expect("is there");
    assert_eq!((journal.head, journal.steps.iter().collect::<Vec<_>>()), (head, steps.to_vec()));
    settle(&db, &MemoryPages::default(), tree::empty_root());
    assert!(db.journal().expect("reads").is_none());
}

#[test]
fn a_journal_that_fails_half_way_is_not_there() {
    let (_dir, db) = open();
    let head = JournalHead {
        run: "0f".into(),
        target: (Revision { number: 1, record: Digest::of(b"r") }, Digest::of(b"t")),
        whole: true,
        from: None,
        lazy: None,
        evicts: false,
    };
    let broken = [Ok(vec![1]), Err(Error::new(ErrorKind::Internal, "broken"))];
    assert!(db.write_journal(&head, broken).is_err());
    assert!(db.journal().expect("reads").is_none());
}

#[test]
fn records_tails_recipes_and_times_are_remembered() {
    let (_dir, db) = open();
    db.remember_record(3, b"three").expect("writes");
    assert_eq!(db.record(3).expect("reads").as_deref(), Some(&b"three"[..]));
    assert_eq!(db.record(4).expect("reads"), None);
    let name = Digest::of(b"pack");
    db.remember_pack_tail(&name, b"tail").expect("writes");
    assert_eq!(db.pack_tail(&name).expect("reads").as_deref(), Some(&b"tail"[..]));
    let path = RelPath::new(&b"a\xff"[..]).expect("path");
    let position = db.position().expect("position");
    let times = BTreeMap::from([(path.clone(), (0..20).collect::<Vec<i64>>())]);
    db.settle(&Settlement {
        position: &position,
        pages: &Overlay::new(&db),
        history: None,
        recipes: &[],
        forgotten: &[],
        times: &times,
        ends_journal: false,
    })
    .expect("settles");
    assert_eq!(db.lately(&path).expect("reads"), (12..20).collect::<Vec<i64>>());
}

#[test]
fn a_damaged_cache_is_made_anew_and_a_damaged_state_is_said() {
    let (dir, db) = open();
    let mut pages = MemoryPages::default();
    let root = tree_of(10, 1, &mut pages);
    db.cache_pages(pages.iter().map(|(id, bytes)| (*id, bytes.to_vec())).collect::<Vec<_>>()).expect("caches");
    db.set_stat_cache(root, [(vec![], b"a".to_vec(), Some(vec![1]))]).expect("writes");
    assert_eq!(db.stat_cache().expect("reads").1.len(), 1);
    drop(db);
    for name in ["cache.db", "state.db"] {
        for suffix in ["-wal", "-shm"] {
            std::fs::remove_file(dir.path().join(format!("{name}{suffix}"))).ok();
        }
        std::fs::write(dir.path().join(name), [7; 8192]).expect("damages");
        match RevDb::open(dir.path()) {
            Ok(db) => {
                assert_eq!(name, "cache.db");
                assert_eq!(db.stat_cache().expect("reads"), (tree::empty_root(), vec![]));
            }
            Err(error) => {
                assert_eq!((name, error.kind()), ("state.db", ErrorKind::Damaged));
                assert!(error.advice().is_some());
            }
        }
    }
}

#[test]
fn a_database_of_a_newer_program_is_refused() {
    let (dir, db) = open();
    db.state().pragma_update(None, "user_version", 99).expect("pragma");
    drop(db);
    assert_eq!(RevDb::open(dir.path()).err().expect("newer").kind(), ErrorKind::Unsupported);
}

#[test]
fn an_unknown_page_is_not_found() {
    let (_dir, db) = open();
    assert_eq!(db.page(&Digest::of(b"x")).expect_err("unknown").kind(), ErrorKind::NotFound);
}

#[test]
fn the_sweep_keeps_what_the_named_trees_need() {
    let (_dir, db) = open();
    let mut pages = MemoryPages::default();
    let (kept, dropped) = (tree_of(3_000, 1, &mut pages), tree_of(3_000, 2, &mut pages));
    db.cache_pages(pages.iter().map(|(id, bytes)| (*id, bytes.to_vec())).collect::<Vec<_>>()).expect("caches");
    for _ in 0..300 {
        db.sweep_cache(&[kept]).expect("sweeps");
    }
    assert_eq!(Tree::new(&db, kept).iter().count(), 3_000);
    assert!(db.page(&dropped).is_err());
}

#[test]
fn the_history_reads_back_newest_first() {
    let (_dir, db) = open();
    let row = |work, to| Applied {
        at: "2026-11-21T20:00:00Z".parse().expect("a time"),
        work,
        from: None,
        to: Some(to),
        root: Digest::of(b"root"),
        entries: 3,
        bytes: 4,
        millis: 5,
        outcome: "applied".into(),
        detail: Some("why".into()),
    };
    let rows = [row(Work::Publish, 1), row(Work::Update, 2)];
    for row in &rows {
        db.settle(&Settlement {
            position: &db.position().expect("position"),
            pages: &Overlay::new(&db),
            history: Some(row),
            recipes: &[],
            forgotten: &[],
            times: &BTreeMap::new(),
            ends_journal: false,
        })
        .expect("settles");
    }
    assert_eq!(db.history(10).expect("reads"), [rows[1].clone(), rows[0].clone()]);
    assert_eq!(db.history(1).expect("reads"), [rows[1].clone()]);
}

/// Everything in a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).expect("a listing").map(|entry| entry.expect("an entry"));
    let read = |entry: std::fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file"))
    };
    entries.map(read).collect()
}

#[test]
fn a_copy_has_what_the_database_has_and_gives_nothing_back() {
    let place = tempfile::tempdir().expect("tempdir");
    let db = RevDb::open(place.path()).expect("opens");
    db.set_setbacks(3).expect("written");
    // Not in the file yet, but in the log beside it.
    let open = RevDb::copied_from(place.path()).expect("copies while somebody works");
    assert_eq!(open.setbacks().expect("reads"), 3);
    drop((db, open));
    let before = files(place.path());
    let copy = RevDb::copied_from(place.path()).expect("copies");
    copy.set_setbacks(4).expect("written into the copy");
    copy.remember_record(1, b"record").expect("into the copy, too");
    assert_eq!(copy.setbacks().expect("reads"), 4);
    drop(copy);
    assert!(cache_is_sound(place.path()));
    assert_eq!(files(place.path()), before);
    assert!(RevDb::blank().expect("blank").identity().expect("reads").is_none());
}

#[test]
fn an_older_database_is_brought_forward_in_the_copy_only() {
    let place = tempfile::tempdir().expect("tempdir");
    let path = place.path().join(STATE);
    let mut old = Connection::open(&path).expect("opens");
    old.pragma_update(None, "journal_mode", "WAL").expect("a log");
    schema::migrate(&mut old, &schema::STATE[..1], &path).expect("the first version");
    drop(old);
    let before = files(place.path());
    let copy = RevDb::copied_from(place.path()).expect("copies");
    assert!(copy.reports().expect("a table of the newest version").is_empty());
    drop(copy);
    assert_eq!(files(place.path()), before);
    let newer = Connection::open(&path).expect("opens");
    newer.pragma_update(None, "user_version", 99).expect("a newer program's");
    drop(newer);
    let error = RevDb::copied_from(place.path()).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn damage_is_found_by_looking() {
    let place = tempfile::tempdir().expect("tempdir");
    drop(RevDb::open(place.path()).expect("opens"));
    for (name, is_state) in [(STATE, true), (CACHE, false)] {
        let path = place.path().join(name);
        let sound = std::fs::read(&path).expect("a file");
        // The header of the file, and that of its second page.
        let page = usize::from(u16::from_be_bytes([sound[16], sound[17]]));
        for damage in [0..16, page..page + 100] {
            let mut bytes = sound.clone();
            bytes[damage].fill(0x5a);
            std::fs::write(&path, &bytes).expect("damaged");
            let found = RevDb::copied_from(place.path()).err();
            assert_eq!(found.as_ref().map(Error::kind), is_state.then_some(ErrorKind::Damaged), "{name}: {found:?}");
            assert_eq!(cache_is_sound(place.path()), is_state, "{name}");
        }
        std::fs::write(&path, &sound).expect("put back");
    }
    assert!(RevDb::copied_from(place.path()).is_ok() && cache_is_sound(place.path()));
}

#[test]
fn a_database_that_may_only_be_read_is_copied_and_no_log_is_left_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let top = tempfile::tempdir().expect("tempdir");
    let place = top.path().join("100% ?#&é");
    std::fs::create_dir(&place).expect("mkdir");
    RevDb::open(&place).expect("opens").set_setbacks(3).expect("written");
    let before = files(&place);
    let allow = |mode| std::fs::set_permissions(&place, PermissionsExt::from_mode(mode)).expect("chmod");
    allow(0o500);
    let copied = RevDb::copied_from(&place);
    allow(0o700);
    assert_eq!(copied.expect("copies").setbacks().expect("reads"), 3);
    assert_eq!(files(&place), before);
    let address = copy::as_it_is(&place.join(STATE));
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let opened = Connection::open_with_flags(address, flags).expect("the address leads there");
    let count: i64 = opened.query_row("SELECT count(*) FROM fact", [], |row| row.get(0)).expect("reads");
    assert_eq!((count, files(&place)), (1, before));
}
