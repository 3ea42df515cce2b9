//! What `svnrdump dump` writes, read as it comes.
//!
//! The format is Subversion's dump format (`notes/dump-load-format.txt` in its sources), version 3 as `svnrdump` writes
//! it and version 2 as `svnadmin dump` does; texts are whole, or svndiff ([`svndiff`]). A stream is a row of records:
//! the format, the repository's UUID, and for each revision its number and properties, and then a record for each path
//! that it touches ([`Node`]). A record is lines `Name: value` up to an empty one, then its properties, then its text.
//!
//! | file | is |
//! |---|---|
//! | `input` | bytes that come in, counted |
//! | `headers` | the head of a record |
//! | `place` | a path, seen from the dumped directory |
//! | `properties` | a block of properties |
//! | `node` | what is done to a path |
//! | `text` | a text as declared; what it becomes, and its checksums |
//! | `svndiff` | a delta applied |
//! | `base` | what a delta is applied to |
//!
//! What `svnrdump` 1.14 writes, and one does not expect (the test `real` holds it):
//! - paths are those of the repository, also in the dump of a directory in it. [`Place`] makes them relative;
//! - so there are records of directories above the dumped one: without `--incremental` the first revision adds them
//!   before anything else, without properties; in any revision their properties change, and they are deleted, replaced
//!   or copied, and what is beneath them goes or comes with them. Where one is replaced by a copy, its other children
//!   are there too, beside the dumped directory;
//! - the repository's root is an empty path, and is never added: its properties are a change, also in a whole dump;
//! - a directory that was deleted says nothing of what was in it. A replacement that is a copy is two records, `delete`
//!   and `add`; one that is not is one;
//! - a copy from beneath the dumped directory, of however old a revision, names its source and has no text: the reader
//!   must have that, or fetch all anew. A copy from elsewhere comes whole, as additions. A directory that does so has a
//!   second record, `change`, where it has properties;
//! - so a path may have more than one record in a revision, and the base of a text is what the record before it left;
//! - texts are deltas in svndiff version 0, those of new files too, which are to nothing. MD5 of the content and of the
//!   base are there, and never SHA-1;
//! - a revision that touches nothing here is a revision without nodes.
//!
//! Laws:
//! - nothing in the stream is believed. Lines, counts, blocks and windows are bounded, a length is looked at before
//!   memory is asked for, a text has the checksum that was declared or is an error;
//! - what breaks the format is [`ErrorKind::Damaged`], what we do not read is [`ErrorKind::Unsupported`], and each says
//!   the path and the revision, as `path@revision`. After either of [`Dump::next`] there is nothing more to read; after
//!   one of [`Dump::text`] there is, unless the stream itself has failed;
//! - the stream has no end mark. One that is cut between two records reads well: whether all came is said by the exit
//!   code of the program that wrote it, and by nothing else;
//! - how long a content is does not stand before it: whoever has bounds holds them in the writer that takes it.

mod base;
mod headers;
mod input;
mod node;
mod place;
mod properties;
mod svndiff;
#[cfg(test)]
pub(super) mod tests;
mod text;

use std::io::{Read, Write};

use depsync_engine::error::{Error, ErrorKind, Result};

pub(crate) use base::Base;
#[cfg(test)]
pub(crate) use node::Source;
pub(crate) use node::{Action, Kind, Node};
pub(crate) use place::Place;
pub(crate) use properties::{Properties, Values};
#[cfg(test)]
pub(crate) use text::Sums;
pub(crate) use text::{Applied, Text};

use headers::{Headers, shown};
use input::{Input, damaged};
use text::Sink;

/// The longest UUID that is read. It has 36 characters, but a repository takes what it is told.
const MAX_UUID: usize = 64;

/// A record of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// The version of the format, 2 or 3. Always the first.
    Format(u64),
    /// The UUID of the repository. Before all revisions.
    Uuid(String),
    /// A revision. Numbers rise.
    Revision(Revision),
    /// What the revision does to a path.
    Node(Box<Node>),
}

/// A revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// Its number.
    pub(crate) number: u64,
    /// Its properties.
    pub(crate) properties: Values,
}

/// A stream that is read.
pub(crate) struct Dump<R> {
    input: Input<R>,
    /// The dumped directory, from the repository's root.
    at: Vec<u8>,
    stage: Stage,
    /// The text that follows, and where it is.
    waiting: Option<(Text, String)>,
    /// How much of a text was not read yet.
    left: u64,
}

/// How far the stream was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Format(u64),
    Uuid(u64),
    Revision(u64, u64),
    Broken,
}

impl<R: Read> Dump<R> {
    /// Reads `reader`: the dump of the directory `at`, which is its path from the repository's root, without the
    /// escapes of a URL. It is empty where the whole repository was dumped.
    pub(crate) fn new(reader: R, at: &[u8]) -> Self {
        Self { input: Input::new(reader), at: at.to_vec(), stage: Stage::Start, waiting: None, left: 0 }
    }

    /// The next record; none at the end of the stream. A text that was not asked for is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Item>> {
        let item = self.pass().and_then(|()| self.record());
        if item.is_err() {
            self.stage = Stage::Broken;
        }
        item
    }

    /// Writes the content of the node that came last to `out`. A delta is applied to `base`; a file that was not there
    /// before has none. The content is what was declared, or this fails, and then `out` has taken something else.
    pub(crate) fn text(&mut self, base: Option<&dyn Base>, out: &mut dyn Write) -> Result<Applied> {
        let Some((text, spot)) = self.waiting.take() else {
            return Err(Error::new(ErrorKind::Internal, "a text of the dump is asked for where none follows"));
        };
        self.stream(&text, base, out).map_err(|error| error.at(spot))
    }

    fn stream(&mut self, text: &Text, base: Option<&dyn Base>, out: &mut dyn Write) -> Result<Applied> {
        let mut sink = Sink::new(out, text.content)?;
        let mut section = self.input.section(&mut self.left);
        if text.delta {
            svndiff::Windows::default().apply(&mut section, base, |piece| sink.put(piece))?;
        } else {
            section.drain(|piece| sink.put(piece))?;
        }
        sink.finish()
    }

    /// Passes over the text that is left.
    fn pass(&mut self) -> Result<()> {
        let passed = self.input.section(&mut self.left).drain(|_| Ok(()));
        let waiting = self.waiting.take();
        passed.map_err(|error| match (waiting, self.stage) {
            (Some((_, spot)), _) => error.at(spot),
            (None, Stage::Revision(_, number)) => error.at(format!("revision {number}")),
            (None, _) => error,
        })
    }

    fn record(&mut self) -> Result<Option<Item>> {
        if self.stage == Stage::Broken {
            return Err(damaged("nothing is read behind a flaw of the dump"));
        }
        let within = match self.stage {
            Stage::Revision(_, number) => format!("revision {number}"),
            _ => "the dump".to_owned(),
        };
        let Some(headers) = Headers::read(&mut self.input).map_err(|error| error.at(&within))? else {
            return if self.stage == Stage::Start { Err(damaged("the dump is empty")) } else { Ok(None) };
        };
        let item = match (headers.first(), self.stage) {
            (b"SVN-fs-dump-format-version", Stage::Start) => self.format(&headers).map(Item::Format),
            (_, Stage::Start) => Err(damaged("not a dump of a Subversion repository")),
            (b"UUID", Stage::Format(version)) => self.uuid(&headers, version).map(Item::Uuid),
            (b"Revision-number", Stage::Format(version) | Stage::Uuid(version) | Stage::Revision(version, _)) => {
                self.revision(&headers, version).map(Item::Revision)
            }
            (b"Node-path", Stage::Revision(version, number)) => {
                self.node(&headers, version, number).map(Box::new).map(Item::Node)
            }
            (name, _) => Err(damaged(format!("a record {}, which is not known or not due", shown(name)))),
        };
        item.map(Some).map_err(|error| error.at(within))
    }

    fn format(&mut self, headers: &Headers) -> Result<u64> {
        let version = headers.number("SVN-fs-dump-format-version")?.unwrap_or(0);
        if !(2..=3).contains(&version) {
            let what = format!("a dump in format {version}: only 2 and 3 are read");
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        self.stage = Stage::Format(version);
        Ok(version)
    }

    fn uuid(&mut self, headers: &Headers, version: u64) -> Result<String> {
        let sound = |value: &[u8]| {
            let characters = value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
            let sound = characters && (1..=MAX_UUID).contains(&value.len());
            sound.then(|| String::from_utf8_lossy(value).into_owned())
        };
        let uuid = headers.with("UUID", sound)?.unwrap_or_default();
        self.stage = Stage::Uuid(version);
        Ok(uuid)
    }

    fn revision(&mut self, headers: &Headers, version: u64) -> Result<Revision> {
        let number = headers.number("Revision-number")?.unwrap_or(0);
        let spot = format!("revision {number}");
        if let Stage::Revision(_, before) = self.stage
            && before >= number
        {
            return Err(damaged(format!("comes behind revision {before}")).at(spot));
        }
        let lengths = headers.lengths().map_err(|error| error.at(&spot))?;
        if lengths.text.is_some() {
            return Err(damaged("a revision that has a text").at(spot));
        }
        let properties = match self.properties(lengths.properties, false).map_err(|error| error.at(&spot))? {
            Some(Properties::Complete(values)) => values,
            Some(Properties::Delta { .. }) | None => Values::new(),
        };
        self.stage = Stage::Revision(version, number);
        Ok(Revision { number, properties })
    }

    fn node(&mut self, headers: &Headers, version: u64, revision: u64) -> Result<Node> {
        let path = headers.get("Node-path").unwrap_or_default();
        let spot = format!("{}@{revision}", shown(path));
        let (node, left) = self.described(headers, version, revision, path).map_err(|error| error.at(&spot))?;
        self.left = left;
        self.waiting = node.text.clone().map(|text| (text, spot));
        Ok(node)
    }

    /// A node, and how long its text is.
    fn described(&mut self, headers: &Headers, version: u64, revision: u64, path: &[u8]) -> Result<(Node, u64)> {
        let lengths = headers.lengths()?;
        let mut node = Node::read(headers, lengths, Place::of(path, &self.at)?, revision, &self.at)?;
        let delta = headers.flag("Prop-delta")?;
        if version < 3 && (delta || node.text.as_ref().is_some_and(|text| text.delta)) {
            return Err(damaged("a delta in a format that has none"));
        }
        node.properties = self.properties(lengths.properties, delta)?;
        Ok((node, lengths.text.unwrap_or(0)))
    }

    fn properties(&mut self, length: Option<usize>, delta: bool) -> Result<Option<Properties>> {
        let Some(length) = length else { return Ok(None) };
        let mut block = Vec::new();
        self.input.section(&mut (length as u64)).fill(&mut block, length)?;
        Properties::read(&block, delta).map(Some)
    }
}
