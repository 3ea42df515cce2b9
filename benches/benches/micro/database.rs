//! The revision database.

use depsync_engine::hash::Digest;
use depsync_engine::revdb::RevDb;
use tempfile::TempDir;

use crate::subject::{Amount, Subject};

const PAGES: u64 = 1000;

pub(crate) fn subjects() -> Vec<Subject> {
    vec![
        Subject { name: "database: open", amount: Amount::Items(1), prepare: opening },
        Subject { name: "database: keep 1,000 pages", amount: Amount::Items(1000), prepare: keeping },
        Subject { name: "database: look for 1,000 pages", amount: Amount::Items(1000), prepare: looking },
    ]
}

fn place() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

fn pages(round: u64) -> Vec<(Digest, Vec<u8>)> {
    (0..PAGES).map(|number| (Digest::of(&(round * PAGES + number).to_le_bytes()), vec![7; 4000])).collect()
}

fn opening() -> Box<dyn FnMut()> {
    let place = place();
    drop(RevDb::open(place.path()).expect("opens"));
    Box::new(move || drop(RevDb::open(place.path()).expect("opens")))
}

fn keeping() -> Box<dyn FnMut()> {
    let (place, mut round) = (place(), 0);
    let database = RevDb::open(place.path()).expect("opens");
    Box::new(move || {
        round += 1;
        database.cache_pages(pages(round)).expect("keeps");
        assert!(place.path().exists());
    })
}

fn looking() -> Box<dyn FnMut()> {
    let place = place();
    let database = RevDb::open(place.path()).expect("opens");
    let known = pages(1);
    database.cache_pages(known.clone()).expect("keeps");
    Box::new(move || {
        assert!(known.iter().all(|(id, _)| database.has_cached_page(id).expect("looks")));
        assert!(place.path().exists());
    })
}
