//! A manager and its workers, each a `depsync run` of its own, and what they have taken.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use depsync_tests::sshd::{Relay, free_ports};
use tempfile::TempDir;

use super::ground::{Ground, Taken};
use super::hub::{LocalHub, line};
use super::load::Load;
use crate::kit::crew::Crew;
use crate::model::{Link, Settling};

/// How long a cluster may take until everybody is there.
const PATIENCE: Duration = Duration::from_secs(120);

/// How managers wait for changes to pause.
pub(super) const SETTLING: Settling = Settling { quiet_s: 0.05, at_most_s: 0.2 };

/// See the module. Daemons end before their hub.
pub(super) struct Cluster {
    crew: Crew,
    program: PathBuf,
    dirs: Vec<PathBuf>,
    status: Vec<u16>,
    channel: Relay,
    hub: LocalHub,
    place: TempDir,
}

impl Cluster {
    /// Makes the directories in `place`, all equal, and starts a daemon in each; `period` is how often it asks.
    pub(super) fn start(
        program: &Path,
        place: TempDir,
        hub: LocalHub,
        workers: u32,
        load: &Load,
        period: Duration,
    ) -> Result<Self> {
        let names: Vec<String> = std::iter::once("manager".to_owned())
            .chain((1..=workers).map(|number| format!("worker-{number}")))
            .collect();
        let dirs: Vec<PathBuf> = names.iter().map(|name| place.path().join(name)).collect();
        let mut status = free_ports(names.len() + 1);
        let serve = status.pop().context("a port")?;
        // Nobody listens at those yet.
        let channel = loop {
            let relay = Relay::to(serve);
            if relay.port() != serve && !status.contains(&relay.port()) {
                break relay;
            }
        };
        let program = program.to_owned();
        let mut cluster = Self { crew: Crew::default(), program, dirs, status, channel, hub, place };
        load.make(cluster.source())?;
        for (number, name) in names.iter().enumerate() {
            let is_manager = number == 0;
            let config = format!(
                "dir = '{}'\nrole = '{}'\nnode = '{name}'\n{}[run]\nperiod = '{}ms'\ndebounce = '{}ms'\nmax-debounce = '{}ms'\nstatus = '127.0.0.1:{}'\n[channel]\n{}\n",
                cluster.dirs[number].display(),
                if is_manager { "manager" } else { "worker" },
                cluster.hub.config(number)?,
                period.as_millis(),
                SETTLING.quiet_s * 1000.0,
                SETTLING.at_most_s * 1000.0,
                cluster.status[number],
                if is_manager {
                    format!("serve = '127.0.0.1:{serve}'")
                } else {
                    format!("listen = ['http://127.0.0.1:{}']", cluster.channel.port())
                },
            );
            fs::write(cluster.config(number), config)?;
        }
        cluster.run(0, &["--quiet", "publish"])?;
        for dir in cluster.workers().to_vec() {
            let copied =
                Command::new("cp").arg("-a").arg(cluster.source()).arg(&dir).status().context("starting cp")?;
            ensure!(copied.success(), "cp: {copied}");
        }
        for (number, name) in names.iter().enumerate() {
            let log = cluster.place.path().join(format!("{name}.log"));
            cluster.crew.start(cluster.command(number).arg("run"), &log)?;
            if number == 0 {
                cluster.wait_until_ready(0)?;
            }
        }
        for number in 1..names.len() {
            cluster.wait_until_ready(number)?;
        }
        Ok(cluster)
    }

    fn config(&self, node: usize) -> PathBuf {
        self.place.path().join(format!("node-{node}.toml"))
    }

    fn command(&self, node: usize) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--json", "--config"]).arg(self.config(node)).current_dir(self.place.path());
        command.env_remove("DEPSYNC_LOG");
        command
    }

    fn wait_until_ready(&mut self, node: usize) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.crew.log(node).contains("\"event\":\"ready\"") {
            self.crew.check()?;
            ensure!(Instant::now() < until, "a node is not ready in time: {}", self.crew.log(node));
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Ground for Cluster {
    fn is_modelled(&self) -> bool {
        self.hub.is_stand_in()
    }

    fn source(&self) -> &Path {
        &self.dirs[0]
    }

    fn workers(&self) -> &[PathBuf] {
        &self.dirs[1..]
    }

    fn lay(&self, link: &Link, seed: u64) {
        self.hub.lay(link, seed);
        self.channel.lay(line(link, seed));
    }

    fn check(&mut self) -> Result<()> {
        self.crew.check()
    }

    fn told(&self) -> String {
        self.crew.told()
    }

    fn taken(&self) -> Result<Taken> {
        let mut taken = Taken {
            cpu_s: self.crew.spent_each(),
            hub_cpu_s: self.hub.spent(),
            passed: self.hub.passed(),
            hub_size: self.hub.size()?,
            ..Taken::default()
        };
        for port in &self.status {
            let page = metrics(*port)?;
            let content = ["publish_bytes_total", "update_bytes_total"].map(|name| values(&page, name, None));
            taken.content.push(content.iter().flatten().map(|(_, value)| value).sum());
            taken.asked.push(values(&page, "hub_operations_total", Some("operation")));
        }
        Ok(taken)
    }

    fn run(&self, node: usize, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(node);
        let output = command.args(arguments).stdin(Stdio::null()).output().context("starting depsync")?;
        ensure!(
            output.status.success(),
            "depsync {}: {}: {}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// The page of metrics at a port.
fn metrics(port: u16) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("asking for metrics")?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    if !page.starts_with("HTTP/1.1 200") {
        bail!("asking for metrics: {}", page.lines().next().unwrap_or_default());
    }
    Ok(page)
}

/// The values of `depsync_NAME`, each with that of a label.
fn values(page: &str, name: &str, label: Option<&str>) -> Vec<(String, f64)> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("depsync_")?.strip_prefix(name));
    let value = |line: &str| {
        let (labels, value) = line.rsplit_once(' ')?;
        let of = label.and_then(|label| labels.split_once(&format!("{label}=\""))?.1.split('"').next());
        Some((of.unwrap_or_default().to_owned(), value.parse().ok()?))
    };
    lines.filter_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read() {
        let page = "HTTP/1.1 200 OK\r\n\r\n# HELP x\ndepsync_hub_operations_total{deployment=\"main\",node=\"a\",operation=\"get\"} 7\n\
                    depsync_publish_bytes_total{deployment=\"main\",node=\"a\"} 12.5\n";
        assert_eq!(values(page, "hub_operations_total", Some("operation")), [("get".to_owned(), 7.0)]);
        assert_eq!(values(page, "publish_bytes_total", None), [(String::new(), 12.5)]);
        assert!(values(page, "bytes_total", None).is_empty());
    }
}
