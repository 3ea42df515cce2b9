//! The operator's log: to stderr, never to stdout, quiet unless asked.

use depsync_engine::error::{Error, ErrorKind, Result};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

use crate::args::{Global, LogFormat};

/// The filter: `DEPSYNC_LOG` exactly, or a level by the number of `-v`.
fn filter(verbose: u8, quiet: bool, exact: Option<&str>) -> Result<EnvFilter> {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        (_, 1) => "info",
        (_, 2) => "debug",
        _ => "trace",
    };
    EnvFilter::try_new(exact.unwrap_or(level)).map_err(|source| {
        Error::new(ErrorKind::Usage, "not a log filter").at("DEPSYNC_LOG").because(source).hint("try DEPSYNC_LOG=debug")
    })
}

/// Starts the log.
pub(crate) fn start(global: &Global, exact: Option<&str>) -> Result<()> {
    let filter = filter(global.verbose, global.quiet, exact)?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log started twice (by a test in the same process) keeps its first settings.
    match global.log_format {
        Some(LogFormat::Json) => drop(log.json().flatten_event(true).try_init()),
        Some(LogFormat::Text) | None => drop(log.with_ansi(std::io::stderr().is_terminal()).try_init()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_count_and_an_exact_filter_over_them() {
        assert_eq!(filter(0, false, None).expect("a filter").to_string(), "warn");
        assert_eq!(filter(0, true, None).expect("a filter").to_string(), "error");
        assert_eq!(filter(2, false, None).expect("a filter").to_string(), "debug");
        assert_eq!(
            filter(2, false, Some("depsync_engine=trace")).expect("a filter").to_string(),
            "depsync_engine=trace"
        );
        assert_eq!(filter(0, false, Some("a=b=c")).expect_err("nonsense").kind(), ErrorKind::Usage);
    }
}
