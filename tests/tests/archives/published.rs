//! Pairs of archives on their way: published, updated, published anew; and everybody has what the manager has.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use depsync_engine::content::pack::{Codec, check_pack};
use depsync_engine::scan::archive_flaw;
use depsync_tests::cluster::Site;
use depsync_tests::forge;
use depsync_tests::recipes::in_memory;
use depsync_tests::snapshot::{check_same, snapshot};

use super::bulk::{self, Pair, Weight};
use super::shape::Seen;

/// Pairs, and how many of them are the files of one deployment.
const PAIRS: u64 = 500;
const AT_ONCE: usize = 125;

/// The name of an archive: the version is in that of every fifth.
fn name(pair: &Pair, version: u32) -> String {
    // A number is no part of what makes it the next version of another.
    let letters: String = pair.number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    if pair.number.is_multiple_of(5) { format!("lib/{letters}-{version}.jar") } else { format!("{letters}.jar") }
}

/// Whether a version of it is taken for one that is still being copied, because something stands before its end records, or
/// because its offset is left to a ZIP64 that is not there: it would be held back.
fn is_held(pair: &Pair) -> bool {
    [&pair.old, &pair.new].into_iter().any(|made| {
        let flaw = archive_flaw(&in_memory(&made.bytes), b"a.jar", &["jar"]).expect("reads");
        flaw.is_some()
    })
}

/// Has the archives of this version, and nothing else, in `directory`.
fn write(directory: &Path, pairs: &[&Pair], version: u32) {
    if directory.exists() {
        fs::remove_dir_all(directory).expect("removes");
    }
    fs::create_dir_all(directory.join("lib")).expect("a directory");
    for pair in pairs {
        let made = if version == 1 { &pair.old } else { &pair.new };
        fs::write(directory.join(name(pair, version)), &made.bytes).expect("writes");
    }
}

/// How the objects in the packs of a hub are stored.
fn stored(hub: &Path) -> Seen {
    let mut seen = Seen::default();
    let listed =
        |directory: &Path| fs::read_dir(directory).expect("lists").map(|entry| entry.expect("an entry").path());
    for path in listed(&hub.join("packs")).flat_map(|directory| listed(&directory).collect::<Vec<_>>()) {
        let bytes = fs::read(&path).expect("reads");
        // The trailer begins with the length of the index.
        let trailer = bytes.last_chunk::<49>().expect("a pack has a trailer");
        let index = u32::from_le_bytes(*trailer.first_chunk().expect("it is longer")) as usize;
        let index = check_pack(&bytes, &forge::reference(&bytes, index + trailer.len())).expect("a pack");
        for slot in index.iter() {
            seen.note(match Codec::from_byte(slot.codec).expect("a codec of ours") {
                Codec::Stored | Codec::Zstd => "whole",
                Codec::Patch => "patch",
                Codec::Nested => "nested patch",
                Codec::Columns => "columns",
            });
        }
    }
    seen
}

#[test]
fn archives_and_their_next_versions_arrive_at_who_has_the_old_ones_and_at_who_has_nothing() {
    let seen = Mutex::new(Seen::default());
    let travel = |pairs: &[Pair]| {
        let (held, pairs): (Vec<&Pair>, Vec<&Pair>) = pairs.iter().partition(|pair| is_held(pair));
        let site = Site::new();
        let (manager, follower, newcomer) = (site.dir("manager"), site.dir("follower"), site.dir("newcomer"));
        let same = |node: &Path| check_same(&snapshot(node), &snapshot(&manager), &node.display().to_string());
        write(&manager, &pairs, 1);
        site.publish("manager").expect("publishes");
        site.update("follower").expect("updates");
        same(&follower);
        write(&manager, &pairs, 2);
        site.publish("manager").expect("publishes");
        let follows = site.update("follower").expect("updates");
        same(&follower);
        let comes = site.update("newcomer").expect("updates");
        same(&newcomer);
        assert!(follows.problems.is_empty() && comes.problems.is_empty(), "{follows:?}, {comes:?}");
        let mut found = stored(&site.hub());
        found.count("published", pairs.len() as u64);
        found.count("held", held.len() as u64);
        found.count("bytes of new versions", pairs.iter().map(|pair| pair.new.bytes.len() as u64).sum());
        found.count("bytes that the follower fetched", follows.bytes_fetched);
        found.count("bytes that the newcomer fetched", comes.bytes_fetched);
        seen.lock().expect("nobody panics with it").add(found);
    };
    let wanted = bulk::cases(PAIRS);
    let count = bulk::each(wanted, AT_ONCE, Weight::All, travel);
    assert_eq!(count, wanted);
    let seen = seen.into_inner().expect("nobody panicked with it");
    if count < PAIRS {
        return seen.has(&[]);
    }
    let [followed, came] = ["follower", "newcomer"].map(|who| seen.times(&format!("bytes that the {who} fetched")));
    assert!(followed * 3 < came, "{seen:?}");
    assert!(seen.times("held") * 8 < PAIRS, "{seen:?}");
    seen.has(&[("whole", 5000), ("patch", 500), ("nested patch", 5), ("columns", 100)]);
}
