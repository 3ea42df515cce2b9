//! `tenants`: all of them, and how each stands here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::estate::{Household as _, Registry as _};
use depsync_engine::name::DeploymentName;
use depsync_engine::revdb::RegisterEntry;
use serde::Serialize;

use crate::args::{Operands, Tenants};
use crate::exit::Exit;
use crate::output::{Answer, ErrorFacts};
use crate::session::Session;
use crate::tenancy::House;
use crate::text::{self, BAD, FAINT, GOOD, Length, WARN, clean, styled};
use crate::units::{bytes, counted};

#[derive(Serialize)]
struct Facts {
    tenants: Vec<Row>,
    /// Why the hub could not be asked.
    hub_error: Option<ErrorFacts>,
}

/// How a tenant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It is kept in step, and is.
    Current,
    /// There is something newer in the hub.
    Behind,
    /// Its last turn failed.
    Failed,
    /// Nobody uses it here.
    Unloaded,
    /// It is here, and what the hub has of it is not known.
    Unknown,
}

#[derive(Serialize)]
struct Row {
    name: DeploymentName,
    domain: Option<String>,
    state: State,
    loaded: bool,
    applied: Option<u64>,
    head: Option<u64>,
    ghost_bytes: Option<u64>,
    used: Option<String>,
    problem: Option<String>,
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Tenants) -> Result<Answer> {
    let settings = session.settings_of_all(&Operands::default())?;
    let Some(tenancy) = settings.tenancy.clone() else {
        return Err(Error::new(ErrorKind::Usage, "there is one deployment here, and no tenants")
            .at(settings.options.dir.display())
            .hint("`{tenant}` in `dir` makes many of it; `depsync status` tells of this one"));
    };
    if !settings.hub_named {
        return Err(settings.unnamed_hub());
    }
    let cx = session.context(&settings)?;
    let hub = depsync_transports::House::new(&settings.options.hub, &settings.access)?;
    let house = House { tenancy, options: settings.options.clone(), hub };
    let (marks, error) = match house.hub.marks(&cx) {
        Ok(marks) => (marks, None),
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => (None, Some(error)),
    };
    let known: BTreeMap<DeploymentName, RegisterEntry> =
        house.tenancy.register()?.all()?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let mut rows = rows(&house, marks.as_ref(), known)?;
    rows.retain(|row| {
        let is_open = matches!(row.state, State::Behind | State::Failed);
        (!args.behind || is_open) && (!args.loaded || row.loaded)
    });
    let exit = if error.is_some() { Exit::TryAgain } else { Exit::Done };
    let text = say(&rows, error.as_ref(), session.length());
    Ok(Answer::fact(&Facts { tenants: rows, hub_error: error.as_ref().map(ErrorFacts::from) }, text, exit))
}

fn rows(
    house: &House,
    marks: Option<&BTreeMap<DeploymentName, String>>,
    mut known: BTreeMap<DeploymentName, RegisterEntry>,
) -> Result<Vec<Row>> {
    let in_hub = marks.into_iter().flatten().map(|(name, _)| name.clone());
    for name in house.here()?.into_iter().chain(in_hub) {
        known.entry(name.clone()).or_insert_with(|| RegisterEntry::new(name));
    }
    let mut rows = Vec::new();
    for (name, entry) in known {
        let names = house.names(&name);
        if !house.tenancy.include.means(&names) {
            continue;
        }
        let loaded = entry.loaded || house.tenancy.eager.means(&names);
        let mark = marks.and_then(|marks| marks.get(&name));
        // A mark begins with the number.
        let head = mark.and_then(|mark| mark.split(' ').next()?.parse().ok());
        let state = match (loaded, marks) {
            _ if entry.failures > 0 => State::Failed,
            (false, _) => State::Unloaded,
            (true, None) => State::Unknown,
            (true, Some(_)) if mark.is_none() && entry.applied.is_none() => State::Unknown,
            (true, Some(_)) if mark == entry.mark.as_ref() => State::Current,
            // It was in step with what the hub said before it published.
            (true, Some(_)) if head.is_some() && head == entry.applied => State::Current,
            (true, Some(_)) => State::Behind,
        };
        rows.push(Row {
            domain: house.tenancy.domains.of(&name).map(str::to_owned),
            state,
            loaded,
            applied: entry.applied,
            head,
            ghost_bytes: entry.ghosts,
            used: entry.used.map(|used| used.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            problem: entry.problem,
            name,
        });
    }
    Ok(rows)
}

fn say(rows: &[Row], error: Option<&Error>, length: Length) -> String {
    let mut out = String::new();
    if let Some(error) = error {
        writeln!(out, "{}: {}", styled(WARN, "the hub"), clean(&error.to_string()))
            .expect("writing to a string cannot fail");
    }
    let count = |state: State| rows.iter().filter(|row| row.state == state).count();
    let states = [
        (State::Current, "current"),
        (State::Behind, "behind"),
        (State::Failed, "failed"),
        (State::Unloaded, "unloaded"),
        (State::Unknown, "unknown"),
    ];
    let counts = states.iter().filter(|(state, _)| count(*state) > 0);
    let counts: Vec<String> = counts.map(|(state, name)| format!("{} {name}", count(*state))).collect();
    let all = counted(rows.len(), "tenant");
    let of = if counts.is_empty() { all } else { format!("{all}: {}", counts.join(", ")) };
    writeln!(out, "{of}").expect("writing to a string cannot fail");
    let width = rows.iter().map(|row| row.name.as_str().len()).max().unwrap_or(0);
    let line = |row: &Row| {
        let name = states.iter().find(|(state, _)| *state == row.state).map_or("", |(_, name)| name);
        let style = match row.state {
            State::Current => GOOD,
            State::Behind | State::Unknown => WARN,
            State::Failed => BAD,
            State::Unloaded => FAINT,
        };
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let mut line = format!(
            "{:<width$}  {}  {} of {}",
            row.name.as_str(),
            styled(style, format_args!("{name:<8}")),
            number(row.applied),
            number(row.head)
        );
        if let Some(ghosts) = row.ghost_bytes {
            line.push_str(&format!(", {} not here", bytes(ghosts)));
        }
        if let Some(domain) = &row.domain {
            line.push_str(&format!("  {}", clean(domain)));
        }
        if let Some(problem) = &row.problem {
            line.push_str(&format!("  {}", text::first_line(problem)));
        }
        line
    };
    // Those that need somebody come first.
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by_key(|row| match row.state {
        State::Failed => 0,
        State::Behind => 1,
        State::Unknown => 2,
        State::Current => 3,
        State::Unloaded => 4,
    });
    text::list(&mut out, sorted.len(), sorted.into_iter(), length, line);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_need_somebody_come_first() {
        let row = |name: &str, state, problem: Option<&str>| Row {
            name: name.parse().expect("a name"),
            domain: (name == "2").then(|| "foo.com".to_owned()),
            state,
            loaded: state != State::Unloaded,
            applied: Some(3),
            head: Some(4),
            ghost_bytes: (name == "1").then_some(1 << 20),
            used: None,
            problem: problem.map(str::to_owned),
        };
        let rows = [
            row("1", State::Current, None),
            row("2", State::Failed, Some("no\u{1b} room")),
            row("-1234", State::Unloaded, None),
        ];
        assert_eq!(
            anstream::adapter::strip_str(&say(&rows, None, Length::Short)).to_string(),
            "3 tenants: 1 current, 1 failed, 1 unloaded\n  \
             2      failed    3 of 4  foo.com  no\\u{1b} room\n  \
             1      current   3 of 4, 1.0 MiB not here\n  \
             -1234  unloaded  3 of 4\n"
        );
        assert_eq!(say(&[], None, Length::Short), "0 tenants\n");
    }
}
