//! The programs that are run around updates: whether each is there and can be run.

use std::path::Path;

use rustix::fs::{Access, access};

use super::{Check, Patient};

/// One check for each.
pub(super) fn look(patient: &Patient<'_>) -> Vec<Check> {
    patient.settings.programs.iter().map(|(moment, program)| hook(moment, program)).collect()
}

fn hook(moment: &str, program: &str) -> Check {
    const NAME: &str = "hook";
    let path = Path::new(program);
    let shown = format!("{moment}: {program}");
    match path.metadata() {
        Err(source) => {
            Check::failed(NAME, format!("{shown}: {source}"), "install the program, or take it out of `hooks`")
        }
        Ok(found) if !found.is_file() => Check::failed(NAME, format!("{shown} is no file"), "name the program itself"),
        Ok(_) if access(path, Access::EXEC_OK).is_err() => {
            Check::failed(NAME, format!("{shown} cannot be run by this user"), format!("`chmod +x {program}`"))
        }
        Ok(_) => Check::ok(NAME, shown),
    }
}
