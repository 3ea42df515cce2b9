//! The commands that change something: a node's state, a directory, the hub's newest revision.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use depsync_engine::content::Effort;
use depsync_engine::engine::{PublishOptions, Side};
use depsync_transports::nodes::Selector;

use super::Operands;
use super::words::{RoleName, revision_number};
use crate::import::preset::Preset;

pub(super) const INIT: &str = "\
Examples:
  depsync init /srv/deploy /mnt/hub --role manager   a node that may publish
  depsync init --role worker                         a node that only follows, as depsync.toml says
  depsync init /opt/tomcat/webapps /mnt/hub --role manager --preset tomcat
                                                     and a depsync.toml with what is usual for Tomcat";

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// What this node may do [default: the first publish makes a manager of it]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleName>,
    /// Write a depsync.toml with what is usual for a server: wso2-mi, wso2-apim, wso2-is or tomcat
    #[arg(long, value_name = "SERVER", value_enum, hide_possible_values = true)]
    pub(crate) preset: Option<Preset>,
}

pub(super) const PUBLISH: &str = "\
The first publish makes a hub of an empty directory. Files that look half-copied are held back and named; a source \
that lost more than half of its entries is refused until --allow-mass-delete says that it is meant.

Examples:
  depsync publish /srv/deploy /mnt/hub -m 'release 7'
  depsync publish --dry-run            say what would be published, and what of it would travel
  depsync publish --forget logs/old    a path that is ignored now leaves the deployment
  depsync --json publish | jq .revision";

/// `publish`.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) operands: Operands,
    #[command(flatten)]
    pub(crate) publishing: Publishing,
    /// A tracked path that is ignored now and is to leave the deployment (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) forget: Vec<std::ffi::OsString>,
}

/// How much is done to make small what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EffortName {
    /// Little, for a fast network
    Fast,
    /// Most of what can be had
    Balanced,
    /// All of it, where many nodes fetch what one has published
    Small,
}

impl From<EffortName> for Effort {
    fn from(name: EffortName) -> Self {
        match name {
            EffortName::Fast => Self::Fast,
            EffortName::Balanced => Self::Balanced,
            EffortName::Small => Self::Small,
        }
    }
}

/// How to publish, for the commands that do.
#[derive(Debug, Args)]
pub(crate) struct Publishing {
    /// Why, for the log
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Say what would be published and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on although fewer than half of the entries remain; written into the revision, and the nodes follow
    #[arg(long)]
    allow_mass_delete: bool,
    /// Publish files that look half-copied, too
    #[arg(long)]
    no_hold: bool,
    /// How much is done to make small what is sent: fast, balanced or small [default: balanced]
    #[arg(long, value_name = "EFFORT", value_enum, hide_possible_values = true)]
    effort: Option<EffortName>,
}

impl Publishing {
    /// The same for the engine.
    pub(crate) fn options(&self) -> PublishOptions {
        PublishOptions {
            message: self.message.clone(),
            dry_run: self.dry_run,
            allow_mass_delete: self.allow_mass_delete,
            no_hold: self.no_hold,
            effort: self.effort.map(Into::into),
            ..PublishOptions::default()
        }
    }
}

pub(super) const UPDATE: &str = "\
Everything is staged and verified before the first rename; an interrupted update is finished by the next command. \
The first update makes the directory. Files that depsync did not put there are left alone.

Examples:
  depsync update /srv/deploy /mnt/hub
  depsync update --to 12     go to revision 12 and stay there
  depsync update --unpin     follow the newest revision again
  depsync --detailed-exitcode update; [ $? -eq 10 ] && systemctl reload tomcat";

/// `update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// Go to this revision and stay there
    #[arg(long, value_name = "REV", conflicts_with = "unpin", value_parser = revision_number())]
    pub(crate) to: Option<u64>,
    /// Follow the newest revision again
    #[arg(long)]
    pub(crate) unpin: bool,
    /// Try the newest revision again although this node was not well with it
    #[arg(long)]
    pub(crate) retry: bool,
    /// Say what would be done and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Remove untracked entries too (they are kept aside)
    #[arg(long)]
    pub(crate) prune: bool,
    /// Go on although fewer than half of the entries remain
    #[arg(long)]
    pub(crate) allow_mass_delete: bool,
}

pub(super) const ROLLBACK: &str = "\
History is not rewritten: the old tree becomes the newest revision. To hold a single node back, use `update --to REV`.

Examples:
  depsync rollback 6
  depsync rollback 6 -m 'release 7 broke the login'";

/// `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The revision whose tree is wanted
    #[arg(value_name = "REV", value_parser = revision_number())]
    pub(crate) revision: u64,
    /// Why, for the log [default: 'rollback to revision REV']
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) message: String,
}

pub(super) const PUSH: &str = "\
For nodes where nothing of ours is installed: sshd, a shell and rsync are enough. What is in the directory is \
published first (without a hub: to one of its own, in the state directory), then every node of the list is brought to that \
revision. A node that fails keeps no other from getting it. The list has one `user@host:/path` a line.

Examples:
  depsync push /srv/deploy --nodes nodes-list.txt
  depsync push                        as depsync.toml says: dir and nodes
  depsync push --only web-1 --check   look at every file there, by checksums, and put right what differs
  depsync push --to 12                everybody back to revision 12, which stays published as it was
  depsync --json push | jq '.nodes[] | select(.error) | .node'";

/// `push`.
#[derive(Debug, Args)]
#[command(mut_arg("dry_run", |arg| {
    arg.help("Say what would be published and pushed, from what is on record, and change nothing")
}))]
pub(crate) struct Push {
    /// The deployment directory (as --dir)
    #[arg(value_name = "DIR", conflicts_with = "dir", value_hint = ValueHint::DirPath)]
    pub(crate) dir_operand: Option<PathBuf>,
    /// The list of nodes [default: `nodes` of depsync.toml]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) nodes: Option<PathBuf>,
    /// Only these nodes: a name, a host, or a label as LABEL=VALUE (repeatable)
    #[arg(long, value_name = "NODE")]
    pub(crate) only: Vec<Selector>,
    /// How many nodes at a time [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) parallel: Option<u32>,
    /// Look at everything on the nodes, by checksums, and put right what differs
    #[arg(long)]
    pub(crate) check: bool,
    /// The same, and remove what is in no revision (it is kept aside)
    #[arg(long)]
    pub(crate) prune: bool,
    /// Push this revision, and publish nothing
    #[arg(long, value_name = "REV", value_parser = revision_number(), conflicts_with_all = ["message", "no_hold"])]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) publishing: Publishing,
}

pub(super) const RESOLVE: &str = "\
Examples:
  depsync resolve conf/server.xml --mine     the next publish publishes what is here
  depsync resolve conf/server.xml --theirs   the next update brings the hub's";

/// `resolve`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("side").required(true))]
pub(crate) struct Resolve {
    /// The path, below the deployment directory
    #[arg(value_name = "PATH")]
    pub(crate) path: std::ffi::OsString,
    /// What is on this disk wins
    #[arg(long, group = "side")]
    pub(crate) mine: bool,
    /// What the hub has wins
    #[arg(long, group = "side")]
    pub(crate) theirs: bool,
}

impl Resolve {
    /// The side that wins.
    pub(crate) fn side(&self) -> Side {
        if self.mine { Side::Mine } else { Side::Theirs }
    }
}
