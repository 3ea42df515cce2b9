//! Under which domain each tenant is known: a file with a tenant and its domain in each line.

use std::collections::BTreeMap;
use std::path::Path;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;

/// The tenant that a server itself is, in the original.
pub(crate) const MAIN: &str = "-1234";
/// The most bytes of the file.
const MOST: u64 = 16 << 20;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Domains(BTreeMap<DeploymentName, String>);

impl Domains {
    /// Reads the file.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let failed =
            |source| Error::io("read the tenants' domains", file.display(), source).with_kind(ErrorKind::Usage);
        if std::fs::metadata(file).map_err(failed)?.len() > MOST {
            return Err(Error::new(ErrorKind::Usage, "longer than 16 MiB: not a list of tenants").at(file.display()));
        }
        Self::parse(&std::fs::read_to_string(file).map_err(failed)?, &file.display().to_string())
    }

    fn parse(text: &str, file: &str) -> Result<Self> {
        let mut domains = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut words = line.split_whitespace();
            let (Some(name), Some(domain), None) = (words.next(), words.next(), words.next()) else {
                return Err(Error::new(ErrorKind::Usage, "not a tenant and its domain")
                    .at(format!("{file}:{}", number + 1))
                    .hint("write both into one line: 7 example.com"));
            };
            let name: DeploymentName =
                name.parse().map_err(|error: Error| error.op(format!("read {file}:{}", number + 1)))?;
            domains.insert(name, domain.to_lowercase());
        }
        Ok(Self(domains))
    }

    /// The domain of one.
    pub(crate) fn of(&self, name: &DeploymentName) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The tenant that somebody means.
    pub(crate) fn find(&self, text: &str) -> Result<DeploymentName> {
        let domain = text.to_lowercase();
        match self.0.iter().find(|(_, one)| **one == domain) {
            Some((name, _)) => Ok(name.clone()),
            None => text.parse().map_err(|error: Error| {
                error.hint(
                    "give the tenant's name as the hub and the directories have it, or a domain of the file `domains`",
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_found_by_its_name_and_by_its_domain() {
        let domains = Domains::parse("# tenants\n1 foo.com\n\n2  Bar.org # the second\n", "t").expect("reads");
        let name = |text: &str| text.parse::<DeploymentName>().expect("a name");
        assert_eq!((domains.of(&name("2")), domains.of(&name("3"))), (Some("bar.org"), None));
        assert_eq!(domains.find("FOO.com").expect("found"), name("1"));
        assert_eq!(domains.find(MAIN).expect("a name"), name(MAIN));
        assert!(domains.find("No Such").expect_err("no name").advice().is_some());
        for bad in ["1\n", "1 a b\n", "../x a\n"] {
            assert_eq!(Domains::parse(bad, "t").expect_err(bad).kind(), ErrorKind::Usage, "{bad}");
        }
    }
}
