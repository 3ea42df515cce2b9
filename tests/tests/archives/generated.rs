//! A thousand pairs of archives: each is its recipe, alone and against others.

use std::sync::Mutex;

use depsync_engine::content::Recipe;
use depsync_tests::recipes::{against, cut_twice};

use super::bulk::{self, Pair, Weight};
use super::shape::{self, Seen};

/// Pairs: each is two archives.
const PAIRS: u64 = 1000;

#[test]
fn a_thousand_archives_and_the_next_versions_are_their_recipes_whatever_they_are_held_against() {
    let seen = Mutex::new(Seen::default());
    let elsewhere = Mutex::new(Recipe::default());
    let check = |pair: &Pair| {
        let mut found = Seen::default();
        let [old, new] = [&pair.old, &pair.new].map(|made| {
            let recipe = cut_twice(&made.bytes);
            let shape = shape::check_closely(&recipe, &made.bytes);
            if let Some(entries) = made.told.entries.filter(|_| recipe.is_archive()) {
                assert!(shape.times("entry") >= entries, "{} entries of {entries}", shape.times("entry"));
            }
            found.note(&made.told.writer);
            found.add(shape);
            recipe
        });
        let columns = against(&new, &old);
        // One that it has nothing to do with; and itself.
        let other = std::mem::replace(&mut *elsewhere.lock().expect("nobody panics with it"), old);
        against(&new, &other);
        against(&new, &new);
        let packed = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("compresses").len() as u64;
        if new.is_archive() {
            found.count("bytes of recipes", packed(&new.encode().expect("encodes")));
            found.count("against the one before", packed(&columns));
        }
        seen.lock().expect("nobody panics with it").add(found);
    };
    let wanted = bulk::cases(PAIRS);
    let count = bulk::each(wanted, 1, Weight::All, |pairs| pairs.iter().for_each(check));
    assert_eq!(count, wanted);
    let seen = seen.into_inner().expect("nobody panicked with it");
    if count < PAIRS {
        return seen.has(&[]);
    }
    // What is written anew with each release is nearly all that is left.
    assert!(seen.times("against the one before") * 2 < seen.times("bytes of recipes"), "{seen:?}");
    seen.has(&[
        ("zipfile", 600),
        ("hand", 600),
        ("infozip", 100),
        ("jar", 100),
        ("0 deep", 1000),
        ("1 deep", 200),
        ("2 deep", 40),
        ("3 deep", 10),
        ("too deep", 1),
        ("plain", 100),
        ("entry", 20_000),
        ("prefix", 60),
        ("gap", 300),
        ("end of ZIP64", 50),
        ("descriptor", 300),
        ("extra of Java", 80),
        ("comment", 100),
        ("name twice", 40),
        ("another order", 1000),
        ("deflated", 15_000),
        ("deflated archive", 100),
        ("level 6", 10_000),
        ("level 1", 1000),
        ("level 3", 700),
        ("level 9", 300),
        ("not zlib's", 400),
        ("long piece", 80),
        ("cut by content", 80),
    ]);
}
