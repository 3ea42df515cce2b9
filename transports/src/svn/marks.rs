//! The newest change of each deployment of a repository, told by one program for all of them.
//!
//! While nothing in the directory above them has changed, one `svn info` says so; otherwise `svn list` names each with the
//! revision that has changed it last.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Mutex, PoisonError};

use depsync_engine::context::Context;
use depsync_engine::error::Result;
use depsync_engine::name::DeploymentName;

use super::client::{SvnClient, Tool};
use super::url::SvnUrl;
use super::xml::{Xml, damaged};

/// The directory that the deployments of a repository are in, and what stands around the name of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Above {
    /// The directory.
    pub url: SvnUrl,
    pub(super) before: String,
    pub(super) behind: String,
}

impl Above {
    /// Whose an entry of the directory is.
    fn owner(&self, name: &str) -> Option<DeploymentName> {
        name.strip_prefix(self.before.as_str())?.strip_suffix(self.behind.as_str())?.parse().ok()
    }
}

/// See the module.
pub struct SvnMarks {
    client: SvnClient,
    above: Above,
    /// The revision that had changed something last.
    last: Mutex<Option<u64>>,
}

impl SvnMarks {
    /// Those of the deployments in the directory that `client` asks for.
    pub fn new(client: SvnClient, above: Above) -> Self {
        Self { client, above, last: Mutex::default() }
    }

    /// The mark of each deployment; none if nothing has changed since it was asked last.
    pub fn read(&self, cx: &Context) -> Result<Option<BTreeMap<DeploymentName, String>>> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.client.info(cx, None, None)?.changed;
        if last == Some(changed) {
            return Ok(None);
        }
        let program =
            self.client.program(cx, Tool::Svn)?.args(["list", "--xml"]).operand(self.above.url.pegged(None, None));
        let entries = self.client.read(cx, "list the tenants", program, |said| read(said))?;
        let marks =
            entries.into_iter().filter_map(|(name, changed)| Some((self.above.owner(&name)?, changed.to_string())));
        let marks = marks.collect();
        // What came between the two questions is asked again the next time.
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(changed);
        Ok(Some(marks))
    }
}

/// The directories in a listing, and what has changed each last.
fn read(from: impl BufRead) -> Result<Vec<(String, u64)>> {
    let mut xml = Xml::open(from, "lists")?;
    xml.child()?.filter(|list| list.name == "list").ok_or_else(|| damaged("no list"))?;
    let mut entries = Vec::new();
    while let Some(entry) = xml.child()? {
        if entry.name != "entry" || entry.get("kind")? != "dir" {
            xml.skip()?;
            continue;
        }
        let (mut name, mut changed) = (None, None);
        while let Some(element) = xml.child()? {
            match element.name.as_str() {
                "name" => name = Some(xml.text()?),
                "commit" => {
                    changed = Some(element.revision("revision")?);
                    xml.skip()?;
                }
                _ => xml.skip()?,
            }
        }
        let name = name.ok_or_else(|| damaged("an entry without a name"))?;
        entries.push((name, changed.ok_or_else(|| damaged("an entry without a revision"))?));
    }
    if xml.child()?.is_some() {
        return Err(damaged("more than one list"));
    }
    xml.end()?;
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_read_with_what_has_changed_them() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<lists>
<list path="file:///r/tenants">
<entry kind="dir"><name>1</name><commit revision="7"><author>a</author><date>2026-01-01T00:00:00Z</date></commit></entry>
<entry kind="file"><name>readme</name><size>3</size><commit revision="1"/></entry>
<entry kind="dir"><name>-1234</name><commit revision="12"/></entry>
</list>
</lists>"#;
        let found = read(text.as_bytes()).expect("reads");
        assert_eq!(found, [("1".to_owned(), 7), ("-1234".to_owned(), 12)]);
        for bad in ["<lists/>", "<lists><list><entry kind=\"dir\"><name>1</name></entry></list></lists>", "<list/>"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
