//! The manual: a page for the program and one for each of its commands, made of what `--help` says.
//!
//! What `--help` has no room for (the environment, files, the keys of the configuration) stands in `words`. Every command has
//! a page; what is hidden from `--help` is hidden here.

mod words;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use depsync_engine::error::{Error, ErrorKind, Result};

use words::{ENVIRONMENT, FILES, KEYS};

/// What stands before examples in the help.
const EXAMPLES: &str = "Examples:\n";
/// What stands before the table of exit statuses.
const STATUS: &str = "Exit status:\n";

/// A page.
pub(crate) struct Page {
    /// The name of its file: `depsync-status.1`.
    pub(crate) file: String,
    /// What is in it, for troff.
    pub(crate) text: String,
}

/// All pages of `program`, its own first.
pub(crate) fn pages(mut program: Command) -> Result<Vec<Page>> {
    program.build();
    let mut pages = vec![Page { file: "depsync.1".to_owned(), text: page(&program, &program, "depsync")? }];
    beneath(&program, &program, "depsync", &mut pages)?;
    Ok(pages)
}

fn beneath(program: &Command, command: &Command, name: &str, pages: &mut Vec<Page>) -> Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let name = format!("{name}-{}", inner.get_name());
        pages.push(Page { file: format!("{name}.1"), text: page(program, inner, &name)? });
        beneath(program, inner, &name, pages)?;
    }
    Ok(())
}

fn page(program: &Command, command: &Command, name: &str) -> Result<String> {
    let version = program.get_version().unwrap_or_default();
    let man = Man::new(command.clone()).title(name).source(format!("depsync {version}")).manual("depsync");
    let mut bytes = Vec::new();
    let mut parts = || {
        man.render_title(&mut bytes)?;
        man.render_name_section(&mut bytes)?;
        man.render_synopsis_section(&mut bytes)?;
        man.render_description_section(&mut bytes)
    };
    let failed = |source| Error::io("write", "a page of the manual", source);
    parts().map_err(failed)?;
    let help = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string).unwrap_or_default();
    let (before, examples) = help.split_once(EXAMPLES).unwrap_or((&help, ""));
    let (examples, status) = examples.split_once(STATUS).unwrap_or((examples, ""));
    let mut roff = Roff::new();
    for paragraph in before.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        roff.control("PP", []).text([roman(paragraph)]);
    }
    roff.to_writer(&mut bytes).map_err(failed)?;
    man.render_options_section(&mut bytes).map_err(failed)?;
    if command.has_subcommands() {
        let mut roff = Roff::new();
        roff.control("SH", ["COMMANDS"]);
        for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
            let about = inner.get_about().map(ToString::to_string).unwrap_or_default();
            roff.control("TP", [])
                .text([bold(format!("{name}-{}", inner.get_name())), roman("(1)")])
                .text([roman(about)]);
        }
        roff.to_writer(&mut bytes).map_err(failed)?;
    }
    let mut roff = Roff::new();
    as_it_stands(&mut roff, "EXAMPLES", examples);
    let general = program.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let status = if status.is_empty() { general.split_once(STATUS).map_or("", |(_, status)| status) } else { status };
    as_it_stands(&mut roff, "EXIT STATUS", status);
    table(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    if name == "depsync" {
        table(&mut roff, "FILES", &FILES);
        roff.control("SH", ["CONFIGURATION"]);
        roff.text([roman("A key of a table is written below its heading in brackets. Relative paths are relative to the file; a key that is not known is an error.")]);
        for (heading, keys) in KEYS {
            let shown = if heading.is_empty() { "At the beginning".to_owned() } else { format!("[{heading}]") };
            roff.control("SS", [shown.as_str()]);
            entries(&mut roff, keys);
        }
    } else {
        roff.control("SH", ["SEE ALSO"]).text([bold("depsync"), roman("(1), for the configuration and files")]);
    }
    roff.to_writer(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Internal, "a page of the manual is no text"))
}

/// Lines that are not to be filled.
fn as_it_stands(roff: &mut Roff, heading: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    roff.control("SH", [heading]).control("nf", []);
    for line in text.trim_end().lines() {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    roff.control("fi", []);
}

fn table(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    entries(roff, rows);
}

fn entries(roff: &mut Roff, rows: &[(&str, &str)]) {
    for (name, meaning) in rows {
        roff.control("TP", []).text([bold(*name)]).text([roman(*meaning)]);
    }
}
