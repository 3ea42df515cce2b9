//! Reading a `carbon.xml`: the elements that concern deployment, with the lines they stand in.
//!
//! A whole file or the block alone, as documentation prints it. What is commented out is not there; namespaces and
//! attributes say nothing here.

use std::collections::BTreeMap;
use std::path::Path;

use depsync_engine::error::{Error, ErrorKind, Result};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// The block.
const BLOCK: &str = "DeploymentSynchronizer";
/// How deep elements may be nested.
const DEPTH: usize = 64;

/// An element's text and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Found {
    /// Whether it says yes, as the original reads it.
    pub(super) fn is_true(&self) -> bool {
        ["true", "yes", "1"].contains(&self.text.to_lowercase().as_str())
    }
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Carbon {
    /// Whether there is the block at all.
    pub(super) has_block: bool,
    /// Its elements, by their names.
    pub(super) keys: BTreeMap<String, Found>,
    /// What stands elsewhere and concerns it, by the last two names.
    pub(super) around: BTreeMap<String, Found>,
}

/// What is looked for around the block, by the last two names.
const AROUND: [&str; 4] =
    ["GhostDeployment/Enabled", "Axis2Config/DeploymentUpdateInterval", "LazyLoading/IdleTime", "EagerLoading/Include"];

impl Carbon {
    /// Reads the text of `file`.
    pub(super) fn read(text: &str, file: &Path) -> Result<Self> {
        let flaw = |at: u64, why: &str| {
            let line = line_of(text, at);
            Error::new(ErrorKind::Usage, format!("not XML: {why}"))
                .op("read the configuration")
                .at(format!("{}:{line}", file.display()))
        };
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let (mut carbon, mut names): (Self, Vec<String>) = (Self::default(), Vec::new());
        let (mut words, mut line) = (String::new(), 1);
        loop {
            let event = reader.read_event().map_err(|error| flaw(reader.error_position(), &error.to_string()))?;
            let at = reader.buffer_position();
            match event {
                Event::Start(start) => {
                    if names.len() == DEPTH {
                        return Err(flaw(at, "elements within one another without end"));
                    }
                    let name = start.local_name().as_ref().to_owned();
                    carbon.has_block |= name == BLOCK;
                    names.push(name);
                    words.clear();
                    line = line_of(text, at);
                }
                Event::Text(part) => words.push_str(&part),
                Event::CData(part) => words.push_str(&part),
                Event::GeneralRef(name) => {
                    let known = resolve_predefined_entity(&name);
                    let known =
                        known.map(str::to_owned).or_else(|| name.resolve_char_ref().ok().flatten().map(String::from));
                    words.push_str(&known.ok_or_else(|| flaw(at, "an entity that is not known"))?);
                }
                Event::End(_) => {
                    carbon.note(&names, Found { text: words.trim().to_owned(), line });
                    names.pop();
                    words.clear();
                }
                Event::Eof if names.is_empty() => return Ok(carbon),
                Event::Eof => return Err(flaw(at, "it ends in the middle")),
                Event::DocType(_) => return Err(flaw(at, "a document type has no place in a configuration")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => {}
            }
        }
    }

    fn note(&mut self, names: &[String], found: Found) {
        let Some((name, above)) = names.split_last() else { return };
        let Some(parent) = above.last() else { return };
        if parent == BLOCK {
            self.keys.entry(name.clone()).or_insert(found);
            return;
        }
        let both = format!("{parent}/{name}");
        if AROUND.contains(&both.as_str()) && !found.text.is_empty() {
            self.around.entry(both).or_insert(found);
        }
    }

    /// Whether an element of the block says yes; what counts where it is absent is for who asks.
    pub(super) fn says(&self, key: &str, otherwise: bool) -> bool {
        self.keys.get(key).map_or(otherwise, Found::is_true)
    }
}

/// The line, from 1, of byte `offset`.
fn line_of(text: &str, offset: u64) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    1 + text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Carbon> {
        Carbon::read(text, Path::new("carbon.xml"))
    }

    #[test]
    fn the_block_is_read_with_its_lines_and_what_is_around_it() {
        let text = "<?xml version='1.0'?>\n<Server xmlns='http://wso2.org/projects/carbon/carbon.xml'>\n \
                    <Axis2Config><DeploymentUpdateInterval>15</DeploymentUpdateInterval></Axis2Config>\n \
                    <GhostDeployment><Enabled>true</Enabled></GhostDeployment>\n \
                    <!-- <DeploymentSynchronizer><Enabled>false</Enabled></DeploymentSynchronizer> -->\n \
                    <DeploymentSynchronizer>\n  <Enabled>true</Enabled>\n  <SvnUrl>http://h/a&amp;b&#47;c</SvnUrl>\n  \
                    <SvnUser/>\n </DeploymentSynchronizer>\n</Server>\n";
        let carbon = read(text).expect("reads");
        assert!(carbon.has_block && carbon.says("Enabled", false));
        let found = |key: &str| carbon.keys.get(key).map(|found| (found.text.as_str(), found.line));
        assert_eq!(found("SvnUrl"), Some(("http://h/a&b/c", 8)));
        assert_eq!((found("SvnUser"), found("SvnPassword")), (Some(("", 9)), None));
        assert_eq!(carbon.around.get("GhostDeployment/Enabled").map(|found| found.line), Some(4));
        assert_eq!(carbon.around.len(), 2);
        assert!(!read("<Server/>").expect("reads").has_block);
        assert!(
            read("<DeploymentSynchronizer><Enabled>yes</Enabled></DeploymentSynchronizer>").expect("reads").has_block
        );
    }

    #[test]
    fn what_is_no_configuration_is_told_with_its_line() {
        for (bad, line) in [
            ("<a>\n<b></a>", ":2"),
            ("<a>\n", ":2"),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", ":1"),
            ("<a>&x;</a>", ":1"),
            (&"<a>".repeat(100), ":1"),
        ] {
            let error = read(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.place().is_some_and(|place| place.ends_with(line)), "{bad}: {error}");
        }
    }
}
