//! The daemon's words.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum, ValueHint};

use super::{Operands, RoleName};
use crate::units::Span;

pub(super) const RUN: &str = "\
A manager publishes what changes and applies what others have published; a worker only applies. Changes are seen at once \
where the system can watch the directory, and by a scan in any case. It ends by SIGTERM or Ctrl-C, between two steps.

Examples:
  depsync run /srv/deploy /mnt/hub                    a worker: follow the hub
  depsync run --role manager /srv/deploy /mnt/hub     publish what changes here, too
  depsync run --serve 127.0.0.1:7070 --role manager /srv/deploy /mnt/hub
  depsync run --listen http://127.0.0.1:7070 /srv/copy /mnt/hub     hear of it at once
  depsync run --role manager --listen nats://127.0.0.1:4222 /srv/deploy /mnt/hub     the same over NATS, on all nodes
  depsync --config shop.toml run --also blog.toml --also wiki.toml      several in one process
  depsync run --role manager --seed /srv/deploy /mnt/hub            the first start: what is here becomes revision 1
  depsync run --json | jq -r .event                   with a depsync.toml above; one object a line";

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) operands: Operands,
    /// What this node does: a manager publishes and follows, a worker only follows
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleName>,
    /// Publish what changes here [default: true for a manager]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) auto_commit: Option<bool>,
    /// Apply what is new in the hub [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub(crate) auto_checkout: Option<bool>,
    /// How often to ask the hub [default: 10s]
    #[arg(long, value_name = "SPAN")]
    pub(crate) period: Option<Span>,
    /// How often to look at every file, whatever the system says has changed [default: 5m]
    #[arg(long, value_name = "SPAN")]
    pub(crate) scan_period: Option<Span>,
    /// How long nothing has to change here before it is published [default: 50ms]
    #[arg(long, value_name = "SPAN")]
    pub(crate) debounce: Option<Span>,
    /// How long to wait for that at the most, where changes never pause [default: 2s]
    #[arg(long, value_name = "SPAN")]
    pub(crate) max_debounce: Option<Span>,
    /// How often to say over the channel that this node is alive; to the hub, ten times as rarely [default: 30s]
    #[arg(long, value_name = "SPAN")]
    pub(crate) heartbeat: Option<Span>,
    /// What to do with files of a worker that somebody has changed [default: auto]
    #[arg(long, value_name = "HOW")]
    pub(crate) heal: Option<HealName>,
    /// Serve the channel here: others hear at once what this node publishes
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) serve: Option<SocketAddr>,
    /// Listen to the channel there: http://HOST:PORT or https://HOST:PORT, or nats://HOST:PORT or tls://HOST:PORT of a
    /// NATS server, which managers name, too. May be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) listen: Vec<String>,
    /// Serve /metrics (for Prometheus) and /healthz here
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) status: Option<SocketAddr>,
    /// A file with the channel's token, which all nodes have to know
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<PathBuf>,
    /// Keep another deployment in step as well, by its configuration file. May be given several times; the channel is that of
    /// the first one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) also: Vec<PathBuf>,
    /// Publish what is here although there is no revision in the hub yet
    #[arg(long)]
    pub(crate) seed: bool,
    /// What to write into the records of what is published
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
}

/// What to do with drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealName {
    /// Bring it back
    Auto,
    /// Only say so
    Report,
}
