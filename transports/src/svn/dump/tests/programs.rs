//! The system's `svnadmin`, `svnmucc` and `svnrdump`, and a repository in a temporary directory. Nothing of the machine's
//! configuration is read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Dump;

/// The Debian package with the programs.
const PACKAGE: &str = "subversion";

/// A repository.
pub(in crate::svn) struct Repository {
    place: tempfile::TempDir,
}

impl Repository {
    /// An empty one.
    pub(in crate::svn) fn create() -> Self {
        let repository = Self { place: tempfile::tempdir().expect("a temporary directory") };
        let mut command = Command::new(program("svnadmin"));
        command.arg("create").arg(repository.place.path().join("repository"));
        done(command);
        repository
    }

    /// A file with `content` outside of the repository, to be put into it. It has the name `name`.
    pub(in crate::svn) fn local(&self, name: &str, content: &[u8]) -> String {
        let path = self.place.path().join(name);
        std::fs::write(&path, content).expect("a file is written");
        path.into_os_string().into_string().expect("UTF-8")
    }

    /// Commits with `svnmucc`: an argument each. Paths are of the repository, with the escapes of a URL.
    pub(in crate::svn) fn commit(&self, arguments: &[&str]) {
        let mut command = self.program("svnmucc");
        // What begins with a dash is no option there.
        let list = self.local("arguments", format!("{}\n", arguments.join("\n")).as_bytes());
        command.args(["-m", "a message", "-U"]).arg(self.url("")).args(["-X", &list]);
        done(command);
    }

    /// Commits what a script for `svnmucc` with whole URLs says.
    pub(in crate::svn) fn play(&self, base: u64, script: &[u8]) {
        let mut command = self.program("svnmucc");
        let list = self.local("script", script);
        command.args(["-m", "a message", "-r", &base.to_string(), "-X", &list]);
        done(command);
    }

    /// What `svnrdump` writes of the directory `at`. `range` is its `-r`.
    pub(in crate::svn) fn dump(&self, at: &str, range: &str, incremental: bool) -> Vec<u8> {
        let mut command = self.program("svnrdump");
        command.args(["dump", "-q", "-r", range]).args(incremental.then_some("--incremental")).arg(self.url(at));
        done(command)
    }

    /// The repository's UUID.
    pub(in crate::svn) fn uuid(&self) -> String {
        let path = self.place.path().join("repository/db/uuid");
        let text = std::fs::read_to_string(path).expect("a file that every repository has");
        text.lines().next().expect("a line").to_owned()
    }

    pub(in crate::svn) fn url(&self, path: &str) -> String {
        let url = format!("file://{}/repository/{path}", self.place.path().display());
        url.trim_end_matches('/').to_owned()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .env("LC_ALL", "C.UTF-8")
            .args(["--non-interactive", "--config-dir"])
            .arg(self.place.path().join("config"));
        command
    }
}

/// Reads what `svnrdump` wrote of `at`.
pub(in crate::svn) fn reader<'a>(stream: &'a [u8], at: &str) -> Dump<&'a [u8]> {
    Dump::new(stream, at.as_bytes())
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = path.as_bytes().split(|byte| *byte == b':').map(|name| Path::new(OsStr::from_bytes(name)));
    let found = directories.find_map(|directory| Some(directory.join(name)).filter(|file| file.is_file()));
    found.unwrap_or_else(|| panic!("`{name}` is missing: install the package {PACKAGE} (`./dev test` does)"))
}

fn done(mut command: Command) -> Vec<u8> {
    let output = command.output().expect("a program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
