//! The command line as clap reads it. Nothing here touches a disk: what the words mean is settled in `settings`.
//!
//! `DIR HUB` may stand behind the commands that a script without a config file uses; `--dir` and `--hub` stand anywhere.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};
use depsync_engine::engine::{DiffSide, Role, Side};
use depsync_engine::name::{DeploymentName, NodeId};

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
    /// The hub: a path, file:///PATH, or nfs:///PATH (which insists on a live network mount)
    #[arg(long, global = true, value_name = "HUB", value_hint = ValueHint::AnyPath)]
    pub(crate) hub: Option<String>,
    /// The deployment in the hub [default: main]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) deployment: Option<DeploymentName>,
    /// The configuration file [default: depsync.toml, here or in a directory above]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
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
    /// Say what is applied here, what differs, and what every node has
    #[command(after_help = STATUS)]
    Status(Operands),
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
    /// End a conflict
    #[command(after_help = RESOLVE)]
    Resolve(Resolve),
    /// Remove from the hub what no kept revision needs
    #[command(after_help = GC)]
    Gc(Gc),
    /// Show a manager and two workers at work in a temporary directory
    #[command(after_help = DEMO)]
    Demo(Demo),
    /// Print a shell's completion script
    #[command(after_help = COMPLETIONS)]
    Completions(Completions),
}

const INIT: &str = "\
Examples:
  depsync init /srv/deploy /mnt/hub --role manager   a node that may publish
  depsync init --role worker                         a node that only follows, as depsync.toml says";

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// What this node may do [default: the first publish makes a manager of it]
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleName>,
}

const PUBLISH: &str = "\
The first publish makes a hub of an empty directory. Files that look half-copied are held back and named; a source \
that lost more than half of its entries is refused until --allow-mass-delete says that it is meant.

Examples:
  depsync publish /srv/deploy /mnt/hub -m 'release 7'
  depsync publish --dry-run            say what would be published
  depsync publish --forget logs/old    a path that is ignored now leaves the deployment
  depsync --json publish | jq .revision";

/// `publish`.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// Why, for the log
    #[arg(short, long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) message: String,
    /// Say what would be published and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on although fewer than half of the entries remain; written into the revision, and the workers follow
    #[arg(long)]
    pub(crate) allow_mass_delete: bool,
    /// Publish files that look half-copied, too
    #[arg(long)]
    pub(crate) no_hold: bool,
    /// A tracked path that is ignored now and is to leave the deployment (repeatable)
    #[arg(long, value_name = "PATH")]
    pub(crate) forget: Vec<std::ffi::OsString>,
}

const UPDATE: &str = "\
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

const STATUS: &str = "\
With the hub out of reach the local facts are shown all the same; the exit status is then 5.

Examples:
  depsync status /srv/deploy /mnt/hub
  depsync --json status | jq '.nodes[] | [.node, .applied.number]'";

const LOG: &str = "\
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

const DIFF: &str = "\
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

const VERIFY: &str = "\
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

const ROLLBACK: &str = "\
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

const RESOLVE: &str = "\
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

const GC: &str = "\
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
}

const DEMO: &str = "\
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

const COMPLETIONS: &str = "\
Examples:
  depsync completions bash > /etc/bash_completion.d/depsync";

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

fn revision_number() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=depsync_engine::name::MAX_REVISION)
}

/// A role by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleName {
    /// May publish
    Manager,
    /// Only follows
    Worker,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Manager => Self::ReadWrite,
            RoleName::Worker => Self::ReadOnly,
        }
    }
}

/// A side of a diff by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SideName(pub(crate) DiffSide);

impl FromStr for SideName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = match text {
            "disk" => DiffSide::Disk,
            "agreement" => DiffSide::Agreement,
            "head" => DiffSide::Head,
            number => match number.parse() {
                Ok(number) if (1..=depsync_engine::name::MAX_REVISION).contains(&number) => DiffSide::Revision(number),
                _ => return Err("use a revision number, `head`, `agreement` or `disk`".to_owned()),
            },
        };
        Ok(Self(side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
            "status --node .x",
            "status --timeout 0",
            "init --role king",
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
