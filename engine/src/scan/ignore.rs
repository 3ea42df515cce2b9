//! What is never synchronized: a default list of names, and the patterns in the root's `.depsyncignore`.
//!
//! Laws:
//! - what lies beneath an ignored directory is ignored, whatever a pattern says of it (as in git);
//! - a pattern overrides the default list in both directions, except for `.depsync-*`, which is depsync's own;
//! - a directory beside an archive of the same name, where those are named, is the server's work: it is hidden as long as the
//!   archive is there;
//! - a file of patterns that cannot be read or understood is an error, never an empty file: otherwise what somebody
//!   wanted kept back would be published.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use ::ignore::Match;
use ::ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::FileType;

use crate::beneath::Root;
use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::patterns::Patterns;

/// The file of patterns, at the root of the deployment.
pub const IGNORE_FILE: &str = ".depsyncignore";
/// The most bytes that file may have.
const MAX_BYTES: u64 = 1 << 20;
/// The most patterns it may hold: each becomes part of a compiled matcher.
const MAX_PATTERNS: usize = 10_000;

/// Decides what is ignored.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    /// `None`: the default list alone, which costs no allocation.
    patterns: Option<Gitignore>,
    exploded: Option<Arc<Exploded>>,
}

/// Directories that a server has made of the archives beside them.
#[derive(Debug)]
struct Exploded {
    directories: Patterns,
    archives: Vec<String>,
    root: Root,
}

impl Exploded {
    /// Whether this is one: it is asked of what the disk has there now.
    fn has(&self, path: &[u8]) -> bool {
        self.directories.name(path, true)
            && self.archives.iter().any(|extension| {
                let archive = RelPath::new([path, b".", extension.as_bytes()].concat());
                archive.is_ok_and(|archive| {
                    matches!(self.root.stamp(&archive), Ok(Some(stamp)) if stamp.file_type() == FileType::RegularFile)
                })
            })
    }
}

impl Ignore {
    /// The default list alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// The default list and the root's `.depsyncignore`, if there is one.
    pub fn load(root: &Root) -> Result<Self> {
        let path = RelPath::try_from(IGNORE_FILE).expect("because it is one plain name");
        let file = match root.read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::new()),
            file => file?,
        };
        let mut bytes = Vec::new();
        let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|source| Error::io("read", root.display(&path), source))?;
        Self::parse(&bytes).map_err(|error| error.at(root.display(&path)))
    }

    /// The default list and the patterns in `bytes` (gitignore syntax, UTF-8).
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::new(ErrorKind::Usage, format!("{IGNORE_FILE} is larger than {MAX_BYTES} bytes")));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        let mut patterns = 0;
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let flaw = |why: String| Error::new(ErrorKind::Usage, format!("{IGNORE_FILE}, line {}: {why}", index + 1));
            let text = std::str::from_utf8(line).map_err(|_| flaw("it is not UTF-8".into()))?;
            patterns += usize::from(!text.trim().is_empty() && !text.starts_with('#'));
            if patterns > MAX_PATTERNS {
                return Err(flaw(format!("more than {MAX_PATTERNS} patterns")));
            }
            builder.add_line(None, text).map_err(|error| flaw(error.to_string()))?;
        }
        let patterns = builder.build().map_err(|error| {
            Error::new(ErrorKind::Usage, format!("{IGNORE_FILE}: the patterns are too much: {error}"))
        })?;
        Ok(Self { patterns: Some(patterns).filter(|patterns| !patterns.is_empty()), exploded: None })
    }

    /// The same, and those of `directories` beside which, in `root`, lies an archive of the same name.
    pub fn and_exploded(mut self, directories: &Patterns, archives: &[String], root: &Root) -> Result<Self> {
        let (directories, archives, root) = (directories.clone(), archives.to_vec(), root.again()?);
        self.exploded = Some(Arc::new(Exploded { directories, archives, root }));
        Ok(self)
    }

    /// Whether `path` is ignored, by itself or because a directory above it is.
    pub fn matches(&self, path: &RelPath, is_directory: bool) -> bool {
        let bytes = path.as_bytes();
        let above = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(slash, _)| &bytes[..slash]);
        above.into_iter().any(|directory| self.hides(directory, true)) || self.hides(bytes, is_directory)
    }

    /// Whether `path` is ignored by itself: the walk asks on its way down.
    pub(super) fn hides(&self, path: &[u8], is_directory: bool) -> bool {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        if is_directory && self.exploded.as_ref().is_some_and(|exploded| exploded.has(path)) {
            return true;
        }
        let Some(patterns) = &self.patterns else { return by_default(name) };
        if is_own(name) {
            return true;
        }
        match patterns.matched(Path::new(OsStr::from_bytes(path)), is_directory) {
            Match::None => by_default(name),
            Match::Ignore(_) => true,
            Match::Whitelist(_) => false,
        }
    }

    /// The same of `name` in `directory`.
    pub(super) fn hides_in(&self, directory: Option<&RelPath>, name: &[u8], is_directory: bool) -> bool {
        match directory {
            None => self.hides(name, is_directory),
            Some(directory) => self.hides(&[directory.as_bytes(), b"/", name].concat(), is_directory),
        }
    }

    /// Whether the name alone settles that an entry is ignored, whatever it is and wherever.
    pub(super) fn hides_name(&self, name: &[u8]) -> bool {
        if self.patterns.is_some() { is_own(name) } else { by_default(name) }
    }

    /// Whether [`Self::hides_name`] is all there is to ask.
    pub(super) fn is_by_name_alone(&self) -> bool {
        self.patterns.is_none() && self.exploded.is_none()
    }
}

/// Staging files and whatever else depsync itself keeps inside the directory.
fn is_own(name: &[u8]) -> bool {
    name.starts_with(b".depsync-")
}

/// The default list: `.depsync-*`, `~*`, `*~`, `*.bk`, `*.tmp`, `*.part`, `*.swp`, `.nfs*`, `.svn`.
fn by_default(name: &[u8]) -> bool {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return false };
    match (first, last) {
        (b'~', _) | (_, b'~') => true,
        (b'.', _) if is_own(name) || name.starts_with(b".nfs") || name == b".svn" => true,
        (_, b'k') => name.ends_with(b".bk"),
        (_, b'p') => name.ends_with(b".tmp") || name.ends_with(b".swp"),
        (_, b't') => name.ends_with(b".part"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect(text)
    }

    #[test]
    fn the_default_list() {
        let ignore = Ignore::new();
        for name in
            [".depsync-stage", "~lock", "x~", "~", "a.bk", ".bk", "a.tmp", "a.part", ".a.swp", ".nfs0001", ".svn"]
        {
            assert!(ignore.matches(&path(name), false), "{name}");
            assert!(ignore.matches(&path(&format!("a/{name}/b")), false), "beneath {name}");
        }
        for name in
            ["a", ".depsyncignore", ".depsync", "bk", "tmp", "a.tmp2", ".svnignore", "nfs1", "a~b", "a.TMP", "part"]
        {
            assert!(!ignore.matches(&path(name), true), "{name}");
        }
    }

    #[test]
    fn patterns_add_and_take_back() {
        let ignore =
            Ignore::parse(b"\xef\xbb\xbf# comment\n\n*.log\r\n!keep.log\nwork/\n/top\n!*.tmp\n!.depsync-x\na/**/z\n")
                .expect("parses");
        for (name, directory, hidden) in [
            ("x.log", false, true),
            ("a/x.log", false, true),
            ("a/keep.log", false, false),
            ("work", true, true),
            ("work", false, false),
            ("b/work/keep.log", false, true),
            ("top", false, true),
            ("b/top", false, false),
            ("x.tmp", false, false),
            ("x.part", false, true),
            (".depsync-x", false, true),
            (".depsync-x/y", false, true),
            ("a/b/c/z", false, true),
            ("a/b/c/y", false, false),
        ] {
            assert_eq!(ignore.matches(&path(name), directory), hidden, "{name}");
        }
        let odd = RelPath::new(&b"\xff\xfe.log"[..]).expect("path");
        assert!(ignore.matches(&odd, false));
    }

    #[test]
    fn a_line_that_does_not_parse_is_named() {
        for (bytes, line) in
            [(&b"ok\n{a\n"[..], "line 2"), (b"[z-a]", "line 1"), (b"a\nb\n\xff\n", "line 3"), (b"x[", "line 1")]
        {
            let error = Ignore::parse(bytes).expect_err(line);
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.to_string().contains(line), "{error}");
        }
        assert!(Ignore::parse(&vec![b'\n'; 1 << 20]).is_ok());
        assert_eq!(Ignore::parse(&vec![b'\n'; (1 << 20) + 1]).expect_err("large").kind(), ErrorKind::Usage);
        assert_eq!(Ignore::parse("a\n".repeat(10_001).as_bytes()).expect_err("many").kind(), ErrorKind::Usage);
    }

    #[test]
    fn the_file_is_read_from_the_root_and_never_through_a_link() {
        let directory = tempfile::tempdir().expect("tempdir");
        let root = Root::open(directory.path()).expect("open");
        assert!(Ignore::load(&root).expect("none").is_by_name_alone());
        let file = directory.path().join(IGNORE_FILE);
        std::fs::write(&file, "*.log\n").expect("write");
        assert!(Ignore::load(&root).expect("read").matches(&path("a.log"), false));
        std::fs::write(&file, "{\n").expect("write");
        assert_eq!(Ignore::load(&root).expect_err("flaw").kind(), ErrorKind::Usage);
        std::fs::write(&file, vec![b'\n'; (1 << 20) + 1]).expect("write");
        assert_eq!(Ignore::load(&root).expect_err("large").kind(), ErrorKind::Usage);
        std::fs::remove_file(&file).expect("remove");
        std::os::unix::fs::symlink("/etc/hostname", &file).expect("symlink");
        assert_eq!(Ignore::load(&root).expect_err("link").kind(), ErrorKind::Refused);
    }

    proptest! {
        #[test]
        fn the_fast_path_is_what_the_globs_say(name in "[.~a-z]{0,3}(\\.depsync-|~|\\.bk|\\.tmp|\\.part|\\.swp|\\.nfs|\\.svn)?[.~a-z]{0,2}") {
            prop_assume!(!matches!(name.as_str(), "" | "." | ".."));
            let globs = Ignore::parse(b".depsync-*\n~*\n*~\n*.bk\n*.tmp\n*.part\n*.swp\n.nfs*\n.svn\n").expect("parses");
            prop_assert_eq!(by_default(name.as_bytes()), globs.hides(name.as_bytes(), false));
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes: Vec<u8>) {
            drop(Ignore::parse(&bytes));
        }
    }
}
