//! Where the story plays: a temporary directory, the real program as a child, and the checks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use depsync_engine::context::Cancel;
use depsync_engine::error::{Error, ErrorKind, Result};

use super::snapshot::Snapshot;
use crate::output;
use crate::text::{BAD, FAINT, GOOD, STRONG, styled};

/// The place of the story.
pub(super) struct Stage {
    top: tempfile::TempDir,
    program: PathBuf,
    cancel: Cancel,
    aloud: bool,
}

impl Stage {
    /// Makes the temporary directory. An empty configuration in it keeps one further up out of the story.
    pub(super) fn build(cancel: Cancel, aloud: bool) -> Result<Self> {
        let failed = |source| Error::io("make a temporary directory", std::env::temp_dir().display(), source);
        let top = tempfile::Builder::new().prefix("depsync-demo-").tempdir().map_err(failed)?;
        std::fs::write(top.path().join(crate::config::NAME), b"").map_err(failed)?;
        let program = std::env::current_exe().map_err(|source| Error::io("find this program", "depsync", source))?;
        Ok(Self { top, program, cancel, aloud })
    }

    /// The path of `name` in the temporary directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Begins a chapter.
    pub(super) fn say(&self, title: &str) {
        self.print(&format!("\n{}\n", styled(STRONG, format_args!("== {title}"))));
    }

    /// Adds a remark.
    pub(super) fn note(&self, text: &str) {
        self.print(&format!("   {text}\n"));
    }

    fn print(&self, text: &str) {
        if self.aloud {
            output::to_stdout(text);
        }
    }

    /// Runs the program; it must succeed.
    pub(super) fn run(&self, args: &[&str]) -> Result<()> {
        let output = self.child(args)?;
        if output.status.success() { Ok(()) } else { Err(failed(args, &output)) }
    }

    /// Runs the program; it must be killed by SIGKILL.
    pub(super) fn run_killed(&self, args: &[&str]) -> Result<()> {
        use std::os::unix::process::ExitStatusExt;
        let output = self.child(args)?;
        self.note(&styled(BAD, output.status));
        if output.status.signal() == Some(9) { Ok(()) } else { Err(failed(args, &output)) }
    }

    fn child(&self, args: &[&str]) -> Result<Output> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "interrupted").op("go on with the demo"));
        }
        let quoted = args.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() });
        let line = quoted.collect::<Vec<_>>().join(" ");
        self.print(&format!("   {}\n", styled(FAINT, format_args!("$ depsync {line}"))));
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.top.path()).stdin(Stdio::null());
        let output = command.output().map_err(|source| Error::io("run", self.program.display(), source))?;
        for stream in [&output.stdout, &output.stderr] {
            for line in String::from_utf8_lossy(stream).lines() {
                self.note(line);
            }
        }
        Ok(output)
    }

    /// Compares the directory with what it should be.
    pub(super) fn check(&self, claim: &str, wanted: &Snapshot, dir: &Path) -> Result<()> {
        match Snapshot::of(dir)?.first_difference(wanted) {
            None => {
                self.note(&format!("{} {claim}", styled(GOOD, "checked:")));
                Ok(())
            }
            Some(path) => Err(Error::new(ErrorKind::Internal, format!("the demo's check failed: not so: {claim}"))
                .at(dir.join(path).display())
                .hint("this is a bug in depsync; `depsync demo --keep` leaves the evidence behind")),
        }
    }

    /// Ends the story: removes the directory, or leaves it behind and says where.
    pub(super) fn close(self, keep: bool) -> Result<Option<String>> {
        if keep {
            return Ok(Some(self.top.keep().display().to_string()));
        }
        let place = self.top.path().display().to_string();
        self.top.close().map_err(|source| Error::io("remove the temporary directory", place, source))?;
        Ok(None)
    }
}

fn failed(args: &[&str], output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("and said nothing");
    Error::new(ErrorKind::Internal, format!("`depsync {}` ended with {}: {said}", args.join(" "), output.status))
        .op("go on with the demo")
}
