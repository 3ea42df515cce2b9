//! The installed programs `svn`, `svnmucc` and `svnrdump`, told where and as whom, and nothing else.
//!
//! - Nobody is asked for anything, and no password is kept. It goes to the program's stdin, never into its command line,
//!   which everybody on this machine can read. So stdin is taken: `svnmucc` gets what it is to do from a file.
//! - Nothing is read from the home directory or written there, unless a configuration directory is named.
//! - 1.10 is the first version that can do this; an older one is refused before anything is sent that changes something,
//!   and when something fails.
//! - `svn` passes over TERM while it waits for a server on `svn://`: the KILL of [`crate::child`] ends it.

use std::fs::Permissions;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::OnceLock;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use tempfile::TempDir;

use super::failure::Failure;
use super::settings::SvnSettings;
use super::url::SvnUrl;
use crate::child::{Program, Running};
use crate::tally::Tally;

/// The Debian package with the programs.
pub(super) const PACKAGE: &str = "subversion";
/// The first version that can be told all that we tell.
const OLDEST: (u32, u32) = (1, 10);
/// The most bytes that are passed over behind an answer that does not read, to hear how the program ends.
const PASSED_OVER: usize = 1 << 20;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Looks.
    Svn,
    /// Commits, without a working copy.
    Svnmucc,
    /// Gives contents.
    Svnrdump,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Svn => "svn",
            Self::Svnmucc => "svnmucc",
            Self::Svnrdump => "svnrdump",
        }
    }
}

/// The programs, for one place in a repository.
#[derive(Debug)]
pub struct SvnClient {
    url: SvnUrl,
    settings: SvnSettings,
    /// The configuration directory, where none was named. Made by the first call.
    private: OnceLock<TempDir>,
    is_new_enough: OnceLock<()>,
    /// Asked for by the first failure that it belongs to.
    realm: OnceLock<Option<String>>,
    /// How often each was started.
    pub(super) tally: Tally,
}

impl SvnClient {
    /// The programs, for `url`. Touches nothing yet.
    pub fn new(url: SvnUrl, settings: SvnSettings) -> Result<Self> {
        settings.check().map_err(|error| error.at(&url))?;
        let (private, is_new_enough, realm) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(Self { url, settings, private, is_new_enough, realm, tally: Tally::default() })
    }

    /// The place.
    pub fn url(&self) -> &SvnUrl {
        &self.url
    }

    /// The program `tool`, told everything but what it is to do. It wants [`Self::input`] on its stdin.
    pub(crate) fn program(&self, cx: &Context, tool: Tool) -> Result<Program> {
        cx.check()?;
        if tool == Tool::Svnmucc {
            self.check_version(cx)?;
        }
        self.tally.count(tool.name());
        let program = self.told(Program::new(tool.name(), PACKAGE).arg("--non-interactive"))?;
        let input = self.settings.password.is_some().then_some("--password-from-stdin");
        Ok(program.args(input))
    }

    /// A program, told where and as whom.
    pub(super) fn told(&self, program: Program) -> Result<Program> {
        let settings = &self.settings;
        let mut program = program.arg("--no-auth-cache").arg("--config-dir").arg(self.config()?);
        if settings.config.is_none() {
            program = program.args(["--config-option", "config:auth:password-stores="]);
        }
        if let Some(authorities) = &settings.authorities {
            let mut option = std::ffi::OsString::from("servers:global:ssl-authority-files=");
            option.push(authorities);
            program = program.arg("--config-option").arg(option);
        }
        if let Some(name) = settings.username.as_deref().or(self.url.account()) {
            // One word, so that a name that begins with a dash is none of the program's options.
            program = program.arg(format!("--username={name}"));
        }
        Ok(match settings.ssh.variable(self.url.ssh_port())? {
            Some(command) => program.variable("SVN_SSH", command),
            None => program,
        })
    }

    /// What a program reads: the password.
    pub(crate) fn input(&self) -> Vec<u8> {
        self.settings.password.as_ref().map_or_else(Vec::new, super::settings::Secret::line)
    }

    /// What a program said on stderr when it failed.
    pub(crate) fn failure(&self, stderr: &str) -> Failure {
        Failure::read(stderr, self.settings.password.as_ref())
    }

    /// The error that a failure is. Who was not let in is told the realm.
    pub(crate) fn error(&self, cx: &Context, failure: &Failure, op: &str) -> Error {
        let ask = || super::realm::ask(cx, self);
        let realm = if failure.is_denial() { self.realm.get_or_init(ask).as_deref() } else { None };
        failure.error(op, &self.url, realm)
    }

    /// Runs a program, and lets `read` read what it prints. If the program fails, that is the error, whatever `read` made
    /// of it.
    pub(crate) fn read<T>(
        &self,
        cx: &Context,
        op: &str,
        program: Program,
        read: impl FnOnce(&mut Said<'_>) -> Result<T>,
    ) -> Result<T> {
        let named = |error: Error| error.op(op).at(&self.url);
        let mut running = program.start().map_err(named)?;
        running.tell(self.input());
        running.hang_up();
        let mut said = Said { running: &mut running, cx, bytes: Vec::new(), at: 0, failed: None };
        let answer = read(&mut said);
        let doubtful = answer.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Damaged);
        let has_ended = doubtful && said.pass_over();
        if let Some(error) = said.failed.take() {
            return Err(named(error));
        }
        if !has_ended {
            return answer.map_err(named);
        }
        let (status, stderr) = running.wait(cx).map_err(named)?;
        if status.success() {
            return answer.map_err(named);
        }
        // One that is too old may have failed for that.
        self.check_version(cx)?;
        Err(self.error(cx, &self.failure(&stderr), op))
    }

    fn config(&self) -> Result<&Path> {
        if let Some(config) = &self.settings.config {
            return Ok(config);
        }
        if self.private.get().is_none() {
            let made =
                tempfile::Builder::new().prefix("depsync-svn-").permissions(Permissions::from_mode(0o700)).tempdir();
            let made = made.map_err(|source| Error::io("make", "a directory for Subversion's settings", source))?;
            // Of two threads one comes first, and the other's directory goes.
            let _ = self.private.set(made);
        }
        let made = self.private.get().map(TempDir::path);
        made.ok_or_else(|| Error::new(ErrorKind::Internal, "a directory was made and is not there"))
    }

    /// Refuses programs that are too old. What only looks does not ask first: that would cost as much as the look.
    pub(crate) fn check_version(&self, cx: &Context) -> Result<()> {
        if self.is_new_enough.get().is_some() {
            return Ok(());
        }
        let program = Program::new(Tool::Svn.name(), PACKAGE).args(["--version", "-q"]);
        let (ended, said) = program.output(cx, Vec::new(), PASSED_OVER)?;
        if !ended.status.success() {
            return Err(self.failure(&ended.stderr).error("ask `svn` for its version", &self.url, None));
        }
        check_version(&String::from_utf8_lossy(&said))?;
        let () = self.is_new_enough.get_or_init(|| ());
        Ok(())
    }
}

fn check_version(said: &str) -> Result<()> {
    let mut numbers = said.trim().split(|character: char| !character.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    let version: Option<(u32, u32)> = number().zip(number());
    if version.is_some_and(|version| version >= OLDEST) {
        return Ok(());
    }
    let said = super::xml::short(said.trim());
    Err(Error::new(ErrorKind::Unsupported, format!("the installed `svn` is too old, or something else: `{said}`"))
        .hint(format!("version {}.{} or newer is needed: install the package {PACKAGE}", OLDEST.0, OLDEST.1)))
}

/// What a program prints, as it comes.
pub(crate) struct Said<'a> {
    running: &'a mut Running,
    cx: &'a Context,
    bytes: Vec<u8>,
    at: usize,
    /// Why it could not be read to its end.
    failed: Option<Error>,
}

impl Said<'_> {
    /// Passes over what is left. Says whether that was all.
    fn pass_over(&mut self) -> bool {
        let mut passed = 0;
        while passed < PASSED_OVER {
            let Ok(count) = self.fill_buf().map(<[u8]>::len) else { return false };
            if count == 0 {
                return true;
            }
            self.consume(count);
            passed += count;
        }
        false
    }
}

/// Reads from what is buffered: what makes a reader of a buffered one.
pub(super) fn read_some(from: &mut impl BufRead, into: &mut [u8]) -> io::Result<usize> {
    let there = from.fill_buf()?;
    let count = there.len().min(into.len());
    into[..count].copy_from_slice(&there[..count]);
    from.consume(count);
    Ok(count)
}

impl Read for Said<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_some(self, into)
    }
}

impl BufRead for Said<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.bytes.len() && self.failed.is_none() {
            match self.running.read(self.cx) {
                Ok(bytes) => (self.bytes, self.at) = (bytes.unwrap_or_default(), 0),
                Err(error) => self.failed = Some(error),
            }
        }
        if self.failed.is_some() {
            return Err(io::Error::other("the program was stopped"));
        }
        Ok(&self.bytes[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = (self.at + count).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_programs_are_refused_with_what_was_found() {
        for good in ["1.10.0\n", "1.14.2\n", "1.15.0-dev (under development)\n", "2.0.0\n"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["", "1.9.7\n", "svn, version 1.14\n", "1\n", "99999999999.1\n"] {
            assert_eq!(check_version(bad).expect_err(bad).kind(), ErrorKind::Unsupported);
        }
        let error = check_version("1.9.7\n").expect_err("old");
        assert_eq!(error.to_string(), "the installed `svn` is too old, or something else: `1.9.7`");
        assert_eq!(error.advice(), Some("version 1.10 or newer is needed: install the package subversion"));
    }

    #[test]
    fn every_program_is_told_the_same_and_no_password() {
        let url = super::super::SvnAddress::parse("svn+https://-ops@h/r");
        assert!(url.is_err(), "no user begins with a dash");
        let url = super::super::SvnAddress::parse("svn+https://ops@h/r").expect("an address");
        let password = super::super::Secret::new("hunter2").expect("a password");
        let settings = SvnSettings {
            password: Some(password),
            authorities: Some("/ca.pem".into()),
            config: Some("/c".into()),
            ..SvnSettings::default()
        };
        let client = SvnClient::new(url.url(&"main".parse().expect("a name")), settings).expect("a client");
        client.is_new_enough.get_or_init(|| ());
        for tool in [Tool::Svn, Tool::Svnmucc, Tool::Svnrdump] {
            let shown = format!("{:?}", client.program(&Context::new(), tool).expect("a program"));
            assert!(shown.contains(&format!("\"{}\"", tool.name())), "{shown}");
            assert!(shown.contains("ssl-authority-files=/ca.pem") && shown.contains("--username=ops"), "{shown}");
            assert!(shown.contains("\"--non-interactive\", \"--no-auth-cache\", \"--config-dir\", \"/c\""), "{shown}");
            assert!(!shown.contains("hunter2") && !format!("{client:?}").contains("hunter2"), "{shown}");
        }
        assert_eq!(client.input(), b"hunter2\n");
    }
}
