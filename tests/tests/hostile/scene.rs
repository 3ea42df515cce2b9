//! A worker at revision 1 of an honest hub, canaries around it, and what is asked of it when the hub turns bad.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use depsync_engine::hash::Digest;
use depsync_tests::cli::Bench;
use depsync_tests::cluster::copy_tree;
use depsync_tests::forge;
use depsync_tests::snapshot::{Item, snapshot, write_tree};
use nix::sys::resource::{UsageWho, getrusage};

/// What verification says.
pub(crate) const DAMAGED: &[i32] = &[6];
/// What verification and guards say.
pub(crate) const REFUSED: &[i32] = &[3, 6];
/// The most memory that any run may touch, in MiB. An honest run of the debug build takes about 30. What is measured is
/// the largest child of this process so far: nextest gives each test a process of its own.
pub(crate) const MEMORY: u64 = 256;
/// A run that asks for more than this is broken off: a bomb must not take the machine along.
const ADDRESSES: u64 = 4 << 30;

/// Where everything happens.
pub(crate) struct Scene {
    bench: Bench,
    forgeries: Cell<usize>,
}

/// Copies of what was honest: the hub, and what the manager knows of it.
const HONEST: &str = ".honest-hub";
const MANAGER: &str = ".honest-manager";
/// After every so many forgeries the other commands have a look at the hub, too.
const FROM_ALL_SIDES: usize = 4;

/// An entry with its mode and modification time.
type Stamped = (Item, u32, i64, i64);
/// A tree to the nanosecond.
type Exact = BTreeMap<Vec<u8>, Stamped>;

impl Scene {
    /// Revision 1 at the manager `master`, the worker `live` and the hub.
    pub(crate) fn new() -> Self {
        let scene = Self { bench: Bench::in_memory(), forgeries: Cell::new(0) };
        write_tree(&scene.path("master"), &[("app/web.xml", "<web/>\n"), ("app/lib/a.txt", "lib"), ("conf", "one\n")]);
        write_tree(
            &scene.path("canary"),
            &[("secret", "untouched"), ("lib/a.txt", "canary lib"), ("web.xml", "canary"), ("link", "->secret")],
        );
        scene.must(&["publish", "master", "hub", "--node", "manager", "-q"]);
        scene.must(&["update", "live", "hub", "--node", "worker", "-q"]);
        scene.copy("hub", HONEST);
        scene.copy(".master.depsync", MANAGER);
        scene
    }

    /// The path of `name` in the scene.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    /// The hub, to be forged.
    pub(crate) fn hub(&self) -> forge::Hub {
        forge::Hub::at(&self.path("hub"))
    }

    /// The same, of a hub that says it is `id` or no longer says what it is.
    pub(crate) fn hub_of(&self, id: &str) -> forge::Hub {
        forge::Hub::of(&self.path("hub"), id.parse().expect("a hub id"))
    }

    /// Writes a file into the hub.
    pub(crate) fn hub_file(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path("hub").join(name), bytes).expect("a file");
    }

    /// Replaces one directory by a copy of another.
    fn copy(&self, from: &str, to: &str) {
        let to = self.path(to);
        if to.exists() {
            std::fs::remove_dir_all(&to).expect("it goes");
        }
        std::fs::create_dir(&to).expect("a directory");
        copy_tree(&self.path(from), &to);
    }

    /// Puts the honest hub back.
    pub(crate) fn restore(&self) {
        self.copy(HONEST, "hub");
    }

    fn must(&self, args: &[&str]) {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs the program, with a bound on what it may ask of the machine.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let program = self.bench.command(args);
        let mut bounded = Command::new("prlimit");
        bounded.arg(format!("--as={ADDRESSES}")).arg("--").arg(program.get_program()).args(program.get_args());
        bounded.current_dir(self.path("")).stdin(std::process::Stdio::null()).env_clear();
        for (name, value) in program.get_envs() {
            bounded.env(name, value.unwrap_or(OsStr::new("")));
        }
        bounded.output().expect("prlimit (of util-linux) and the program run")
    }

    /// Runs it and takes what it said: the exit status must be one of `allowed`, nothing that it printed may move a
    /// cursor, and no run so far may have taken more memory than `memory` MiB.
    pub(crate) fn ask(&self, what: &str, args: &[&str], allowed: &[i32], memory: u64) -> String {
        let output = self.run(args);
        let said = [output.stdout, output.stderr].concat();
        let harmless = said.iter().all(|&byte| byte == b'\n' || !byte.is_ascii_control());
        let said = String::from_utf8_lossy(&said).into_owned();
        let loud = said.chars().position(|c| c != '\n' && c.is_control());
        let loud = loud.map(|at| said.chars().skip(at.saturating_sub(80)).take(160).collect::<String>());
        assert!(harmless && loud.is_none(), "{what}: {args:?} printed {loud:?}");
        let code = output.status.code();
        let fits = code.is_some_and(|code| allowed.contains(&code));
        assert!(fits, "{what}: {args:?} ended with {:?}, not {allowed:?}:\n{said:.2000}", output.status);
        let peak = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a usage").max_rss() as u64 / 1024;
        assert!(peak <= memory, "{what}: {args:?} took {peak} MiB, more than {memory}");
        said
    }

    /// Everything but the hub and what depsync keeps for itself.
    fn around(&self) -> Exact {
        let mut found = Exact::new();
        for entry in std::fs::read_dir(self.path("")).expect("the scene") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_encoded_bytes();
            if name == b"hub" || name.starts_with(b".") || name == b"home" {
                continue;
            }
            let within = exact_beneath(&entry.path()).into_iter();
            found.extend(within.map(|(path, stamped)| ([&name, &b"/"[..], &path].concat(), stamped)));
        }
        found
    }

    /// Asks the worker for an update and checks that it refuses, and that nothing is changed; then a node that has
    /// nothing yet; then looks on from all sides.
    pub(crate) fn refused(&self, what: &str) -> String {
        self.refused_with(what, DAMAGED, MEMORY)
    }

    /// The same, with other statuses and another bound.
    pub(crate) fn refused_with(&self, what: &str, allowed: &[i32], memory: u64) -> String {
        let before = self.around();
        let said = self.ask(what, &["update", "live", "hub", "--node", "worker"], allowed, memory);
        assert_same(&before, &self.around(), what);
        self.ask(what, &["update", "fresh", "hub", "--node", "fresh"], allowed, memory);
        if let Ok(mut listing) = std::fs::read_dir(self.path("fresh")) {
            assert!(listing.next().is_none(), "{what}: something came to a node that had nothing");
            std::fs::remove_dir(self.path("fresh")).expect("an empty directory");
        }
        std::fs::remove_dir_all(self.path(".fresh.depsync")).expect("its state");
        assert_same(&before, &self.around(), what);
        self.forgeries.set(self.forgeries.get() + 1);
        if self.forgeries.get() % FROM_ALL_SIDES == 1 {
            self.look_from_all_sides(what, memory);
            assert_same(&before, &self.around(), what);
        }
        said
    }

    /// The other commands: they say what they like, and break nothing.
    fn look_from_all_sides(&self, what: &str, memory: u64) {
        let any = &[0, 1, 3, 4, 5, 6];
        let gc = "gc --dir master --hub hub --grace 0s --keep-age 0s --keep-revisions 1";
        for line in ["status live hub", "log --dir live --hub hub", "publish master hub", gc] {
            self.ask(what, &line.split(' ').collect::<Vec<_>>(), any, memory);
        }
        self.copy(MANAGER, ".master.depsync");
    }

    /// Forges revision 2 and checks that it is refused; then the honest hub is back.
    pub(crate) fn forged(&self, what: &str, forge: impl FnOnce(&mut forge::Hub)) -> String {
        forge(&mut self.hub());
        let said = self.refused(what);
        self.restore();
        said
    }

    /// Forges a revision of one page over one pack.
    pub(crate) fn forged_page(&self, what: &str, page: &forge::Page, content: &[&[u8]]) -> String {
        self.forged(what, |hub| {
            let mut pack = forge::Pack::default();
            for piece in content {
                pack.piece(piece);
            }
            let root = pack.page(page);
            publish(hub, root, &pack);
        })
    }

    /// The hub is honest again: the node follows it, and verifies.
    pub(crate) fn goes_on(&self) {
        self.restore();
        std::fs::write(self.path("master/conf"), "two\n").expect("a file");
        self.must(&["publish", "master", "hub", "--node", "manager", "-q"]);
        self.must(&["update", "live", "hub", "--node", "worker", "-q"]);
        assert_eq!(std::fs::read(self.path("live/conf")).expect("a file"), b"two\n");
        self.must(&["verify", "live", "hub", "-q"]);
    }
}

/// A directory or a file, itself included, to the nanosecond.
pub(crate) fn exact_beneath(directory: &Path) -> BTreeMap<Vec<u8>, Stamped> {
    let of = |path: &Path| path.symlink_metadata().expect("it is there");
    let mut found = BTreeMap::new();
    let top = of(directory);
    found.insert(Vec::new(), (Item::Directory(top.mode()), top.mode(), top.mtime(), top.mtime_nsec()));
    for (path, item) in snapshot(directory) {
        let meta = of(&directory.join(OsStr::from_bytes(&path)));
        found.insert(path, (item, meta.mode(), meta.mtime(), meta.mtime_nsec()));
    }
    found
}

/// Publishes `root` with the objects of `pack`.
pub(crate) fn publish(hub: &mut forge::Hub, root: Digest, pack: &forge::Pack) {
    let reference = hub.pack(pack.finish());
    hub.publish(root, vec![reference]);
}

fn assert_same(before: &Exact, after: &Exact, what: &str) {
    let differs = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
    let differs: Vec<_> = differs.map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    assert!(differs.is_empty(), "{what}: changed: {differs:?}");
}
