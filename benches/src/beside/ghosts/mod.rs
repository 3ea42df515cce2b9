//! `ghosts`: a worker that starts with ghosts only, beside a full update and beside Subversion, of which somebody takes an
//! empty checkout and one file after the other.
//!
//! One deployment with the artifacts of many tenants, some of them real archives: in a directory, and in a repository behind
//! svnserve, where depsync and `svn` each have a place. Nobody has a network to wait for. Then somebody wants one artifact, a hundred
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

use self::street::{SVN_MANAGER, Street};
use crate::kit::ledger::Ledger;
use crate::kit::measured::Measure;
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
    /// Bytes read from the hub, as depsync says; of a repository, what its server has sent.
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

/// How many commits depsync makes of it in the repository: tenants come one after the other.
const COMMITS: u32 = 4;

fn publish(setting: &Setting, street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    let (took, said, _) = street.run(setting, &street.depsync(setting, "manager", &["publish"]))?;
    ensure!(json(&said)?["changed"] == true, "{said}");
    rows.push(Row::of(took, "publish", "depsync", street.files()).with(None, street.bytes));
    let step = street.tenants().div_ceil(COMMITS);
    for first in (0..street.tenants()).step_by(step as usize) {
        let tenants = first..street.tenants().min(first + step);
        let what = format!("publish tenants {} to {}", tenants.start, tenants.end - 1);
        street.move_in(tenants.clone())?;
        let (took, said, _) = street.run(setting, &street.depsync(setting, SVN_MANAGER, &["publish"]))?;
        ensure!(json(&said)?["changed"] == true, "{said}");
        let files = street.files() / u64::from(street.tenants()) * tenants.len() as u64;
        rows.push(Row::of(took, &what, "depsync over svn", files).with(None, street.on_disk(SVN_MANAGER)?));
    }
    let import = street.svn(&["import", "-m", "all"]).arg(street.dir("manager")).arg(street.svn_url(""));
    let (took, _, _) = street.run(setting, &import)?;
    rows.push(Row::of(took, "publish", "svn import", street.files()).with(None, street.bytes));
    Ok(())
}

/// From nothing to everything, and from nothing to ghosts.
fn starts(setting: &Setting, street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    for (what, node) in [
        ("start: everything", "full"),
        ("start: everything", "svn-full"),
        ("start: ghosts only", "lazy"),
        ("start: ghosts only", "svn-lazy"),
    ] {
        let (took, said, sent) = street.run(setting, &street.depsync(setting, node, &["update"]))?;
        let said = json(&said)?;
        let (is_lazy, is_over_svn) = (node.ends_with("lazy"), node.starts_with("svn-"));
        let ghosts = said["ghosts"]["entries"].as_u64().unwrap_or(0);
        ensure!((ghosts > 0) == is_lazy, "{said}");
        let on_disk = street.on_disk(node)?;
        ensure!(is_lazy || on_disk == street.bytes, "{on_disk} bytes are there, not {}", street.bytes);
        let files = if is_lazy { 0 } else { street.files() };
        let fetched = if is_over_svn { Some(sent) } else { said["bytes_fetched"].as_u64() };
        let who = if is_over_svn { "depsync over svn" } else { "depsync" };
        rows.push(Row::of(took, what, who, files).with(fetched, on_disk));
    }
    for (what, depth, to) in
        [("start: everything", "infinity", "copy-full"), ("start: ghosts only", "empty", "copy-empty")]
    {
        let checkout = street.svn(&["checkout", "--depth", depth]).arg(street.svn_url("")).arg(street.dir(to));
        let (took, _, sent) = street.run(setting, &checkout)?;
        let files = if depth == "empty" { 0 } else { street.files() };
        let who = if depth == "empty" { "svn checkout --depth empty" } else { "svn checkout" };
        rows.push(Row::of(took, what, who, files).with(Some(sent), street.on_disk(to)?));
    }
    Ok(())
}

/// Somebody wants one artifact, and another one.
fn one(setting: &Setting, street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    for (what, tenant) in [("the first artifact", 7), ("another one", 8)] {
        let path = street.artifact(tenant, 1);
        for (node, who) in [("lazy", "depsync fetch"), ("svn-lazy", "depsync fetch over svn")] {
            let (took, said, sent) = street.run(setting, &street.depsync(setting, node, &["fetch", &path]))?;
            let said = json(&said)?;
            ensure!(said["fetched"] == 1, "{said}");
            street.same(node, &path)?;
            let fetched = if node == "lazy" { said["bytes_fetched"].as_u64() } else { Some(sent) };
            rows.push(Row::of(took, what, who, 1).with(fetched, street.on_disk(node)?));
        }
        let update = street.svn(&["update", "--parents"]).arg(street.dir("copy-empty").join(&path));
        let (took, _, sent) = street.run(setting, &update)?;
        street.same("copy-empty", &path)?;
        let on_disk = street.on_disk("copy-empty")?;
        rows.push(Row::of(took, what, "svn update --parents FILE", 1).with(Some(sent), on_disk));
    }
    Ok(())
}

/// Releases of one archive and one small file each, and an update of the workers after every one.
fn releases(setting: &Setting, street: &Street, count: u32, rows: &mut Vec<Row>) -> Result<()> {
    let sides = [("manager", "lazy", "depsync update"), (SVN_MANAGER, "svn-lazy", "depsync update over svn")];
    let before = sides.map(|(_, worker, _)| street.ghosts(setting, worker));
    let mut spent = [(0, 0.0, 0.0); 2];
    for release in 0..count {
        street.release(release)?;
        for ((manager, worker, _), (fetched, cpu, wall)) in sides.iter().zip(&mut spent) {
            street.run(setting, &street.depsync(setting, manager, &["publish"]))?;
            let (took, said, sent) = street.run(setting, &street.depsync(setting, worker, &["update"]))?;
            let said = json(&said)?;
            ensure!(said["from"] != said["to"], "nothing came of a release: {said}");
            ensure!(said["added"] == 0 && said["modified"] == 0 && said["removed"] == 0, "a ghost was brought: {said}");
            *fetched += if *worker == "lazy" { said["bytes_fetched"].as_u64().unwrap_or(0) } else { sent };
            *cpu += took.cpu_s();
            *wall += took.wall_s;
        }
    }
    for (((_, worker, who), (fetched, cpu, wall)), before) in sides.iter().zip(spent).zip(before) {
        let (before, after) = (before?, street.ghosts(setting, worker)?);
        ensure!(after == before, "{after} ghosts, and {before} before");
        rows.push(Row {
            what: format!("{count} releases: {before} ghosts stay ghosts ({cpu:.1} s of processor time)"),
            who,
            files: 0,
            fetched: Some(fetched),
            on_disk: street.on_disk(worker)?,
            measure: None,
            wall_s: wall,
        });
    }
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
        "\nfetched: what depsync has read from its hub, which is all that travels; of a repository, what svnserve has sent.\n\
         on disk: what is in the worker's directory (a working copy has a copy of each file beside it, in .svn, not counted)\n",
    );
    text
}
