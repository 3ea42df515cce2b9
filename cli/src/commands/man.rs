//! `man`: the pages of the manual.

use clap::CommandFactory;
use depsync_engine::error::{Error, Result};
use serde::Serialize;

use crate::args::{Cli, Manual};
use crate::exit::Exit;
use crate::manual;
use crate::output::{self, Answer};
use crate::session::Session;
use crate::units::counted;

#[derive(Serialize)]
struct Written {
    directory: String,
    pages: Vec<String>,
}

/// Prints the first page, or writes all.
pub(super) fn run(session: &Session<'_>, args: &Manual) -> Result<Option<Answer>> {
    let pages = manual::pages(Cli::command())?;
    let Some(into) = &args.into else {
        output::to_stdout(&pages.iter().take(1).map(|page| page.text.as_str()).collect::<String>());
        return Ok(None);
    };
    let into = session.environment.cwd.join(into);
    std::fs::create_dir_all(&into).map_err(|source| Error::io("make the directory", into.display(), source))?;
    for page in &pages {
        let path = into.join(&page.file);
        std::fs::write(&path, &page.text).map_err(|source| Error::io("write", path.display(), source))?;
    }
    let text =
        format!("wrote {} to {}\n", counted(pages.len(), "page"), crate::text::clean(&into.display().to_string()));
    let pages = pages.into_iter().map(|page| page.file).collect();
    let written = Written { directory: into.display().to_string(), pages };
    Ok(Some(Answer::deed(&written, text, Exit::Done)))
}
