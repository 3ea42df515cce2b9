//! `bench`: what changes cost over each transport, measured.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use depsync_bench::rate::{self, RateArgs, Stop};
use depsync_engine::error::{Error, ErrorKind, Result};

use crate::exit::Exit;
use crate::output::Answer;
use crate::progress;
use crate::session::Session;

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &RateArgs) -> Result<Answer> {
    let stop = Stop::default();
    let raised = Arc::clone(&stop);
    let _hook = session.cancel.on_cancel(move || raised.store(true, Ordering::SeqCst));
    let report = rate::run(args, &stop, progress::wanted(session.global)).map_err(|error| {
        let kind = if stop.load(Ordering::SeqCst) { ErrorKind::Cancelled } else { ErrorKind::Io };
        Error::new(kind, format!("{error:#}"))
    })?;
    let text = format!("{}\nkept in {}\n", report.text, report.ledger.display());
    Ok(Answer::fact(&report, text, Exit::Done))
}
