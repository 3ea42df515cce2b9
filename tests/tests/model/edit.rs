//! Random edits of a real directory, of every kind that people and servers make.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use depsync_tests::jar;
use depsync_tests::snapshot::{Item, snapshot};

use crate::oracle::{Name, PATTERNS, Tree, above, is_directory};
use depsync_tests::dice::Dice;

/// Who edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// A person on a manager: everything.
    Manager,
    /// Somebody, or the server, on a worker: everything but the patterns.
    Worker,
}

/// An editor of directories. Every content that it writes is new.
pub(crate) struct Editor {
    pub(crate) dice: Dice,
    count: u64,
}

impl Editor {
    pub(crate) fn new(dice: Dice) -> Self {
        Self { dice, count: 0 }
    }

    /// Edits `dir` once; what was done, for the log.
    pub(crate) fn edit(&mut self, dir: &Path, hand: Hand) -> String {
        let tree = snapshot(dir);
        let files = paths(&tree, |item| matches!(item, Item::File(..)));
        let any = paths(&tree, |_| true);
        let what = self.dice.below(if hand == Hand::Manager { 104 } else { 100 });
        let existing = if what < 52 { self.dice.pick(&files) } else { self.dice.pick(&any) };
        let Some(path) = existing.filter(|path| what < 76 && path != PATTERNS) else {
            return if what >= 100 { self.patterns(dir) } else { self.add(dir, &tree) };
        };
        let at = place(dir, &path);
        let shown = String::from_utf8_lossy(&path).into_owned();
        let _open = Opened::above(dir, &path);
        match what {
            0..22 => format!("rewrite {shown} {}", self.rewrite(&at)),
            22..30 => format!("resize {shown} {}", self.resize(&at)),
            30..34 => format!("touch {shown} {}", touch(&at)),
            34..40 => format!("copy {shown} to {}", self.copy(dir, &tree, &at)),
            40..52 => format!("chmod {shown} {}", self.chmod(&at)),
            52..58 => format!("rename {shown} to {}", self.rename(dir, &tree, &path)),
            58..67 => {
                remove(&at);
                format!("swap {shown} for {}", self.make(&at))
            }
            _ => {
                remove(&at);
                format!("delete {shown}")
            }
        }
    }

    fn add(&mut self, dir: &Path, tree: &Tree) -> String {
        let path = self.fresh(tree);
        let _open = Opened::above(dir, &path);
        let at = place(dir, &path);
        let made = self.make(&at);
        format!("add {} as {made}", String::from_utf8_lossy(&path))
    }

    /// A path that does not exist, in a directory that does.
    fn fresh(&mut self, tree: &Tree) -> Name {
        let directories = paths(tree, |item| is_directory(Some(item)));
        loop {
            let inside = if self.dice.chance(40) { None } else { self.dice.pick(&directories) };
            let name = self.name();
            let path = inside.map_or(name.clone(), |inside| [&inside[..], b"/", &name].concat());
            if path.len() < 2000 && !tree.contains_key(&path) {
                return path;
            }
        }
    }

    fn name(&mut self) -> Name {
        let plain: [&[u8]; 30] = [
            b"a",
            b"b",
            b"c",
            b"d.txt",
            b"conf",
            b"lib",
            b"web.xml",
            b"app.war",
            b"lib.jar",
            b"x.zip",
            b"a.log",
            b"b.log",
            b"cache",
            b"data.dat",
            b"t.tmp",
            b"~lock",
            b"-rf",
            b"--",
            b" ",
            b"a b ",
            b"new\nline",
            b"\xff\xfe",
            b"a\xc3",
            b"\xc3\xa9",
            b"a-",
            b"a.",
            b"*",
            b"%41",
            b"\x01",
            b"...",
        ];
        match self.dice.below(100) {
            0..3 => vec![b'L'; 255],
            3..20 => format!("n{}", self.dice.below(12)).into_bytes(),
            _ => plain[self.dice.below(plain.len())].to_vec(),
        }
    }

    fn serial(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// New content of a random length, by what the name asks for.
    fn content(&mut self, name: &[u8]) -> Vec<u8> {
        let archive = [&b".war"[..], b".jar", b".zip"].into_iter().any(|extension| name.ends_with(extension));
        let length = match self.dice.below(20) {
            0 => 0,
            1 => 30_000 + self.dice.below(90_000),
            2..4 => 4096 + self.dice.below(3),
            _ => 8 + self.dice.below(60),
        };
        if !archive {
            return self.noise(length);
        }
        if self.dice.chance(30) {
            return jar::release(self.release());
        }
        let whole = zip(&self.noise(length.max(8)));
        match self.dice.below(6) {
            0 => Vec::new(),
            1 => whole[..whole.len() - 1 - self.dice.below(20)].to_vec(),
            _ => whole,
        }
    }

    /// A release that nobody else has: all of them have much alike.
    fn release(&mut self) -> u32 {
        self.serial() as u32
    }

    fn noise(&mut self, length: usize) -> Vec<u8> {
        let serial = self.serial();
        let mut bytes = format!("{serial:08x}").into_bytes();
        let mut fill = Dice::new(serial);
        while bytes.len() < length {
            bytes.extend_from_slice(&fill.roll().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Other content of the same size, in place or by rename, sometimes with the old modification time put back.
    fn rewrite(&mut self, at: &Path) -> String {
        let old = fs::read(at).expect("a file");
        let name = at.file_name().expect("a name").as_bytes();
        let new = if old.len() > 20_000 && old.starts_with(b"PK") && self.dice.chance(80) {
            // Another release of it.
            jar::release(self.release())
        } else if old.len() > ZIP_AROUND + 8 && old.starts_with(b"PK") && old.ends_with(&[0, 0]) && name.ends_with(b"r")
        {
            zip(&self.noise(old.len() - ZIP_AROUND))
        } else if old.len() > 20_000 && self.dice.chance(70) {
            // A little in the middle of something large.
            let (mut new, some, start) = (old.clone(), self.noise(16), self.dice.below(old.len() - 16));
            new[start..start + 16].copy_from_slice(&some);
            new
        } else {
            self.noise(old.len())
        };
        let found = at.metadata().expect("metadata");
        let by_rename = self.dice.chance(40);
        if by_rename {
            // Beside the deployment: half a file at a live name would be another test.
            let beside = beside(at);
            fs::write(&beside, &new).expect("write");
            fs::set_permissions(&beside, found.permissions()).expect("chmod");
            fs::rename(&beside, at).expect("rename");
        } else {
            write_in_place(at, &new);
        }
        let time_kept = self.dice.chance(50);
        if time_kept {
            let times = fs::FileTimes::new().set_modified(found.modified().expect("a time"));
            let file = File::open(at).expect("open");
            file.set_times(times).expect("set times");
        }
        format!("{} bytes, by rename: {by_rename}, time kept: {time_kept}", new.len())
    }

    fn resize(&mut self, at: &Path) -> String {
        let old = fs::read(at).expect("a file");
        let new = match self.dice.below(3) {
            0 => Vec::new(),
            1 => old[..self.dice.below(old.len() + 1)].to_vec(),
            _ => {
                let (length, noise) = (self.dice.below(60), self.dice.below(60));
                let length = length.max(noise);
                [old, self.noise(length)].concat()
            }
        };
        write_in_place(at, &new);
        format!("to {} bytes", new.len())
    }

    fn copy(&mut self, dir: &Path, tree: &Tree, at: &Path) -> String {
        let to = self.fresh(tree);
        let _open = Opened::above(dir, &to);
        fs::copy(at, place(dir, &to)).expect("copy");
        String::from_utf8_lossy(&to).into_owned()
    }

    fn chmod(&mut self, at: &Path) -> String {
        let modes =
            if at.is_dir() { [0o755, 0o700, 0o555, 0o1775, 0o500] } else { [0o644, 0o600, 0o755, 0o444, 0o4711] };
        let mode = modes[self.dice.below(modes.len())];
        // 0o4711 keeps the owner's read permission; the special bits are no part of identity.
        if !at.is_symlink() {
            fs::set_permissions(at, Permissions::from_mode(mode)).expect("chmod");
        }
        format!("{mode:o}")
    }

    fn rename(&mut self, dir: &Path, tree: &Tree, path: &[u8]) -> String {
        let to = self.fresh(tree);
        if above(&to).any(|above| above == path) {
            return "itself".to_owned();
        }
        let _open = Opened::above(dir, &to);
        // Moving a directory writes its `..`.
        let from = place(dir, path);
        let _itself = Opened::directory(&from);
        fs::rename(&from, place(dir, &to)).expect("rename");
        String::from_utf8_lossy(&to).into_owned()
    }

    /// Makes something that was not there.
    fn make(&mut self, at: &Path) -> &'static str {
        let name = at.file_name().expect("a name").as_bytes().to_vec();
        match self.dice.below(10) {
            0 => {
                let target = match self.dice.below(4) {
                    0 => b"a".to_vec(),
                    1 => b"/nowhere/\xff\n".to_vec(),
                    2 => b"..".to_vec(),
                    _ => format!("to-{}", self.serial()).into_bytes(),
                };
                symlink(std::ffi::OsString::from_vec(target), at).expect("symlink");
                "a link"
            }
            1 => {
                fs::create_dir(at).expect("mkdir");
                "an empty directory"
            }
            2 | 3 => {
                fs::create_dir(at).expect("mkdir");
                for _ in 0..=self.dice.below(3) {
                    let inner = at.join(Path::new(std::ffi::OsStr::from_bytes(&self.name())));
                    if inner.symlink_metadata().is_err() {
                        self.make(&inner);
                    }
                }
                "a directory"
            }
            _ => {
                let content = self.content(&name);
                fs::write(at, content).expect("write");
                "a file"
            }
        }
    }

    fn patterns(&mut self, dir: &Path) -> String {
        let at = dir.join(std::ffi::OsStr::from_bytes(PATTERNS));
        let lines = ["*.log\n", "cache\n", "*.dat\n", "lib\n"];
        let chosen: String = lines.into_iter().filter(|_| self.dice.chance(30)).collect();
        if chosen.is_empty() {
            if at.exists() {
                fs::remove_file(at).expect("remove");
            }
        } else {
            fs::write(at, &chosen).expect("write");
        }
        format!("patterns {chosen:?}")
    }
}

fn paths(tree: &Tree, of: impl Fn(&Item) -> bool) -> Vec<Name> {
    tree.iter().filter(|(path, item)| *path != PATTERNS && of(item)).map(|(path, _)| path.clone()).collect()
}

pub(crate) fn place(dir: &Path, path: &[u8]) -> PathBuf {
    dir.join(std::ffi::OsStr::from_bytes(path))
}

/// A name on the same file system that no node looks at.
fn beside(at: &Path) -> PathBuf {
    let shm = Path::new("/dev/shm");
    let place = if at.starts_with(shm) { shm.to_owned() } else { std::env::temp_dir() };
    place.join(format!("depsync-model-{}-{:?}", std::process::id(), std::thread::current().id()))
}

fn write_in_place(at: &Path, bytes: &[u8]) {
    let found = at.metadata().expect("metadata").permissions();
    let locked = found.mode() & 0o200 == 0;
    if locked {
        fs::set_permissions(at, Permissions::from_mode(found.mode() | 0o200)).expect("chmod");
    }
    let mut file = OpenOptions::new().write(true).truncate(true).open(at).expect("open");
    file.write_all(bytes).expect("write");
    if locked {
        fs::set_permissions(at, found).expect("chmod");
    }
}

fn touch(at: &Path) -> &'static str {
    let file = File::open(at).expect("open");
    file.set_times(fs::FileTimes::new().set_modified(std::time::SystemTime::now())).expect("set times");
    ""
}

/// Removes whatever is there.
pub(crate) fn remove(at: &Path) {
    let Ok(found) = at.symlink_metadata() else { return };
    if found.is_dir() {
        unlock(at);
        fs::remove_dir_all(at).expect("remove");
    } else {
        fs::remove_file(at).expect("remove");
    }
}

/// Makes every directory beneath `at` writable.
pub(crate) fn unlock(at: &Path) {
    if !at.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return;
    }
    fs::set_permissions(at, Permissions::from_mode(0o755)).expect("chmod");
    for entry in fs::read_dir(at).expect("list") {
        unlock(&entry.expect("entry").path());
    }
}

/// Directories that are writable for a while.
pub(crate) struct Opened(Vec<(PathBuf, u32)>);

impl Opened {
    /// Opens the directory that holds `path`.
    pub(crate) fn above(dir: &Path, path: &[u8]) -> Self {
        let parent = place(dir, path).parent().expect("a parent").to_owned();
        if parent == dir { Self(Vec::new()) } else { Self::directory(&parent) }
    }

    fn directory(at: &Path) -> Self {
        let Ok(found) = at.symlink_metadata() else { return Self(Vec::new()) };
        if !found.is_dir() || found.mode() & 0o200 != 0 {
            return Self(Vec::new());
        }
        fs::set_permissions(at, Permissions::from_mode(found.mode() | 0o200)).expect("chmod");
        Self(vec![(at.to_owned(), found.mode())])
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        for (at, mode) in &self.0 {
            // Renamed or removed meanwhile.
            if at.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                drop(fs::set_permissions(at, Permissions::from_mode(*mode)));
            }
        }
    }
}

/// What a ZIP archive of one stored member has beside its content.
const ZIP_AROUND: usize = 30 + 1 + 46 + 1 + 22;

/// A ZIP archive with one stored member.
pub(crate) fn zip(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("small").to_le_bytes();
    let mut bytes = [&b"PK\x03\x04"[..], &[0; 14], &size, &size, &[1, 0, 0, 0], b"m", content].concat();
    let offset = u32::try_from(bytes.len()).expect("small").to_le_bytes();
    let central = [&b"PK\x01\x02"[..], &[0; 16], &size, &size, &[1, 0], &[0; 16], b"m"].concat();
    let length = u32::try_from(central.len()).expect("small").to_le_bytes();
    bytes.extend_from_slice(&central);
    bytes.extend_from_slice(&[&b"PK\x05\x06"[..], &[0, 0, 0, 0, 1, 0, 1, 0], &length, &offset, &[0, 0]].concat());
    bytes
}
