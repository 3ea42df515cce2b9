//! `ghosts`: a worker that starts with ghosts only, beside a full update and beside Subversion, of which somebody takes an
//! empty checkout and one file after the other.
//!
//! One deployment with the artifacts of many tenants, some of them real archives, behind svnserve-less `file://` for
//! Subversion and in a directory for depsync: nobody has a network to wait for. Then somebody wants one artifact, a hundred
//! want the same and a hundred different ones, at once and from one process; and hundreds of releases follow, after which
//! every ghost has to be one still. What is fetched is compared byte by byte.
//!
//! | file | is |
//! |---|---|
//! | `street` | the artifacts, the manager, and the workers |
//! | `crowd` | a hundred who want something at once |

mod crowd;
mod street;

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use self::street::Street;
use crate::kit::ledger::Ledger;
use crate::kit::measured::{Invocation, Measure, run as measure};
use crate::kit::setting::{Setting, SettingArgs};

#[derive(Args)]
pub struct GhostsArgs {
    /// Tenants
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(300..=100_000))]
    tenants: u32,
    /// Artifacts of each; two of them are archives
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(4..=1_000))]
    artifacts: u32,
    /// Releases that follow
    #[arg(long, default_value_t = 500)]
    releases: u32,
    #[command(flatten)]
    setting: SettingArgs,
}

/// One thing that was done.
#[derive(Clone, Debug, Serialize)]
struct Row {
    what: String,
    who: &'static str,
    files: u64,
    /// Bytes read from the hub, as depsync says.
    fetched: Option<u64>,
    /// Bytes that are on the worker's disk then.
    on_disk: u64,
    #[serde(flatten)]
    measure: Option<Measure>,
    wall_s: f64,
}

impl Row {
    /// What a program has taken.
    fn of(took: Measure, what: &str, who: &'static str, files: u64) -> Self {
        let (what, wall_s) = (what.to_owned(), took.wall_s);
        Self { what, who, files, fetched: None, on_disk: 0, measure: Some(took), wall_s }
    }

    /// The same, with what it has read from the hub, and what is on the worker's disk then.
    fn with(self, fetched: Option<u64>, on_disk: u64) -> Self {
        Self { fetched, on_disk, ..self }
    }
}

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &GhostsArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let street = Street::build(&setting, args.tenants, args.artifacts)?;
    let mut rows = Vec::new();
    publish(&setting, &street, &mut rows)?;
    starts(&setting, &street, &mut rows)?;
    one(&setting, &street, &mut rows)?;
    crowd::run(&street, &mut rows)?;
    releases(&setting, &street, args.releases, &mut rows)?;
    setting.machine.ended();
    let text = format!(
        "{}{} tenants with {} artifacts each: {} files, {} bytes\n\n{}",
        setting.machine.facts(),
        args.tenants,
        args.artifacts,
        street.files(),
        street.bytes,
        table(&rows)
    );
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "ghosts", &rows)?;
    ledger.tell("Ghosts", &format!("```\n{text}```\n"))
}

fn json(said: &str) -> Result<serde_json::Value> {
    serde_json::from_str(said).with_context(|| format!("not JSON: {said}"))
}

fn publish(setting: &Setting, street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    let (took, said) = measure(&street.depsync(setting, "manager", &["publish"]), setting.place())?;
    ensure!(json(&said)?["changed"] == true, "{said}");
    rows.push(Row::of(took, "publish", "depsync", street.files()).with(None, street.bytes));
    let import = Invocation::of("svn").args(["import", "-q", "--non-interactive", "-m", "all"]);
    let import = import.arg(street.dir("manager")).arg(street.svn_url(""));
    let (took, _) = measure(&import, setting.place())?;
    rows.push(Row::of(took, "publish", "svn import", street.files()).with(None, street.bytes));
    Ok(())
}

/// From nothing to everything, and from nothing to ghosts.
fn starts(setting: &Setting, street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    for (what, node) in [("start: everything", "full"), ("start: ghosts only", "lazy")] {
        let (took, said) = measure(&street.depsync(setting, node, &["update"]), setting.place())?;
        let said = json(&said)?;
        let ghosts = said["ghosts"]["entries"].as_u64().unwrap_or(0);
        ensure!((ghosts > 0) == (node == "lazy"), "{said}");
        let on_disk = street.on_disk(node)?;
        ensure!(node != "full" || on_disk == street.bytes, "{on_disk} bytes are there, not {}", street.bytes);
        let files = if node == "full" { street.files() } else { 0 };
        let fetched = said["bytes_fetched"].as_u64();
        rows.push(Row::of(took, what, "depsync", files).with(fetched, on_disk));
    }
    let checkout = |depth: &str, to: &str| {
        let checkout = Invocation::of("svn").args(["checkout", "-q", "--non-interactive", "--depth", depth]);
        checkout.arg(street.svn_url("")).arg(street.dir(to))
    };
    for (what, depth, to) in
        [("start: everything", "infinity", "svn-full"), ("start: ghosts only", "empty", "svn-empty")]
    {
        let (took, _) = measure(&checkout(depth, to), setting.place())?;
        let files = if depth == "empty" { 0 } else { street.files() };
        let who = if depth == "empty" { "svn checkout --depth empty" } else { "svn checkout" };
        let on_disk = street.on_disk(to)?;
        rows.push(Row::of(took, what, who, files).with(None, on_disk));
    }
    Ok(())
}

/// Somebody wants one artifact, and another one.
fn one(setting: &Setting, street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    for (what, tenant) in [("the first artifact", 7), ("another one", 8)] {
        let path = street.artifact(tenant, 1);
        let (took, said) = measure(&street.depsync(setting, "lazy", &["fetch", &path]), setting.place())?;
        let said = json(&said)?;
        ensure!(said["fetched"] == 1, "{said}");
        street.same("lazy", &path)?;
        let on_disk = street.on_disk("lazy")?;
        rows.push(Row::of(took, what, "depsync fetch", 1).with(said["bytes_fetched"].as_u64(), on_disk));
        let update = Invocation::of("svn").args(["update", "-q", "--non-interactive", "--parents"]);
        let (took, _) = measure(&update.arg(street.dir("svn-empty").join(&path)), setting.place())?;
        street.same("svn-empty", &path)?;
        let on_disk = street.on_disk("svn-empty")?;
        rows.push(Row::of(took, what, "svn update --parents FILE", 1).with(None, on_disk));
    }
    Ok(())
}

/// Releases of one artifact and one small file each, and an update of the worker after every one.
fn releases(setting: &Setting, street: &Street, count: u32, rows: &mut Vec<Row>) -> Result<()> {
    let before = street.ghosts(setting)?;
    let (mut fetched, mut cpu, mut wall) = (0, 0.0, 0.0);
    for release in 0..count {
        street.release(release)?;
        measure(&street.depsync(setting, "manager", &["publish"]), setting.place())?;
        let (took, said) = measure(&street.depsync(setting, "lazy", &["update"]), setting.place())?;
        let said = json(&said)?;
        ensure!(said["added"] == 0 && said["modified"] == 0 && said["removed"] == 0, "a ghost was brought: {said}");
        fetched += said["bytes_fetched"].as_u64().unwrap_or(0);
        cpu += took.cpu_s();
        wall += took.wall_s;
    }
    ensure!(street.ghosts(setting)? == before, "{} ghosts, and {before} before", street.ghosts(setting)?);
    let on_disk = street.on_disk("lazy")?;
    rows.push(Row {
        what: format!("{count} releases: {before} ghosts stay ghosts ({cpu:.1} s of processor time)"),
        who: "depsync update",
        files: 0,
        fetched: Some(fetched),
        on_disk,
        measure: None,
        wall_s: wall,
    });
    Ok(())
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<62} {:<27} {:>7} {:>13} {:>13} {:>8} {:>8} {:>9}\n",
        "", "by", "files", "fetched B", "on disk B", "cpu s", "wall s", "peak MiB"
    );
    for row in rows {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let cpu = or_dash(row.measure.map(|measure| format!("{:.3}", measure.cpu_s())));
        let peak = or_dash(row.measure.map(|measure| format!("{:.1}", measure.peak_kib as f64 / 1024.0)));
        let fetched = or_dash(row.fetched.map(|bytes| bytes.to_string()));
        let _ = writeln!(
            text,
            "{:<62} {:<27} {:>7} {:>13} {:>13} {:>8} {:>8.3} {:>9}",
            row.what, row.who, row.files, fetched, row.on_disk, cpu, row.wall_s, peak
        );
    }
    text.push_str(
        "\nfetched: what depsync has read from its hub, which is all that travels; on disk: what is in the worker's directory\n\
         (of Subversion: beside it lies a copy of each file, in .svn, not counted)\n",
    );
    text
}
