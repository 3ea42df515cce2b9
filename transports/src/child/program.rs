//! A program to run: name and arguments.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::running::Running;

/// Files that a program opens besides those that it was told of: libraries, sockets, a repository's.
const BESIDES: u64 = 128;

/// The most bytes of arguments that are given, whatever the system takes.
const MOST_ARGUMENTS: u64 = 2 << 20;

/// Starts a program in a session of its own (util-linux).
const NEW_SESSION: &str = "setsid";

/// A program that is to be run. See the room.
#[derive(Debug)]
pub(crate) struct Program {
    name: Cow<'static, str>,
    package: &'static str,
    arguments: Vec<OsString>,
    operands: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    files: u64,
    terminal: bool,
    stdin: Option<File>,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// The end of what it printed on stderr.
    pub(crate) stderr: String,
}

impl Program {
    /// The program `name`, which Debian has in `package`, if it has one for it.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, package: &'static str) -> Self {
        Self {
            name: name.into(),
            package,
            arguments: Vec::new(),
            operands: Vec::new(),
            variables: Vec::new(),
            files: 0,
            terminal: true,
            stdin: None,
        }
    }

    /// An option, or its value.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Options.
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// An operand: whatever it looks like, it is no option.
    pub(crate) fn operand(mut self, operand: impl AsRef<OsStr>) -> Self {
        self.operands.push(operand.as_ref().to_owned());
        self
    }

    /// A variable of its environment.
    pub(crate) fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name, value.as_ref().to_owned()));
        self
    }

    /// How many files it opens at once.
    pub(crate) fn opening(mut self, files: u64) -> Self {
        self.files = files;
        self
    }

    /// In a session of its own: it finds no terminal on which it could ask anybody.
    pub(crate) fn without_terminal(mut self) -> Self {
        self.terminal = false;
        self
    }

    /// Its stdin is this file.
    pub(crate) fn reading(mut self, file: File) -> Self {
        self.stdin = Some(file);
        self
    }

    /// Starts it, with a pipe for its stdin if that is no file.
    pub(crate) fn start(self) -> Result<Running> {
        if self.files > 0 {
            allow(&self.name, self.files.saturating_add(BESIDES))?;
        }
        let mut command = if self.terminal {
            let mut command = Command::new(&*self.name);
            command.process_group(0);
            command
        } else {
            // One that leads no group becomes the leader of a new one by this, and stays the process that it is.
            let mut command = Command::new(NEW_SESSION);
            command.arg(&*self.name);
            command
        };
        command.args(&self.arguments);
        if !self.operands.is_empty() {
            command.arg("--").args(&self.operands);
        }
        command.env("LC_ALL", "C.UTF-8").envs(self.variables);
        command.stdin(self.stdin.map_or_else(Stdio::piped, Stdio::from)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| {
            let missing = source.kind() == std::io::ErrorKind::NotFound;
            let error = Error::io("start", &self.name, source);
            if missing && !self.package.is_empty() {
                error
                    .with_kind(ErrorKind::Unsupported)
                    .hint(format!("the program `{}` is not here: install the package {}", self.name, self.package))
            } else {
                error
            }
        })?;
        Running::new(self.name, child)
    }

    /// Runs it to its end, with `input` on its stdin. What it prints on stdout is passed over.
    pub(crate) fn run(self, cx: &Context, input: Vec<u8>) -> Result<Finished> {
        self.hear(cx, input, &mut |_| Ok(()))
    }

    /// The same, with what it prints on stdout: more than `limit` bytes are [`ErrorKind::Damaged`].
    pub(crate) fn output(self, cx: &Context, input: Vec<u8>, limit: usize) -> Result<(Finished, Vec<u8>)> {
        let (name, mut heard) = (self.name.clone(), Vec::new());
        let ended = self.hear(cx, input, &mut |bytes| {
            heard.extend_from_slice(&bytes);
            let many = || Error::new(ErrorKind::Damaged, format!("`{name}` says more than {limit} bytes"));
            if heard.len() > limit { Err(many()) } else { Ok(()) }
        })?;
        Ok((ended, heard))
    }

    fn hear(self, cx: &Context, input: Vec<u8>, take: &mut dyn FnMut(Vec<u8>) -> Result<()>) -> Result<Finished> {
        let mut running = self.start()?;
        running.tell(input);
        running.hang_up();
        while let Some(bytes) = running.read(cx)? {
            take(bytes)?;
        }
        let (status, stderr) = running.wait(cx)?;
        Ok(Finished { status, stderr })
    }
}

/// How many bytes of arguments a program can be given, beside an environment and the few that every program gets: Linux takes
/// a quarter of what the stack may grow to.
pub(crate) fn room_for_arguments() -> usize {
    const OTHERS: u64 = 512 << 10;
    let most = getrlimit(Resource::Stack).current.map_or(MOST_ARGUMENTS, |stack| (stack / 4).min(MOST_ARGUMENTS));
    usize::try_from(most.saturating_sub(OTHERS)).unwrap_or(usize::MAX)
}

/// Lets programs open as many files at once. A process of ours has a limit that it may raise up to another one, and its
/// children have the same.
fn allow(name: &str, files: u64) -> Result<()> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|most| most >= files) {
        return Ok(());
    }
    if let Some(most) = now.maximum.filter(|most| *most < files) {
        let what = format!("`{name}` has to open {files} files at once, and a process may open {most} here");
        return Err(Error::new(ErrorKind::Unsupported, what)
            .hint("raise the limit (`ulimit -Hn`; LimitNOFILE= of a service), or publish the change in parts"));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: now.maximum })
        .map_err(|source| Error::io("raise the limit of open files for", name, source))
}
