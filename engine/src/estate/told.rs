//! What an estate tells, and how it is.

use serde::Serialize;

use crate::daemon::Event;
use crate::error::Error;
use crate::name::DeploymentName;

/// Something that has happened to one of them, beside what daemons tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EstateEvent {
    /// Somebody wants something of it: it is kept in step from now on.
    Loaded,
    /// Nobody has for long: it is left alone.
    Unloaded,
}

/// What an estate tells.
#[derive(Debug)]
pub enum EstateTold<'a> {
    /// Of one deployment, what its daemon would.
    Daemon(&'a DeploymentName, &'a Event),
    /// Of one deployment.
    One(&'a DeploymentName, &'a EstateEvent),
    /// Of all: the first round is over, with so many that are kept in step, of so many.
    Ready(usize, usize),
    /// Of all: the hub could not be asked; how often in a row.
    Deaf(&'a Error, u32),
    /// Of all: it can be asked again.
    Hears,
    /// Of all: it has ended.
    Stopped,
}

/// How an estate is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EstateFacts {
    /// Deployments that it knows of.
    pub deployments: u64,
    /// Those that are kept in step.
    pub loaded: u64,
    /// Those of them that have something to do.
    pub behind: u64,
    /// Those of them that have failed.
    pub failed: u64,
    /// How often the hub was asked for all of them.
    pub asked: u64,
    /// Turns so far.
    pub turns: u64,
    /// How often in a row the hub could not be asked.
    pub deaf: u64,
}
