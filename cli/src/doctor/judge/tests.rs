//! Each threshold, from both sides.

use super::super::check::Verdict::{self, Failed, Ok, Skipped, Warning};
use super::*;
use crate::roster::tests::standing;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

#[test]
fn room_is_compared_with_a_copy_of_everything() {
    let copy = Some(Size { bytes: 1 << 30, entries: 5000, directories: 7 });
    for (bytes, files, copy, wanted) in [
        (1 << 31, Some(6000), copy, Ok),
        (1 << 31, None, copy, Ok),
        ((1 << 30) - 1, Some(6000), copy, Warning),
        (1 << 31, Some(4999), copy, Warning),
        (64 << 20, Some(1000), None, Ok),
        ((64 << 20) - 1, Some(1000), None, Warning),
        (64 << 20, Some(999), None, Warning),
        ((1 << 20) - 1, None, None, Failed),
        (1 << 40, Some(15), None, Failed),
        (0, Some(0), copy, Failed),
    ] {
        let check = space("directory-space", "/srv", Room { bytes, files }, copy);
        assert_eq!(check.verdict, wanted, "{check:?}");
        assert_eq!(check.advice.is_some(), wanted != Ok, "{check:?}");
    }
}

#[test]
fn what_is_dated_in_the_future_tells_that_a_clock_is_wrong() {
    let dated = |ahead: i64| vec![("revision 7".to_owned(), at(ahead)), ("node web-1".to_owned(), at(-1000))];
    for (ahead, wanted) in [(-5000, Ok), (0, Ok), (10, Ok), (11, Warning), (3600, Warning), (3601, Failed)] {
        let check = clock(at(0), &dated(ahead));
        assert_eq!(check.verdict, wanted, "{check:?}");
        assert!(check.found.contains(if ahead < -1000 { "web-1" } else { "revision 7" }), "{check:?}");
    }
    assert_eq!(clock(at(0), &[]).verdict, Skipped);
}

#[test]
fn the_hubs_clock_is_held_against_this_ones_in_both_directions() {
    for (hub, wanted, word) in [
        (0, Ok, "says what"),
        (-12, Ok, "says what"),
        (17, Ok, "says what"),
        (-13, Warning, "behind"),
        (18, Warning, "ahead of"),
        (-4000, Failed, "behind"),
        (4000, Failed, "ahead of"),
    ] {
        let check = hub_clock(at(0), at(5), at(hub));
        assert_eq!(check.verdict, wanted, "{hub}: {check:?}");
        assert!(check.found.contains(word), "{hub}: {check:?}");
    }
}

#[test]
fn coarse_times_are_told() {
    let found = [123_456_789, 123_456_700, 120_000_000, 0].map(|nanoseconds| file_times(nanoseconds).verdict);
    assert_eq!(found, [Ok, Ok, Ok, Warning]);
}

#[test]
fn a_slow_hub_is_told() {
    let verdict = |seconds| hub("h", Duration::from_secs(seconds)).verdict;
    assert_eq!((verdict(2), verdict(3)), (Ok, Warning));
}

#[test]
fn watches_suffice_for_what_is_not_watched_yet() {
    let usual = Watching { limit: 100, used: 40, of_namespace: false, can_begin: true };
    let verdict = |watching, directories, is_watched| watches(watching, directories, is_watched).verdict;
    assert_eq!(verdict(usual, 60, false), Ok);
    assert_eq!(verdict(usual, 61, false), Warning);
    assert_eq!(verdict(usual, 61, true), Ok, "they are among the used");
    assert_eq!(verdict(Watching { used: 100, ..usual }, 61, true), Warning, "none is left for a new directory");
    assert_eq!(verdict(Watching { used: 200, ..usual }, 0, true), Warning);
    assert_eq!(verdict(Watching { can_begin: false, ..usual }, 1, false), Warning);
    assert_eq!(verdict(Watching { can_begin: false, ..usual }, 1, true), Ok);
    let advice = |of_namespace| watches(Watching { of_namespace, ..usual }, 61, false).advice.expect("advice");
    assert!(advice(false).contains("fs.inotify.max_user_watches=65536"));
    assert!(advice(true).contains("user.max_inotify_watches=65536"));
}

#[test]
fn limits_have_a_least() {
    assert_eq!((events(4096).verdict, events(4095).verdict), (Ok, Warning));
    let found = [None, Some(256), Some(255)].map(|most| open_files(most).verdict);
    assert_eq!(found, [Ok, Ok, Warning]);
}

#[test]
fn a_certificate_is_renewed_in_time() {
    let day = 86_400;
    for (end, wanted) in [(30 * day, Ok), (30 * day - 1, Warning), (1, Warning), (0, Failed), (-day, Failed)] {
        assert_eq!(certificate("c.pem", at(0), at(end)).verdict, wanted, "{end}");
    }
}

#[test]
fn nodes_that_need_somebody_are_named() {
    let mut nodes: Vec<Standing> =
        [State::Current, State::Updating, State::Behind].map(|state| standing("a", 5, state)).into();
    assert_eq!(self::nodes(&nodes).verdict, Ok);
    for (number, state) in [State::Silent, State::Failed, State::Drifted].into_iter().cycle().take(7).enumerate() {
        nodes.push(standing(&format!("web-{number}"), 5, state));
        assert_eq!(self::nodes(&nodes).verdict, Warning, "{state:?}");
    }
    let found = self::nodes(&nodes).found;
    assert!(found.starts_with("10 nodes: web-0 silent, web-1 failed") && found.ends_with("and 2 more"), "{found}");
}

#[test]
fn the_worst_verdict_is_that_of_all_but_what_was_skipped() {
    use super::super::check::worst;
    let checks = |verdicts: &[Verdict]| {
        verdicts.iter().map(|verdict| Check { verdict: *verdict, ..Check::ok("x", "") }).collect::<Vec<_>>()
    };
    for (verdicts, wanted) in
        [(&[][..], Ok), (&[Skipped, Ok], Ok), (&[Skipped, Warning, Ok], Warning), (&[Failed, Warning, Skipped], Failed)]
    {
        assert_eq!(worst(&checks(verdicts)), wanted, "{verdicts:?}");
    }
}
