//! `tomcat`: a real server whose archive gets new versions, while somebody asks for its page without pause: by depsync,
//! by `cp` over the archive that is there, and by `rsync`.
//!
//! Each way has a server of its own. A version is brought; who asks must see it; then the server gets three rounds more,
//! so that what it does besides is counted too. In the end the archive must be the last version, byte by byte.
//!
//! | file | is |
//! |---|---|
//! | `ways` | [`Way`]: who brings a version, and how |
//! | `table` | the rows as a table |

mod table;
mod ways;

use std::fs;
use std::io::{self, Write as _};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use depsync_tests::tomcat::{Answer, PAGE, Tomcat, Visit, War, longest_absence};
use serde::Serialize;

use self::ways::{Road, Way};
use crate::kit::ledger::Ledger;
use crate::kit::setting::{Setting, SettingArgs};

#[derive(Args)]
pub struct TomcatArgs {
    /// Mebibytes of the archive
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    archive: u16,
    /// Mebibytes a second of a slow copy
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pace: u16,
    /// Seconds for which a copy stalls
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=50))]
    stall: u16,
    /// How many versions come after the first
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    versions: u16,
    #[command(flatten)]
    setting: SettingArgs,
}

/// What comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    /// A new version of an application that is there.
    Changed,
    /// An application that was not there.
    New,
}

impl Task {
    const ALL: [Self; 2] = [Self::Changed, Self::New];

    fn name(self) -> &'static str {
        match self {
            Self::Changed => "new version",
            Self::New => "new application",
        }
    }
}

/// One version that came one way.
#[derive(Clone, Debug, Serialize)]
struct Row {
    way: Way,
    task: Task,
    version: u32,
    mebibytes: u16,
    /// Seconds until the last byte was handed over: in place, or in the manager's directory.
    brought_s: f64,
    /// Seconds from then until the page of this version was shown.
    shown_s: f64,
    /// Requests from the beginning until three rounds after that, and those that were answered with anything but a
    /// whole page.
    requests: usize,
    refused: usize,
    /// Seconds of the longest time from one page to the next. Of an application that is there before.
    absent_s: Option<f64>,
    /// Deployments that the server has begun, and those of them that failed: of a part of an archive.
    deployments: usize,
    failed: usize,
}

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &TomcatArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let mut rows = Vec::new();
    for way in Way::ALL {
        round(args, &setting, way, &mut rows).with_context(|| format!("by {}", way.name()))?;
    }
    setting.machine.ended();
    let text = format!("{}\n{}", setting.machine.facts(), table::table(&rows, args));
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "tomcat", &rows)?;
    ledger.tell("Tomcat", &format!("```\n{text}```\n"))
}

/// All versions, and a new application for each, one way.
fn round(args: &TomcatArgs, setting: &Setting, way: Way, rows: &mut Vec<Row>) -> Result<()> {
    let war = |version| War::new(version).with(usize::from(args.archive) << 20);
    let place = setting.place().join(format!("way-{}", way as usize));
    fs::create_dir(&place)?;
    let road = Road::open(way, &place, &setting.programs.depsync, args)?;
    road.bring("app.war", &war(1).bytes())?;
    road.wait_for("app.war", &war(1).bytes())?;
    let tomcat = Tomcat::serve(&road.webapps());
    let visitor = tomcat.visitor(&format!("/app/{PAGE}"));
    visitor.wait_for(1);
    drop(visitor);
    for version in 2..=1 + u32::from(args.versions) {
        for task in Task::ALL {
            let application = if task == Task::Changed { "app".to_owned() } else { format!("new-{version}") };
            let (name, bytes) = (format!("{application}.war"), war(version).bytes());
            let visitor = tomcat.visitor(&format!("/{application}/{PAGE}"));
            let (deployments, failed) = (tomcat.attempts(&name), tomcat.failures(&name));
            let begun = Instant::now();
            road.bring(&name, &bytes)?;
            let brought_s = begun.elapsed().as_secs_f64();
            visitor.wait_for(version);
            let shown_s = begun.elapsed().as_secs_f64() - brought_s;
            tomcat.look_around();
            let visits = visitor.leave();
            let absent = longest_absence(&visits).as_secs_f64();
            rows.push(Row {
                way,
                task,
                version,
                mebibytes: args.archive,
                brought_s,
                shown_s,
                requests: visits.iter().map(|visit| visit.count).sum(),
                refused: visits.iter().filter(|visit| visit.page().is_none()).map(|visit| visit.count).sum(),
                absent_s: (task == Task::Changed).then_some(absent),
                deployments: tomcat.attempts(&name) - deployments,
                failed: tomcat.failures(&name) - failed,
            });
            check(&visits, version)?;
            ensure!(fs::read(road.webapps().join(&name))? == bytes, "{name} is not the version {version}");
            if task == Task::New {
                road.remove(&name)?;
                tomcat.wait_for(|server| server.removals(&format!("/{application}")) > 0, "it takes it away");
            }
        }
    }
    road.close()
}

/// Whatever is shown was a version: this one or the one before.
fn check(visits: &[Visit], version: u32) -> Result<()> {
    for visit in visits {
        let is_known = visit.page().is_none_or(|page| page == version || page == version - 1);
        ensure!(is_known && !matches!(visit.answer, Answer::Torn(_)), "shown at version {version}: {visit:?}");
    }
    Ok(())
}
