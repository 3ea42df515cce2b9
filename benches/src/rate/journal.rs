//! What is done of a run: a line a cell, written and flushed before the next begins.
//!
//! The first line is the plan. What was measured by another plan, of another build or with another seed, is not mixed in.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::RateArgs;
use super::row::{Row, Who};
use crate::kit::setting::Setting;

/// Its name beside the ledgers.
const NAME: &str = "rate.unfinished.jsonl";

/// What a run is to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// What the measured program is: its version and when it was built.
    program: String,
    seed: u64,
    quick: bool,
    /// In the order in which they are told.
    pub(super) cells: Vec<(Who, String)>,
}

impl Plan {
    pub(super) fn of(args: &RateArgs, setting: &Setting, cells: Vec<(Who, String)>) -> Self {
        let machine = &setting.machine;
        let program = format!("{}, built {}", machine.program, machine.built);
        Self { program, seed: args.seed, quick: args.quick, cells }
    }

    /// How many cells there are.
    pub(super) fn cells(&self) -> usize {
        self.cells.len()
    }
}

/// See the module.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    rows: Vec<Row>,
}

impl Journal {
    /// Goes on with what is in `dir`, or begins.
    pub(super) fn open(dir: &Path, plan: &Plan, fresh: bool) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let path = dir.join(NAME);
        let there = if fresh { None } else { fs::read_to_string(&path).ok() };
        let mut rows = Vec::new();
        // A line that a killed run has not ended is measured again.
        let whole = there.as_deref().map(|text| text.rsplit_once('\n').map_or("", |(whole, _)| whole));
        if let Some(whole) = whole.filter(|whole| !whole.is_empty()) {
            let mut lines = whole.lines();
            let first: Option<Plan> = lines.next().and_then(|line| serde_json::from_str(line).ok());
            if first.as_ref() != Some(plan) {
                bail!("{}: an unfinished run of another plan or program: `--fresh` drops it", path.display());
            }
            for line in lines {
                rows.push(serde_json::from_str(line).with_context(|| format!("{}: not a row", path.display()))?);
            }
        }
        let mut file = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
        writeln!(file, "{}", serde_json::to_string(plan)?)?;
        for row in &rows {
            writeln!(file, "{}", serde_json::to_string(row)?)?;
        }
        Ok(Self { path, file, rows })
    }

    /// Whether a cell is done.
    pub(super) fn has(&self, who: Who, scenario: &str) -> bool {
        self.rows.iter().any(|row| row.who == who && row.scenario == scenario)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A cell is done.
    pub(super) fn add(&mut self, row: Row) -> Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&row)?)?;
        self.file.sync_data()?;
        self.rows.push(row);
        Ok(())
    }

    /// All rows, in the order of the plan; the journal is done with.
    pub(super) fn finish(self, plan: &Plan) -> Result<Vec<Row>> {
        let of = |(who, scenario): &(Who, String)| {
            self.rows.iter().find(|row| row.who == *who && row.scenario == *scenario).cloned()
        };
        let rows = plan.cells.iter().filter_map(of).collect();
        fs::remove_file(&self.path)?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Transport;
    use crate::rate::{sample, scenario};

    const SSH: Who = Who::Depsync(Transport::Ssh);

    fn plan() -> Plan {
        let cells = scenario::quick().into_iter().map(|scenario| (SSH, scenario.name)).collect();
        Plan { program: "one".to_owned(), seed: 1, quick: true, cells }
    }

    #[test]
    fn a_run_goes_on_where_it_was() {
        let place = tempfile::tempdir().expect("a directory");
        let all = scenario::quick();
        let mut journal = Journal::open(place.path(), &plan(), false).expect("begins");
        for scenario in all[1..].iter().rev() {
            journal.add(sample(SSH, scenario)).expect("writes");
        }
        drop(journal);
        // The last line is torn.
        let path = place.path().join(NAME);
        let text = fs::read(&path).expect("reads");
        fs::write(&path, &text[..text.len() - 5]).expect("writes");
        let mut journal = Journal::open(place.path(), &plan(), false).expect("goes on");
        assert_eq!(journal.len(), all.len() - 2);
        assert!(!journal.has(SSH, &all[0].name) && !journal.has(SSH, &all[1].name));
        for scenario in &all[..2] {
            journal.add(sample(SSH, scenario)).expect("writes");
        }
        let rows = journal.finish(&plan()).expect("all of it");
        let names: Vec<&str> = rows.iter().map(|row| row.scenario.as_str()).collect();
        assert_eq!(names, all.iter().map(|scenario| scenario.name.as_str()).collect::<Vec<_>>());
        assert!(!path.exists());
    }

    #[test]
    fn what_another_plan_has_measured_is_not_mixed_in() {
        let place = tempfile::tempdir().expect("a directory");
        drop(Journal::open(place.path(), &plan(), false).expect("begins"));
        let other = Plan { program: "two".to_owned(), ..plan() };
        let refused = Journal::open(place.path(), &other, false).err().expect("refuses").to_string();
        assert!(refused.ends_with("an unfinished run of another plan or program: `--fresh` drops it"), "{refused}");
        assert_eq!(Journal::open(place.path(), &other, true).expect("begins anew").len(), 0);
    }
}
