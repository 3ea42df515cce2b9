//! One thing that was looked at, and what came of it.

use depsync_engine::error::Error;
use serde::Serialize;

/// What came of a check, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Not looked at: it does not apply here, or what it needs was not there.
    Skipped,
    /// It works, and may not for long, or not as well as it could.
    Warning,
    /// Something does not work.
    Failed,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What, in a word: the same from release to release.
    pub(crate) name: &'static str,
    /// What came of it.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do.
    pub(crate) advice: Option<String>,
}

impl Check {
    /// As it should be.
    pub(crate) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    /// Not looked at.
    pub(crate) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::ok(name, why) }
    }

    /// It works, but.
    pub(crate) fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, advice: Some(advice.into()), ..Self::ok(name, found) }
    }

    /// It does not work.
    pub(crate) fn failed(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, ..Self::warning(name, found, advice) }
    }

    /// It does not work, as an error says; `advice` is for one that has none.
    pub(crate) fn of(name: &'static str, error: &Error, advice: &str) -> Self {
        Self::failed(name, error.to_string(), error.advice().unwrap_or(advice))
    }
}

/// The worst of all.
pub(crate) fn worst(checks: &[Check]) -> Verdict {
    let worst = checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok);
    // What was not looked at is neither good nor bad.
    if worst == Verdict::Skipped { Verdict::Ok } else { worst }
}
