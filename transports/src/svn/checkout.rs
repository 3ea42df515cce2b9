//! A publish by `svn commit`, from a checkout of our own: for a web server, where a large part of a tree changes.
//!
//! What `svnmucc` takes to change n files over http grows with the square of n (`engine/doc/svn.md` says why). A checkout
//! costs what the whole tree costs, and then each change little. So this one is made for one commit, in the directory of
//! what is to be published: nowhere near the deployment, and gone with that directory.
//!
//! Order: the checkout of the parent revision; removals; what comes, as empty files, so that `svn` guesses nothing from
//! their content; properties; contents, under the names that they get; the commit. Nothing is sent before that, so until
//! then it is no matter if something fails: `svnmucc` can do the same. Laws: the commit does exactly the steps of the
//! script, and sets the same property of the deployment's directory, so that it loses a race in the same way. The
//! checkout comes from the hub: nothing is written through a symbolic link of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use depsync_engine::beneath::Root;
use depsync_engine::context::Context;
use depsync_engine::error::{Error, Result};
use depsync_engine::path::RelPath;
use depsync_engine::tree::Totals;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, renameat};

use super::address::Scheme;
use super::client::{SvnClient, Tool};
use super::properties::SPECIAL;
use super::script::{Publish, Step};
use super::staged;
use crate::child::{Finished, Program};

/// Its directory, in the one of what is to be published.
const NAME: &str = "checkout";

/// The smallest number of changed files for which it is thought of.
const AT_LEAST: u64 = 2_000;

/// What a changed file costs `svnmucc` more than `svn commit`, in microseconds: the one, and each pair of them.
const EACH: u64 = 700;
const PAIR_TENTHS: u64 = 3;

/// What a checkout costs, in microseconds: as such, for an entry, and for a kibibyte.
const CHECKOUT: u64 = 500_000;
const ENTRY: u64 = 500;
const KIBIBYTE: u64 = 20;

/// The most bytes of operands that a program gets at once.
const OPERANDS: usize = 64 << 10;

/// The most bytes that a program says.
const SAID: usize = 1 << 20;

/// A property, and its value if it gets one.
type Setting = (String, Option<String>);

/// What is done in the checkout.
#[derive(Debug, Default)]
pub(super) struct Edits {
    gone: Vec<RelPath>,
    /// What comes, and whether it is a directory.
    come: Vec<(RelPath, bool)>,
    contents: Vec<RelPath>,
    /// How many of the contents take the place of others.
    changed: u64,
    settings: BTreeMap<Setting, Vec<Option<RelPath>>>,
}

impl Edits {
    /// The steps of `publish`; none if there are such as are not done here: copies and links.
    pub(super) fn of(publish: &Publish<'_>) -> Option<Self> {
        let mut edits = Self::default();
        let mut others = publish.changes.iter().any(|change| {
            let entries = [&change.before, &change.after].into_iter().flatten();
            entries.into_iter().any(|entry| !entry.is_directory() && !entry.is_file())
        });
        publish.steps(&mut |step| match step {
            Step::Remove(path) => edits.gone.push(path.clone()),
            Step::MakeDirectory(path) => edits.come.push((path.clone(), true)),
            Step::Put { path, is_new } => {
                edits.contents.push(path.clone());
                if is_new {
                    edits.come.push((path.clone(), false));
                } else {
                    edits.changed += 1;
                }
            }
            Step::Property { path, name, value } => {
                others |= name == SPECIAL;
                let setting = (name.to_owned(), value.map(str::to_owned));
                edits.settings.entry(setting).or_default().push(path.cloned());
            }
            Step::Copy { .. } => others = true,
        });
        (!others).then_some(edits)
    }

    /// Whether a checkout costs less than what `svnmucc` takes longer, for a tree that has so much in it. A commit with
    /// `steps` steps may have fewer changes, and is passed over if even so many were too few.
    pub(super) fn could_pay(scheme: Scheme, steps: u64) -> bool {
        matches!(scheme, Scheme::Http | Scheme::Https) && steps >= AT_LEAST
    }

    /// The same, exactly.
    pub(super) fn pay(&self, tree: Totals) -> bool {
        let saved = self.changed.saturating_mul(EACH + self.changed.saturating_mul(PAIR_TENTHS) / 10);
        let entries = tree.entries.saturating_mul(ENTRY);
        let cost = CHECKOUT.saturating_add(entries).saturating_add((tree.bytes >> 10).saturating_mul(KIBIBYTE));
        self.changed >= AT_LEAST && cost < saved
    }
}

/// A checkout in which a commit is prepared.
pub(super) struct Checkout<'a> {
    client: &'a SvnClient,
    cx: &'a Context,
    /// Beside it, lists of paths are written down.
    place: PathBuf,
}

impl<'a> Checkout<'a> {
    /// Makes one in `room`, of the deployment in the revision `base`.
    pub(super) fn make(cx: &'a Context, client: &'a SvnClient, room: &Path, base: u64) -> Result<Self> {
        let checkout = Self { client, cx, place: room.join(NAME) };
        cx.step("svn.checkout");
        let program = checkout.svn("checkout")?.args(["--ignore-externals", "--revision"]).arg(base.to_string());
        let url = client.url().pegged(None, Some(base));
        // The place is the one operand that is taken as it is.
        checkout.run(program.operand(url).operand(&checkout.place))?;
        Ok(checkout)
    }

    /// Takes away what is left in `room` of one that could not be made.
    pub(super) fn remove(room: &Path) -> Result<()> {
        staged::remove(&room.join(NAME))
    }

    /// Does all but the contents.
    pub(super) fn prepare(&self, edits: &Edits) -> Result<()> {
        self.cx.step("svn.edit");
        let root = Root::open(&self.place)?;
        self.with_targets("delete", &[], edits.gone.iter().map(Some))?;
        for (path, is_directory) in &edits.come {
            self.cx.check()?;
            let failed = |errno| Error::io("make", root.display(path), errno);
            let parent = root.parent(path)?;
            if *is_directory {
                mkdirat(&parent, path.name(), Mode::from_raw_mode(0o755)).map_err(failed)?;
            } else {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                openat(&parent, path.name(), flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
            }
        }
        let options = ["--depth", "empty", "--no-ignore", "--no-auto-props"];
        self.with_targets("add", &options, edits.come.iter().map(|(path, _)| Some(path)))?;
        for ((name, value), paths) in &edits.settings {
            let paths = paths.iter().map(Option::as_ref);
            match value {
                Some(value) => self.with_targets("propset", &[name, value], paths)?,
                None => self.without(name, paths)?,
            }
        }
        Ok(())
    }

    /// Puts the contents in their places, from where `content` says.
    pub(super) fn fill(&self, edits: &Edits, content: &dyn Fn(&RelPath) -> PathBuf) -> Result<()> {
        let root = Root::open(&self.place)?;
        for path in &edits.contents {
            self.cx.check()?;
            renameat(CWD, content(path), root.parent(path)?, path.name())
                .map_err(|errno| Error::io("put the content of", root.display(path), errno))?;
        }
        Ok(())
    }

    /// Commits. How that ended is for the caller to judge.
    pub(super) fn commit(&self, message: &Path, properties: &[String]) -> Result<Finished> {
        let program = self.svn("commit")?.arg("--force-log").arg("-F").arg(message);
        let program = properties.iter().fold(program, |program, property| program.arg("--with-revprop").arg(property));
        let program = program.operand(self.named(None));
        self.cx.step("svn.commit");
        Ok(program.output(self.cx, self.client.input(), SAID)?.0)
    }

    fn svn(&self, command: &str) -> Result<Program> {
        Ok(self.client.program(self.cx, Tool::Svn)?.args([command, "-q"]))
    }

    fn run(&self, program: Program) -> Result<()> {
        let (ended, _) = program.output(self.cx, self.client.input(), SAID)?;
        if ended.status.success() {
            return Ok(());
        }
        Err(self.client.error(self.cx, &self.client.failure(&ended.stderr), "prepare a commit in a checkout of"))
    }

    /// A path as an operand: what stands behind the last `@` would be a revision.
    fn named(&self, path: Option<&RelPath>) -> OsString {
        let mut named = self.place.as_os_str().as_bytes().to_vec();
        if let Some(path) = path {
            named.push(b'/');
            named.extend_from_slice(path.as_bytes());
        }
        named.push(b'@');
        OsString::from_vec(named)
    }

    /// Runs `command` for many paths, which it reads from a file.
    fn with_targets<'p>(
        &self,
        command: &str,
        arguments: &[&str],
        paths: impl Iterator<Item = Option<&'p RelPath>>,
    ) -> Result<()> {
        let mut list = Vec::new();
        for path in paths {
            list.extend_from_slice(self.named(path).as_bytes());
            list.push(b'\n');
        }
        if list.is_empty() {
            return Ok(());
        }
        let targets = self.place.with_extension("targets");
        std::fs::write(&targets, list).map_err(|source| Error::io("write", targets.display(), source))?;
        self.run(self.svn(command)?.args(arguments).arg("--targets").arg(targets))
    }

    /// Takes a property from many paths: the command for it reads no file.
    fn without<'p>(&self, name: &str, paths: impl Iterator<Item = Option<&'p RelPath>>) -> Result<()> {
        let command = || Ok::<_, Error>((self.svn("propdel")?.operand(name), 0));
        let (mut program, mut length) = command()?;
        for path in paths {
            let named = self.named(path);
            length += named.len();
            program = program.operand(named);
            if length > OPERANDS {
                let (next, none) = command()?;
                self.run(std::mem::replace(&mut program, next))?;
                length = none;
            }
        }
        if length > 0 { self.run(program) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_where_most_of_a_tree_changes() {
        let pays = |changed, entries, mebibytes: u64| {
            let edits = Edits { changed, ..Edits::default() };
            edits.pay(Totals { entries, bytes: mebibytes << 20 })
        };
        assert!(pays(10_000, 10_500, 20), "measured: 25 seconds against 63");
        assert!(pays(2_000, 2_000, 4));
        assert!(!pays(1_999, 2_000, 4), "nobody waits long for so few");
        assert!(!pays(2_000, 100_000, 200), "most of the tree would come for nothing");
        assert!(pays(10_000, 50_000, 100));
        assert!(!pays(3_000, 4_000, 10_000), "archives of gigabytes would come for nothing");
        assert!(!pays(u64::MAX, u64::MAX, 0), "more than can be counted");
        for (scheme, could) in
            [(Scheme::Http, true), (Scheme::Https, true), (Scheme::Svn, false), (Scheme::File, false)]
        {
            assert_eq!(Edits::could_pay(scheme, 10_000), could, "{scheme:?}");
        }
    }
}
