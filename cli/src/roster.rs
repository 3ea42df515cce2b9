//! The table of nodes: who has what, how it stands, and since when.

use depsync_engine::engine::{Standing, State};

use crate::text::{BAD, FAINT, GOOD, Length, WARN, first_line, styled};
use crate::units::{counted, roughly};

/// How many nodes are shown one by one unless more were asked for; of more, those that need attention.
const SHOWN: usize = 40;

/// The table, with a line that counts them where there are several.
pub(crate) fn table(nodes: &[Standing], length: Length) -> String {
    let all = nodes.len() <= SHOWN || length == Length::Full;
    let mut rows: Vec<&Standing> = nodes.iter().filter(|node| all || node.state != State::Current).collect();
    let left_out = rows.len().saturating_sub(if all { rows.len() } else { SHOWN });
    rows.truncate(rows.len() - left_out);
    let mut out = if nodes.len() > 1 { counts(nodes) } else { String::new() };
    let width = rows.iter().map(|node| node.report.node.as_str().len()).max().unwrap_or(0).max(4);
    if !rows.is_empty() {
        let heading =
            format!("{:<width$}  {:<8}  {:>8}  {:<9}  {:<20}  {}", "NODE", "STATE", "REVISION", "LAG", "SINCE", "ROOT");
        out.push_str(&format!("{}\n", styled(FAINT, heading)));
    }
    for node in rows {
        out.push_str(&row(node, width));
    }
    if left_out > 0 {
        out.push_str(&format!("… and {} (-v lists all)\n", counted(left_out, "more node")));
    }
    out
}

/// How many nodes stand how.
fn counts(nodes: &[Standing]) -> String {
    let count = |state: State| nodes.iter().filter(|node| node.state == state).count();
    let counts = State::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0);
    let counts: Vec<String> =
        counts.map(|(state, count)| styled(style(state), format_args!("{count} {}", state.name()))).collect();
    format!("{} {}\n", styled(FAINT, format_args!("{:<11}", "nodes")), counts.join(", "))
}

fn style(state: State) -> anstyle::Style {
    match state {
        State::Current => GOOD,
        State::Updating | State::Behind => WARN,
        State::Drifted | State::Failed | State::Silent => BAD,
    }
}

fn row(node: &Standing, width: usize) -> String {
    let report = &node.report;
    let lag = match (node.lag, node.lag_s) {
        (None | Some(0), _) => "-".to_owned(),
        (Some(lag), None) => lag.to_string(),
        (Some(lag), Some(seconds)) => format!("{lag}, {}", roughly(seconds)),
    };
    let state = styled(style(node.state), format_args!("{:<8}", node.state.name()));
    let mut row = format!(
        "{:<width$}  {state}  {:>8}  {lag:<9}  {:<20}  {}",
        report.node.as_str(),
        report.applied.map_or_else(|| "-".to_owned(), |revision| revision.number.to_string()),
        node.state_since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        report.measured.map_or_else(|| "-".to_owned(), |root| root.short()),
    );
    if report.measured.is_some() && report.measured != report.root {
        row.push_str(" (differs from its revision)");
    }
    if report.pinned {
        row.push_str(" (pinned)");
    }
    if let Some(problem) = &report.problem {
        row.push_str(&format!(" {}", first_line(problem)));
    }
    row.push('\n');
    row
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use depsync_engine::name::Revision;
    use depsync_engine::transport::{NodeReport, Outcome};

    pub(crate) fn standing(node: &str, number: u64, state: State) -> Standing {
        let time = "2026-11-21T20:00:00.5Z".parse().expect("a time");
        let report = NodeReport {
            schema: 1,
            node: node.parse().expect("an id"),
            nonce: "00".into(),
            writes: false,
            applied: Some(Revision { number, record: Digest::of(b"r") }),
            root: Some(Digest::of(b"root")),
            measured: Some(Digest::of(if state == State::Drifted { b"other" } else { b"root" })),
            time,
            full_scan: None,
            pinned: false,
            outcome: Outcome::Applied,
            problem: (state == State::Failed).then(|| "no room\nat all".to_owned()),
            version: "0.1.0".into(),
            since: None,
            duration_ms: None,
            bytes: None,
            beat_s: None,
        };
        let lag = 5 - number;
        Standing { report, heard: time, state, state_since: time, lag: Some(lag), lag_s: (lag > 0).then_some(lag * 45) }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_row_says_how_a_node_stands_and_since_when() {
        let nodes = [
            standing("web-1", 3, State::Behind),
            standing("a", 5, State::Current),
            standing("b", 5, State::Drifted),
            standing("c", 4, State::Failed),
        ];
        assert_eq!(
            plain(&table(&nodes, Length::Short)),
            "nodes       1 current, 1 behind, 1 drifted, 1 failed\n\
             NODE   STATE     REVISION  LAG        SINCE                 ROOT\n\
             web-1  behind           3  2, 90 s    2026-11-21T20:00:00Z  92a2b787a06d\n\
             a      current          5  -          2026-11-21T20:00:00Z  92a2b787a06d\n\
             b      drifted          5  -          2026-11-21T20:00:00Z  3f796163ebf9 (differs from its revision)\n\
             c      failed           4  1, 45 s    2026-11-21T20:00:00Z  92a2b787a06d no room …\n"
        );
    }

    #[test]
    fn of_many_nodes_those_are_shown_that_need_attention() {
        let name = |number: usize| format!("web-{number:05}");
        let mut nodes: Vec<Standing> = (0..1000).map(|number| standing(&name(number), 5, State::Current)).collect();
        nodes[700] = standing("web-00700", 4, State::Silent);
        let text = plain(&table(&nodes, Length::Short));
        assert!(text.starts_with("nodes       999 current, 1 silent\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(table(&nodes, Length::Full).lines().count(), 1002);
        let behind: Vec<Standing> = (0..100).map(|number| standing(&name(number), 3, State::Behind)).collect();
        let text = plain(&table(&behind, Length::Short));
        assert_eq!(text.lines().count(), 43, "{text}");
        assert!(text.ends_with("… and 60 more nodes (-v lists all)\n"), "{text}");
        assert!(plain(&table(&nodes[..50], Length::Short)).ends_with("50 current\n"));
    }
}
