//! A repository: made, looked at from behind, checked, and lost and found again.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use super::access::Rules;
use super::person::done;
use super::{Access, Account, NAME, Node, PACKAGE, Person, dump};
use crate::snapshot::Snapshot;
use crate::sshd::program;

/// A repository in a temporary directory, in memory where there is a file system for that. It has the access of
/// [`super::WRITER`] and [`super::READER`], for whoever comes through a server.
pub struct Repository {
    place: TempDir,
    rules: Mutex<Rules>,
}

/// A copy of a repository, to go back to.
pub struct Backup(TempDir);

impl Repository {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no `svnadmin`, or it fails.
    pub fn create() -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory");
        Self::make_in(place)
    }

    /// An empty one in a directory of its own beneath `place`.
    ///
    /// # Panics
    /// The same.
    pub fn create_in(place: &Path) -> Self {
        Self::make_in(tempfile::tempdir_in(place).expect("a temporary directory"))
    }

    fn make_in(place: TempDir) -> Self {
        let repository = Self { place, rules: Mutex::new(Rules::usual()) };
        repository.make();
        repository
    }

    fn make(&self) {
        self.admin("create", &[]);
        let conf = self.path().join("conf");
        let settings = "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\nauthz-db = authz\n\
                        realm = depsync tests\n";
        let passwords = format!("[users]\n{}", Account::ALL.map(Account::for_svnserve).concat());
        let hashes: String = Account::ALL.map(Account::for_apache).concat();
        for (name, text) in [("svnserve.conf", settings), ("passwd", &passwords), ("htpasswd", &hashes)] {
            std::fs::write(conf.join(name), text).expect("a file is written");
        }
        self.obey(|_| ());
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.place.path().join(NAME)
    }

    /// Its address without a server.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Somebody who comes without a server: no rule holds for them.
    pub fn person(&self) -> Person {
        Person::at(&self.url())
    }

    /// Its newest revision.
    pub fn youngest(&self) -> u64 {
        self.look("youngest").parse().expect("a revision")
    }

    /// Its UUID.
    pub fn uuid(&self) -> String {
        self.look("uuid")
    }

    /// A file of a revision, byte by byte.
    ///
    /// # Panics
    /// If there is none.
    pub fn cat(&self, path: &str, revision: u64) -> Vec<u8> {
        let mut command = Command::new(program("svnlook", PACKAGE));
        command.env("LC_ALL", "C.UTF-8").args(["cat", "-r", &revision.to_string()]).arg(self.path()).arg(path);
        done(command)
    }

    /// What all revisions say, with the paths that each has changed.
    pub fn log_verbose(&self) -> String {
        self.person().does(&["log", "-v", &self.url()])
    }

    /// A working copy of all in the new directory `to`.
    pub fn checkout(&self, to: &Path) {
        self.person().checkout(to);
    }

    /// Checks all of it.
    ///
    /// # Panics
    /// If anything is wrong.
    pub fn verify(&self) {
        self.admin("verify", &["-q"]);
    }

    /// The transactions that have begun and were neither committed nor given up: those at work, and dead ones.
    pub fn transactions(&self) -> Vec<String> {
        self.admin("lstxns", &[]).lines().map(str::to_owned).collect()
    }

    /// Everything in a revision, with its properties, by path; the root has the empty one.
    pub fn nodes(&self, revision: u64) -> BTreeMap<String, Node> {
        dump::nodes(&self.path(), revision)
    }

    /// What is beneath the directory `path` in a revision. Modes are those of a usual umask.
    pub fn tree(&self, path: &str, revision: u64) -> Snapshot {
        dump::tree(&self.nodes(revision), path)
    }

    /// Lets nobody see `path` and what is beneath it. New connections obey.
    pub fn hide(&self, path: &str) {
        for account in Account::ALL {
            self.grant(path, account, Access::None);
        }
    }

    /// Says what an account may do in `path` and beneath it. New connections obey.
    pub fn grant(&self, path: &str, account: Account, access: Access) {
        self.obey(|rules| rules.add(path, account, access));
    }

    /// Takes back whatever has been granted and hidden.
    pub fn grant_as_usual(&self) {
        self.obey(|rules| *rules = Rules::usual());
    }

    fn obey(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut rules);
        let (fresh, file) = (self.path().join("conf/authz.new"), self.path().join("conf/authz"));
        std::fs::write(&fresh, rules.text()).expect("rules are written");
        std::fs::rename(fresh, file).expect("they get their name");
    }

    /// Installs a hook: a shell script that begins after `#!/bin/sh`. There are none from the start, so that nobody may
    /// change a property of a revision: `hook("pre-revprop-change", "exit 0")` lets them.
    pub fn hook(&self, name: &str, text: &str) {
        let file = self.path().join("hooks").join(name);
        let fresh = file.with_extension("new");
        std::fs::write(&fresh, format!("#!/bin/sh\n{text}\n")).expect("a hook is written");
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o755)).expect("it can be run");
        std::fs::rename(fresh, file).expect("it gets its name");
    }

    /// A copy of it as it is now.
    pub fn back_up(&self) -> Backup {
        let backup = Backup(tempfile::tempdir_in(self.place.path()).expect("a temporary directory"));
        hot_copy(&self.path(), &backup.0.path().join(NAME));
        backup
    }

    /// Puts a copy in its place: what was committed since is lost. The servers should be stopped.
    pub fn go_back(&self, backup: &Backup) {
        std::fs::remove_dir_all(self.path()).expect("the repository goes");
        hot_copy(&backup.0.path().join(NAME), &self.path());
        self.obey(|_| ());
    }

    /// Puts a new, empty one in its place, with another UUID. The servers should be stopped.
    pub fn replace(&self) {
        std::fs::remove_dir_all(self.path()).expect("the repository goes");
        self.make();
    }

    fn admin(&self, verb: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program("svnadmin", PACKAGE));
        command.env("LC_ALL", "C.UTF-8").arg(verb).arg(self.path()).args(arguments);
        String::from_utf8_lossy(&done(command)).into_owned()
    }

    fn look(&self, verb: &str) -> String {
        let mut command = Command::new(program("svnlook", PACKAGE));
        command.arg(verb).arg(self.path());
        String::from_utf8_lossy(&done(command)).trim_end().to_owned()
    }
}

fn hot_copy(from: &Path, to: &Path) {
    let mut command = Command::new(program("svnadmin", PACKAGE));
    command.arg("hotcopy").arg(from).arg(to);
    done(command);
}
