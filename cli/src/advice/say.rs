//! Advice as text.

use std::fmt::Write as _;

use depsync_bench::advice::Goal;
use depsync_bench::model::{Kind, Transport};

use super::snippets::{ANSIBLE, PUPPET, amount};
use crate::commands::advise::{Choice, Facts};
use crate::text::{FAINT, GOOD, STRONG, WARN, styled};
use crate::units::{Rate, bytes, counted};

/// All of it.
pub(crate) fn say(facts: &Facts, goal: Goal) -> String {
    let mut out = String::new();
    let workload = &facts.workload;
    let rate = Rate(workload.rate.unwrap_or_default());
    let kind = match workload.kind {
        Kind::Config => "edits",
        Kind::Archive => "rebuilt archives",
        Kind::Release => "releases of many files",
        Kind::Delete => "removals",
    };
    let _ = writeln!(
        out,
        "for: {rate}, {kind}, {} in {}; {} in all, {}, {}",
        bytes(workload.bytes),
        counted(workload.files as usize, "file"),
        counted(usize::try_from(workload.tree).unwrap_or(usize::MAX), "file"),
        counted(workload.nodes as usize, "worker"),
        workload.link,
    );
    if let Some(habits) = &facts.observed {
        let _ = writeln!(
            out,
            "{}",
            styled(
                FAINT,
                format_args!(
                    "of the newest {}; {} within the busiest minute",
                    counted(habits.revisions, "revision"),
                    habits.busiest_minute
                )
            )
        );
    }
    if !facts.assumed.is_empty() {
        let _ = writeln!(out, "{}", styled(FAINT, format_args!("taken for granted: {}", facts.assumed.join(", "))));
    }
    out.push('\n');
    match facts.advice {
        Some(best) => {
            let _ = writeln!(out, "{} {}", styled(STRONG, "advice:"), styled(GOOD, best));
        }
        None => out.push_str(&styled(
            WARN,
            "no transport keeps up with that: fewer or larger changes, or a deployment for each part of the tree\n",
        )),
    }
    if !facts.as_good.is_empty() {
        let names: Vec<&str> = facts.as_good.iter().map(|transport| transport.name()).collect();
        let _ = writeln!(out, "it is close: {} within a tenth; take what you have", names.join(" and "));
    }
    out.push('\n');
    table(&mut out, &facts.transports, goal);
    turns(&mut out, facts, goal);
    for line in &facts.settings {
        let _ = writeln!(out, "  {line}");
    }
    if let Some(command) = &facts.by_command {
        by_command(&mut out, facts, command);
    }
    let _ = writeln!(
        out,
        "\n{}",
        styled(
            FAINT,
            format_args!("a model of what was measured {}; NFS is modelled from counted calls", facts.measured)
        )
    );
    out
}

fn table(out: &mut String, choices: &[Choice], goal: Goal) {
    let mark = |column: Goal, name: &str| if column == goal { format!("{name}*") } else { name.to_owned() };
    let _ = writeln!(
        out,
        "{:<11} {:>9} {:>9} {:>12} {:>11} {:>9} {:>9}",
        "TRANSPORT",
        mark(Goal::Time, "HALF"),
        "99 %",
        mark(Goal::Bytes, "A CHANGE"),
        "A DAY",
        mark(Goal::Processor, "CPU/DAY"),
        "MOST"
    );
    for choice in choices {
        // Of what cannot be carried it is not known what it would cost.
        let known = |text: String| if choice.p50_s.is_some() { text } else { "-".to_owned() };
        let _ = writeln!(
            out,
            "{:<11} {:>9} {:>9} {:>12} {:>11} {:>9} {:>9}",
            choice.transport.name(),
            choice.p50_s.map_or_else(|| "too slow".to_owned(), seconds),
            choice.p99_s.map_or_else(String::new, seconds),
            known(rounded(choice.change_bytes)),
            known(rounded(choice.day_bytes)),
            known(seconds(choice.day_cpu_s)),
            format!("{}/s", amount(choice.most_per_s)),
        );
    }
    out.push_str("half, 99 %: until so many workers have a change; a change, a day: on the wire, all nodes; most: changes it can carry\n\n");
}

fn turns(out: &mut String, facts: &Facts, goal: Goal) {
    let what = match goal {
        Goal::Time => "the quickest",
        Goal::Bytes => "the one with the fewest bytes",
        Goal::Processor => "the one with the least processor time",
    };
    let name = |transport: Option<Transport>| transport.map_or("none", Transport::name);
    if facts.crossovers.is_empty() {
        let _ = writeln!(out, "{} is {what} at any rate", name(facts.advice));
    }
    for turn in &facts.crossovers {
        let _ = writeln!(
            out,
            "up to {}: {} is {what}; from there on: {}",
            Rate(turn.per_second),
            name(turn.below),
            name(turn.above)
        );
    }
}

fn by_command(out: &mut String, facts: &Facts, command: &Choice) {
    let daemon = facts.transports.iter().find(|choice| choice.transport == command.transport);
    let _ = writeln!(
        out,
        "\nso rare are the changes that no daemon is needed: run by configuration management every 30 minutes, half of the workers \
         have a change after {} ({} a day on the wire, not {})",
        command.p50_s.map_or_else(String::new, seconds),
        rounded(command.day_bytes),
        daemon.map_or_else(String::new, |daemon| rounded(daemon.day_bytes)),
    );
    let _ = write!(out, "\nAnsible:\n\n{ANSIBLE}\nPuppet:\n\n{PUPPET}");
}

fn seconds(time: f64) -> String {
    match time {
        time if time < 0.9995 => format!("{:.0} ms", time * 1000.0),
        time if time < 99.5 => format!("{} s", amount(time)),
        time if time < 7200.0 => format!("{:.0} min", time / 60.0),
        time => format!("{} h", amount(time / 3600.0)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn rounded(count: f64) -> String {
    bytes(count.max(0.0).round() as u64)
}
