//! What is to be done for an estate.

use std::time::Duration;

use super::Selection;
use crate::error::{Error, ErrorKind, Result};
use crate::watch::Settling;

/// See the module.
#[derive(Clone, Debug)]
pub struct EstateDuties {
    /// Publish what changes here.
    pub commit: bool,
    /// Apply what is new in the hub.
    pub checkout: bool,
    /// Publish to a hub in which there is nothing at all.
    pub seed: bool,
    /// How often the hub is asked, once for all.
    pub period: Duration,
    /// How often everything of a deployment is looked at, whatever anybody says of it.
    pub check: Duration,
    /// When a change here counts as settled.
    pub settling: Settling,
    /// Whether drift is brought back on a worker. Otherwise it is only told.
    pub heal: bool,
    /// Which deployments are ours at all.
    pub include: Selection,
    /// Which of them are kept in step from the first; the others from when somebody wants something of them.
    pub eager: Selection,
    /// After how long without any use one that is not eager is left alone again; none: never.
    pub idle: Option<Duration>,
    /// Whether what is lazy of it is evicted then.
    pub evict: bool,
    /// How long a turn may take.
    pub timeout: Option<Duration>,
    /// How often to tell the observer that it is alive, whatever else there is to do.
    pub beat: Option<Duration>,
    /// What is written into the records of what it publishes.
    pub message: String,
    /// How many are worked on at once.
    pub parallel: usize,
    /// How many are kept open, for those that change often.
    pub open: usize,
}

impl Default for EstateDuties {
    fn default() -> Self {
        Self {
            commit: false,
            checkout: true,
            seed: false,
            period: Duration::from_secs(10),
            check: Duration::from_secs(900),
            settling: Settling { quiet: Duration::from_millis(50), at_most: Duration::from_secs(2) },
            heal: true,
            include: Selection::everything(),
            eager: Selection::everything(),
            idle: None,
            evict: false,
            timeout: None,
            beat: None,
            message: String::new(),
            parallel: 4,
            open: 32,
        }
    }
}

impl EstateDuties {
    pub(super) fn check(&self) -> Result<()> {
        if !self.commit && !self.checkout {
            return Err(Error::new(ErrorKind::Usage, "neither publishing nor updating: there is nothing to do"));
        }
        let idle = self.idle.is_some_and(|idle| idle.is_zero());
        if self.period.is_zero() || self.check.is_zero() || self.beat.is_some_and(|beat| beat.is_zero()) || idle {
            return Err(Error::new(ErrorKind::Usage, "a period of nothing would never rest"));
        }
        if self.parallel == 0 {
            return Err(Error::new(ErrorKind::Usage, "nobody works on anything: `parallel` is at least 1"));
        }
        Ok(())
    }
}
