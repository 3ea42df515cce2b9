//! `svn`: depsync through a Subversion repository, beside `svn commit` and `svn update` in working copies.
//!
//! Each has a repository of its own, of the same format and behind the same kind of server; the same edits are made in
//! depsync's source and in the working copy that commits. What depsync does by `publish`, a script of the kind that cron
//! runs does for the working copy ([`scripts`]); what it does by `update`, `svn update` does in another working copy.
//! After each task all trees are compared byte by byte, and each repository must have got as many revisions as that task
//! makes.
//!
//! | file | is |
//! |---|---|
//! | `access` | [`Access`], [`Shelf`]: a repository, what serves it, and what counts before that |
//! | `scripts` | [`Contest`]: how both do each step, and where |
//! | `archive` | the archive of many entries that is rebuilt |
//! | `table` | the rows as a table |

pub(super) mod access;
mod archive;
mod scripts;
mod table;

use std::fs;
use std::io::{self, Write as _};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use self::access::{Access, Shelf};
use self::archive::Archive;
use self::scripts::Contest;
use crate::kit::ledger::Ledger;
use crate::kit::measured::{Measure, run as measured};
use crate::kit::setting::{SETTLE, Setting, SettingArgs};
use crate::kit::tree::{Layout, Shape};

#[derive(Args)]
pub struct SvnArgs {
    /// Files of the tree
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
    files: u32,
    /// Bytes of a file
    #[arg(long, default_value_t = 2048)]
    size: usize,
    /// Mebibytes of the archive
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=1000))]
    archive: u16,
    /// How the repository is reached
    #[arg(long, value_delimiter = ',', default_value = "file,svn,http")]
    access: Vec<Access>,
    /// How often each task is done, but for what comes first
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    #[command(flatten)]
    setting: SettingArgs,
}

/// What has happened since the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    First,
    Nothing,
    One,
    Hundred,
    All,
    Renamed,
    ArchiveCame,
    ArchiveRebuilt,
}

impl Task {
    const ALL: [Self; 8] = [
        Self::First,
        Self::Nothing,
        Self::One,
        Self::Hundred,
        Self::All,
        Self::Renamed,
        Self::ArchiveCame,
        Self::ArchiveRebuilt,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Nothing => "nothing changed",
            Self::One => "one file changed",
            Self::Hundred => "100 files changed",
            Self::All => "all files changed",
            Self::Renamed => "directory renamed",
            Self::ArchiveCame => "archive came",
            Self::ArchiveRebuilt => "archive rebuilt",
        }
    }

    fn is_done_once(self) -> bool {
        matches!(self, Self::First | Self::ArchiveCame)
    }

    /// How many revisions the repository gets: the first time one of them makes the directory.
    fn revisions(self) -> u64 {
        match self {
            Self::First => 2,
            Self::Nothing => 0,
            _ => 1,
        }
    }
}

/// The half of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Publish,
    Update,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Who {
    Depsync,
    Svn,
}

impl Who {
    const BOTH: [Self; 2] = [Self::Depsync, Self::Svn];

    fn name(self) -> &'static str {
        match self {
            Self::Depsync => "depsync",
            Self::Svn => "svn",
        }
    }
}

/// One step of one of them.
#[derive(Clone, Debug, Serialize)]
struct Row {
    access: Access,
    files: usize,
    size: usize,
    task: Task,
    step: Step,
    who: Who,
    repetition: usize,
    /// What it took on this side.
    #[serde(flatten)]
    measure: Measure,
    /// Seconds of processor time of the server.
    far_cpu_s: f64,
    /// Bytes on the wire, to the server and from it.
    up: u64,
    down: u64,
    /// By how many bytes the repository has grown.
    grown: i64,
}

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &SvnArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let mut rows = Vec::new();
    for access in &args.access {
        round(args, &setting, *access, &mut rows).with_context(|| format!("over {}", access.name()))?;
    }
    setting.machine.ended();
    let facts = format!("{}svn: {}\n", setting.machine.facts(), version()?);
    let text = format!("{facts}\n{}", table::table(&rows, args.archive));
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "svn", &rows)?;
    ledger.tell("Subversion", &format!("```\n{text}```\n"))
}

/// All tasks over one way to reach a repository.
fn round(args: &SvnArgs, setting: &Setting, access: Access, rows: &mut Vec<Row>) -> Result<()> {
    let place = setting.place().join(access.name());
    fs::create_dir(&place)?;
    let shape = Shape { layout: Layout::Nested, files: args.files as usize, size: args.size };
    let archive = Archive { mebibytes: usize::from(args.archive) };
    let shelves = [Shelf::open(access, &place)?, Shelf::open(access, &place)?];
    let contest = Contest::write_down(&place, &setting.programs.depsync, &shelves)?;
    shape.make(&contest.source)?;
    let mut version = 0;
    for task in Task::ALL {
        for repetition in 0..if task.is_done_once() { 1 } else { usize::from(args.rounds) } {
            version += 1;
            if task != Task::First {
                for top in [&contest.source, &contest.committing] {
                    match task {
                        Task::First | Task::Nothing => {}
                        Task::One => shape.change(top, version)?,
                        Task::Hundred => shape.change_many(top, version, 100)?,
                        Task::All => shape.change_many(top, version, shape.files)?,
                        Task::Renamed => shape.rename(top, version)?,
                        Task::ArchiveCame | Task::ArchiveRebuilt => archive.build(top, version)?,
                    }
                }
            }
            thread::sleep(SETTLE);
            let before = [shelves[0].repository.youngest(), shelves[1].repository.youngest()];
            for step in [Step::Publish, Step::Update] {
                let mut order = Who::BOTH;
                order.rotate_left(repetition % 2);
                for who in order {
                    let shelf = &shelves[who as usize];
                    let (spent, size) = (shelf.passed(), shelf.size()?);
                    let (measure, _) = measured(contest.invocation(who, task, step), &place)?;
                    let (spent_after, size_after) = (shelf.passed(), shelf.size()?);
                    let row = Row {
                        access,
                        files: shape.files,
                        size: shape.size,
                        task,
                        step,
                        who,
                        repetition,
                        measure,
                        far_cpu_s: spent_after.0 - spent.0,
                        up: spent_after.1 - spent.1,
                        down: spent_after.2 - spent.2,
                        grown: size_after.cast_signed() - size.cast_signed(),
                    };
                    // A run takes long, and it is lost if anything in it is wrong.
                    writeln!(io::stderr(), "{}", serde_json::to_string(&row)?)?;
                    rows.push(row);
                }
            }
            contest.check().with_context(|| format!("after: {}", task.name()))?;
            for (shelf, before) in shelves.iter().zip(before) {
                let made = shelf.repository.youngest() - before;
                ensure!(made == task.revisions(), "after: {}: {made} revisions more", task.name());
            }
        }
    }
    // The next way needs the room.
    drop(contest);
    Ok(fs::remove_dir_all(&place)?)
}

/// What the system's `svn` says of itself.
fn version() -> Result<String> {
    let said = Command::new("svn").args(["--version", "-q"]).output().context("asking `svn` for its version")?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
