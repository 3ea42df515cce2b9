//! The only place that prints: the answer on stdout, everything else on stderr.
//!
//! With `--json` stdout carries exactly one object, whatever happened. A reader that goes away early (`| head -1`) is
//! nobody's failure: what was to be done has been done, and the exit status says how.

use std::io::{self, Write};

use depsync_engine::error::Error;
use serde::Serialize;

use crate::exit::Exit;
use crate::text::{BAD, GOOD, WARN, clean, styled};

/// The version of the JSON objects.
const SCHEMA: u32 = 1;

/// What a command answers.
#[derive(Debug)]
pub(crate) struct Answer {
    json: String,
    text: String,
    warnings: Vec<String>,
    exit: Exit,
    asked_for: bool,
}

#[derive(Serialize)]
struct Object<'a, T> {
    schema: u32,
    #[serde(flatten)]
    facts: &'a T,
}

impl Answer {
    /// The answer to a question: shown with `--quiet`, too.
    pub(crate) fn fact(facts: &impl Serialize, text: String, exit: Exit) -> Self {
        let object = Object { schema: SCHEMA, facts };
        let json =
            harmless(&serde_json::to_string(&object).expect("the engine's answers are plain data with text keys"));
        Self { json, text, warnings: Vec::new(), exit, asked_for: true }
    }

    /// The account of something done: `--quiet` drops it if all went well.
    pub(crate) fn deed(facts: &impl Serialize, text: String, exit: Exit) -> Self {
        Self { asked_for: false, ..Self::fact(facts, text, exit) }
    }

    /// Adds what went wrong beside the main job.
    pub(crate) fn with_warnings(mut self, warnings: &[String]) -> Self {
        self.warnings.extend(warnings.iter().map(|warning| clean(warning)));
        self
    }

    /// The exit status.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

/// One of several things that are told as they happen.
#[derive(Debug)]
pub(crate) struct Told {
    json: String,
    text: String,
    matters: bool,
}

impl Told {
    /// What is told even with `--quiet` `matters`.
    pub(crate) fn new(facts: &impl Serialize, text: String, matters: bool) -> Self {
        let Answer { json, text, .. } = Answer::fact(facts, text, Exit::Done);
        Self { json, text, matters }
    }
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    /// One JSON object.
    pub(crate) json: bool,
    /// Only what needs attention.
    pub(crate) quiet: bool,
}

impl Printer {
    /// Prints what is told on the way: a line of JSON, or some of text.
    pub(crate) fn told(self, told: &Told) {
        if self.json {
            to_stdout(&format!("{}\n", told.json));
        } else if !self.quiet || told.matters {
            to_stdout(&told.text);
        }
    }

    /// Prints an answer.
    pub(crate) fn answer(self, answer: &Answer) {
        for warning in &answer.warnings {
            to_stderr(&format!("{}: {warning}\n", styled(WARN, "warning")));
        }
        if self.json {
            to_stdout(&format!("{}\n", answer.json));
        } else if !self.quiet || answer.asked_for || !matches!(answer.exit, Exit::Done | Exit::Changed) {
            to_stdout(&answer.text);
        }
    }

    /// Prints a failure: on stdout as JSON, on stderr for people.
    pub(crate) fn error(self, error: &Error) {
        if self.json {
            to_stdout(&format!("{}\n", error_json(error)));
        } else {
            to_stderr(&error_text(error));
        }
    }
}

/// A failure as a JSON object.
fn error_json(error: &Error) -> String {
    #[derive(Serialize)]
    struct Object {
        error: ErrorFacts,
    }
    harmless(&serde_json::to_string(&Object { error: error.into() }).expect("texts can be encoded"))
}

/// JSON need not escape the control characters above 127, but a terminal obeys them as it obeys ESC. They only ever
/// stand in strings.
fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

/// A failure for machines.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorFacts {
    /// What sort of failure it is: the only thing to branch on.
    kind: &'static str,
    /// What happened, to what and why.
    message: String,
    /// What to do next.
    hint: Option<String>,
    /// The path or endpoint.
    place: Option<String>,
}

impl From<&Error> for ErrorFacts {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind().name(),
            message: error.to_string(),
            hint: error.advice().map(str::to_owned),
            place: error.place().map(str::to_owned),
        }
    }
}

/// A failure for people: what happened to what, and what to do next.
fn error_text(error: &Error) -> String {
    let mut text = format!("{}: {}\n", styled(BAD, "error"), clean(&error.to_string()));
    if let Some(hint) = error.advice() {
        text.push_str(&format!("{}: {}\n", styled(GOOD, "hint"), clean(hint)));
    }
    text
}

/// Writes to stdout, without styles where nobody would see them.
pub(crate) fn to_stdout(text: &str) {
    forgive(write_all(anstream::stdout(), text));
}

/// Writes to stderr.
pub(crate) fn to_stderr(text: &str) {
    forgive(write_all(anstream::stderr(), text));
}

fn write_all(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// A reader that is gone cannot be told anything; a full disk behind `> file` could not either, and the exit status
/// is that of the work, which is done.
fn forgive(_written: io::Result<()>) {}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::error::ErrorKind;

    #[derive(Serialize)]
    struct Facts {
        zebra: u32,
        apple: Option<u32>,
    }

    #[test]
    fn an_object_begins_with_its_schema_and_keeps_the_order_of_its_fields() {
        let answer = Answer::fact(&Facts { zebra: 1, apple: None }, String::new(), Exit::Done);
        assert_eq!(answer.json, r#"{"schema":1,"zebra":1,"apple":null}"#);
    }

    #[test]
    fn an_error_names_kind_place_and_advice() {
        let error = Error::new(ErrorKind::Refused, "the directory is empty").at("/srv/\x1b[1mx").hint("mount it");
        let json: serde_json::Value = serde_json::from_str(&error_json(&error)).expect("JSON");
        assert_eq!(json["error"]["kind"], "refused");
        assert_eq!(json["error"]["hint"], "mount it");
        assert_eq!(json["error"]["place"], "/srv/\x1b[1mx");
        let text = harmless("\"a\u{9b}\u{7f}\u{e9}\"");
        assert_eq!(text, r#""a\u009b\u007fé""#);
        assert_eq!(serde_json::from_str::<String>(&text).expect("JSON"), "a\u{9b}\u{7f}é");
        assert_eq!(json["error"]["message"], "/srv/\x1b[1mx: the directory is empty");
        let text = anstream::adapter::strip_str(&error_text(&error)).to_string();
        assert_eq!(text, "error: /srv/\\u{1b}[1mx: the directory is empty\nhint: mount it\n");
    }
}
