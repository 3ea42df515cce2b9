//! What is published is what is measured: trees drawn at random, committed by the script or a checkout, and read again from dumps, by
//! the real programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use depsync_engine::content::LocalContent;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::DeploymentName;
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Change, Entry, LinkTarget, MemoryPages, Mode, Pages, Tree, build};

use super::checkout::{Checkout, Edits};
use super::dump::Dump;
use super::dump::tests::programs::Repository;
use super::measure::{Measured, Measuring, Step};
use super::moves::Moves;
use super::properties::Properties;
use super::script::Publish;
use super::spool::Spool;
use super::{SvnAddress, SvnClient, SvnSettings, SvnUrl};

/// A deployment: entries, and the text that svn has of each that is no directory.
type Disk = BTreeMap<RelPath, (Entry, Vec<u8>)>;

/// What a node has in its directory.
struct Here<'a>(&'a Disk);

impl LocalContent for Here<'_> {
    fn open(&self, path: &RelPath) -> Result<File> {
        let (_, text) = self.0.get(path).ok_or_else(|| Error::new(ErrorKind::NotFound, "not here"))?;
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).and_then(|()| file.seek(SeekFrom::Start(0))).expect("writes");
        Ok(file)
    }
}

/// Numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

const NAMES: [&str; 8] = ["a", "b c", "@d", "-e", "100%25", "caf\u{e9}", "f@7", "[g]"];

fn file(dice: &mut Dice, text: Vec<u8>) -> (Entry, Vec<u8>) {
    let mode = Mode::new(*dice.pick(&[0o644, 0o644, 0o755, 0o600, 0o750]));
    (Entry::File { mode, size: text.len() as u64, hash: Digest::of(&text) }, text)
}

/// Changes a deployment here and there.
fn stir(dice: &mut Dice, disk: &mut Disk) {
    for _ in 0..=dice.below(8) {
        let depth = 1 + dice.below(3);
        let name: Vec<&str> = (0..depth).map(|_| *dice.pick(&NAMES)).collect();
        let path = RelPath::try_from(&*name.join("/")).expect("a path");
        if path.ancestors().any(|above| disk.get(&above).is_some_and(|(entry, _)| !entry.is_directory())) {
            continue;
        }
        let directory = (Entry::Directory { mode: Mode::new(*dice.pick(&[0o755, 0o755, 0o700])) }, Vec::new());
        let what = dice.below(10);
        if what < 2 {
            disk.retain(|other, _| !other.is_within(&path));
            continue;
        }
        if let (2, Some((from, _))) = (what, disk.iter().nth(dice.below(disk.len() as u64 + 1) as usize)) {
            // Something moves, with all that is beneath it.
            let from = from.clone();
            if path.is_within(&from) || from.is_beneath(&path) || disk.contains_key(&path) {
                continue;
            }
            let taken: Disk = disk.extract_if(.., |other, _| other.is_within(&from)).collect();
            for (other, held) in taken {
                let rest = &other.as_bytes()[from.as_bytes().len()..];
                disk.insert(RelPath::new([path.as_bytes(), rest].concat()).expect("a path"), held);
            }
        } else {
            disk.retain(|other, _| !other.is_beneath(&path));
            let before = disk.get(&path).map(|(_, text)| text.clone()).unwrap_or_default();
            let held = match what {
                3 => directory.clone(),
                4 => {
                    let target = *dice.pick(&["a", "../b c", "/etc/passwd"]);
                    let text = format!("link {target}").into_bytes();
                    (Entry::Symlink { target: LinkTarget::new(target.as_bytes()).expect("a target") }, text)
                }
                5 => file(dice, Vec::new()),
                6 => {
                    let mut text: Vec<u8> = (0..200_000_u32).map(|number| (number / 7) as u8).collect();
                    let at = dice.below(text.len() as u64) as usize;
                    text[at] ^= 0xff;
                    file(dice, text)
                }
                7 => file(dice, b"link but no link".to_vec()),
                8 => file(dice, [before, b"more\n".to_vec()].concat()),
                _ => {
                    let number = dice.below(5);
                    file(dice, format!("text {number}\r\n$Id$\n").into_bytes())
                }
            };
            disk.insert(path.clone(), held);
        }
        for above in path.ancestors().collect::<Vec<_>>() {
            disk.entry(above).or_insert_with(|| (Entry::Directory { mode: Mode::new(0o755) }, Vec::new()));
        }
    }
}

fn tree(disk: &Disk, pages: &mut MemoryPages) -> Digest {
    build(disk.iter().map(|(path, (entry, _))| Ok((path.clone(), entry.clone()))), pages).expect("builds")
}

/// Measures revision `to`, from `base` or from nothing.
fn measured(
    repository: &Repository,
    (base, to): (Option<(u64, Measured)>, u64),
    pages: &dyn Pages,
    here: &Disk,
) -> (Step, Measured) {
    let range = base.as_ref().map_or_else(|| format!("{to}:{to}"), |(from, _)| format!("{}:{to}", from + 1));
    let stream = repository.dump("main", &range, base.is_some());
    let directory = tempfile::tempdir().expect("a directory");
    let mut spool = Spool::new(directory.path()).expect("a spool");
    let content = Here(here);
    let mut measuring = Measuring::new(pages, base, &mut spool, &content, (&|_| Ok(None), &|_, _, _| Ok(false)));
    let step = measuring.read(&Context::new(), &mut Dump::new(&*stream, b"main")).expect("reads");
    (step, measuring.finish().expect("finishes").0)
}

fn commit_by_checkout(url: &SvnUrl, room: &Path, base: u64, edits: &Edits, place: &dyn Fn(&RelPath) -> PathBuf) {
    let (cx, client) = (Context::new(), SvnClient::new(url.clone(), SvnSettings::default()).expect("a client"));
    let checkout = Checkout::make(&cx, &client, room, base).expect("a checkout");
    checkout.prepare(edits).expect("prepares");
    checkout.fill(edits, place).expect("fills");
    let message = room.join("message");
    std::fs::write(&message, "by a checkout").expect("writes");
    let ended = checkout.commit(&message, &["depsync:record=x".to_owned()]).expect("runs");
    assert!(ended.status.success(), "{}", ended.stderr);
}

#[test]
fn what_is_published_is_what_is_measured() {
    let mut by_checkout = 0;
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let repository = Repository::create();
        repository.commit(&["mkdir", "main"]);
        let address = SvnAddress::parse(&format!("svn+{}", repository.url("main"))).expect("an address");
        let url = address.url(&DeploymentName::default());
        let mut pages = MemoryPages::default();
        let (mut disk, mut seen) = (Disk::new(), (1, Disk::new(), Measured::empty()));
        for number in 2..10_u64 {
            let before = disk.clone();
            while disk == before {
                stir(&mut dice, &mut disk);
            }
            let (old, new) = (tree(&before, &mut pages), tree(&disk, &mut pages));
            let changes: Packed<Change> =
                Tree::new(&pages, old).diff(&Tree::new(&pages, new)).collect::<Result<_>>().expect("reads");
            let staged = tempfile::tempdir().expect("a directory");
            let place = |path: &RelPath| staged.path().join(Digest::of(path.as_bytes()).to_string());
            for (path, (_, text)) in &disk {
                std::fs::write(place(path), text).expect("writes");
            }
            let publish = Publish {
                url: &url,
                base: number - 1,
                root: new,
                changes: &changes,
                moves: &Moves::of(&changes),
                properties: &|_, entry| Properties::of(entry),
                content: &place,
            };
            match Edits::of(&publish).filter(|_| dice.below(4) > 0) {
                None => repository.play(number - 1, &publish.script()),
                Some(edits) => {
                    commit_by_checkout(&url, staged.path(), number - 1, &edits, &place);
                    by_checkout += 1;
                }
            }
            let (step, whole) = measured(&repository, (None, number), &MemoryPages::default(), &Disk::new());
            assert!(matches!(step, Step::Done), "seed {seed}, revision {number}: {step:?}");
            assert_eq!(whole.root, new, "seed {seed}, revision {number}, all of it");
            assert!(whole.notable.is_empty());
            // Some nodes are a few revisions behind.
            if dice.below(3) > 0 {
                let (step, next) = measured(&repository, (Some((seen.0, seen.2.clone())), number), &pages, &seen.1);
                match step {
                    Step::Done => assert_eq!(next.root, new, "seed {seed}, revision {number} from {}", seen.0),
                    Step::Lacking(what) => panic!("seed {seed}, revision {number}: {what}"),
                }
                seen = (number, disk.clone(), next);
            }
        }
    }
    assert!(by_checkout > 10, "{by_checkout} commits were made by a checkout");
}
