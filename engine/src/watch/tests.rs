use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::content::testing::noise;
use crate::error::ErrorKind;
use crate::path::RelPath;
use crate::scan::Reach;

const SOON: Settling = Settling { quiet: Duration::from_millis(30), at_most: Duration::from_secs(5) };

fn watch(directory: &Path) -> Watch {
    let root = Root::open(directory).expect("opens");
    let ignore = Ignore::load(&root).expect("loads");
    Watch::open(&Context::new(), root, ignore).expect("watches")
}

fn wait(watch: &mut Watch) -> Waited {
    watch.wait(&Context::new(), SOON, Instant::now() + Duration::from_secs(20)).expect("waits")
}

/// The paths that were told.
fn told(watch: &mut Watch) -> Vec<String> {
    match wait(watch) {
        Waited::Changed(Hint::Paths(paths)) => {
            let named = |(path, reach): (&RelPath, Reach)| {
                if reach == Reach::Whole { format!("{path}/**") } else { path.to_string() }
            };
            paths.iter().map(named).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_changes_is_named_and_what_is_ignored_is_not() {
    let place = tempfile::tempdir().expect("a directory");
    let at = |name: &str| place.path().join(name);
    fs::create_dir_all(at("app/lib")).expect("makes");
    fs::write(at("app/lib/a"), "1").expect("writes");
    fs::create_dir(at(".svn")).expect("makes");
    let mut watch = watch(place.path());
    assert_eq!(watch.directories(), 3);
    fs::write(at("app/lib/a"), "2").expect("writes");
    fs::write(at(".svn/entries"), "2").expect("writes");
    fs::write(at("app/b.tmp"), "2").expect("writes");
    assert_eq!(told(&mut watch), ["app/lib/a"]);
    fs::set_permissions(at("app/lib/a"), fs::Permissions::from_mode(0o600)).expect("changes");
    std::os::unix::fs::symlink("lib/a", at("app/link")).expect("links");
    fs::rename(at("app/b.tmp"), at("app/b")).expect("renames");
    assert_eq!(told(&mut watch), ["app/b", "app/lib/a", "app/link"]);
    fs::rename(at("app"), at("shop")).expect("renames");
    assert_eq!(told(&mut watch), ["app/**", "shop/**"]);
    fs::write(at("shop/lib/a"), "3").expect("writes");
    assert_eq!(told(&mut watch), ["shop/lib/a"], "it is watched under its new name");
    fs::remove_dir_all(at("shop/lib")).expect("removes");
    assert_eq!(told(&mut watch), ["shop/lib/**", "shop/lib/a"]);
    assert_eq!(watch.directories(), 2);
    fs::write(at(".depsyncignore"), "*.log\n").expect("writes");
    assert_eq!(wait(&mut watch), Waited::Changed(Hint::Everything(Why::Rules)));
}

#[test]
fn a_wait_ends_by_time_by_a_bell_and_by_cancellation() {
    let place = tempfile::tempdir().expect("a directory");
    for mut watch in [watch(place.path()), Watch::blind().expect("is made")] {
        let cx = Context::new();
        assert_eq!(watch.wait(&cx, SOON, Instant::now() + Duration::from_millis(5)).expect("waits"), Waited::Over);
        let far = Instant::now() + Duration::from_secs(600);
        let waker = watch.waker();
        waker.ring();
        assert_eq!(watch.wait(&cx, SOON, far).expect("waits"), Waited::Woken, "a ring before the wait");
        let ringing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            waker.ring();
        });
        assert_eq!(watch.wait(&cx, SOON, far).expect("waits"), Waited::Woken);
        ringing.join().expect("rings");
        let cancel = cx.cancel().clone();
        let cancelling = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            cancel.cancel();
        });
        assert_eq!(watch.wait(&cx, SOON, far).map_err(|error| error.kind()), Err(ErrorKind::Cancelled));
        cancelling.join().expect("cancels");
        let late = Context::new().with_deadline(Instant::now() + Duration::from_millis(20));
        assert_eq!(watch.wait(&late, SOON, far).map_err(|error| error.kind()), Err(ErrorKind::DeadlineExceeded));
    }
}

#[test]
fn what_never_settles_is_told_in_the_end() {
    let place = tempfile::tempdir().expect("a directory");
    let mut watch = watch(place.path());
    let (stop, file) = (std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)), place.path().join("log"));
    let stopped = std::sync::Arc::clone(&stop);
    let writing = std::thread::spawn(move || {
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            fs::write(&file, "again").expect("writes");
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let settling = Settling { quiet: Duration::from_secs(60), at_most: Duration::from_millis(100) };
    let until = Instant::now() + Duration::from_secs(60);
    let waited = watch.wait(&Context::new(), settling, until).expect("waits");
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writing.join().expect("writes");
    assert!(matches!(waited, Waited::Changed(Hint::Paths(_))), "{waited:?}");
}

#[test]
fn what_the_kernel_drops_is_said() {
    let place = tempfile::tempdir().expect("a directory");
    let mut watch = watch(place.path());
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("reads");
    // Two events each, at least.
    for number in 0..most.trim().parse::<u32>().expect("a number") / 2 + 10 {
        fs::write(place.path().join(number.to_string()), "").expect("writes");
    }
    let mut all = Vec::new();
    while !all.contains(&Waited::Changed(Hint::Everything(Why::Lost))) {
        all.push(wait(&mut watch));
        assert!(all.len() < 10, "{all:?}");
    }
}

#[test]
fn a_root_that_moves_is_said() {
    let place = tempfile::tempdir().expect("a directory");
    let (here, there) = (place.path().join("here"), place.path().join("there"));
    fs::create_dir(&here).expect("makes");
    let mut watch = watch(&here);
    fs::rename(&here, &there).expect("goes");
    assert_eq!(wait(&mut watch), Waited::Changed(Hint::Everything(Why::Gone)));
}

/// What one sees of an entry.
type Seen = BTreeMap<RelPath, (u64, u64, u32, i64, i64)>;

fn look(directory: &Path, within: Option<&RelPath>, seen: &mut Seen) {
    for entry in fs::read_dir(directory).expect("lists") {
        let entry = entry.expect("an entry");
        let path = RelPath::child_of(within, entry.file_name().as_bytes()).expect("a path");
        let about = entry.metadata().expect("metadata");
        // What a directory weighs, and when a name came into it, is no change of the directory.
        let file = !about.is_dir();
        let times = if file { (about.mtime(), about.mtime_nsec()) } else { (0, 0) };
        let size = if file { about.size() } else { 0 };
        seen.insert(path.clone(), (about.ino(), size, about.mode(), times.0, times.1));
        if about.is_dir() {
            look(&entry.path(), Some(&path), seen);
        }
    }
}

/// Draws from noise.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn below(&mut self, limit: u8) -> u8 {
        self.0.next().expect("there is enough of it") % limit
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.below(4);
        (0..depth).map(|_| ["a", "b", "c"][usize::from(self.below(3))]).collect::<Vec<_>>().join("/")
    }
}

/// Does something; whether it can be done is another matter.
fn stir(dice: &mut Dice, directory: &Path) {
    let (path, other) = (directory.join(dice.path()), directory.join(dice.path()));
    let _ = match dice.below(8) {
        0 | 1 => fs::create_dir_all(&path),
        2 => fs::remove_dir_all(&path),
        3 => fs::remove_file(&path),
        4 => fs::rename(&path, &other),
        5 => fs::set_permissions(&path, fs::Permissions::from_mode(0o700 + u32::from(dice.below(8)))),
        _ => fs::write(&path, vec![b'x'; usize::from(dice.below(100))]),
    };
}

/// The law: after each hint, every path that is another one than before is named, or beneath one that is to be looked at
/// whole.
#[test]
fn nothing_changes_without_being_named() {
    for seed in 0..10 {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path();
        let mut watch = watch(directory);
        let (mut before, mut named) = (Seen::new(), Vec::new());
        for round in 0..6 {
            std::thread::scope(|threads| {
                for thread in 0..3 {
                    threads.spawn(move || {
                        let mut dice = Dice(noise(seed * 1_000 + round * 10 + thread, 40 * 12).into_iter());
                        (0..40).for_each(|_| stir(&mut dice, directory));
                    });
                }
            });
            fs::write(directory.join("last"), round.to_string()).expect("writes");
            // A wait may end between two changes.
            while !named.iter().any(|(path, _): &(RelPath, Reach)| path.as_bytes() == b"last") {
                match wait(&mut watch) {
                    Waited::Changed(Hint::Paths(paths)) => {
                        named.extend(paths.iter().map(|(path, reach)| (path.clone(), reach)));
                    }
                    other => panic!("seed {seed}: {other:?}"),
                }
            }
            let mut now = Seen::new();
            look(directory, None, &mut now);
            for path in before.keys().chain(now.keys()) {
                let is_named = named
                    .iter()
                    .any(|(other, reach)| other == path || (*reach == Reach::Whole && path.is_beneath(other)));
                assert!(before.get(path) == now.get(path) || is_named, "seed {seed}, round {round}: {path}");
            }
            let directories = now.values().filter(|(_, _, mode, ..)| mode & 0o170_000 == 0o040_000).count();
            assert_eq!(watch.directories(), directories + 1, "seed {seed}, round {round}");
            (before, named) = (now, Vec::new());
        }
    }
}
