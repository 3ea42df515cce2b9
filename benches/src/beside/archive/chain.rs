//! Ten versions of an archive, one after the other: what each costs, what it costs to have missed some, and to go back.

use std::fs;

use anyhow::{Context, Result};

use super::deployment::Deployment;
use super::row::{Part, Row, Step};
use super::{ArchiveArgs, rebuild};
use crate::kit::setting::Setting;

/// How many there are.
pub(super) const VERSIONS: u32 = 10;
/// So many versions a worker misses.
pub(super) const MISSED: usize = 5;
/// So many versions it goes back.
pub(super) const BACK: usize = 3;

/// Measures it. A version is the revision of its number.
pub(super) fn run(args: &ArchiveArgs, setting: &Setting, rows: &mut Vec<Row>) -> Result<()> {
    let place = setting.place().join("chain");
    let versions = rebuild::chain(&place, VERSIONS)?;
    let about = (Part::Chain, "chain", "app.jar".to_owned());
    let mut deployment = Deployment::new(place.join("depsync"), &setting.programs.depsync, args.effort, about, rows)?;
    for (number, archive) in (1..).zip(&versions) {
        let is_first = number == 1;
        deployment.publish(archive, Some(number), if is_first { Step::FirstPublish } else { Step::Publish })?;
        deployment.update("worker", if is_first { Step::FirstUpdate } else { Step::Update })?;
        if number == versions.len() - MISSED {
            deployment.update("behind", Step::Fresh)?;
        }
    }
    deployment.update("behind", Step::Behind)?;
    deployment.update("fresh", Step::Fresh)?;
    let number = versions.len() - BACK;
    deployment.roll_back(versions.get(number - 1).context("a version")?, number)?;
    deployment.update("worker", Step::Return)?;
    Ok(fs::remove_dir_all(&place)?)
}
