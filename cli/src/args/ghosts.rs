//! The commands about what is fetched on demand.

use std::ffi::OsString;

use clap::Args;

use crate::units::Span;

pub(super) const FETCH: &str = "\
For what `lazy` in depsync.toml names: an update knows of it, and this brings it. A directory comes as a whole, and stays \
whole: what later revisions put into it comes, too, until it is evicted.

Examples:
  depsync fetch webapps/shop.war
  depsync fetch webapps/shop.war carbonapps --timeout 30
  depsync fetch --all";

/// `fetch`.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// What to bring, below the deployment directory
    #[arg(value_name = "PATH", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) paths: Vec<OsString>,
    /// Everything that is not here yet
    #[arg(long)]
    pub(crate) all: bool,
}

pub(super) const EVICT: &str = "\
Only what is lazy goes, and only what is just as it was fetched: what somebody has changed here stays. Exits with 1 if \
something that was named stays. When a file was read last is what its file system says: most note it once a day.

Examples:
  depsync evict webapps/shop.war
  depsync evict --idle 7d           whatever was not read for a week
  depsync evict --idle 7d --dry-run webapps";

/// `evict`.
#[derive(Debug, Args)]
pub(crate) struct Evict {
    /// What to remove, below the deployment directory
    #[arg(value_name = "PATH", required_unless_present_any = ["all", "idle"], conflicts_with = "all")]
    pub(crate) paths: Vec<OsString>,
    /// Everything that is lazy
    #[arg(long)]
    pub(crate) all: bool,
    /// Only what was not read for this long
    #[arg(long, value_name = "TIME")]
    pub(crate) idle: Option<Span>,
    /// Say what would go and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

pub(super) const LS: &str = "\
A ghost is what is known and not here. What is on the disk beside the deployment is not listed, and whether what is here is \
still as it was fetched is what `status` and `verify` say.

Examples:
  depsync ls
  depsync ls --ghosts webapps          what of it is not here
  depsync --json ls | jq -r '.entries[] | select(.ghost) | .path'";

/// `ls`.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only these, and what is beneath them
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<OsString>,
    /// Only what is not here
    #[arg(long, conflicts_with = "here")]
    pub(crate) ghosts: bool,
    /// Only what is here
    #[arg(long)]
    pub(crate) here: bool,
}
