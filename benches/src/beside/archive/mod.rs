//! `archive`: what a rebuilt archive costs from one end to the other, by depsync and beside rsync, xdelta3, casync and
//! `zstd --patch-from`.
//!
//! A pair is an archive before and after. depsync has a hub in a directory, a manager that publishes the one and then
//! the other, a worker that updates to both, and one that comes afterwards. The peers bring the new one to where the old
//! one is, or make something of which it can be made there. All that is made is compared with the new archive, byte by
//! byte. Bytes are the same every time, but for a few; seconds are those of one process, and of this machine.
//!
//! | file | is |
//! |---|---|
//! | `row` | [`Row`]: a process, and what it carried |
//! | `pairs` | [`Pair`]: two versions of an archive, and those that somebody has brought |
//! | `rebuild`, `build.py` | those that are made here |
//! | `peers` | [`Peer`]: the other programs |
//! | `deployment` | [`Deployment`]: depsync, at one archive |
//! | `chain` | ten versions of an archive, one after the other |
//! | `fat` | a large archive of archives: time and memory |
//! | `target` | what a rebuilt archive may cost |
//! | `table` | the rows as tables |

mod chain;
mod deployment;
mod fat;
mod pairs;
mod peers;
mod rebuild;
mod row;
mod table;
mod target;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use self::deployment::{Deployment, Effort};
pub(crate) use self::pairs::HOW;
use self::pairs::Pair;
use self::peers::Peer;
use self::row::{Part, Row, Who};
use crate::kit::ledger::Ledger;
use crate::kit::setting::{Setting, SettingArgs};

#[derive(Args)]
pub struct ArchiveArgs {
    /// Where archives are that somebody has brought, old.jar and new.jar of each (see below)
    #[arg(long, value_name = "DIR")]
    pairs: Option<PathBuf>,
    /// Which pairs are measured
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Kind::ALL)]
    rows: Vec<Kind>,
    /// Measure no pairs: only --chain and --fat
    #[arg(long, conflicts_with = "rows")]
    no_rows: bool,
    /// Leave the peers out
    #[arg(long)]
    alone: bool,
    /// For `depsync publish --effort` [default: the option is not given]
    #[arg(long, value_enum)]
    effort: Option<Effort>,
    /// Measure ten versions of an archive, one after the other
    #[arg(long)]
    chain: bool,
    /// Measure a jar of jars of so many mebibytes [300 if none is said]
    #[arg(long, value_name = "MIB", num_args = 0..=1, default_missing_value = "300",
        value_parser = clap::value_parser!(u16).range(1..=3000))]
    fat: Option<u16>,
    /// How many classes are edited in that
    #[arg(long, default_value_t = 300, requires = "fat", value_parser = clap::value_parser!(u32).range(1..))]
    changed: u32,
    #[command(flatten)]
    setting: SettingArgs,
}

/// The kinds of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Those of --pairs
    Pairs,
    /// The first of them rebuilt, with one class edited
    OneClass,
    /// The same with its entries in another order
    AnotherOrder,
    /// A WAR of deflated jars, one of which was rebuilt
    WarDeflated,
    /// The same of stored jars
    WarStored,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Pairs, Self::OneClass, Self::AnotherOrder, Self::WarDeflated, Self::WarStored];
}

/// Measures, prints the tables and writes the ledger.
pub(crate) fn run(args: &ArchiveArgs) -> Result<()> {
    let mut setting = Setting::open(&args.setting)?;
    let writer = rebuild::writer()?;
    let (peers, missing) = if args.alone || args.no_rows { (Vec::new(), Vec::new()) } else { look() };
    let (mut rows, mut text) = (Vec::new(), String::new());
    let pairs = if args.no_rows { Vec::new() } else { gather(args, setting.place())? };
    ensure!(
        !pairs.is_empty() || args.chain || args.fat.is_some(),
        "nothing to measure: say --pairs DIR, --chain or --fat\n{HOW}"
    );
    for pair in &pairs {
        measure(args, &setting, pair, &peers, &mut rows).with_context(|| pair.name.clone())?;
    }
    if !pairs.is_empty() {
        text += &table::pairs(&rows, &missing);
    }
    if args.chain {
        chain::run(args, &setting, &mut rows).context("the chain")?;
        text += &table::chain(&rows);
    }
    if let Some(mebibytes) = args.fat {
        fat::run(args, &setting, mebibytes, &mut rows).context("the fat jar")?;
        text += &table::fat(&rows, args.changed);
    }
    setting.machine.ended();
    let text = format!("{}{}{text}", setting.machine.facts(), facts(args, &writer, &peers, &missing));
    write!(io::stdout(), "{text}")?;
    let ledger = Ledger::new(&args.setting.results, &setting.machine, "archive", &rows)?;
    ledger.tell("Archives", &format!("```\n{text}```\n"))
}

/// The peers that are there, and those that are not.
fn look() -> (Vec<Peer>, Vec<Who>) {
    let (mut peers, mut missing) = (Vec::new(), Vec::new());
    for who in Who::PEERS {
        match Peer::find(who) {
            Some(peer) => peers.push(peer),
            None => missing.push(who),
        }
    }
    (peers, missing)
}

/// What the figures hold for, besides the machine.
fn facts(args: &ArchiveArgs, writer: &str, peers: &[Peer], missing: &[Who]) -> String {
    let mut text = format!("archives are built by: {writer}\n");
    for peer in peers {
        text += &format!("{}: {}\n", peer.who.name(), peer.version);
    }
    for who in missing {
        text += &format!("MISSING: {}: apt-get install {}\n", who.name(), who.package());
    }
    let effort = args.effort.map_or("the option is not given", Effort::word);
    text += &format!("depsync publish --effort: {effort}\n");
    if !args.no_rows {
        if args.alone {
            text += "NOT MEASURED: the peers: --alone\n";
        }
        if args.pairs.is_none() {
            text += "NOT MEASURED: what is published elsewhere, and rebuilds of it: no --pairs\n";
        }
        text += &format!("\n{HOW}\n");
    }
    text
}

/// The pairs that are to be measured; those that are made here are made in `place`.
fn gather(args: &ArchiveArgs, place: &Path) -> Result<Vec<Pair>> {
    let wanted = |kind| args.rows.contains(&kind);
    let mut pairs = Vec::new();
    if let Some(dir) = &args.pairs {
        let given = pairs::given(dir)?;
        if wanted(Kind::OneClass) || wanted(Kind::AnotherOrder) {
            let of = given.first().context("there is one, or it is refused")?;
            let kinds = [Kind::OneClass, Kind::AnotherOrder];
            let rebuilt = kinds.into_iter().zip(rebuild::rebuilt(of, &place.join("rebuilt"))?);
            pairs.extend(rebuilt.filter(|(kind, _)| wanted(*kind)).map(|(_, pair)| pair));
        }
        if wanted(Kind::Pairs) {
            pairs.splice(..0, given);
        }
    }
    if wanted(Kind::WarDeflated) || wanted(Kind::WarStored) {
        let kinds = [Kind::WarDeflated, Kind::WarStored];
        let wars = kinds.into_iter().zip(rebuild::wars(&place.join("wars"))?);
        pairs.extend(wars.filter(|(kind, _)| wanted(*kind)).map(|(_, pair)| pair));
    }
    Ok(pairs)
}

/// One pair, by everybody.
fn measure(args: &ArchiveArgs, setting: &Setting, pair: &Pair, peers: &[Peer], rows: &mut Vec<Row>) -> Result<()> {
    let place = setting.place().join("pair");
    fs::create_dir(&place)?;
    let pair = pair.copied(&place)?;
    let whole = fs::metadata(&pair.new)?.len();
    for peer in peers {
        let own = place.join(peer.who.package());
        fs::create_dir(&own)?;
        for done in peer.carry(&pair, &own)? {
            rows.push(Row {
                part: Part::Pairs,
                archive: pair.name.clone(),
                version: None,
                who: peer.who,
                step: done.step,
                whole,
                bytes: done.bytes,
                hub_grown: None,
                hub: None,
                measure: done.measure,
            });
        }
        fs::remove_dir_all(&own)?;
    }
    let about = (Part::Pairs, pair.name.as_str(), pair.file_name());
    let mut deployment = Deployment::new(place.join("depsync"), &setting.programs.depsync, args.effort, about, rows)?;
    deployment.bring(&pair)?;
    Ok(fs::remove_dir_all(&place)?)
}
