//! The commands that ask: what is here, what differs, what happened.

use clap::Args;
use depsync_engine::name::NodeId;

use super::Operands;
use super::words::{RevisionName, SideName};

pub(super) const STATUS: &str = "\
A node is current, updating, behind, drifted, failed or silent; of more than 40, those that are not current are listed. \
With the hub out of reach the local facts are shown all the same; the exit status is then 5.

Examples:
  depsync status /srv/deploy /mnt/hub
  depsync --json status | jq '.nodes[] | [.node, .state, .applied.number]'
  depsync status --history web-1     what that node has reported before";

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// What a node has reported before, newest first
    #[arg(long, value_name = "NODE")]
    pub(crate) history: Option<NodeId>,
    /// Take a node that is gone off this node's list
    #[arg(long, value_name = "NODE", conflicts_with = "history")]
    pub(crate) forget: Option<NodeId>,
}

pub(super) const TENANTS: &str = "\
For a depsync.toml with `{tenant}` in `dir`: every tenant is a deployment of its own. What is here is read from the register \
that all commands keep, and what the hub has by one question. `depsync status --tenant NAME` tells more of one.

Examples:
  depsync tenants
  depsync tenants --behind               those that are not in step
  depsync --json tenants | jq -r '.tenants[] | select(.problem) | .name'";

/// `tenants`.
#[derive(Debug, Args)]
pub(crate) struct Tenants {
    /// Only those that are kept in step here and are not, or have failed
    #[arg(long)]
    pub(crate) behind: bool,
    /// Only those that are kept in step here
    #[arg(long)]
    pub(crate) loaded: bool,
}

pub(super) const DOCTOR: &str = "\
Looks at the configuration, the directory, the state, the hub, the clocks, the limits of the system, the channel, the hooks \
and the other nodes. It goes on after what it finds, and changes nothing. Exits with 1 if a check failed; warnings are none.

Examples:
  depsync doctor /srv/deploy /mnt/hub
  depsync -q doctor                   with a depsync.toml above: only what is wrong, and what to do
  depsync --json doctor | jq -r '.checks[] | select(.verdict == \"failed\") | .name'";

/// `doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) operands: Operands,
}

pub(super) const WAIT: &str = "\
Nodes are heard of over the channel or through the hub. Without --nodes it is all that have ever reported; with it, also \
those that never have. Exits with 5 when the time is over, and says who is missing.

Examples:
  depsync wait --timeout 60                   until all nodes have the newest revision
  depsync wait --revision 7 --nodes web-1,web-2 --timeout 60
  depsync publish -q -m 'release 7' && depsync wait --timeout 120 && ./smoke-test";

/// `wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// The revision that they are to have, or a newer one: a number or `head`
    #[arg(short, long, value_name = "REV", default_value = "head")]
    pub(crate) revision: RevisionName,
    /// All nodes that have ever reported (this is what it does unless --nodes are named)
    #[arg(long, conflicts_with = "nodes")]
    pub(crate) all: bool,
    /// These nodes only, with commas between them
    #[arg(long, value_name = "NODE,…", value_delimiter = ',')]
    pub(crate) nodes: Vec<NodeId>,
}

pub(super) const LOG: &str = "\
Examples:
  depsync log
  depsync log --stat
  depsync log -n 3 --hub /mnt/hub --dir /srv/deploy";

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// At most this many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Also how many bytes each has brought to the hub, and how many the files have that were new in it
    #[arg(long)]
    pub(crate) stat: bool,
}

pub(super) const DIFF: &str = "\
A and B are each a revision number, `head` (the newest revision), `agreement` (what this node last agreed on with \
the hub) or `disk` (the directory as it is). A is `agreement` and B is `disk` unless said otherwise.

Examples:
  depsync diff                 what a publish would publish
  depsync diff agreement head  what an update would bring
  depsync diff 3 7             what happened between two revisions
  depsync diff --bytes 3 7     and what a node fetches that goes from the one to the other";

/// `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The old side
    #[arg(value_name = "A", default_value = "agreement", hide_default_value = true)]
    pub(crate) old: SideName,
    /// The new side
    #[arg(value_name = "B", default_value = "disk", hide_default_value = true)]
    pub(crate) new: SideName,
    /// Also what of each file would travel, and why: with a publish, or to a node that has A, if B is a revision
    #[arg(long)]
    pub(crate) bytes: bool,
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
