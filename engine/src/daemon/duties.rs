//! What a daemon is to do.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::watch::Settling;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duties {
    /// Publish what changes here.
    pub commit: bool,
    /// Apply what is new in the hub.
    pub checkout: bool,
    /// Publish the first revision of the deployment, or make the hub.
    pub seed: bool,
    /// How often the hub is asked, whatever is heard of it.
    pub period: Duration,
    /// How often everything in the directory is looked at, whatever the kernel says of it.
    pub scan: Duration,
    /// When a change here counts as settled.
    pub settling: Settling,
    /// Whether drift is brought back on a worker. Otherwise it is only told.
    pub heal: bool,
    /// How long a turn may take.
    pub timeout: Option<Duration>,
    /// How often to tell the observer that it is alive, whatever else there is to do.
    pub beat: Option<Duration>,
    /// How often it says over the channel that it is alive; to the hub, ten times as rarely.
    pub heartbeat: Duration,
    /// What is written into the records of what it publishes.
    pub message: String,
}

impl Default for Duties {
    fn default() -> Self {
        Self {
            commit: false,
            checkout: true,
            seed: false,
            period: Duration::from_secs(10),
            scan: Duration::from_secs(300),
            settling: Settling { quiet: Duration::from_millis(50), at_most: Duration::from_secs(2) },
            heal: true,
            timeout: None,
            beat: None,
            heartbeat: Duration::from_secs(30),
            message: String::new(),
        }
    }
}

impl Duties {
    pub(super) fn check(&self) -> Result<()> {
        if !self.commit && !self.checkout {
            return Err(Error::new(ErrorKind::Usage, "neither publishing nor updating: there is nothing to do"));
        }
        if self.period.is_zero()
            || self.scan.is_zero()
            || self.heartbeat.is_zero()
            || self.beat.is_some_and(|beat| beat.is_zero())
        {
            return Err(Error::new(ErrorKind::Usage, "a period of nothing would never rest"));
        }
        Ok(())
    }
}
