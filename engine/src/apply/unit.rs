//! Which directories change as one, and what of the untracked files in them moves along. Pure.
//!
//! A unit is named by a pattern in gitignore syntax that begins at the deployment directory: `webapps/shop`,
//! `webapps/*`, `**/*.exploded`. Where units would lie in each other, the outermost is the unit. What moves along is
//! named by patterns in the same syntax that begin at the unit: `WEB-INF/upload/**`, `*.log`.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::path::RelPath;
use crate::patterns::Patterns;

/// What the operator says of units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRule {
    /// Which directories, beneath the deployment directory.
    pub directory: String,
    /// Which untracked files in them move along.
    pub carry: Vec<String>,
    /// How long the old directory is kept for whoever still reads from it.
    pub keep: Duration,
}

impl UnitRule {
    /// How long, if nothing is said.
    pub const KEEP: Duration = Duration::from_secs(10 * 60);
}

/// All units of a deployment.
#[derive(Clone, Debug, Default)]
pub struct Units(Vec<(Patterns, UnitRule)>);

impl Units {
    /// Understands the rules.
    pub fn new(rules: &[UnitRule]) -> Result<Self> {
        let understood = rules.iter().map(|rule| {
            let flaw = |error: Error| error.op("understand the unit").at(&rule.directory);
            let directory = rule.directory.strip_suffix('/').unwrap_or(&rule.directory);
            if matches!(directory, "" | "." | "**") {
                return Err(flaw(
                    Error::new(ErrorKind::Usage, "the deployment directory itself cannot be a unit")
                        .hint("name directories beneath it: `shop`, `webapps/*`"),
                ));
            }
            RelPath::try_from(directory).map_err(|error| flaw(error.with_kind(ErrorKind::Usage)))?;
            let pattern = Patterns::new(&[format!("/{directory}")]).map_err(flaw)?;
            Patterns::new(&rule.carry).map_err(flaw)?;
            Ok((pattern, rule.clone()))
        });
        Ok(Self(understood.collect::<Result<_>>()?))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The unit that `path` is or is in.
    pub fn of(&self, path: &RelPath, is_directory: bool) -> Option<(RelPath, &UnitRule)> {
        let bytes = path.as_bytes();
        let above = bytes.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(slash, _)| &bytes[..slash]);
        above.chain(is_directory.then_some(bytes)).find_map(|directory| {
            let (_, rule) = self.0.iter().find(|(pattern, _)| pattern.name(directory, true))?;
            Some((RelPath::of_checked(directory), rule))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect(text)
    }

    fn rule(directory: &str) -> UnitRule {
        UnitRule { directory: directory.to_owned(), carry: Vec::new(), keep: UnitRule::KEEP }
    }

    #[test]
    fn a_unit_is_the_outermost_directory_that_a_pattern_names() {
        let units = Units::new(&[rule("webapps/*"), rule("shop"), rule("**/inner/")]).expect("understood");
        for (of, is_directory, unit) in [
            ("webapps/shop/WEB-INF/web.xml", false, Some("webapps/shop")),
            ("webapps/shop", true, Some("webapps/shop")),
            ("webapps/shop.war", false, None),
            ("webapps", true, None),
            ("webapps/a/inner/x", false, Some("webapps/a")),
            ("b/c/inner/x/y", false, Some("b/c/inner")),
            ("shop/x", false, Some("shop")),
            ("other/shop/x", false, None),
            ("shop", false, None),
        ] {
            let found = units.of(&path(of), is_directory).map(|(unit, _)| unit.to_string());
            assert_eq!(found.as_deref(), unit, "{of}");
        }
    }

    #[test]
    fn what_names_no_directory_beneath_is_refused() {
        for bad in ["", ".", "/", "**", "/srv/shop", "../x", "a//b", "a/./b", "a[", "."] {
            let error = Units::new(&[rule(bad)]).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
        }
        for bad in ["", " ", "# a word", "a[", "a\nb"] {
            let carry = vec![bad.to_owned()];
            assert!(Units::new(&[UnitRule { carry, ..rule("shop") }]).is_err(), "{bad}");
        }
        assert!(Units::new(&[rule("*")]).is_ok(), "each directory at the top");
    }
}
