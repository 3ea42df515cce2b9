//! A path with `{tenant}` in one of its parts: from a name to a path, and back. Pure.

use std::path::{Component, Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;
use depsync_engine::path::RelPath;

/// The word that stands for the tenant.
const TENANT: &str = "{tenant}";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// What is above the part.
    pub(crate) above: PathBuf,
    before: String,
    behind: String,
    /// What is below it.
    rest: PathBuf,
}

impl Template {
    /// Whether a text has the word in it.
    pub(crate) fn is_in(text: &str) -> bool {
        text.contains(TENANT)
    }

    /// Reads an absolute path that has it in one part.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        let usage = |why: &str| {
            let error = Error::new(ErrorKind::Usage, why.to_owned()).at(path.display());
            error.hint("write `{tenant}` once, in one part of the path, as in /srv/tenants/{tenant}")
        };
        let parts: Vec<Component<'_>> = path.components().collect();
        let text = |part: &Component<'_>| part.as_os_str().to_str().map(str::to_owned);
        let mut with = parts.iter().enumerate().filter(|(_, part)| text(part).is_some_and(|text| Self::is_in(&text)));
        let (Some((at, part)), None) = (with.next(), with.next()) else {
            return Err(usage("`{tenant}` is not in exactly one part of it"));
        };
        let part = text(part).unwrap_or_default();
        let (before, behind) = part.split_once(TENANT).unwrap_or((part.as_str(), ""));
        if Self::is_in(behind) {
            return Err(usage("`{tenant}` is in it twice"));
        }
        let below = parts.get(at + 1..).unwrap_or_default();
        if below.contains(&Component::ParentDir) {
            return Err(usage("`..` behind `{tenant}`"));
        }
        Ok(Self {
            above: parts.iter().take(at).collect(),
            before: before.to_owned(),
            behind: behind.to_owned(),
            rest: below.iter().collect(),
        })
    }

    /// The path of one.
    pub(crate) fn path(&self, name: &DeploymentName) -> PathBuf {
        let part = self.above.join(format!("{}{name}{}", self.before, self.behind));
        if self.rest.as_os_str().is_empty() { part } else { part.join(&self.rest) }
    }

    /// Whose a part is.
    pub(crate) fn name(&self, part: &str) -> Option<DeploymentName> {
        part.strip_prefix(self.before.as_str())?.strip_suffix(self.behind.as_str())?.parse().ok()
    }

    /// Whose a path beneath `above` is, and what it is beneath his own: none for that itself, or something above it.
    pub(crate) fn owner(&self, path: &RelPath) -> Option<(DeploymentName, Option<RelPath>)> {
        let mut parts = path.components();
        let name = self.name(std::str::from_utf8(parts.next()?).ok()?)?;
        for wanted in self.rest.components() {
            match parts.next() {
                None => return Some((name, None)),
                Some(part) if part == wanted.as_os_str().as_encoded_bytes() => {}
                Some(_) => return None,
            }
        }
        let below: Vec<&[u8]> = parts.collect();
        let own = if below.is_empty() { None } else { Some(RelPath::new(below.join(&b'/')).ok()?) };
        Some((name, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DeploymentName {
        text.parse().expect("a name")
    }

    #[test]
    fn there_and_back() {
        let rel = |text: &str| RelPath::try_from(text).expect("a path");
        let plain = Template::new(Path::new("/srv/tenants/{tenant}")).expect("one part");
        assert_eq!(plain.path(&name("7")), Path::new("/srv/tenants/7"));
        assert_eq!((plain.above.as_path(), plain.name("7")), (Path::new("/srv/tenants"), Some(name("7"))));
        assert_eq!(plain.name(".7.depsync"), None);
        assert_eq!(plain.owner(&rel("7/webapps/a.war")), Some((name("7"), Some(rel("webapps/a.war")))));
        assert_eq!(plain.owner(&rel("7")), Some((name("7"), None)));
        let deep = Template::new(Path::new("/srv/t-{tenant}.d/repository/server")).expect("one part");
        assert_eq!(deep.path(&name("a")), Path::new("/srv/t-a.d/repository/server"));
        assert_eq!(deep.owner(&rel("t-a.d/repository")), Some((name("a"), None)));
        assert_eq!(deep.owner(&rel("t-a.d/repository/server/x")), Some((name("a"), Some(rel("x")))));
        assert_eq!((deep.owner(&rel("t-a.d/other")), deep.owner(&rel("x-a.d"))), (None, None));
    }

    #[test]
    fn once_and_in_one_part() {
        for bad in ["/srv/x", "/srv/{tenant}/{tenant}", "/srv/{tenant}{tenant}", "/srv/{tenant}/../x"] {
            assert_eq!(Template::new(Path::new(bad)).expect_err(bad).kind(), ErrorKind::Usage, "{bad}");
        }
    }
}
