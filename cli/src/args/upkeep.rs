//! The commands beside the daily work.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::import::preset::Preset;

pub(super) const GC: &str = "\
In two phases: a first run writes down what is no longer needed, a later one, after the grace period by the hub's \
clock and a second look, removes it. Revisions that a node reports as applied are kept.

Examples:
  depsync gc
  depsync gc --keep-revisions 100 --keep-age 90d";

/// `gc`.
#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// Keep at least this many of the newest revisions
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keep_revisions: u64,
    /// Keep revisions younger than this
    #[arg(long, value_name = "AGE", default_value = "30d")]
    pub(crate) keep_age: crate::units::Span,
    /// Remove nothing that was condemned less than this ago
    #[arg(long, value_name = "AGE", default_value = "1d")]
    pub(crate) grace: crate::units::Span,
    /// Store whole what is stored as a difference: for nodes that cannot deflate as the format demands
    #[arg(long)]
    pub(crate) raw: bool,
}

pub(super) const UPGRADE_HUB: &str = "\
A hub that an older depsync made stays as that made it. This gives it what a new hub has: archives travel as what has \
changed in them (archives-1). Nodes with a depsync that does not know it can no longer read the hub or publish to it, \
and there is no way back: upgrade all nodes first.

Examples:
  depsync upgrade-hub          say what the hub would get; nothing is changed
  depsync upgrade-hub --yes";

/// `upgrade-hub`.
#[derive(Debug, Args)]
pub(crate) struct UpgradeHub {
    /// Every node has this version by now: do it
    #[arg(long)]
    pub(crate) yes: bool,
}

pub(super) const DEMO: &str = "\
Publish, update, a change, an update killed half way and finished by the next one, a rollback. Every step is checked by \
comparing the trees byte by byte. Nothing outside the temporary directory is changed.

Examples:
  depsync demo
  depsync demo /srv/deploy    the same with a copy of your own directory";

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Work on a copy of this directory instead of a made-up one
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) source: Option<PathBuf>,
    /// Leave the temporary directory behind, to look around in
    #[arg(long)]
    pub(crate) keep: bool,
}

pub(super) const COMPLETIONS: &str = "\
Examples:
  depsync completions bash > /etc/bash_completion.d/depsync";

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

pub(super) const MAN: &str = "\
Examples:
  depsync man | man -l -              read the page of the program
  depsync man /usr/local/share/man/man1
                                      write one for it and one for every command";

/// `man`.
#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The directory that the pages are written into [default: the first page, on stdout]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) into: Option<PathBuf>,
}

pub(super) const IMPORT: &str = "\
Of a WSO2 server: the <DeploymentSynchronizer> of its carbon.xml becomes a depsync.toml, and its password a file that only \
you can read. Given those of a manager and its workers together, it says where they contradict each other. Nothing of the \
other tool is run or changed, and no file is overwritten.

Examples:
  depsync import --dry-run /opt/wso2/repository/conf/carbon.xml    say what would be written
  depsync import manager/carbon.xml worker/carbon.xml --carbon-home /opt/wso2 --into /etc/depsync
  depsync import carbon.xml --preset wso2-apim --hub /mnt/hub      another hub in the place of the repository
  depsync import nodes-list --dry-run /etc/cron.d/sync.sh   say what would be written";

/// `import`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Import {
    /// Files called carbon.xml
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Where the server is [default: what the file's repository/conf is in]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) carbon_home: Option<PathBuf>,
    /// What is usual for the server: wso2-mi, wso2-apim, wso2-is or tomcat
    #[arg(long, value_name = "SERVER", value_enum, hide_possible_values = true)]
    pub(crate) preset: Option<Preset>,
    /// Where depsync.toml is to lie [default: here]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) into: Option<PathBuf>,
    /// Say what would be written and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What is taken over
    #[command(subcommand)]
    pub(crate) kind: Option<ImportKind>,
}

/// What can be taken over.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportKind {
    /// A script for cron that goes through a list of nodes with rsync
    #[command(after_help = NODES_LIST)]
    NodesList(NodesList),
}

const NODES_LIST: &str = "\
The script is read, not run. What it sends, where to, with which key, and what it leaves out goes into a depsync.toml; what \
has no place there is said with its line. `~` in the script is your home: do this as the user whose cron runs it.

Examples:
  depsync import nodes-list --dry-run sync.sh           say what would be written
  depsync import nodes-list sync.sh --into /etc/depsync
  depsync import nodes-list sync.sh --list nodes.txt    what is not understood in it";

/// `import nodes-list`.
#[derive(Debug, Args)]
pub(crate) struct NodesList {
    /// The script
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath)]
    pub(crate) script: PathBuf,
    /// The list of the nodes [default: the one that the script reads]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) list: Option<PathBuf>,
    /// Where depsync.toml is to lie [default: beside the script]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) into: Option<PathBuf>,
    /// Say what would be written and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
