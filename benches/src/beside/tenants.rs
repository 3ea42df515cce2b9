//! `tenants`: ten thousand deployments in one process on either side: threads, memory, what the hub is asked, and how long it
//! takes until a change of one of them is noticed.
//!
//! The manager publishes all of them, the worker brings all of them, both under `depsync run` by one configuration each;
//! then nothing happens for a while, and what the hub was asked in that time is read from the worker's metrics. After that
//! one tenant changes, another each time, by chance.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use depsync_tests::dice::Dice;
use depsync_tests::sshd::free_port;
use serde::Serialize;

use crate::kit::crew::Crew;
use crate::kit::ledger::Ledger;
use crate::kit::setting::{Setting, SettingArgs};

/// How long the first round may take.
const FIRST: Duration = Duration::from_secs(1800);
/// How long a change may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct TenantsArgs {
    /// Tenants
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    tenants: u32,
    /// Seconds after which the hub is asked
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    period: u64,
    /// How long nothing happens, in periods
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..))]
    quiet: u64,
    /// How many changes
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    changes: u32,
    /// Where the numbers of chance begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    setting: SettingArgs,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
}

/// Two processes over one hub.
struct Estate {
    place: PathBuf,
    crew: Crew,
    ports: [u16; 3],
}

/// The nodes, in the order in which they are started.
const NODES: [&str; 2] = ["manager", "worker"];

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &TenantsArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let mut rows = Vec::new();
    {
        let mut estate = Estate::build(&setting, args)?;
        let mut note = |what: &str, value: f64, unit| rows.push(Row { what: what.to_owned(), value, unit });
        for (number, node) in NODES.into_iter().enumerate() {
            let begun = Instant::now();
            estate.start(&setting, number)?;
            estate.wait_until_ready(number, FIRST)?;
            note(&format!("{node}: until all {} are in step", args.tenants), begun.elapsed().as_secs_f64(), "s");
            note(&format!("{node}: processor time for that"), estate.spent(number), "s");
        }
        for (number, node) in NODES.into_iter().enumerate() {
            let process = Process::of(estate.crew.id(number))?;
            note(&format!("{node}: threads"), process.threads, "");
            note(&format!("{node}: resident memory"), process.resident_mib, "MiB");
            note(&format!("{node}: open files"), process.files, "");
            note(&format!("{node}: sockets"), process.sockets, "");
        }
        estate.equal(args.tenants)?;
        // Quiet: nothing changes.
        thread::sleep(Duration::from_secs(args.period * 2));
        let before = [estate.asked(0)?, estate.asked(1)?];
        let spent = [estate.spent(0), estate.spent(1)];
        thread::sleep(Duration::from_secs(args.period * args.quiet));
        for (number, node) in NODES.into_iter().enumerate() {
            let asked = estate.asked(number)? - before[number];
            note(&format!("{node}: calls of the hub in a period"), asked / args.quiet as f64, "");
            let cpu = (estate.spent(number) - spent[number]) / args.quiet as f64;
            note(&format!("{node}: processor time in a period"), cpu * 1000.0, "ms");
        }
        let mut dice = Dice::new(args.seed);
        let mut times = Vec::new();
        for change in 0..args.changes {
            thread::sleep(Duration::from_millis(500 + dice.roll() % (args.period * 1000)));
            times.push(estate.change(dice.below(args.tenants as usize), change)?);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        note("from saved at the manager until live at the worker, period alone: p50", at(0.5), "s");
        note("the same: most", at(1.0), "s");
        estate.check()?;
        estate.with_channel(&setting, args)?;
        let mut times = Vec::new();
        for change in 0..args.changes {
            thread::sleep(Duration::from_millis(300 + dice.roll() % 1000));
            times.push(estate.change(dice.below(args.tenants as usize), 1000 + change)?);
        }
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        note("the same with the channel: p50", at(0.5), "s");
        note("the same with the channel: most", at(1.0), "s");
        estate.equal(args.tenants)?;
        estate.check()?;
    }
    setting.machine.ended();
    let mut text = setting.machine.facts();
    writeln!(text, "{} tenants of 2 files, the hub in a directory, a period of {} s\n", args.tenants, args.period)?;
    for Row { what, value, unit } in &rows {
        writeln!(text, "{what:<75} {value:>10.3} {unit}")?;
    }
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "tenants", &rows)?;
    ledger.tell("Tenants", &format!("```\n{text}```\n"))
}

impl Estate {
    fn build(setting: &Setting, args: &TenantsArgs) -> Result<Self> {
        let place = setting.place().join("estate");
        fs::create_dir(&place)?;
        let ports = [free_port(), free_port(), free_port()];
        for tenant in 0..args.tenants {
            let dir = place.join("manager").join(tenant.to_string());
            fs::create_dir_all(&dir)?;
            fs::write(dir.join("a.xml"), format!("<tenant>{tenant}</tenant>"))?;
            fs::write(dir.join("b.txt"), "the same for all")?;
        }
        fs::create_dir(place.join("worker"))?;
        let token = place.join("token");
        fs::write(&token, "a-token-that-nobody-else-knows")?;
        fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let estate = Self { place, crew: Crew::default(), ports };
        for (number, node) in NODES.into_iter().enumerate() {
            estate.configure(number, node, args, "")?;
        }
        Ok(estate)
    }

    fn configure(&self, number: usize, node: &str, args: &TenantsArgs, more: &str) -> Result<()> {
        let (place, port) = (self.place.display(), self.ports[number]);
        let text = format!(
            "dir = '{place}/{node}/{{tenant}}'\nhub = '{place}/hub'\nnode = '{node}'\nrole = '{node}'\n\
             [run]\nperiod = '{}s'\nstatus = '127.0.0.1:{port}'\n{more}",
            args.period
        );
        Ok(fs::write(self.place.join(format!("{node}.toml")), text)?)
    }

    fn start(&mut self, setting: &Setting, number: usize) -> Result<()> {
        let node = NODES[number];
        let mut command = Command::new(&setting.programs.depsync);
        command.arg("--json").arg("--config").arg(self.place.join(format!("{node}.toml"))).args(["run", "--seed"]);
        command.current_dir(&self.place).env("HOME", self.place.join(format!("home-{node}")));
        command.env_remove("DEPSYNC_LOG").env_remove("XDG_STATE_HOME");
        // Of root the state would lie where it is kept for good.
        command.env("XDG_STATE_HOME", self.place.join(format!("state-{node}")));
        self.crew.start(&mut command, &self.place.join(format!("{node}.log")))
    }

    fn wait_until_ready(&mut self, number: usize, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        while !self.crew.log(number).contains("\"event\":\"ready\"") {
            self.check()?;
            ensure!(Instant::now() < until, "{} is not ready in time", NODES[number]);
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        self.crew.check()
    }

    fn spent(&self, number: usize) -> f64 {
        self.crew.spent_each().get(number).copied().unwrap_or(0.0)
    }

    /// What the hub was asked so far, all together.
    fn asked(&self, number: usize) -> Result<f64> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[number])).context("asking for metrics")?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        let lines = page.lines().filter(|line| line.starts_with("depsync_hub_operations_total{"));
        lines.map(|line| Ok(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()?)).sum()
    }

    /// Changes a tenant, and says how long it took until the worker had that.
    fn change(&mut self, tenant: usize, change: u32) -> Result<f64> {
        let text = format!("<tenant>{tenant}, {change}</tenant>");
        let file = |node: &str| self.place.join(node).join(tenant.to_string()).join("a.xml");
        let (there, here) = (file("manager"), file("worker"));
        let begun = Instant::now();
        fs::write(&there, &text)?;
        while fs::read(&here)? != text.as_bytes() {
            if begun.elapsed() > PATIENCE {
                bail!(
                    "tenant {tenant} has not arrived: {}",
                    self.crew.told().lines().rev().take(5).collect::<String>()
                );
            }
            thread::sleep(Duration::from_millis(1));
        }
        let took = begun.elapsed().as_secs_f64();
        self.check()?;
        Ok(took)
    }

    /// Starts both anew, with a channel between them.
    fn with_channel(&mut self, setting: &Setting, args: &TenantsArgs) -> Result<()> {
        self.crew = Crew::default();
        let (token, port) = (self.place.join("token"), self.ports[2]);
        for (number, node) in NODES.into_iter().enumerate() {
            let of = if number == 0 {
                format!("serve = '127.0.0.1:{port}'")
            } else {
                format!("listen = ['http://127.0.0.1:{port}']")
            };
            let more = format!("[channel]\ntoken-file = '{}'\n{of}\n", token.display());
            self.configure(number, node, args, &more)?;
            self.start(setting, number)?;
            self.wait_until_ready(number, FIRST)?;
        }
        Ok(())
    }

    /// Fails unless every tenant is the same on both.
    fn equal(&self, tenants: u32) -> Result<()> {
        for tenant in 0..tenants {
            for name in ["a.xml", "b.txt"] {
                let read = |node: &str| fs::read(self.place.join(node).join(tenant.to_string()).join(name));
                ensure!(read("manager")? == read("worker")?, "tenant {tenant}: {name} differs");
            }
        }
        Ok(())
    }
}

/// What the kernel says of a process.
struct Process {
    threads: f64,
    resident_mib: f64,
    files: f64,
    sockets: f64,
}

impl Process {
    fn of(id: u32) -> Result<Self> {
        let proc = Path::new("/proc").join(id.to_string());
        let status = fs::read_to_string(proc.join("status"))?;
        let number = |key: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
            Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
        };
        let (mut files, mut sockets) = (0.0, 0.0);
        for entry in fs::read_dir(proc.join("fd"))? {
            files += 1.0;
            let target = fs::read_link(entry?.path()).unwrap_or_default();
            sockets += f64::from(u8::from(target.to_string_lossy().starts_with("socket:")));
        }
        Ok(Self { threads: number("Threads:")?, resident_mib: number("VmRSS:")? / 1024.0, files, sockets })
    }
}
