//! Archives and their next versions: each is its recipe, alone and against others.

use std::sync::Mutex;

use depsync_engine::content::Recipe;
use depsync_tests::recipes::{against, cut_twice};

use super::bulk::{self, Pair, Weight};
use super::shape::{self, Seen};

/// Pairs: a thousand of their archives are long enough to be cut at their entries.
const PAIRS: u64 = 720;

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
        ("zipfile", 400),
        ("hand", 400),
        ("infozip", 80),
        ("jar", 80),
        ("0 deep", 1000),
        ("1 deep", 140),
        ("2 deep", 30),
        ("3 deep", 6),
        ("too deep", 1),
        ("plain", 100),
        ("entry", 15_000),
        ("prefix", 40),
        ("gap", 200),
        ("end of ZIP64", 40),
        ("descriptor", 200),
        ("extra of Java", 60),
        ("comment", 80),
        ("name twice", 30),
        ("another order", 1000),
        ("deflated", 10_000),
        ("deflated archive", 70),
        ("level 6", 8000),
        ("level 1", 800),
        ("level 3", 500),
        ("level 9", 200),
        ("not zlib's", 300),
        ("long piece", 60),
        ("cut by content", 60),
    ]);
}
