//! What a hub on a real NFS mount would take, of one that is in a local directory.
//!
//! A local directory answers at once; over NFS each call on the hub is some requests, one after the other, each a round
//! trip. So what was counted and timed locally gets as many round trips as those calls take, and the time for the bytes.
//! That is a model, and tables say so. How many requests a call is was counted on a real mount (`tests/tests/nfs`,
//! `what_calls_cost`): kernel server and kernel client, NFS 4.2, as `/proc/self/mountstats` has it.

use std::collections::BTreeMap;

use depsync_tests::nfs::requests::{self, REQUEST_BYTES};

use crate::model::Link;

/// How many requests these calls are.
pub(super) fn requests(calls: &BTreeMap<String, f64>) -> f64 {
    requests::of(calls.iter().map(|(call, count)| (call.as_str(), *count)))
}

/// Bytes on the wire for so many requests and so much content.
pub(super) fn wire(requests: f64, content: f64) -> f64 {
    requests * REQUEST_BYTES + content
}

/// Seconds that these take on such a link.
pub(super) fn seconds(link: &Link, requests: f64, content: f64) -> f64 {
    requests * link.rtt_s + link.carrying(wire(requests, content)) + link.repeating(wire(requests, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_round_trips() {
        let calls = |count| BTreeMap::from([("get".to_owned(), count)]);
        assert!((requests(&calls(6.0)) - 3.0 * requests(&calls(2.0))).abs() < 1e-9 && requests(&calls(1.0)) > 0.5);
        let link = Link { rtt_s: 0.01, bandwidth: Some(8e6), loss: 0.0 };
        let seconds = seconds(&link, 17.0, 1e6);
        assert!((seconds - 0.17 - 1.0 - 17.0 * REQUEST_BYTES / 1e6).abs() < 1e-9, "{seconds}");
    }
}
