//! The programs of others that a way to a hub needs, and what they say of their version.

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};

use crate::child::Program;
use crate::endpoint::Endpoint;
use crate::svn::{Scheme, SvnSettings, SvnSsh};

/// The most bytes of an answer.
const MOST: usize = 64 << 10;

/// A program that is needed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name, or where it is.
    pub name: String,
    /// The Debian package that has it; empty if it is somebody's own.
    pub package: &'static str,
    /// What makes it say its version.
    asks: &'static [&'static str],
}

const SSH: (&str, &str, &[&str]) = ("ssh", "openssh-client", &["-V"]);
const RSYNC: (&str, &str, &[&str]) = ("rsync", "rsync", &["--version"]);
const SVN: [(&str, &str, &[&str]); 3] = [
    ("svn", "subversion", &["--version", "-q"]),
    ("svnrdump", "subversion", &["--version", "-q"]),
    ("svnmucc", "subversion", &["--version"]),
];

/// What the hub at `address` needs, and what pushing needs, if that is done from here. A mounted hub needs nothing.
pub fn needed(address: &str, settings: &SvnSettings, pushes: bool) -> Result<Vec<Needed>> {
    let mut needed = match Endpoint::parse(address)? {
        Endpoint::Mount { .. } => Vec::new(),
        Endpoint::Ssh(_) => vec![Needed::of(SSH), Needed::of(RSYNC)],
        Endpoint::Svn(address) => {
            let mut needed = SVN.map(Needed::of).to_vec();
            match (&settings.ssh, address.scheme) {
                (SvnSsh::Command(words), Scheme::Ssh) => {
                    needed.extend(words.first().map(|name| Needed { name: name.clone(), package: "", asks: &["-V"] }));
                }
                (_, Scheme::Ssh) => needed.push(Needed::of(SSH)),
                _ => {}
            }
            needed
        }
    };
    if pushes {
        needed.extend(
            [SSH, RSYNC].map(Needed::of).into_iter().filter(|other| !needed.contains(other)).collect::<Vec<_>>(),
        );
    }
    Ok(needed)
}

impl Needed {
    fn of((name, package, asks): (&str, &'static str, &'static [&'static str])) -> Self {
        Self { name: name.to_owned(), package, asks }
    }

    /// The version that it says it has: the first line of its answer.
    ///
    /// # Errors
    /// If it is not there, or does not answer.
    pub fn version(&self, cx: &Context) -> Result<String> {
        let program = Program::new(self.name.clone(), self.package).args(self.asks);
        let (ended, said) = program.output(cx, Vec::new(), MOST)?;
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines().chain(ended.stderr.lines()).map(str::trim);
        let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
        if line.is_empty() || !ended.status.success() {
            return Err(Error::new(ErrorKind::Unsupported, format!("it does not say its version: {}", ended.status))
                .at(&self.name));
        }
        Ok(line.chars().take(100).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(address: &str, pushes: bool) -> Vec<String> {
        let needed = needed(address, &SvnSettings::default(), pushes).expect(address);
        needed.into_iter().map(|needed| needed.name).collect()
    }

    #[test]
    fn each_way_needs_its_programs_once() {
        assert_eq!(names("/mnt/hub", false), [""; 0]);
        assert_eq!(names("/mnt/hub", true), ["ssh", "rsync"]);
        assert_eq!(names("rsync+ssh://h/p", true), ["ssh", "rsync"]);
        assert_eq!(names("svn://h/p", false), ["svn", "svnrdump", "svnmucc"]);
        assert_eq!(names("svn+ssh://h/p", true), ["svn", "svnrdump", "svnmucc", "ssh", "rsync"]);
        let settings =
            SvnSettings { ssh: SvnSsh::Command(vec!["plink".into(), "-x".into()]), ..SvnSettings::default() };
        let own = needed("svn+ssh://h/p", &settings, false).expect("needed");
        assert_eq!((own.last().map(|own| own.name.as_str()), own.len()), (Some("plink"), 4));
        assert!(needed("ftp://h", &SvnSettings::default(), false).is_err());
    }

    #[test]
    fn one_that_is_there_says_its_version_and_one_that_is_not_its_package() {
        let version = Needed::of(RSYNC).version(&Context::new()).expect("rsync is installed");
        assert!(version.starts_with("rsync  version 3"), "{version}");
        assert!(Needed::of(SSH).version(&Context::new()).expect("ssh is installed").starts_with("OpenSSH"));
        let missing = Needed { name: "depsync-nothing".into(), package: "nothing", asks: &[] };
        let error = missing.version(&Context::new()).expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.advice(), Some("the program `depsync-nothing` is not here: install the package nothing"));
    }
}
