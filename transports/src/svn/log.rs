//! The revisions that have changed the deployment: `svn log`.
//!
//! Authorisation shows in a log by what is missing, and by nothing else ([`Shown`]): a revision all of whose paths are
//! hidden has its number only. One with some hidden paths has author and date and the paths that are not hidden, but
//! neither a message nor properties; where only the source of a copy is hidden, the copy looks like an addition.

use std::collections::BTreeMap;
use std::io::BufRead;

use depsync_engine::context::Context;
use depsync_engine::error::Result;
use jiff::Timestamp;

use super::client::{SvnClient, Tool};
use super::info::NodeKind;
use super::xml::{Element, Xml, damaged, revision, short};

/// The most paths of one revision, and the most bytes of their names.
const MOST_PATHS: usize = 5_000_000;
const MOST_BYTES: usize = 1 << 30;
/// The most properties of one revision, and the most bytes of their values.
const MOST_PROPERTIES: usize = 10_000;
const MOST_VALUES: usize = 64 << 20;

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// This revision.
    At(u64),
    /// The newest one.
    Head,
}

impl End {
    fn operand(self) -> String {
        match self {
            Self::At(number) => number.to_string(),
            Self::Head => "HEAD".to_owned(),
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::At(number) => number,
            Self::Head => u64::MAX,
        }
    }
}

/// Which revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first to be told of.
    pub from: End,
    /// The last one; it may be the older one.
    pub to: End,
    /// How many at most.
    pub limit: Option<u32>,
    /// The revision in which the deployment is looked for; now, if none is named. Revisions behind a copy of it from
    /// elsewhere are not told of.
    pub peg: Option<u64>,
}

/// How much of a revision is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Whole,
    /// No message and no property: some of its paths are hidden, or it was made without a message.
    Part,
    /// Its number: all of its paths are hidden, or it was made without anything.
    Number,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Added,
    /// Its content or its properties were changed.
    Modified,
    /// It and everything beneath it was removed.
    Deleted,
    /// It and everything beneath it was removed, and something else is there.
    Replaced,
}

impl Action {
    /// Whether what was there is there no more.
    pub(super) fn removes(self) -> bool {
        matches!(self, Self::Deleted | Self::Replaced)
    }
}

/// A path that a revision has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedPath {
    /// The path within the repository; begins with a slash.
    pub path: String,
    /// What became of it.
    pub action: Action,
    /// What it is, or was if it is gone. Old servers do not say.
    pub kind: Option<NodeKind>,
    /// What it is a copy of: a path and its revision.
    pub copied_from: Option<(String, u64)>,
    /// Whether its content was changed. If the server does not say, it may have been.
    pub content_changed: bool,
    /// Whether its properties were changed. If the server does not say, they may have been.
    pub properties_changed: bool,
}

/// A revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub revision: u64,
    /// Who made it.
    pub author: Option<String>,
    /// When, as far as that can be read.
    pub date: Option<Timestamp>,
    /// What was said of it.
    pub message: Option<String>,
    /// Its other properties.
    pub properties: BTreeMap<String, Vec<u8>>,
    /// What it has changed, if that was asked for, as far as it is shown. Not sorted.
    pub paths: Vec<ChangedPath>,
}

impl LogEntry {
    /// How much of it is shown.
    pub fn shown(&self) -> Shown {
        if self.message.is_some() || !self.properties.is_empty() {
            Shown::Whole
        } else if self.author.is_some() || self.date.is_some() || !self.paths.is_empty() {
            Shown::Part
        } else {
            Shown::Number
        }
    }
}

impl SvnClient {
    /// Gives the revisions of `range` that have changed the deployment to `take`, one after the other, with the paths that
    /// each has changed anywhere in the repository if `paths`.
    pub fn log(
        &self,
        cx: &Context,
        range: &Range,
        paths: bool,
        take: &mut dyn FnMut(LogEntry) -> Result<()>,
    ) -> Result<()> {
        let ends = format!("{}:{}", range.from.operand(), range.to.operand());
        let mut program = self.program(cx, Tool::Svn)?.args(["log", "--xml", "--with-all-revprops", "--stop-on-copy"]);
        program = program.args(["-r", &ends]).args(paths.then_some("-v"));
        if let Some(limit) = range.limit {
            program = program.arg("-l").arg(limit.to_string());
        }
        let program = program.operand(self.url().pegged(None, range.peg));
        self.read(cx, "read the log", program, |said| read(said, range, take))
    }
}

/// Reads a log. Its revisions must be in order and in the range, so that there are no more than that has.
fn read(from: impl BufRead, range: &Range, take: &mut dyn FnMut(LogEntry) -> Result<()>) -> Result<()> {
    let mut xml = Xml::open(from, "log")?;
    let (first, last) = (range.from.number(), range.to.number());
    let (mut before, mut left) = (None, range.limit);
    while let Some(element) = xml.child()? {
        if element.name != "logentry" {
            xml.skip()?;
            continue;
        }
        let entry = entry(&mut xml, &element)?;
        let number = entry.revision;
        let in_range = (first.min(last)..=first.max(last)).contains(&number);
        let in_order = before.is_none_or(|before| if first <= last { before < number } else { before > number });
        if !in_range || !in_order || left == Some(0) {
            return Err(damaged(format!("revision {number} was not asked for")));
        }
        before = Some(number);
        left = left.map(|left| left - 1);
        take(entry)?;
    }
    xml.end()
}

fn entry(xml: &mut Xml<impl BufRead>, element: &Element) -> Result<LogEntry> {
    let mut entry = LogEntry { revision: element.revision("revision")?, ..LogEntry::default() };
    while let Some(element) = xml.child()? {
        match element.name.as_str() {
            "author" => entry.author = Some(xml.text()?),
            "date" => entry.date = xml.text()?.parse().ok(),
            "msg" => entry.message = Some(xml.text()?),
            "paths" => entry.paths = paths(xml)?,
            "revprops" => entry.properties = properties(xml)?,
            _ => xml.skip()?,
        }
    }
    Ok(entry)
}

fn paths(xml: &mut Xml<impl BufRead>) -> Result<Vec<ChangedPath>> {
    let (mut paths, mut bytes) = (Vec::new(), 0);
    while let Some(element) = xml.child()? {
        let path = within(&xml.text()?)?;
        bytes += path.len();
        if paths.len() == MOST_PATHS || bytes > MOST_BYTES {
            return Err(damaged("more paths in a revision than we take"));
        }
        let copied_from = match (element.find("copyfrom-path"), element.find("copyfrom-rev")) {
            (Some(path), Some(number)) => Some((within(path)?, revision(number)?)),
            (None, None) => None,
            _ => return Err(damaged("a copy of half of something")),
        };
        let changed = |name: &str| element.find(name) != Some("false");
        paths.push(ChangedPath {
            path,
            action: action(element.get("action")?)?,
            kind: element.find("kind").and_then(NodeKind::read),
            copied_from,
            content_changed: changed("text-mods"),
            properties_changed: changed("prop-mods"),
        });
    }
    Ok(paths)
}

/// A path within the repository.
fn within(path: &str) -> Result<String> {
    let fits =
        path == "/" || path.starts_with('/') && path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."));
    if fits { Ok(path.to_owned()) } else { Err(damaged(format!("not a path of a repository: `{}`", short(path)))) }
}

fn action(text: &str) -> Result<Action> {
    match text {
        "A" => Ok(Action::Added),
        "M" => Ok(Action::Modified),
        "D" => Ok(Action::Deleted),
        "R" => Ok(Action::Replaced),
        _ => Err(damaged(format!("a path was `{}`", short(text)))),
    }
}

/// Values that are not text for XML are in Base64.
fn properties(xml: &mut Xml<impl BufRead>) -> Result<BTreeMap<String, Vec<u8>>> {
    let (mut properties, mut bytes) = (BTreeMap::new(), 0);
    while let Some(element) = xml.child()? {
        let text = xml.text()?;
        let value = match element.find("encoding") {
            None => text.into_bytes(),
            Some("base64") => {
                let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
                data_encoding::BASE64.decode(&digits).map_err(|error| damaged(error.to_string()))?
            }
            Some(other) => return Err(damaged(format!("a property in `{}`", short(other)))),
        };
        let name = element.get("name")?;
        bytes += name.len() + value.len();
        if properties.len() == MOST_PROPERTIES || bytes > MOST_VALUES {
            return Err(damaged("more properties of a revision than we take"));
        }
        if properties.insert(name.to_owned(), value).is_some() {
            return Err(damaged(format!("the property `{}` twice", short(name))));
        }
    }
    Ok(properties)
}

#[cfg(test)]
mod tests;
