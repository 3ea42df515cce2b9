//! The commands that measure and advise.

use clap::Args;

use super::Operands;
use super::words::{GoalName, KindName, TransportName};
use crate::units::{Rate, Size, Span};

pub(super) const ADVISE: &str = "\
What is not given is what this deployment's newest revisions tell. With all of --rate, --bytes, --tree and --nodes nothing \
is opened. What changes cost was measured by `depsync bench`, on one machine, and is a model: the answer says where the \
next transport becomes the better one, and when two are as good.

Examples:
  depsync advise                        for this deployment, with a depsync.toml above
  depsync advise --rate 3/day --bytes 20M --kind archive --tree 500 --nodes 40
  depsync advise --rate 10/s --rtt 40ms --bandwidth 50 --by bytes";

/// `advise`.
#[derive(Debug, Args)]
pub(crate) struct Advise {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// Changes: 10/s, 5/min, 3/h, 2/day or 1/week
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<Rate>,
    /// What a change is: edit, archive, release or delete
    #[arg(long, value_enum, value_name = "KIND", hide_possible_values = true)]
    pub(crate) kind: Option<KindName>,
    /// Bytes of the files that a change is of
    #[arg(long, value_name = "SIZE")]
    pub(crate) bytes: Option<Size>,
    /// How many files that is
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) files: Option<u32>,
    /// Files of the deployment
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) tree: Option<u64>,
    /// Workers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) nodes: Option<u32>,
    /// A round trip between a node and the hub [default: 1ms]
    #[arg(long, value_name = "SPAN")]
    pub(crate) rtt: Option<Span>,
    /// Megabits a second between a node and the hub [default: 1000]
    #[arg(long, value_name = "MBIT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) bandwidth: Option<u32>,
    /// Packets that are lost there, in a hundred [default: 0]
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) loss: Option<f64>,
    /// Cores of the hub's server [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) hub_cores: Option<u32>,
    /// What is to be little: time, bytes or processor
    #[arg(long, value_enum, default_value = "time", value_name = "WHAT", hide_possible_values = true)]
    pub(crate) by: GoalName,
    /// Only these: mount, ssh, svn
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TRANSPORT,…", hide_possible_values = true)]
    pub(crate) among: Vec<TransportName>,
    /// A model of your own, which `depsync bench --model` has written
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) model: Option<std::path::PathBuf>,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(value) if (0.0..50.0).contains(&value) => Ok(value),
        _ => Err("not a share of packets: write 0.5 for one in two hundred, below 50".to_owned()),
    }
}

#[cfg(feature = "bench")]
pub(super) const BENCH: &str = "\
Nothing of yours is touched: all happens in a directory beneath --dir, which is removed again. It takes some twenty minutes on \
two cores, --quick two. What is done is written down: interrupted, the same command goes on where it was.

Examples:
  depsync bench --local --quick --dir /dev/shm
  depsync bench --local --model model.json && depsync advise --model model.json";
