//! Sixteen managers in processes of their own on one hub, killed now and then, while two collectors run without a
//! pause and workers follow.
//!
//! Each manager edits paths of its own and paths that all of them write, and publishes. What is held against it in the
//! end: every publish that was told a number stands under that number with exactly what was written; a publish that was
//! killed stands once or not at all; no revision changes a path that its publisher did not write; whoever does not get
//! through is told of a conflict, of a shared path, and of nothing else. Every worker had whole revisions only. In the
//! end all directories are the head's, to the byte, nothing is locked, gc comes to rest with an empty `tmp/`, and a
//! new node gets the head from what gc has left.
//!
//! `DEPSYNC_SWARM_SEED` repeats the choices of a run (a failure prints it; which process is faster, no seed can say),
//! `DEPSYNC_SWARM_ROUNDS` sets how often each manager publishes.

mod archive;
mod beginning;
mod judge;
mod manager;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use depsync_engine::hash::Digest;
use depsync_tests::cluster::Site;
use depsync_tests::dice::Dice;
use depsync_tests::process::{Death, run};
use depsync_tests::snapshot::{Item, check_same, snapshot};

use archive::{Archive, Files, Over, Pace};
use judge::judge;
use manager::{Manager, OWN, SHARED};

const MANAGERS: usize = 16;
/// As many as two slow cores make in half a minute.
const ROUNDS: usize = 8;
/// What gc keeps. Nobody begins to publish while the archive is half as many behind.
const KEEP: u64 = 64;
/// How often, in a hundred, a process of a manager, a worker or a collector is killed.
const DEATHS: usize = 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// The seed of this run, said when it fails.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn draw() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        Self(number("DEPSYNC_SWARM_SEED").unwrap_or_else(|| u64::from(since.subsec_nanos())))
    }

    pub(crate) fn dice(&self, stream: usize) -> Dice {
        Dice::new(Dice::new(self.0.wrapping_add(stream as u64)).roll())
    }
}

impl Drop for Seed {
    #[allow(clippy::print_stderr, reason = "how to repeat a failure is for the person who reads the test's output")]
    fn drop(&mut self) {
        eprintln!("--- DEPSYNC_SWARM_SEED={} ---", self.0);
    }
}

/// The files of a directory.
pub(crate) fn files(directory: &Path) -> Files {
    let items = snapshot(directory).into_iter().filter_map(|(path, item)| match item {
        Item::File(_, content) => Some((String::from_utf8(path).expect("a name"), Digest::of(&content))),
        _ => None,
    });
    items.collect()
}

/// Publishes the first revision: all directories, and a file on each path.
fn begin(site: &Site) {
    let first = site.path().join("m00");
    let own = (0..MANAGERS).flat_map(|manager| (0..OWN).map(move |file| format!("own/{manager:02}/f{file}")));
    for path in own.chain((0..SHARED).map(|file| format!("shared/s{file}"))) {
        let file = first.join(&path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("mkdir");
        std::fs::write(file, format!("the first {path}\n")).expect("write");
    }
    std::fs::create_dir(site.hub()).expect("mkdir");
    run(&first, &site.hub(), &["publish", "-m", "the first"], Death::Never).expect(&[0], Death::Never);
}

/// A worker that follows until everything is over: what it had, by revision.
fn follow(dir: &Path, hub: &Path, mut dice: Dice, pace: &Pace) -> Vec<(u64, Files)> {
    let mut had = Vec::new();
    while !pace.over.load(Ordering::SeqCst) {
        let death = Death::draw(&mut dice, DEATHS);
        let ended = run(dir, hub, &["update"], death).expect(&[0], death);
        if let Some(revision) = ended.number("to") {
            had.push((revision, files(dir)));
        }
        std::thread::sleep(Duration::from_millis(dice.below(400) as u64));
    }
    had
}

/// A collector without a pause: how many packs it deleted.
fn collect(dir: &Path, hub: &Path, mut dice: Dice, pace: &Pace) -> u64 {
    let keep = KEEP.to_string();
    let mut deleted = 0;
    while !pace.over.load(Ordering::SeqCst) {
        let death = Death::draw(&mut dice, DEATHS);
        let grace = if dice.chance(50) { "1s" } else { "2s" };
        let args = ["gc", "--keep-revisions", &keep, "--keep-age", "0s", "--grace", grace];
        let ended = run(dir, hub, &args, death).expect(&[0, 5], death);
        deleted += ended.number("deleted").unwrap_or(0);
        std::thread::sleep(Duration::from_millis(dice.below(100) as u64));
    }
    deleted
}

#[test]
fn sixteen_managers_lose_nothing() {
    let seed = Seed::draw();
    let rounds = number("DEPSYNC_SWARM_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).expect("rounds"));
    let site = Site::new();
    begin(&site);
    let place = |name: &str| -> PathBuf { site.path().join(name) };
    let hub = site.hub();
    let mut managers: Vec<Manager> =
        (0..MANAGERS).map(|number| Manager::new(number, site.path(), seed.dice(number))).collect();
    let pace = Pace::default();
    let (archive, had, deleted) = std::thread::scope(|scope| {
        let archive = scope.spawn(|| Archive::follow(&site, &pace));
        let workers = [0, 1].map(|worker| {
            let (dir, hub, dice, pace) = (place(&format!("w{worker}")), &hub, seed.dice(100 + worker), &pace);
            scope.spawn(move || follow(&dir, hub, dice, pace))
        });
        let collectors = [0, 1].map(|collector| {
            let (dir, hub, dice, pace) = (place(&format!("g{collector}")), &hub, seed.dice(200 + collector), &pace);
            scope.spawn(move || {
                run(&dir, hub, &["update"], Death::Never).expect(&[0], Death::Never);
                collect(&dir, hub, dice, pace)
            })
        });
        let over = Over(&pace);
        std::thread::scope(|scope| {
            for manager in &mut managers {
                let pace = &pace;
                scope.spawn(move || {
                    // The others are workers until they publish.
                    manager.update(0);
                    for _ in 0..rounds {
                        pace.wait(KEEP / 2);
                        let told = manager.round(DEATHS);
                        pace.newest.fetch_max(told.unwrap_or(0), Ordering::SeqCst);
                    }
                });
            }
        });
        for manager in &mut managers {
            manager.settle();
        }
        drop(over);
        let had = workers.map(|worker| worker.join().expect("a worker")).concat();
        let deleted: u64 = collectors.map(|collector| collector.join().expect("a collector")).into_iter().sum();
        (archive.join().expect("the archive"), had, deleted)
    });
    let trees: Vec<Files> = archive.trees().collect();
    for manager in &managers {
        judge(manager, &archive, &trees);
    }
    for (number, files) in &had {
        let tree = &trees[usize::try_from(number - 1).expect("a small number")];
        assert!(files == tree, "a worker at revision {number} has {files:?} instead of {tree:?}");
    }
    let head = trees.len() as u64;
    all_have_the_head(&site, &managers, head, trees.last().expect("a head"), archive.0.last().expect("a head").root);
    gc_comes_to_rest(&site);
    one_more_gets(&site, "late", trees.last().expect("a head"));
    let (kills, conflicts) =
        managers.iter().fold((0, 0), |(kills, conflicts), one| (kills + one.kills, conflicts + one.conflicts));
    assert!(kills > MANAGERS / 2 && conflicts > 0 && deleted > 0 && !had.is_empty(), "a swarm without trouble");
    report(head, kills, conflicts, deleted, had.len());
}

#[allow(clippy::print_stderr, reason = "how much happened is for the person who reads the test's output")]
fn report(head: u64, kills: usize, conflicts: usize, deleted: u64, looks: usize) {
    eprintln!(
        "{head} revisions, {kills} kills, {conflicts} conflicts, {deleted} packs collected, {looks} looks of workers"
    );
}

/// Every directory is the head's; each node says so in its report, and nothing is locked.
fn all_have_the_head(site: &Site, managers: &[Manager], head: u64, tree: &Files, root: Digest) {
    let wanted = {
        run(&managers[0].dir, &site.hub(), &["update"], Death::Never).expect(&[0], Death::Never);
        snapshot(&managers[0].dir)
    };
    assert_eq!(&files(&managers[0].dir), tree);
    let names = managers.iter().map(|manager| manager.dir.clone());
    for dir in names.chain(["w0", "w1", "g0", "g1"].map(|name| site.path().join(name))) {
        let ended = run(&dir, &site.hub(), &["update", "--timeout", "20"], Death::Never).expect(&[0], Death::Never);
        assert_eq!(ended.number("to"), Some(head), "{}", ended.told);
        assert_eq!(ended.json["root"], root.to_string(), "{}", ended.told);
        check_same(&snapshot(&dir), &wanted, &dir.display().to_string());
    }
    let status = run(&managers[0].dir, &site.hub(), &["status"], Death::Never).expect(&[0], Death::Never);
    for node in status.json["nodes"].as_array().expect("nodes") {
        assert_eq!(node["measured"], root.to_string(), "{node}");
    }
}

/// gc without patience leaves nothing in `tmp/`, and no pack that is not needed.
fn gc_comes_to_rest(site: &Site) {
    for _ in 0..6 {
        let args = ["gc", "--keep-revisions", "1", "--keep-age", "0s", "--grace", "0s"];
        let ended = run(&site.dir("g0"), &site.hub(), &args, Death::Never).expect(&[0], Death::Never);
        let left = std::fs::read_dir(site.hub().join("tmp")).expect("a directory").count();
        let busy = ["condemned", "deleted", "leftovers", "waiting"].iter().any(|what| ended.number(what) != Some(0));
        if !busy && left == 0 {
            return;
        }
    }
    panic!("gc does not come to rest");
}

/// A node that has never seen the hub gets the head.
fn one_more_gets(site: &Site, name: &str, tree: &Files) {
    let dir = site.path().join(name);
    run(&dir, &site.hub(), &["update"], Death::Never).expect(&[0], Death::Never);
    assert_eq!(&files(&dir), tree);
    run(&dir, &site.hub(), &["verify"], Death::Never).expect(&[0], Death::Never);
}
