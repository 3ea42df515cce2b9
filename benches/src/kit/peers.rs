//! Who is measured, at what, and with which command.
//!
//! A peer that is not on this machine is known by name all the same, so that the report can say that it is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::kit::measured::Invocation;

/// One of those who are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Peer {
    #[serde(rename = "depsync")]
    Depsync,
    #[serde(rename = "rsync -a")]
    Rsync,
    #[serde(rename = "rsync -an")]
    RsyncDry,
    #[serde(rename = "git")]
    Git,
    #[serde(rename = "walk")]
    Walk,
    #[serde(rename = "find")]
    Find,
}

impl Peer {
    /// All of them, depsync first.
    pub(crate) const ALL: [Self; 6] = [Self::Depsync, Self::Rsync, Self::RsyncDry, Self::Git, Self::Walk, Self::Find];

    /// What the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Depsync => "depsync",
            Self::Rsync => "rsync -a",
            Self::RsyncDry => "rsync -an",
            Self::Git => "git",
            Self::Walk => "walk",
            Self::Find => "find",
        }
    }
}

/// What they are measured at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Task {
    FirstPublish,
    FirstUpdate,
    IdlePublish,
    IdleUpdate,
    ChangePublish,
    ChangeUpdate,
}

impl Task {
    /// All of them, in the order of a round.
    pub(crate) const ALL: [Self; 6] = [
        Self::FirstPublish,
        Self::FirstUpdate,
        Self::IdlePublish,
        Self::IdleUpdate,
        Self::ChangePublish,
        Self::ChangeUpdate,
    ];

    /// What the report calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FirstPublish => "first publish",
            Self::FirstUpdate => "first update",
            Self::IdlePublish => "idle publish",
            Self::IdleUpdate => "idle update",
            Self::ChangePublish => "1 KiB changed, publish",
            Self::ChangeUpdate => "1 KiB changed, update",
        }
    }
}

/// Where the programs are; none for a missing one.
pub(crate) struct Programs {
    pub(crate) depsync: PathBuf,
    own: PathBuf,
    rsync: Option<PathBuf>,
    git: Option<PathBuf>,
    find: Option<PathBuf>,
}

impl Programs {
    /// Looks for them: depsync at `depsync`, or else beside this program; the others on the search path.
    pub(crate) fn look(depsync: Option<&Path>) -> Result<Self> {
        let own = std::env::current_exe()?;
        let beside = own.with_file_name("depsync");
        let depsync = fs::canonicalize(depsync.unwrap_or(&beside))
            .with_context(|| format!("no depsync at {}: build it first (./dev bench does)", beside.display()))?;
        Ok(Self { depsync, own, rsync: on_path("rsync"), git: on_path("git"), find: on_path("find") })
    }

    /// The first line of what each program says of its version; none for a missing one.
    pub(crate) fn versions(&self) -> Vec<(Peer, Option<String>)> {
        let program = |peer| match peer {
            Peer::Depsync => Some(&self.depsync),
            Peer::Rsync | Peer::RsyncDry => self.rsync.as_ref(),
            Peer::Git => self.git.as_ref(),
            Peer::Walk => Some(&self.own),
            Peer::Find => self.find.as_ref(),
        };
        Peer::ALL.map(|peer| (peer, program(peer).and_then(|program| version(program)))).into()
    }

    /// The command with which `peer` does `task`; none if it has no such task, or is missing.
    pub(crate) fn command(&self, peer: Peer, task: Task, site: &Site) -> Option<Invocation> {
        let publishes = matches!(task, Task::FirstPublish | Task::IdlePublish | Task::ChangePublish);
        let idle = matches!(task, Task::IdlePublish | Task::IdleUpdate);
        match peer {
            Peer::Depsync => {
                let (verb, node, dir) = if publishes {
                    ("publish", "manager", &site.source)
                } else {
                    ("update", "worker", &site.depsync_worker)
                };
                let state = site.top.join(format!("state-{node}"));
                let fixed = Invocation::of(&self.depsync).args(["--json", "--no-progress", "--node", node, "--state"]);
                Some(fixed.arg(state).arg(verb).arg(dir).arg(&site.depsync_hub))
            }
            Peer::Rsync | Peer::RsyncDry => {
                let dry = peer == Peer::RsyncDry;
                let (from, to) =
                    if publishes { (&site.source, &site.rsync_hub) } else { (&site.rsync_hub, &site.rsync_worker) };
                let program = self.rsync.as_ref().filter(|_| idle || !dry)?;
                // The slash at the end says: what is in it.
                Some(Invocation::of(program).arg(if dry { "-an" } else { "-a" }).arg(from.join("")).arg(to.join("")))
            }
            Peer::Git => {
                let verb: &[&str] = match task {
                    Task::FirstPublish | Task::ChangePublish => &["add", "-A"],
                    Task::IdlePublish => &["status", "--porcelain"],
                    _ => return None,
                };
                Some(self.git(site)?.args(verb))
            }
            Peer::Walk | Peer::Find => {
                let dir = match task {
                    Task::IdlePublish => &site.source,
                    Task::IdleUpdate => &site.depsync_worker,
                    _ => return None,
                };
                if peer == Peer::Walk {
                    return Some(Invocation::of(&self.own).arg("walk").arg(dir));
                }
                Some(Invocation::of(self.find.as_ref()?).arg(dir).args(["-printf", ""]))
            }
        }
    }

    /// A git command in the repository of the site, whose files are the source; none if there is no git.
    pub(crate) fn git(&self, site: &Site) -> Option<Invocation> {
        let mut work_tree = std::ffi::OsString::from("--work-tree=");
        work_tree.push(&site.source);
        let mut git_dir = std::ffi::OsString::from("--git-dir=");
        git_dir.push(&site.git);
        // A collection in the background would be counted with whatever is measured next.
        let quiet = ["-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "user.name=b", "-c", "user.email=b@b"];
        Some(Invocation::of(self.git.as_ref()?).args([git_dir, work_tree]).args(quiet).arg("-C").arg(&site.source))
    }
}

/// The directories of one round.
pub(crate) struct Site {
    pub(crate) top: PathBuf,
    pub(crate) source: PathBuf,
    pub(crate) depsync_hub: PathBuf,
    pub(crate) depsync_worker: PathBuf,
    pub(crate) rsync_hub: PathBuf,
    pub(crate) rsync_worker: PathBuf,
    pub(crate) git: PathBuf,
}

impl Site {
    /// Makes an empty `top`, where hubs, workers and states of a round will lie.
    pub(crate) fn make(top: PathBuf, source: &Path) -> Result<Self> {
        ensure!(!top.exists(), "{}: there already", top.display());
        fs::create_dir(&top)?;
        let at = |name: &str| top.join(name);
        Ok(Self {
            source: source.to_owned(),
            depsync_hub: at("depsync-hub"),
            depsync_worker: at("depsync-worker"),
            rsync_hub: at("rsync-hub"),
            rsync_worker: at("rsync-worker"),
            git: at("git"),
            top,
        })
    }

    /// Where `peer` publishes to.
    pub(crate) fn hub(&self, peer: Peer) -> Option<&Path> {
        match peer {
            Peer::Depsync => Some(&self.depsync_hub),
            Peer::Rsync => Some(&self.rsync_hub),
            Peer::Git => Some(&self.git),
            Peer::RsyncDry | Peer::Walk | Peer::Find => None,
        }
    }
}

pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// The first line of what a program says of its version; none of one that does not start.
pub(crate) fn version(program: &Path) -> Option<String> {
    let said = Command::new(program).arg("--version").env("LC_ALL", "C").output().ok()?;
    // The dynamic linker's status: it cannot start, as good as not there.
    if said.status.code() == Some(127) {
        return None;
    }
    // Some tell it where complaints go.
    let text = if said.stdout.is_empty() { said.stderr } else { said.stdout };
    Some(first_line(&String::from_utf8_lossy(&text)))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn programs() -> Programs {
        let at = |name: &str| PathBuf::from(format!("/bin/{name}"));
        Programs { depsync: at("depsync"), own: at("own"), rsync: Some(at("rsync")), git: None, find: None }
    }

    #[test]
    fn a_version_is_one_line() {
        assert_eq!(
            first_line("rsync  version 3.5.0  protocol version 32\nCopyright"),
            "rsync version 3.5.0 protocol version 32"
        );
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn a_program_that_does_not_start_has_no_version() {
        let place = tempfile::tempdir().expect("a directory");
        let says = |name: &str, text: &str| {
            let program = place.path().join(name);
            fs::write(&program, format!("#!/bin/sh\n{text}\n")).expect("writes");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmods");
            version(&program)
        };
        assert_eq!(says("one", "echo one 1.0; echo a hint >&2").as_deref(), Some("one 1.0"));
        assert_eq!(says("two", "echo two 2.0 >&2; exit 1").as_deref(), Some("two 2.0"));
        assert_eq!(says("three", "echo no such library >&2; exit 127"), None);
        assert_eq!(version(&place.path().join("four")), None);
    }

    #[test]
    fn names_are_those_of_the_raw_rows() {
        for peer in Peer::ALL {
            assert_eq!(serde_json::to_value(peer).expect("encodes"), peer.name());
        }
    }

    #[test]
    fn each_peer_does_what_it_can_and_a_missing_one_nothing() {
        let place = tempfile::tempdir().expect("a directory");
        let site = Site::make(place.path().join("r"), Path::new("/s")).expect("a site");
        let text = |peer, task| programs().command(peer, task, &site).map(|command| command.text());
        let at = |name: &str| site.top.join(name).display().to_string();
        assert_eq!(
            text(Peer::Rsync, Task::IdleUpdate),
            Some(format!("/bin/rsync -a {}/ {}/", at("rsync-hub"), at("rsync-worker")))
        );
        assert_eq!(
            text(Peer::Depsync, Task::ChangePublish),
            Some(format!(
                "/bin/depsync --json --no-progress --node manager --state {} publish /s {}",
                at("state-manager"),
                at("depsync-hub")
            ))
        );
        assert_eq!(text(Peer::RsyncDry, Task::FirstPublish), None);
        assert_eq!(text(Peer::Walk, Task::FirstPublish), None);
        assert_eq!(text(Peer::Git, Task::IdlePublish), None);
        assert!(Task::ALL.into_iter().all(|task| text(Peer::Find, task).is_none()));
    }
}
