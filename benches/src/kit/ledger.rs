//! The ledger: raw rows as JSON lines with the machine's facts, and what people read beside them.
//!
//! The first line is `{"machine": …}`, each other one a row. A second run on a day gets a name of its own: nothing that
//! was measured is ever overwritten.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;

use crate::kit::machine::Machine;

/// A ledger that is written.
pub(crate) struct Ledger {
    dir: PathBuf,
    day: String,
    stem: String,
}

impl Ledger {
    /// Writes the rows of a run of this kind into `dir`.
    pub(crate) fn new(dir: &Path, machine: &Machine, kind: &str, rows: &[impl Serialize]) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let day = machine.date.strftime("%Y-%m-%d").to_string();
        let (file, stem) = new_ledger(dir, &day, kind)?;
        let mut ledger = BufWriter::new(file);
        writeln!(ledger, "{}", json!({ "machine": machine }))?;
        for row in rows {
            writeln!(ledger, "{}", serde_json::to_string(row)?)?;
        }
        ledger.flush()?;
        Ok(Self { dir: dir.to_owned(), day, stem })
    }

    /// Puts a picture beside it; gives the name of that.
    pub(crate) fn show(&self, svg: &str) -> Result<String> {
        self.beside("svg", svg)
    }

    /// Puts something beside it, of that name with another ending; gives the name.
    pub(crate) fn beside(&self, ending: &str, text: &str) -> Result<String> {
        let name = format!("{}.{ending}", self.stem);
        fs::write(self.dir.join(&name), text)?;
        Ok(name)
    }

    /// Writes the story beside it, and prints where.
    pub(crate) fn tell(&self, title: &str, story: &str) -> Result<()> {
        self.write(title, story)?;
        Ok(writeln!(io::stdout(), "\nkept in {}", self.path().display())?)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(format!("{}.jsonl", self.stem))
    }

    /// Writes the story beside it.
    pub(crate) fn write(&self, title: &str, story: &str) -> Result<()> {
        let Self { dir, day, stem } = self;
        let head = format!(
            "# {title}, {day}\n\nRaw rows: [{stem}.jsonl]({stem}.jsonl). What the columns mean: [../README.md](../README.md).\n\n"
        );
        Ok(fs::write(dir.join(format!("{stem}.md")), head + story)?)
    }
}

/// Creates the first of `DAY-KIND.jsonl`, `DAY-KIND-2.jsonl`, … that is not there.
fn new_ledger(dir: &Path, day: &str, kind: &str) -> Result<(File, String)> {
    for number in 1..1000 {
        let stem = if number == 1 { format!("{day}-{kind}") } else { format!("{day}-{kind}-{number}") };
        match File::create_new(dir.join(format!("{stem}.jsonl"))) {
            Ok(file) => return Ok((file, stem)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("creating {stem}.jsonl in {}", dir.display())),
        }
    }
    anyhow::bail!("a thousand ledgers of {day} in {}", dir.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("a directory");
        let stem = |kind| new_ledger(dir.path(), "2026-01-02", kind).expect("a ledger").1;
        assert_eq!(
            [stem("cost"), stem("cost"), stem("cost")],
            ["2026-01-02-cost", "2026-01-02-cost-2", "2026-01-02-cost-3"]
        );
        assert_eq!(stem("scale"), "2026-01-02-scale");
    }
}
