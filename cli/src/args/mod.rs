//! The command line as clap reads it. Nothing here touches a disk: what the words mean is settled in `settings`.
//!
//! `DIR HUB` may stand behind the commands that a script without a config file uses; `--dir` and `--hub` stand anywhere.

mod counsel;
mod deeds;
mod ghosts;
mod questions;
mod run;
mod upkeep;
mod words;

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueHint};
use depsync_engine::name::{DeploymentName, NodeId};

use counsel::ADVISE;
pub(crate) use counsel::Advise;
#[cfg(feature = "bench")]
use counsel::BENCH;
pub(crate) use deeds::{EffortName, Init, Publish, Push, Resolve, Rollback, Update};
use deeds::{INIT, PUBLISH, PUSH, RESOLVE, ROLLBACK, UPDATE};
use ghosts::{EVICT, FETCH, LS};
pub(crate) use ghosts::{Evict, Fetch, Ls};
use questions::{DIFF, DOCTOR, LOG, STATUS, TENANTS, VERIFY, WAIT};
pub(crate) use questions::{Diff, Doctor, Log, Status, Tenants, Verify, Wait};
use run::RUN;
pub(crate) use run::{HealName, Run};
use upkeep::{COMPLETIONS, DEMO, GC, IMPORT, MAN, UPGRADE_HUB};
pub(crate) use upkeep::{Completions, Demo, Gc, Import, ImportKind, Manual, NodesList, UpgradeHub};
pub(crate) use words::{LogFormat, RoleName};

const AFTER: &str = "\
Examples:
  depsync publish /srv/deploy /mnt/hub -m 'release 7'   the first time makes the hub
  depsync update /srv/deploy /mnt/hub                   go to the newest revision
  depsync status                                        with a depsync.toml above
  depsync demo                                          all of it, in a temporary place";

const EXIT_STATUS: &str = "\
Examples:
  depsync publish /srv/deploy /mnt/hub -m 'release 7'   the first time makes the hub
  depsync update /srv/deploy /mnt/hub                   go to the newest revision
  depsync status                                        with a depsync.toml above
  depsync demo                                          all of it, in a temporary place

Exit status:
    0  done, or nothing to do
    1  failed
    2  wrong usage or configuration
    3  refused by a guard; nothing was changed
    4  conflict: somebody else published the same paths; the others went through
    5  hub unreachable or deployment locked; worth trying again
    6  verification failed; nothing was applied
   10  something was changed (with --detailed-exitcode only)
  130  interrupted (143 by SIGTERM); state as before or as after";

/// Keeps a deployment directory identical on every node of a cluster.
///
/// A manager publishes the directory to a hub; the other nodes update to it. A node goes from one whole revision to
/// the next or stays where it was, a change costs what changed, and what each node has applied is on record.
#[derive(Debug, Parser)]
#[command(name = "depsync", version, after_help = AFTER, after_long_help = EXIT_STATUS, max_term_width = 110)]
#[command(propagate_version = false, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What stands on every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The deployment directory
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// The hub: a path, file:///PATH, nfs:///PATH (insists on a live network mount), rsync+ssh://HOST/PATH, svn://…,
    /// svn+ssh://…, svn+https://…, svn+http://… or svn+file:///PATH
    #[arg(long, global = true, value_name = "HUB", value_hint = ValueHint::AnyPath)]
    pub(crate) hub: Option<String>,
    /// The deployment in the hub [default: main]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) deployment: Option<DeploymentName>,
    /// The configuration file [default: depsync.toml, here or in a directory above]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The tenant, where there are many: its name, or its domain
    #[arg(long, global = true, value_name = "TENANT", allow_hyphen_values = true)]
    pub(crate) tenant: Option<String>,
    /// This node's id [default: HOSTNAME-xxxxxxxx, made once]
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) node: Option<NodeId>,
    /// Where this node's state lies [default: .NAME.depsync beside the directory]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
    /// Give up after this many seconds
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) timeout: Option<u64>,
    /// Print one JSON object on stdout, for errors too
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Exit with 10 when something was changed
    #[arg(long, global = true)]
    pub(crate) detailed_exitcode: bool,
    /// Print only what needs attention
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log to stderr; twice for more (DEPSYNC_LOG sets the filter exactly)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How the log is written: text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) log_format: Option<LogFormat>,
    /// Draw no progress bars
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Kill this process (SIGKILL) before its Nth durable step. For demonstrations and crash tests.
    #[arg(long, global = true, hide = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) die_at_step: Option<u64>,
    /// Stop this process (SIGSTOP) before its first durable step of this name. For tests.
    #[arg(long, global = true, hide = true, value_name = "NAME")]
    pub(crate) stop_at_step: Option<String>,
    /// This is the envoy of another process
    #[arg(long, global = true, hide = true)]
    pub(crate) envoy: bool,
}

/// `DIR HUB` behind a command.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Operands {
    /// The deployment directory (as --dir)
    #[arg(value_name = "DIR", requires = "hub_operand", conflicts_with_all = ["dir", "hub"], value_hint = ValueHint::DirPath)]
    pub(crate) dir_operand: Option<PathBuf>,
    /// The hub (as --hub)
    #[arg(value_name = "HUB", value_hint = ValueHint::AnyPath)]
    pub(crate) hub_operand: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make this node's state, and the hub if its place is empty
    #[command(after_help = INIT)]
    Init(Init),
    /// Publish the directory as a new revision
    #[command(after_help = PUBLISH)]
    Publish(Publish),
    /// Bring the directory to the newest revision
    #[command(after_help = UPDATE)]
    Update(Update),
    /// Keep the directory in step until stopped: the daemon
    #[command(after_help = RUN)]
    Run(Run),
    /// Say what is applied here, what differs, and what every node has
    #[command(after_help = STATUS)]
    Status(Status),
    /// List the tenants, and how each stands here
    #[command(after_help = TENANTS)]
    Tenants(Tenants),
    /// Look for whatever could keep this node from working, and say what to do
    #[command(after_help = DOCTOR)]
    Doctor(Doctor),
    /// Wait until nodes have a revision: for scripts and pipelines
    #[command(after_help = WAIT)]
    Wait(Wait),
    /// List what is in the deployment, and what of it is here
    #[command(after_help = LS)]
    Ls(Ls),
    /// List the revisions, newest first
    #[command(after_help = LOG)]
    Log(Log),
    /// List the paths that differ between two sides
    #[command(after_help = DIFF)]
    Diff(Diff),
    /// Read every tracked file and compare it with the applied revision
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Publish an old revision's tree as a new revision: the whole cluster follows
    #[command(after_help = ROLLBACK)]
    Rollback(Rollback),
    /// Bring directories on other machines, where nothing is installed, to the newest revision
    #[command(after_help = PUSH)]
    Push(Push),
    /// Bring what is known and not here
    #[command(after_help = FETCH)]
    Fetch(Fetch),
    /// Remove from this disk what is fetched on demand; it stays known
    #[command(after_help = EVICT)]
    Evict(Evict),
    /// End a conflict
    #[command(after_help = RESOLVE)]
    Resolve(Resolve),
    /// Remove from the hub what no kept revision needs
    #[command(after_help = GC)]
    Gc(Gc),
    /// Give an old hub what a new one has
    #[command(after_help = UPGRADE_HUB)]
    UpgradeHub(UpgradeHub),
    /// Take over what another tool was told
    #[command(after_help = IMPORT)]
    Import(Import),
    /// Say which transport suits a deployment, and from which rate of change on another one would
    #[command(after_help = ADVISE)]
    Advise(Advise),
    /// Measure each transport at given rates of change, for `advise`
    #[cfg(feature = "bench")]
    #[command(after_help = BENCH)]
    Bench(Box<depsync_bench::rate::RateArgs>),
    /// Show a manager and two workers at work in a temporary directory
    #[command(after_help = DEMO)]
    Demo(Demo),
    /// Print a shell's completion script
    #[command(after_help = COMPLETIONS)]
    Completions(Completions),
    /// Print the manual's page, or write all of them
    #[command(after_help = MAN)]
    Man(Manual),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use depsync_engine::engine::DiffSide;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("depsync").chain(words.split_whitespace()))
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn operands_and_options_name_the_same_things() {
        let cli = parse("publish /d /h -m x").expect("operands");
        let Command::Publish(publish) = cli.command else { panic!("another command") };
        assert_eq!(publish.operands.hub_operand.as_deref(), Some("/h"));
        let cli = parse("log --dir /d --hub /h").expect("options behind");
        assert_eq!(cli.global.hub.as_deref(), Some("/h"));
        assert_eq!(parse("--dir /d --hub /h status").expect("before").global.dir, Some("/d".into()));
    }

    #[test]
    fn contradictions_are_usage_errors() {
        for bad in [
            "publish /d",
            "publish /d /h --dir /e",
            "update /d /h --hub /g",
            "update --to 3 --unpin",
            "update --to 0",
            "rollback",
            "rollback x",
            "resolve p",
            "resolve p --mine --theirs",
            "diff yesterday",
            "diff 0",
            "status -q -v",
            "gc --keep-age soon",
            "log --deployment ../x",
            "fetch",
            "fetch x --all",
            "evict",
            "evict --idle soon",
            "ls --ghosts --here",
            "status --node .x",
            "status --timeout 0",
            "init --role king",
            "import",
            "import nodes-list",
            "nonsense",
        ] {
            assert_eq!(parse(bad).expect_err(bad).exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn sides_of_a_diff() {
        let Command::Diff(diff) = parse("diff").expect("diff").command else { panic!("another command") };
        assert_eq!((diff.old.0, diff.new.0), (DiffSide::Agreement, DiffSide::Disk));
        let Command::Diff(diff) = parse("diff 3 head").expect("diff").command else { panic!("another command") };
        assert_eq!((diff.old.0, diff.new.0), (DiffSide::Revision(3), DiffSide::Head));
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  depsync "), "{}", command.get_name());
        }
    }
}
