//! The commands that ask: what is here, what differs, what happened.

use clap::Args;

use super::Operands;
use super::words::SideName;

pub(super) const STATUS: &str = "\
With the hub out of reach the local facts are shown all the same; the exit status is then 5.

Examples:
  depsync status /srv/deploy /mnt/hub
  depsync --json status | jq '.nodes[] | [.node, .applied.number]'";

pub(super) const LOG: &str = "\
Examples:
  depsync log
  depsync log -n 3 --hub /mnt/hub --dir /srv/deploy";

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// At most this many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
}

pub(super) const DIFF: &str = "\
A and B are each a revision number, `head` (the newest revision), `agreement` (what this node last agreed on with \
the hub) or `disk` (the directory as it is). A is `agreement` and B is `disk` unless said otherwise.

Examples:
  depsync diff                 what a publish would publish
  depsync diff agreement head  what an update would bring
  depsync diff 3 7             what happened between two revisions";

/// `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The old side
    #[arg(value_name = "A", default_value = "agreement", hide_default_value = true)]
    pub(crate) old: SideName,
    /// The new side
    #[arg(value_name = "B", default_value = "disk", hide_default_value = true)]
    pub(crate) new: SideName,
}

pub(super) const VERIFY: &str = "\
Exits with 6 when a tracked path differs or cannot be read.

Examples:
  depsync verify /srv/deploy /mnt/hub
  depsync verify --repair    bring the differing paths back; what was there is kept aside";

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// Bring back what differs
    #[arg(long)]
    pub(crate) repair: bool,
}
