//! What a repository says of itself and of one path: `svn info`.

use std::io::BufRead;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use jiff::Timestamp;

use super::client::{SvnClient, Tool};
use super::url;
use super::xml::{Xml, damaged, short};

/// What a node of a repository is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A file, or a link.
    File,
    /// A directory.
    Directory,
}

impl NodeKind {
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "file" => Some(Self::File),
            "dir" => Some(Self::Directory),
            _ => None,
        }
    }
}

/// What a repository says of itself and of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The repository's identity.
    pub uuid: String,
    /// Where it begins, as the programs take it.
    pub root: String,
    /// The path within it: no slash at its beginning, nothing at all for the root. Not encoded.
    pub path: String,
    /// The revision that was looked at: the repository's newest, unless one was asked for.
    pub revision: u64,
    /// What is there.
    pub kind: NodeKind,
    /// The newest revision, up to that one, that changed the path or something beneath it.
    pub changed: u64,
    /// Who made that, as far as it is known.
    pub author: Option<String>,
    /// When, as far as that is known and can be read.
    pub date: Option<Timestamp>,
}

impl SvnClient {
    /// What the repository says of the deployment, or of `path` beneath it: of what stood there in the revision `at`, or
    /// stands there now.
    ///
    /// What is not there is [`depsync_engine::error::ErrorKind::NotFound`].
    pub fn info(&self, cx: &Context, path: Option<&RelPath>, at: Option<u64>) -> Result<Info> {
        let program = self.program(cx, Tool::Svn)?.args(["info", "--xml"]).operand(self.url().pegged(path, at));
        let info = self.read(cx, "ask the repository", program, |said| read(said))?;
        if at.is_some_and(|at| at != info.revision) {
            return Err(damaged("another revision than was asked for").at(self.url()));
        }
        if !self.url().is_within(&info.root) {
            // `svn` follows a web server that sends it elsewhere, with the password; `svnmucc` does not.
            let why = format!("the server sends us to another address: `{}`", short(&info.root));
            let error = Error::new(ErrorKind::Refused, why).op("ask the repository").at(self.url());
            return Err(error.hint("if the repository has moved, use its new address"));
        }
        Ok(info)
    }
}

fn read(from: impl BufRead) -> Result<Info> {
    let mut xml = Xml::open(from, "info")?;
    let entry = xml.child()?.filter(|entry| entry.name == "entry").ok_or_else(|| damaged("no entry"))?;
    let kind = entry.get("kind")?;
    let kind = NodeKind::read(kind).ok_or_else(|| damaged(format!("a node that is a `{}`", short(kind))))?;
    let revision = entry.revision("revision")?;
    let (mut uuid, mut root, mut path, mut changed) = (None, None, None, None);
    let (mut author, mut date) = (None, None);
    while let Some(element) = xml.child()? {
        match element.name.as_str() {
            "relative-url" => path = Some(xml.text()?),
            "repository" => {
                while let Some(element) = xml.child()? {
                    match element.name.as_str() {
                        "root" => root = Some(xml.text()?),
                        "uuid" => uuid = Some(xml.text()?),
                        _ => xml.skip()?,
                    }
                }
            }
            "commit" => {
                changed = Some(element.revision("revision")?);
                while let Some(element) = xml.child()? {
                    match element.name.as_str() {
                        "author" => author = Some(xml.text()?),
                        "date" => date = xml.text()?.parse().ok(),
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    if xml.child()?.is_some() {
        return Err(damaged("more than one entry"));
    }
    xml.end()?;
    let changed = changed.filter(|changed| *changed <= revision);
    Ok(Info {
        uuid: uuid.filter(|uuid| is_plain(uuid) && uuid.len() <= 64).ok_or_else(|| damaged("no identity"))?,
        root: root.filter(|root| is_plain(root) && root.contains("://")).ok_or_else(|| damaged("no root"))?,
        path: path.as_deref().and_then(relative).ok_or_else(|| damaged("no path within the repository"))?,
        revision,
        kind,
        changed: changed.ok_or_else(|| damaged("no revision that has changed it"))?,
        author,
        date,
    })
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Reads `^/path`.
fn relative(text: &str) -> Option<String> {
    let path = String::from_utf8(url::undo_escapes(text.strip_prefix("^/")?)).ok()?;
    let fits = path.is_empty() || RelPath::new(path.clone().into_bytes()).is_ok();
    fits.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<info>
<entry
   kind="dir"
   path="b"
   revision="7">
<url>svn://h/r/%C3%A4/b%20c</url>
<relative-url>^/%C3%A4/b%20c</relative-url>
<repository>
<root>svn://h/r</root>
<uuid>913d356a-ae42-42d1-bbcf-931d14220581</uuid>
</repository>
<commit
   revision="6">
<author>a&amp;b</author>
<date>2026-11-22T10:56:19.198135Z</date>
</commit>
</entry>
</info>
"#;

    #[test]
    fn all_of_it_is_read() {
        let info = read(SAMPLE.as_bytes()).expect("a sample");
        assert_eq!(info.uuid, "913d356a-ae42-42d1-bbcf-931d14220581");
        assert_eq!((info.root.as_str(), info.path.as_str()), ("svn://h/r", "ä/b c"));
        assert_eq!((info.revision, info.changed, info.kind), (7, 6, NodeKind::Directory));
        assert_eq!(info.author.as_deref(), Some("a&b"));
        assert_eq!(info.date, Some("2026-11-22T10:56:19.198135Z".parse().expect("a time")));
        let bare = SAMPLE.replace("<author>a&amp;b</author>", "").replace("2026-11-22T10", "yesterday");
        let info = read(bare.as_bytes()).expect("nobody, at no time");
        assert_eq!((info.author, info.date), (None, None));
        let root = SAMPLE.replace("^/%C3%A4/b%20c", "^/");
        assert_eq!(read(root.as_bytes()).expect("the root").path, "");
    }

    #[test]
    fn what_does_not_fit_is_damaged() {
        for (from, to) in [
            ("revision=\"7\"", "revision=\"-7\""),
            ("revision=\"7\"", "revision=\"5\""),
            ("revision=\"6\"", "revision=\"x\""),
            ("revision=\"6\"", ""),
            ("kind=\"dir\"", "kind=\"none\""),
            ("<uuid>913d356a-ae42-42d1-bbcf-931d14220581</uuid>", ""),
            ("<uuid>913d", "<uuid>91\n3d"),
            ("<root>svn://h/r</root>", "<root></root>"),
            ("^/%C3", "/%C3"),
            ("^/%C3%A4", "^/%FF"),
            ("^/%C3%A4", "^/.."),
            ("</entry>", "</entry><entry></entry>"),
            ("</info>", ""),
            ("</entry>\n</info>", "</info></entry>"),
            ("<entry", "<other"),
            ("<author>", "<author><b>"),
            ("a&amp;b", "a&b;"),
            ("<info>", "<!DOCTYPE x><info>"),
        ] {
            let text = SAMPLE.replacen(from, to, 1);
            assert_ne!(text, SAMPLE, "{from}");
            assert_eq!(read(text.as_bytes()).expect_err(to).kind(), ErrorKind::Damaged, "{from} {to}");
        }
        let large = SAMPLE.replace("a&amp;b", &"x".repeat(17 << 20));
        assert_eq!(read(large.as_bytes()).expect_err("large").kind(), ErrorKind::Damaged);
    }
}
