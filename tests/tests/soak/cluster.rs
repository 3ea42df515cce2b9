use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use depsync_tests::cli::program;
use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Daemon, Post};
use depsync_tests::dice::Dice;
use depsync_tests::snapshot::{Snapshot, check_same, snapshot, try_snapshot, write_tree};
use depsync_tests::sshd::{Relay, free_port};
use rustix::process::Signal;
use serde_json::Value;

use super::size::Size;

/// How many of each.
pub(crate) const MANAGERS: usize = 2;
pub(crate) const WORKERS: usize = 20;
/// These are never killed: what they need in the end is compared with what they needed early.
const VETERANS: [usize; 4] = [0, MANAGERS, MANAGERS + 1, MANAGERS + 2];
/// How many files each manager has.
const FILES: usize = 60;
/// How long everything may take to agree once nothing happens any more.
const PATIENCE: Duration = Duration::from_secs(120);

/// One of the nodes: managers first.
pub(crate) struct Member {
    pub(crate) name: String,
    post: Post,
    /// None while it is down.
    daemon: Option<Daemon>,
}

/// All of them. See the module.
pub(crate) struct Cluster {
    site: Site,
    pub(crate) members: Vec<Member>,
    /// In front of each manager's channel.
    pub(crate) relays: Vec<Relay>,
}

impl Cluster {
    /// Starts all of them, on one hub.
    pub(crate) fn start() -> Self {
        let site = Site::new();
        let hub = site.hub().display().to_string();
        let ports: Vec<u16> = (0..MANAGERS).map(|_| free_port()).collect();
        let relays: Vec<Relay> = ports.iter().map(|port| Relay::to(*port)).collect();
        let urls: Vec<String> = relays.iter().map(|relay| format!("http://127.0.0.1:{}", relay.port())).collect();
        let listens: Vec<&str> = urls.iter().flat_map(|url| ["--listen", url.as_str()]).collect();
        let usual = ["--period", "2s", "--scan-period", "20s", "--heartbeat", "2s"];
        let mut members = Vec::new();
        for (number, port) in ports.iter().enumerate() {
            let name = format!("m{number}");
            let serve = format!("127.0.0.1:{port}");
            // A manager hears of the others', and not of his own.
            let others: Vec<&str> = urls
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != number)
                .flat_map(|(_, url)| ["--listen", url.as_str()])
                .collect();
            let args = [&usual[..], &["--role", "manager", "--serve", &serve], &others].concat();
            let tree: Vec<(String, String)> =
                (0..FILES).map(|file| (format!("m{number}/d{}/f{file}", file % 7), "0".to_owned())).collect();
            let tree: Vec<(&str, &str)> = tree.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            write_tree(&site.dir(&name), &tree);
            members.push(Member { post: Post::new(&site.dir(&name), &hub, &args), name, daemon: None });
        }
        for number in 0..WORKERS {
            let name = format!("w{number:02}");
            let args = [&usual[..], &listens].concat();
            members.push(Member { post: Post::new(&site.dir(&name), &hub, &args), name, daemon: None });
        }
        let mut cluster = Self { site, members, relays };
        // The hub is made by the first one.
        cluster.revive(0);
        cluster.members[0].daemon.as_mut().expect("it was started").wait_for_event("published");
        (1..cluster.members.len()).for_each(|member| cluster.revive(member));
        cluster
    }

    /// Starts a node, if it is down.
    pub(crate) fn revive(&mut self, member: usize) {
        let member = &mut self.members[member];
        member.daemon.get_or_insert_with(|| member.post.start());
    }

    /// Kills a node, unless it is one that is to live.
    pub(crate) fn kill(&mut self, member: usize) {
        if !VETERANS.contains(&member)
            && let Some(daemon) = self.members[member].daemon.take()
        {
            daemon.kill();
        }
    }

    /// Sends a node a signal, if it is up.
    pub(crate) fn signal(&self, member: usize, signal: Signal) {
        if let Some(daemon) = &self.members[member].daemon {
            daemon.signal(signal);
        }
    }

    /// Takes the hub away, or brings it back.
    pub(crate) fn move_hub(&self, away: bool) {
        let (hub, elsewhere) = (self.site.hub(), self.site.path().join("hub-elsewhere"));
        let (from, to) = if away { (hub, elsewhere) } else { (elsewhere, hub) };
        // Whoever works in it may have made it anew: nobody does, or it is found out here.
        if from.exists() {
            fs::rename(from, to).expect("the hub moves");
        }
    }

    /// Somebody saves, adds, removes or moves something, on a manager.
    pub(crate) fn change(&self, dice: &mut Dice, number: u64) {
        let manager = dice.below(MANAGERS);
        let top = self.site.dir(&format!("m{manager}")).join(format!("m{manager}"));
        let file = |dice: &mut Dice| {
            let file = dice.below(FILES);
            top.join(format!("d{}/f{file}", file % 7))
        };
        let path = file(dice);
        match dice.below(10) {
            0 => drop(fs::remove_file(path)),
            1 => drop(fs::rename(path, file(dice))),
            2 => {
                // A release: many at once.
                for _ in 0..20 {
                    fs::write(file(dice), format!("release {number}")).expect("a file");
                }
            }
            _ => fs::write(path, format!("change {number}")).expect("a file"),
        }
    }

    /// The sizes of those who have lived from the beginning.
    pub(crate) fn sizes(&self) -> Vec<Size> {
        let veterans = VETERANS.iter().map(|member| &self.members[*member]);
        veterans.map(|member| Size::of(&member.name, member.daemon.as_ref().expect("it lives").id())).collect()
    }

    /// Waits until every directory holds the same, and every report says so.
    pub(crate) fn wait_until_all_agree(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let wanted = snapshot(&self.dir(0));
            let differing = self.differing(&wanted);
            if differing.is_empty() {
                let status = self.status();
                let objection = objection(&status);
                if objection.is_none() {
                    return;
                }
                assert!(Instant::now() < until, "{}: {status}", objection.unwrap_or_default());
            } else if Instant::now() >= until {
                for member in differing {
                    let found = snapshot(&self.dir(member));
                    check_same(&found, &wanted, &self.members[member].name);
                }
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    fn differing(&self, wanted: &Snapshot) -> Vec<usize> {
        let is_same = |member: &usize| try_snapshot(&self.dir(*member)).is_ok_and(|found| found == *wanted);
        (0..self.members.len()).filter(|member| !is_same(member)).collect()
    }

    fn dir(&self, member: usize) -> PathBuf {
        self.site.dir(&self.members[member].name)
    }

    /// What the first manager says of all of them.
    fn status(&self) -> Value {
        let mut command = Command::new(program());
        command.args(["--json", "--node", "m0", "status"]).arg(self.dir(0)).arg(self.site.hub());
        let output = command.current_dir(self.site.path()).output().expect("the program runs");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Ends all of them as a service manager does.
    pub(crate) fn stop(self) {
        for daemon in self.members.into_iter().filter_map(|member| member.daemon) {
            daemon.stop();
        }
    }
}

/// What is not yet as it should be in what a manager says of the nodes.
fn objection(status: &Value) -> Option<String> {
    let nodes = status["nodes"].as_array()?;
    if nodes.len() != MANAGERS + WORKERS {
        return Some(format!("{} nodes report", nodes.len()));
    }
    let is_well = |node: &Value| {
        node["state"] == "current"
            && node["applied"]["number"] == status["head"]
            && node["measured"] == nodes[0]["measured"]
            && node["measured"].is_string()
    };
    let ill = nodes.iter().find(|node| !is_well(node))?;
    Some(format!("{} is not well", ill["node"]))
}
