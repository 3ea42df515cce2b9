//! Who has what: the nodes of this deployment, by what each has reported, wherever that was heard.
//!
//! The list is in the revision database. It takes in what comes over a channel (the daemon's doing), what lies in the
//! hub, and what this node says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Node;
use super::standing::{Newest, Standing};
use crate::context::Context;
use crate::error::Result;
use crate::name::Revision;
use crate::revdb::Heard;

/// The most revisions whose times are looked up.
const MOST: u64 = 1000;

impl Node {
    /// Every node that this one has heard of, as it stands now, by its name. `head` is the newest revision, if it is known:
    /// the hub is asked when those were published that a node lacks.
    pub fn roster(&self, cx: &Context, head: Option<Revision>) -> Result<Vec<Standing>> {
        let mut heard = self.db.reports()?;
        // What this node says of itself it need not hear of.
        if let Some(own) = self.own_report()? {
            let at = Some(cx.now());
            heard.insert(own.report.node.clone(), Heard { report: own.report, at });
        }
        let numbers = heard.values().map(|heard| heard.report.applied.map_or(0, |applied| applied.number));
        let times = self.times(cx, numbers.min(), head);
        let published_after = |number: u64| times.range(number.saturating_add(1)..).next().map(|(_, time)| *time);
        let newest = Newest { head, published_after: &published_after };
        let now = cx.now();
        Ok(heard.into_values().map(|heard| Standing::of(heard, &newest, now)).collect())
    }

    /// When the revisions behind `after` were published, up to the newest. What cannot be found out is left out.
    fn times(&self, cx: &Context, after: Option<u64>, head: Option<Revision>) -> BTreeMap<u64, Timestamp> {
        let (Some(after), Some(head)) = (after, head) else { return BTreeMap::new() };
        let after = after.max(head.number.saturating_sub(MOST));
        let records = self.since(cx, after, head.number).unwrap_or_else(|error| {
            tracing::debug!(%error, "it is not known when revisions were published");
            Vec::new()
        });
        // Of a node that is further behind it is not known since when.
        let known = if after == 0 { 0 } else { after + 1 };
        let times = records.into_iter().map(|record| (record.revision.number, record.time));
        times.filter(|(number, _)| *number >= known).collect()
    }
}
