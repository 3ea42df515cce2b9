//! The others, in the same harness: the same changes, lines and witnesses.
//!
//! | | is |
//! |---|---|
//! | rsync loop | what cron does, without the minute between: `rsync -a --delete` over ssh to one worker after the other, again and again |
//! | svn copies | a working copy that commits whatever has changed, and one at each worker that updates, again and again |
//! | lsyncd | rsync over ssh for whatever inotify tells, at once |
//! | syncthing | a process a node; its least delay is a second |
//! | unison | a process a worker, over ssh, which looks again after a second |
//!
//! Each loop waits for [`PAUSE`] after each round, so that those who find nothing leave the processors to the others.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use depsync_tests::sshd::{HOST, Relay, Sshd, Way};
use depsync_tests::svn::{Repository, Svnserve, WRITER};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::ground::{Ground, Taken};
use super::hub::{line, size};
use super::load::Load;
use crate::kit::crew::Crew;
use crate::kit::peers::on_path;
use crate::kit::{lsyncd, syncthing};
use crate::model::Link;

/// What a loop waits for after each round, in seconds.
const PAUSE: &str = "0.2";

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rival {
    /// rsync over ssh in a loop
    RsyncLoop,
    /// Working copies of a Subversion repository
    SvnCopies,
    /// lsyncd
    Lsyncd,
    /// syncthing
    Syncthing,
    /// unison
    Unison,
}

impl Rival {
    pub(super) const ALL: [Self; 5] = [Self::RsyncLoop, Self::SvnCopies, Self::Lsyncd, Self::Syncthing, Self::Unison];

    /// What tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RsyncLoop => "rsync loop",
            Self::SvnCopies => "svn copies",
            Self::Lsyncd => "lsyncd",
            Self::Syncthing => "syncthing",
            Self::Unison => "unison",
        }
    }

    /// Its program, and Debian's package with it.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::RsyncLoop => ("rsync", "rsync"),
            Self::SvnCopies => ("svn", "subversion"),
            Self::Lsyncd => ("lsyncd", "lsyncd"),
            Self::Syncthing => ("syncthing", "syncthing"),
            Self::Unison => ("unison", "unison"),
        }
    }

    /// What is to be installed to measure it; none if it is there.
    pub(super) fn lacks(self) -> Option<&'static str> {
        let (program, package) = self.program();
        if on_path(program).is_some() { None } else { Some(package) }
    }
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What serves it, if anything does.
enum Server {
    None,
    Sshd(Sshd),
    Svnserve(Svnserve, Repository),
}

/// Directories, and a rival who keeps them in step. It ends before its server.
pub(super) struct Camp {
    crew: Crew,
    rival: Rival,
    dirs: Vec<PathBuf>,
    lines: Vec<Relay>,
    server: Server,
    place: TempDir,
}

impl Camp {
    /// Makes the directories in `place`, all equal, and lets the rival begin.
    pub(super) fn start(rival: Rival, place: TempDir, workers: u32, load: &Load) -> Result<Self> {
        let names = std::iter::once("manager".to_owned()).chain((1..=workers).map(|number| format!("worker-{number}")));
        let dirs = names.map(|name| place.path().join(name)).collect();
        let server = match rival {
            Rival::RsyncLoop | Rival::Lsyncd | Rival::Unison => Server::Sshd(Sshd::start()),
            Rival::SvnCopies => {
                let repository = Repository::create_in(place.path());
                Server::Svnserve(Svnserve::start(&repository), repository)
            }
            Rival::Syncthing => Server::None,
        };
        let mut camp = Self { crew: Crew::default(), rival, dirs, lines: Vec::new(), server, place };
        let port = match &camp.server {
            Server::None => None,
            Server::Sshd(server) => Some(server.port()),
            Server::Svnserve(server, _) => Some(server.port()),
        };
        if let Some(port) = port {
            camp.lines = camp.dirs.iter().map(|_| Relay::to(port)).collect();
        }
        load.make(camp.source())?;
        match rival {
            Rival::RsyncLoop => camp.copy().and_then(|()| camp.rsync_loop()),
            Rival::SvnCopies => camp.svn_copies(),
            Rival::Lsyncd => camp.copy().and_then(|()| camp.lsyncd()),
            Rival::Syncthing => camp.copy().and_then(|()| camp.syncthing()),
            Rival::Unison => camp.copy().and_then(|()| camp.unison()),
        }?;
        Ok(camp)
    }

    /// Gives every worker what the manager has.
    fn copy(&self) -> Result<()> {
        for worker in self.workers() {
            let copied = Command::new("cp").arg("-a").arg(self.source()).arg(worker).status().context("starting cp")?;
            ensure!(copied.success(), "cp: {copied}");
        }
        Ok(())
    }

    fn sshd(&self) -> Result<&Sshd> {
        match &self.server {
            Server::Sshd(server) => Ok(server),
            Server::None | Server::Svnserve(..) => bail!("no sshd"),
        }
    }

    /// The options of ssh to a worker.
    fn ssh_options(&self, worker: usize) -> Result<String> {
        let server = self.sshd()?;
        Ok(format!(
            "-F none -p {} -i {} -o UserKnownHostsFile={} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes \
             -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none",
            self.lines[worker + 1].port(),
            server.identity().display(),
            server.known_hosts().display()
        ))
    }

    fn rsync_loop(&mut self) -> Result<()> {
        let mut script = String::from("while :; do\n");
        for (worker, dir) in self.workers().iter().enumerate() {
            let (options, user) = (self.ssh_options(worker)?, self.sshd()?.user().to_owned());
            script.push_str(&format!(
                "rsync -a --delete --exclude '*.tmp' -e 'ssh {options}' '{}/' '{user}@{HOST}:{}/'\n",
                self.source().display(),
                dir.display()
            ));
        }
        script.push_str(&format!("sleep {PAUSE}\ndone\n"));
        self.begin("loop", &script)
    }

    fn svn_copies(&mut self) -> Result<()> {
        let Server::Svnserve(server, _) = &self.server else { bail!("no svnserve") };
        let urls: Vec<String> = self.lines.iter().map(|line| format!("{}/main", server.url_at(line.port()))).collect();
        let config = self.place.path().join("svn-config");
        fs::create_dir(&config)?;
        let options = format!(
            "--non-interactive --no-auth-cache --config-dir '{}' --username '{}' --password '{}'",
            config.display(),
            WRITER.name,
            WRITER.password
        );
        let source = self.source().display().to_string();
        let import = format!(
            "set -e\nsvn mkdir -q -m place {options} '{url}'\nsvn checkout -q {options} '{url}' '{source}.copy'\n\
             mv '{source}.copy/.svn' '{source}/.svn'\nrmdir '{source}.copy'\ncd '{source}'\nsvn add -q --force .\n\
             svn commit -q -m first {options}\n",
            url = urls[0]
        );
        self.finish(&import)?;
        let commit = format!(
            "cd '{source}'\nwhile :; do\nsvn status | sed -n 's/^?  *//p' | grep -v '[.]tmp$' >../came\n\
             svn status | sed -n 's/^!  *//p' >../gone\n[ ! -s ../came ] || svn add -q --targets ../came\n\
             [ ! -s ../gone ] || svn delete -q --targets ../gone\nsvn commit -q -m changed {options}\nsleep {PAUSE}\ndone\n"
        );
        let mut scripts = vec![("manager".to_owned(), commit)];
        for (worker, dir) in self.workers().to_vec().iter().enumerate() {
            let (url, dir) = (&urls[worker + 1], dir.display());
            self.finish(&format!("svn checkout -q {options} '{url}' '{dir}'\n"))?;
            let update = format!("cd '{dir}'\nwhile :; do\nsvn update -q {options}\nsleep {PAUSE}\ndone\n");
            scripts.push((format!("worker-{worker}"), update));
        }
        scripts.iter().try_for_each(|(name, script)| self.begin(name, script))
    }

    fn lsyncd(&mut self) -> Result<()> {
        let program = on_path("lsyncd").context("no lsyncd")?;
        let ports = self.lines.iter().skip(1).map(Relay::port);
        let workers: Vec<(PathBuf, u16)> = self.workers().iter().cloned().zip(ports).collect();
        let (place, source) = (self.place.path().to_owned(), self.source().to_owned());
        let Server::Sshd(server) = &self.server else { bail!("no sshd") };
        lsyncd::start(&mut self.crew, &place, &program, server, &source, &workers)
    }

    fn syncthing(&mut self) -> Result<()> {
        let program = on_path("syncthing").context("no syncthing")?;
        let (place, source, workers) =
            (self.place.path().to_owned(), self.source().to_owned(), self.workers().to_vec());
        let lines = &mut self.lines;
        syncthing::start(&mut self.crew, &place, &program, (&source, &workers), |port| {
            lines.push(Relay::to(port));
            lines.last().map_or(port, Relay::port)
        })
    }

    fn unison(&mut self) -> Result<()> {
        for (worker, dir) in self.workers().to_vec().iter().enumerate() {
            let (options, user) = (self.ssh_options(worker)?, self.sshd()?.user().to_owned());
            let home = self.place.path().join(format!("unison-{worker}"));
            fs::create_dir(&home)?;
            let script = format!(
                "export UNISON='{home}' HOME='{home}'\nexec unison '{source}' 'ssh://{user}@{HOST}/{dir}' -sshargs '{options}' -batch \
                 -repeat 1 -prefer '{source}' -perms -1 -times -ignore 'Name *.tmp' -ui text\n",
                home = home.display(),
                source = self.source().display(),
                dir = dir.display(),
            );
            self.begin(&format!("unison-{worker}"), &script)?;
        }
        Ok(())
    }

    /// Runs a script to its end.
    fn finish(&self, script: &str) -> Result<()> {
        let output = Command::new("sh").arg("-c").arg(script).current_dir(self.place.path()).output()?;
        ensure!(output.status.success(), "{}: {}", self.rival, String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Starts a script that goes on.
    fn begin(&mut self, name: &str, script: &str) -> Result<()> {
        let log = self.place.path().join(format!("{name}.log"));
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).current_dir(self.place.path()).env("LC_ALL", "C.UTF-8");
        self.crew.start(&mut command, &log)
    }
}

impl Ground for Camp {
    fn source(&self) -> &Path {
        &self.dirs[0]
    }

    fn workers(&self) -> &[PathBuf] {
        &self.dirs[1..]
    }

    fn besides(&self) -> Option<&str> {
        (self.rival == Rival::SvnCopies).then_some(".svn")
    }

    fn lay(&self, link: &Link, seed: u64) {
        for (number, relay) in self.lines.iter().enumerate() {
            relay.lay(line(link, seed.wrapping_mul(1000).wrapping_add(number as u64)));
        }
    }

    fn check(&mut self) -> Result<()> {
        self.crew.check()
    }

    fn told(&self) -> String {
        self.crew.told()
    }

    fn taken(&self) -> Result<Taken> {
        let mut cpu_s = self.crew.spent_each();
        // Those who work for all are the manager's, those who work for one worker are his.
        cpu_s.resize(self.dirs.len(), 0.0);
        let (hub_cpu_s, hub_size) = match &self.server {
            Server::None => (0.0, 0),
            Server::Sshd(server) => (server.spent_so_far(), 0),
            Server::Svnserve(server, repository) => (server.spent_so_far(), size(&repository.path())?),
        };
        let mut passed: Vec<u64> =
            self.lines.iter().map(|relay| relay.passed(Way::Up) + relay.passed(Way::Down)).collect();
        if self.rival == Rival::Syncthing {
            passed.insert(0, 0);
        }
        let none = vec![Vec::new(); self.dirs.len()];
        Ok(Taken { cpu_s, hub_cpu_s, passed, hub_size, asked: none, content: vec![0.0; self.dirs.len()] })
    }

    fn run(&self, _node: usize, arguments: &[&str]) -> Result<()> {
        bail!("{} has no command `{}`", self.rival, arguments.join(" "))
    }
}
