//! A program to run: name and arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};

use super::running::Running;

/// A program that is to be run. See the room.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
    arguments: Vec<OsString>,
    operands: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
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
    /// The program `name`, which Debian has in `package`.
    pub(crate) fn new(name: &'static str, package: &'static str) -> Self {
        Self { name, package, arguments: Vec::new(), operands: Vec::new(), variables: Vec::new() }
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

    /// Starts it, with a pipe for its stdin.
    pub(crate) fn start(self) -> Result<Running> {
        let mut command = Command::new(self.name);
        command.args(&self.arguments);
        if !self.operands.is_empty() {
            command.arg("--").args(&self.operands);
        }
        command.env("LC_ALL", "C.UTF-8").envs(self.variables).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| {
            let missing = source.kind() == std::io::ErrorKind::NotFound;
            let error = Error::io("start", self.name, source);
            if missing {
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
        let (name, mut heard) = (self.name, Vec::new());
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
