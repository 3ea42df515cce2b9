//! The XML that `svn` prints, read as it comes.
//!
//! It is read by what is expected: an element is opened, its children are opened in turn, or its text is read, or it is
//! skipped. Laws:
//! - between two events no more than [`MOST`] bytes are held, a text has no more than that, and nothing is nested deeper
//!   than [`DEPTH`];
//! - there are no document types and no entities but XML's own;
//! - elements and attributes that are not known are passed over: newer programs say more.

use std::io::{self, BufRead, Read};

use depsync_engine::error::{Error, ErrorKind, Result};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The most bytes of a tag, or of a text.
const MOST: usize = 16 << 20;
/// How deep elements may be nested.
const DEPTH: usize = 16;

/// An element that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// What it is called.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// An attribute, if it is there.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// An attribute that must be there.
    pub(super) fn get(&self, name: &str) -> Result<&str> {
        self.find(name).ok_or_else(|| damaged(format!("`{}` has no `{name}`", self.name)))
    }

    /// An attribute that must be a revision.
    pub(super) fn revision(&self, name: &str) -> Result<u64> {
        revision(self.get(name)?)
    }
}

/// A revision's number. Subversion's are 31 or 63 bits and not negative.
pub(super) fn revision(text: &str) -> Result<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { text.parse::<i64>().ok() } else { None };
    number.map(i64::unsigned_abs).ok_or_else(|| damaged(format!("not a revision: `{}`", short(text))))
}

/// A document at work.
pub(super) struct Xml<R> {
    reader: Reader<Bounded<R>>,
    buffer: Vec<u8>,
    depth: usize,
}

impl<R: BufRead> Xml<R> {
    /// The document that `from` gives, up to within its root, which must be called `root`.
    pub(super) fn open(from: R, root: &str) -> Result<Self> {
        let mut reader = Reader::from_reader(Bounded { from, left: MOST });
        reader.config_mut().expand_empty_elements = true;
        let mut xml = Self { reader, buffer: Vec::new(), depth: 0 };
        match xml.child()? {
            Some(element) if element.name == root => Ok(xml),
            Some(element) => Err(damaged(format!("`{}` where `{root}` should be", short(&element.name)))),
            None => Err(damaged("there is no document")),
        }
    }

    /// Opens the next child of the element that is open; none at its end, which closes it.
    pub(super) fn child(&mut self) -> Result<Option<Element>> {
        match self.next()? {
            Seen::Start(element) => Ok(Some(element)),
            Seen::End => Ok(None),
            Seen::Text(text) => Err(damaged(format!("text where an element should be: `{}`", short(&text)))),
        }
    }

    /// The text of the element that is open, to its end, which closes it.
    pub(super) fn text(&mut self) -> Result<String> {
        let mut whole = String::new();
        loop {
            match self.next_with_space()? {
                Seen::Text(text) if whole.len() + text.len() > MOST => {
                    return Err(damaged(format!("a text of more than {MOST} bytes")));
                }
                Seen::Text(text) => whole.push_str(&text),
                Seen::End => return Ok(whole),
                Seen::Start(element) => return Err(damaged(format!("`{}` within a text", short(&element.name)))),
            }
        }
    }

    /// Passes over the rest of the element that is open, and closes it.
    pub(super) fn skip(&mut self) -> Result<()> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.next_with_space()?;
        }
        Ok(())
    }

    /// Makes sure that nothing follows the root, which is closed.
    pub(super) fn end(mut self) -> Result<()> {
        // A root that is closed ends twice: by its tag, and here by the end of all.
        match (self.depth, self.next()?) {
            (0, Seen::End) => Ok(()),
            _ => Err(damaged("it goes on")),
        }
    }

    /// The next event that says something.
    fn next(&mut self) -> Result<Seen> {
        loop {
            match self.next_with_space()? {
                Seen::Text(text) if text.bytes().all(|byte| byte.is_ascii_whitespace()) => {}
                seen => return Ok(seen),
            }
        }
    }

    fn next_with_space(&mut self) -> Result<Seen> {
        loop {
            self.buffer.clear();
            let Self { reader, buffer, depth } = self;
            reader.get_mut().left = MOST;
            match reader.read_event_into(buffer).map_err(|error| damaged(error.to_string()))? {
                Event::Start(start) if *depth < DEPTH => {
                    *depth += 1;
                    return element(&start).map(Seen::Start);
                }
                Event::Start(_) => return Err(damaged(format!("more than {DEPTH} elements within one another"))),
                Event::End(_) => {
                    *depth = depth.checked_sub(1).ok_or_else(|| damaged("an end without a beginning"))?;
                    return Ok(Seen::End);
                }
                Event::Text(text) => return Ok(Seen::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Seen::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(name) => {
                    let character =
                        name.resolve_char_ref().map_err(|error| damaged(error.to_string()))?.map(String::from);
                    let known = character.or_else(|| resolve_predefined_entity(&name).map(str::to_owned));
                    return known.map(Seen::Text).ok_or_else(|| damaged(format!("the entity `{}`", short(&name))));
                }
                Event::Eof if *depth == 0 => return Ok(Seen::End),
                Event::Eof => return Err(damaged("it breaks off")),
                Event::Decl(_) | Event::Comment(_) => {}
                Event::DocType(_) => return Err(damaged("a document type")),
                Event::PI(_) | Event::Empty(_) => return Err(damaged("an instruction")),
            }
        }
    }
}

/// What comes next.
enum Seen {
    Start(Element),
    End,
    Text(String),
}

fn element(start: &BytesStart<'_>) -> Result<Element> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| damaged(error.to_string()))?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| damaged(error.to_string()))?;
        attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element { name: start.name().as_ref().to_owned(), attributes })
}

/// What is not as it should be.
pub(super) fn damaged(why: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::Damaged, format!("`svn` does not speak as it should: {}", short(why.as_ref())))
}

/// The beginning of a text, for people.
pub(super) fn short(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

/// Something that is read, which fails once `left` bytes were read.
struct Bounded<R> {
    from: R,
    left: usize,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        super::client::read_some(self, into)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(format!("more than {MOST} bytes at once")));
        }
        let there = self.from.fill_buf()?;
        Ok(&there[..there.len().min(self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.from.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(document: &str) -> Result<Vec<String>> {
        let mut xml = Xml::open(document.as_bytes(), "a")?;
        let mut texts = Vec::new();
        while let Some(element) = xml.child()? {
            if element.name == "t" { texts.push(xml.text()?) } else { xml.skip()? }
        }
        xml.end()?;
        Ok(texts)
    }

    #[test]
    fn texts_are_read_and_strangers_are_skipped() {
        let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n<t>a&lt;&#228;&amp;&#13;\n</t><x><t>no</t> y <z/></x><t/></a>\n";
        assert_eq!(texts(document).expect("well-formed"), ["a<ä&\r\n", ""]);
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep = format!("<a>{}", "<x>".repeat(100_000));
        let long = format!("<a><t>{}</t></a>", "x".repeat(MOST + 1));
        let split = format!("<a><t>{}</t></a>", format!("{}&lt;", "x".repeat(MOST / 4)).repeat(5));
        let tag = format!("<a {}", "x".repeat(MOST + 1));
        let value = format!("<a x=\"{}", "x".repeat(MOST + 1));
        for document in [
            "",
            "x",
            "<b></b>",
            "<a>",
            "<a></b>",
            "<a><t></a></t>",
            "<a></a></a>",
            "<a></a><a></a>",
            "<a></a>x",
            "<a>x</a>",
            "<a><t><x/></t></a>",
            "<a><t>&x;</t></a>",
            "<a><t>&#0;</t></a>",
            "<a><t>&#x110000;</t></a>",
            "<a b=\"1\" b=\"2\"></a>",
            "<a b=\"&x;\"></a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a><t>&x;</t></a>",
            "<a><?php x ?></a>",
            &deep,
            &long,
            &split,
            &tag,
            &value,
        ] {
            let error = texts(document).expect_err(&short(document));
            assert_eq!(error.kind(), ErrorKind::Damaged, "{}", short(document));
            assert!(error.to_string().len() < 300, "{error}");
        }
        let mut bytes = b"<a><t>".to_vec();
        bytes.extend([0xff, b'<', b'/', b't', b'>']);
        let mut xml = Xml::open(bytes.as_slice(), "a").expect("a root");
        assert!(xml.child().expect("t").is_some() && xml.text().is_err());
    }

    #[test]
    fn revisions_are_numbers() {
        assert_eq!(revision("0").expect("zero"), 0);
        for bad in ["", "-1", "+1", " 1", "1 ", "HEAD", "9223372036854775808", "99999999999999999999"] {
            assert!(revision(bad).is_err(), "{bad}");
        }
    }
}
