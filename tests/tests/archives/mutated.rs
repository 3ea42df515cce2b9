//! Archives with something wrong in them: each is cut, and is what it was, whether it still is an archive or not.
//!
//! `DEPSYNC_TEST_CASES=100000` makes as many of them; what that has shown is in `benches/results/archives-mutated.md`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use depsync_engine::content::Recipe;
use depsync_tests::dice::Dice;
use depsync_tests::recipes::{against, cut, cut_twice};

use super::bulk::{self, Made, Pair, Weight};
use super::damage::damage;
use super::shape::{self, Seen};

/// How many there are.
const CASES: u64 = 2000;
/// How many are made of one archive.
const OF_ONE: u64 = 5;
/// The most that may be asked for at any time, in KiB, whatever a field says: two threads, each with what it holds of one
/// archive.
const MOST: u64 = 1 << 20;

/// How many KiB of addresses this process has had, at the most.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("Linux says it");
    peak.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// The laws of one of them.
fn check(bytes: &[u8], whole: &Recipe) -> bool {
    let recipe = cut_twice(bytes);
    shape::check(&recipe, bytes);
    against(&recipe, whole);
    recipe.is_archive()
}

/// An archive that is long enough to be cut as one: what is too short for that gets something before it.
fn long_enough(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() > shape::LEAST { bytes.to_vec() } else { [&[0; shape::LEAST], bytes].concat() }
}

fn all(pair: &Pair, made: &Made, seen: &mut Seen) {
    let archive = long_enough(&made.bytes);
    let whole = cut(&archive);
    for number in 0..OF_ONE {
        let salt = number.wrapping_mul(1 << 40).wrapping_add(made.bytes.len() as u64);
        let mut dice = Dice::new(Dice::new(bulk::seed() ^ pair.number.wrapping_mul(1 << 20)).roll() ^ salt);
        let mut bytes = archive.clone();
        let done = damage(&mut dice, &mut bytes);
        seen.note("damaged");
        done.iter().for_each(|what| seen.note(*what));
        let Ok(is_archive) = catch_unwind(AssertUnwindSafe(|| check(&bytes, &whole))) else {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}.zip", pair.number));
            fs::write(&kept, &bytes).expect("writes");
            panic!("{} breaks a law: {done:?}", kept.display());
        };
        seen.note(match (is_archive, whole.is_archive()) {
            (true, _) => "still an archive",
            (false, true) => "no archive any more",
            (false, false) => "never an archive",
        });
    }
}

#[test]
fn an_archive_with_anything_wrong_in_it_is_cut_and_is_what_it_was() {
    let seen = Mutex::new(Seen::default());
    let before = peak();
    let check = |pair: &Pair| {
        let mut found = Seen::default();
        all(pair, &pair.old, &mut found);
        all(pair, &pair.new, &mut found);
        seen.lock().expect("nobody panics with it").add(found);
    };
    let wanted = bulk::cases(CASES);
    let pairs = wanted.div_ceil(2 * OF_ONE);
    assert_eq!(bulk::each(pairs, 1, Weight::Light, |pairs| pairs.iter().for_each(check)), pairs);
    let mut seen = seen.into_inner().expect("nobody panicked with it");
    let asked = peak() - before;
    assert!(asked < MOST, "{asked} KiB were asked for");
    seen.count("KiB asked for", asked);
    let share = |part: u64| wanted * part / 100;
    seen.has(&[
        ("damaged", wanted),
        ("still an archive", share(30)),
        ("no archive any more", share(30)),
        ("local header", share(5)),
        ("central record", share(5)),
        ("descriptor", share(1)),
        ("end record", share(5)),
        ("end record of ZIP64", share(1) / 2),
        ("locator of ZIP64", share(1) / 2),
        ("signature", share(2)),
        ("both headers", share(2)),
        ("extra field", share(2)),
        ("a record elsewhere", share(2)),
        ("another length", share(2)),
        ("a byte", share(5)),
    ]);
}
