//! A repository behind svnserve, and nodes that work on it with the real program, each with its account.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use depsync_tests::cluster::copy_tree;
use depsync_tests::process::{Death, Ended, run_with};
use depsync_tests::snapshot::{Snapshot, check_same, snapshot};
use depsync_tests::svn::{Account, Person, READER, Repository, Svnserve, WRITER};
use tempfile::TempDir;

/// Where the deployment is in the repository.
pub(crate) const PLACE: &str = "shop";

/// See the module. The server ends before the repository goes.
pub(crate) struct Town {
    pub(crate) server: Svnserve,
    pub(crate) repository: Repository,
    top: TempDir,
}

/// What the repository says of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) number: u64,
    pub(crate) author: String,
    /// As `svn log -v` prints them: `M /shop`, `A /shop/b (from /shop/a:2)`.
    pub(crate) paths: Vec<String>,
    pub(crate) message: String,
}

impl Town {
    /// An empty repository.
    pub(crate) fn new() -> Self {
        let repository = Repository::create();
        let server = Svnserve::start(&repository);
        Self { server, repository, top: place() }
    }

    /// The directory of a node, or whatever else lies beside the nodes.
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Where the nodes are.
    pub(crate) fn path(&self) -> &Path {
        self.top.path()
    }

    /// The hub's address.
    pub(crate) fn hub(&self) -> String {
        format!("{}/{PLACE}", self.server.url())
    }

    /// Runs the program for `node`, as somebody who may write if the node's name begins with an `m`, and may only read
    /// otherwise.
    pub(crate) fn run(&self, node: &str, args: &[&str]) -> Ended {
        self.run_with(node, args, Death::Never, &[])
    }

    /// The same, dying, and with variables of its own.
    pub(crate) fn run_with(&self, node: &str, args: &[&str], death: Death, own: &[(&str, &OsStr)]) -> Ended {
        run_in(self.path(), &self.hub(), node, args, death, own)
    }

    /// Publishes, and expects that it goes well.
    pub(crate) fn publish(&self, node: &str, message: &str) -> Ended {
        self.run(node, &["publish", "-m", message]).expect(&[0], Death::Never)
    }

    /// Updates, and expects that it goes well.
    pub(crate) fn update(&self, node: &str) -> Ended {
        self.run(node, &["update"]).expect(&[0], Death::Never)
    }

    /// Somebody with a working copy in `name`.
    pub(crate) fn person(&self, name: &str) -> (Person, PathBuf) {
        let (person, dir) = (self.server.person(WRITER), self.dir(name));
        person.checkout(&dir);
        (person, dir)
    }

    /// The deployment as `svn export` gives it.
    pub(crate) fn export(&self) -> Snapshot {
        let to = tempfile::tempdir_in(self.path()).expect("a directory");
        let to = to.path().join("export");
        let person = self.repository.person();
        person.does(&["export", "-q", &person.url(PLACE), to.to_str().expect("UTF-8")]);
        snapshot(&to)
    }

    /// Every one of these nodes has what `svn export` gives.
    pub(crate) fn all_equal(&self, nodes: &[&str], at: &str) {
        let wanted = self.export();
        for node in nodes {
            check_same(&snapshot(&self.dir(node)), &wanted, &format!("{at}: {node}"));
        }
    }

    /// What `svn log -v` says, the oldest first.
    pub(crate) fn log(&self) -> Vec<Commit> {
        let text = self.repository.log_verbose();
        let line = "-".repeat(72) + "\n";
        let mut commits: Vec<Commit> = text.split(&line).filter(|entry| !entry.trim().is_empty()).map(commit).collect();
        commits.reverse();
        commits
    }
}

/// A directory in memory, where there is a file system for that.
pub(crate) fn place() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

/// The same nodes in another place.
pub(crate) fn copy_of(top: &Path) -> TempDir {
    let copy = place();
    copy_tree(top, copy.path());
    copy
}

/// Runs the program for the node `node` in `top`: see [`Town::run`].
pub(crate) fn run_in(top: &Path, hub: &str, node: &str, args: &[&str], death: Death, own: &[(&str, &OsStr)]) -> Ended {
    let account = account(node);
    // A program that is killed leaves what it has in its temporary directory.
    let temporary = top.join("tmp");
    std::fs::create_dir_all(&temporary).expect("a directory");
    let mut variables: Vec<(&str, &OsStr)> = vec![
        ("PATH", OsStr::new("/usr/local/bin:/usr/bin:/bin")),
        ("TMPDIR", temporary.as_os_str()),
        ("DEPSYNC_SVN_USERNAME", OsStr::new(account.name)),
        ("DEPSYNC_SVN_PASSWORD", OsStr::new(account.password)),
    ];
    variables.extend(own);
    run_with(&top.join(node), hub, args, death, &variables)
}

/// Managers are called `m` and something.
fn account(node: &str) -> Account {
    if node.starts_with('m') { WRITER } else { READER }
}

fn commit(entry: &str) -> Commit {
    let (head, rest) = entry.split_once('\n').expect("a head");
    let mut fields = head.split(" | ");
    let number = fields.next().and_then(|field| field.strip_prefix('r')).expect("a number");
    let author = fields.next().expect("an author").to_owned();
    let (paths, message) = rest.split_once("\n\n").expect("paths and a message");
    let paths = paths.lines().filter_map(|line| line.strip_prefix("   ")).map(str::to_owned).collect();
    Commit { number: number.parse().expect("a number"), author, paths, message: message.trim_end().to_owned() }
}
