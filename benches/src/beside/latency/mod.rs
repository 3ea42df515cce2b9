//! `latency`: how long it takes from a file being saved in one directory until it is at its live name in all the others:
//! by depsync, with the channel and by asking alone, by lsyncd (rsync over ssh) and by syncthing.
//!
//! All directories begin equal, so that nobody is measured while he is still copying. A file of 1 KiB, another each
//! time, is overwritten in place; the clock runs from before that until the kernel tells that the file is in a
//! directory and has those bytes. The next one comes a little later than when all have it, by chance, so that nobody's
//! period falls in with it. In the end all directories are compared, byte by byte.
//!
//! | file | is |
//! |---|---|
//! | `ways` | [`Way`], and [`Road`]: the directories of one, and its daemons |
//! | `witness` | [`Witness`]: when a file was where |
//! | `table` | the rows as a table |

mod table;
mod ways;
mod witness;

use std::fs;
use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use depsync_tests::dice::Dice;
use serde::Serialize;

use self::ways::{Road, Way};
use self::witness::Witness;
use crate::kit::ledger::Ledger;
use crate::kit::setting::{Setting, SettingArgs};
use crate::kit::tree::{Layout, Shape, equal};

/// How long the first one may take to arrive, when everybody still has to look at everything.
const FIRST: Duration = Duration::from_secs(600);
/// How long any other may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The edits before those that count.
const BEFORE: usize = 3;

#[derive(Args)]
pub struct LatencyArgs {
    /// Files of the tree, of 1 KiB each
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
    files: u32,
    /// Workers
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=60))]
    workers: u8,
    /// How many files are saved, where a channel tells of them
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    edits: u16,
    /// How many for the others, who take longer
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    slow_edits: u16,
    /// Milliseconds that nothing has to change before depsync publishes
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    debounce: u16,
    /// Seconds after which depsync asks its hub
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    period: u16,
    /// Who is measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Way::ALL)]
    ways: Vec<Way>,
    /// Where the numbers of chance begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    setting: SettingArgs,
}

/// A file that was saved.
#[derive(Clone, Debug, Serialize)]
struct Row {
    way: Way,
    /// What its program says of its version.
    version: String,
    files: usize,
    edit: usize,
    /// Until it was there, worker by worker.
    ms: Vec<f64>,
    /// Seconds of processor time of all daemons, and of what they have started, since the edit before.
    cpu_s: f64,
}

/// Measures, prints the table and writes the ledger.
pub(crate) fn run(args: &LatencyArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let shape = Shape { layout: Layout::Nested, files: args.files as usize, size: 1024 };
    let (mut rows, mut missing) = (Vec::new(), String::new());
    for way in Way::ALL.into_iter().filter(|way| args.ways.contains(way)) {
        match way.program(&setting.programs.depsync) {
            Some(program) => round(args, &setting, shape, way, &program, &mut rows)
                .with_context(|| format!("with {}", way.name()))?,
            None => missing.push_str(&format!("MISSING: {}: apt-get install {}\n", way.name(), way.package())),
        }
    }
    setting.machine.ended();
    let text = format!("{}{}{missing}\n{}", setting.machine.facts(), table::versions(&rows), table::table(&rows, args));
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "latency", &rows)?;
    ledger.tell("Latency", &format!("```\n{text}```\n"))
}

/// All edits, one way.
fn round(
    args: &LatencyArgs,
    setting: &Setting,
    shape: Shape,
    way: Way,
    program: &ways::Program,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let place = setting.place().join(format!("way-{}", way as usize));
    fs::create_dir(&place)?;
    let mut road = Road::open(way, &place, program, shape, args)?;
    // rsync compares whole seconds: what is saved in the one in which it was made would be missed.
    thread::sleep(Duration::from_millis(1100));
    let mut dice = Dice::new(args.seed);
    let count = BEFORE + usize::from(if way == Way::Channel { args.edits } else { args.slow_edits });
    let mut spent = road.spent();
    for edit in 0..count {
        let number = dice.below(shape.files);
        let mut witness = Witness::of(road.workers(), &shape.path(number))?;
        let begun = Instant::now();
        let bytes = shape.save(road.source(), number, edit as u64 + 1)?;
        let patience = if edit == 0 { FIRST } else { PATIENCE };
        let arrived = witness.wait_for(begun, &bytes, patience);
        road.check()?;
        let arrived = arrived.with_context(|| format!("edit {edit}: {}", road.told()))?;
        let spent_now = road.spent();
        if edit >= BEFORE {
            rows.push(Row {
                way,
                version: program.version.clone(),
                files: shape.files,
                edit: edit - BEFORE,
                ms: arrived.iter().map(|time| time.as_secs_f64() * 1000.0).collect(),
                cpu_s: spent_now - spent,
            });
        }
        spent = spent_now;
        // So that an edit hits anybody's period, or second, anywhere.
        let period = if way == Way::Polling { u64::from(args.period) * 1000 } else { 1000 };
        thread::sleep(Duration::from_millis(300 + dice.roll() % period));
    }
    for worker in road.workers() {
        equal(road.source(), worker)?;
    }
    drop(road);
    Ok(fs::remove_dir_all(&place)?)
}
