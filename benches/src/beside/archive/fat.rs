//! A large jar of jars: what a publish and an update of it take, first of all of it and then where some classes of it
//! were edited.

use std::fs;

use anyhow::Result;

use super::deployment::Deployment;
use super::row::{Part, Row};
use super::{ArchiveArgs, rebuild};
use crate::kit::setting::Setting;

/// Measures it.
pub(super) fn run(args: &ArchiveArgs, setting: &Setting, mebibytes: u16, rows: &mut Vec<Row>) -> Result<()> {
    let place = setting.place().join("fat");
    let pair = rebuild::fat(&place, mebibytes, args.changed)?;
    let about = (Part::Fat, pair.name.as_str(), pair.file_name());
    let mut deployment = Deployment::new(place.join("depsync"), &setting.programs.depsync, args.effort, about, rows)?;
    deployment.bring(&pair)?;
    Ok(fs::remove_dir_all(&place)?)
}
