//! What a hub on a real NFS mount would take, of one that is in a local directory.
//!
//! A local directory answers at once; over NFS each call on the hub is some requests, one after the other, each a round
//! trip. So what was counted and timed locally gets as many round trips as those calls take, and the time for the bytes.
//! That is a model, and tables say so. How many requests a call is was counted on a real mount (`tests/tests/nfs`,
//! `what_calls_cost`): kernel server and kernel client, NFS 4.2, as `/proc/self/mountstats` has it.

use std::collections::BTreeMap;

use crate::model::Link;

/// Requests of each call on a hub.
const REQUESTS: [(&str, f64); 13] = [
    ("commit", 6.0),
    ("find", 4.0),
    ("flush", 2.0),
    ("get", 4.0),
    ("list", 3.0),
    ("make", 2.0),
    ("modified", 2.0),
    ("probe", 20.0),
    ("put", 9.0),
    ("range", 4.0),
    ("remove", 2.0),
    ("replace", 9.0),
    ("stage", 7.0),
];
/// What a request and its answer are besides content, in bytes, headers of TCP included.
const REQUEST: f64 = 420.0;

/// How many requests these calls are.
pub(super) fn requests(calls: &BTreeMap<String, f64>) -> f64 {
    calls
        .iter()
        .map(|(call, count)| count * REQUESTS.iter().find(|(known, _)| known == call).map_or(4.0, |(_, each)| *each))
        .sum()
}

/// Bytes on the wire for so many requests and so much content.
pub(super) fn wire(requests: f64, content: f64) -> f64 {
    requests * REQUEST + content
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
        let calls = BTreeMap::from([("get".to_owned(), 2.0), ("put".to_owned(), 1.0)]);
        assert!((requests(&calls) - 17.0).abs() < 1e-9);
        let link = Link { rtt_s: 0.01, bandwidth: Some(8e6), loss: 0.0 };
        let seconds = seconds(&link, 17.0, 1e6);
        assert!((seconds - 0.17 - 1.0 - 17.0 * REQUEST / 1e6).abs() < 1e-9, "{seconds}");
    }
}
