//! Losing a race for the next revision, and trying again.
//!
//! Nobody locks a hub, so of those who publish at once one gets through and the others begin again from the new head.
//! That somebody gets through in every round is certain; that it is not always somebody else is made likely: whoever
//! has lost a race waits for a moment drawn by lot, longer after each of the first few, so that not everybody is there
//! again at once, and then ever shorter, so that those who have lost often go before those who have just come.
//!
//! There is no number of lost races after which a publisher gives up: how many are too many, the caller's deadline says.
//! Only a race that nobody seems to have won is not run for ever.

use std::time::Duration;

use super::Node;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{Revision, random_bytes};

/// After so many lost races the waiting is longest.
const LONGEST: u32 = 6;
/// How often a race on top of one and the same revision may be lost.
const UNSEEN: u32 = 16;

/// The races that one command has lost.
#[derive(Debug, Default)]
pub(super) struct Races {
    lost: u32,
    unseen: u32,
    on_top_of: Option<Revision>,
}

impl Races {
    /// Notes a race lost on top of `parent`, and waits for the next one.
    pub(super) fn lost(&mut self, cx: &Context, node: &Node, parent: Option<Revision>) -> Result<()> {
        self.unseen = if self.lost > 0 && self.on_top_of == parent { self.unseen + 1 } else { 0 };
        self.on_top_of = parent;
        self.lost = self.lost.saturating_add(1);
        if self.unseen == UNSEEN {
            return Err(Error::new(
                ErrorKind::Locked,
                "somebody else has published, it is said, but nothing is seen of it",
            )
            .at(node.transport.endpoint())
            .hint("try again; if it stays like that, the mount shows an old state of the hub's directory"));
        }
        let [low, high, ..] = random_bytes()?;
        let lot = u32::from(u16::from_le_bytes([low, high]));
        cx.sleep(longest(self.lost) * lot / u32::from(u16::MAX))
    }
}

/// The longest wait after `lost` races.
fn longest(lost: u32) -> Duration {
    let steps = lost.min(LONGEST) - (lost.max(LONGEST) - LONGEST).div_ceil(2).min(LONGEST - 1);
    Duration::from_millis(8) * 2u32.pow(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_lost_often_waits_less_again() {
        let waits: Vec<u128> = (1..=20).map(|lost| longest(lost).as_millis()).collect();
        assert_eq!(waits, [16, 32, 64, 128, 256, 512, 256, 256, 128, 128, 64, 64, 32, 32, 16, 16, 16, 16, 16, 16]);
        assert_eq!(longest(u32::MAX).as_millis(), 16);
    }
}
