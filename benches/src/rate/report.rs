//! All that people read of a run: made of its rows alone.

use std::path::Path;

use anyhow::{Context, Result};

use super::journal::{Journal, Plan};
use super::{Report, picture, published, table, verdict, write};
use crate::kit::ledger::Ledger;
use crate::kit::setting::Setting;
use crate::model::CostModel;

/// Writes it. `to` is where the model goes, if it is wanted.
pub(super) fn tell(
    to: Option<&Path>,
    setting: &Setting,
    results: &Path,
    (plan, journal): (&Plan, Journal),
    missing: &str,
) -> Result<Report> {
    let rows = journal.finish(plan)?;
    let machine = &setting.machine;
    let cores = u32::try_from(machine.cores)?;
    let measured = format!(
        "{} at commit {}, {} cores, {}",
        machine.date.strftime("%Y-%m-%d"),
        machine.commit,
        machine.cores,
        machine.processor
    );
    let fitted = verdict::fit(&rows, cores, &measured);
    let own = !fitted.transports.is_empty();
    let model = if own { fitted } else { CostModel::built_in().context("the model that comes with the program")? };
    let mut text = format!("{}{missing}\n{}", machine.facts(), table::table(&rows));
    if own {
        text.push_str(&format!("\n{}", verdict::verdict(&model, &rows)));
        text.push_str(&format!("\n{}", published::beside(&model)));
    } else {
        text.push_str(
            "\ntoo few cells to fit a model to: lines and advice are those of the model that comes with the program\n",
        );
    }
    let ledger = Ledger::new(results, machine, "rate", &rows)?;
    ledger.beside("csv", &table::csv(&rows))?;
    let svg = picture::draw(&model, &rows)?;
    let name = ledger.show(&svg)?;
    if let Some(file) = to.filter(|_| own) {
        write(file, &(serde_json::to_string_pretty(&model)? + "\n"))?;
    }
    ledger.write(
        "Rates of change",
        &format!("![time and bytes against the rate of change]({name})\n\n```\n{text}```\n"),
    )?;
    Ok(Report { ledger: ledger.path(), text, cells: rows.len() })
}
