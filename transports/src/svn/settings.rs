//! Who we are for a repository, and how its server is checked.

use std::fmt;
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};

/// A password. It is never shown; it reaches the programs by their stdin.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A password as a file or a variable has it: one end of a line behind it is not part of it.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let mut text: String = text.into();
        if text.ends_with('\n') {
            text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            let why = "a password is one line that is not empty, without control characters";
            return Err(Error::new(ErrorKind::Usage, why));
        }
        Ok(Self(text))
    }

    /// The line that a program reads.
    pub(super) fn line(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }

    /// The text without the password, wherever it says it.
    pub(super) fn taken_out_of(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The ssh behind `svn+ssh://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SvnSsh {
    /// `ssh`, with the user's own configuration. It asks nobody, and checks host keys always.
    Strict {
        /// The private key to use.
        identity: Option<PathBuf>,
        /// The file that host keys are looked up in.
        known_hosts: Option<PathBuf>,
        /// The port, where neither the address nor the user's configuration names one.
        port: Option<u16>,
    },
    /// Whatever `svn` takes by itself: the variable `SVN_SSH`, what its own configuration says, or `ssh`. It may want to
    /// ask on the terminal.
    Own,
    /// This program with these arguments.
    Command(Vec<String>),
}

impl Default for SvnSsh {
    fn default() -> Self {
        Self::Strict { identity: None, known_hosts: None, port: None }
    }
}

impl SvnSsh {
    /// What the variable `SVN_SSH` is to say for an address that names `port`. The programs split it at spaces, and know
    /// quotes.
    pub(super) fn variable(&self, port: Option<u16>) -> Result<Option<String>> {
        let strict;
        let words = match self {
            Self::Own if port.is_some() => {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "`svn` tells its own ssh no port: name it in ssh's configuration",
                ));
            }
            Self::Own => return Ok(None),
            Self::Strict { identity, known_hosts, port: usual } => {
                strict = strictly(identity.as_deref(), known_hosts.as_deref(), usual.filter(|_| port.is_none()));
                strict.as_slice()
            }
            Self::Command(words) => words.as_slice(),
        };
        let port = port.map(|port| ["-p".to_owned(), port.to_string()]);
        let is_strange = |word: &String| {
            word.is_empty() || word.chars().any(|character| character.is_control() || "\"'\\".contains(character))
        };
        if words.is_empty() || words.iter().any(is_strange) {
            let why = "not a command for ssh: no word may be empty, or have quotes, backslashes or control characters";
            return Err(Error::new(ErrorKind::Usage, why));
        }
        let quoted = |word: &String| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() };
        Ok(Some(words.iter().chain(port.iter().flatten()).map(quoted).collect::<Vec<_>>().join(" ")))
    }
}

/// `ssh` that asks nobody.
fn strictly(identity: Option<&Path>, known_hosts: Option<&Path>, port: Option<u16>) -> Vec<String> {
    let mut words = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"].map(str::to_owned).to_vec();
    if let Some(identity) = identity {
        words.extend([
            "-i".to_owned(),
            identity.display().to_string(),
            "-o".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
        ]);
    }
    if let Some(known_hosts) = known_hosts {
        words.extend(["-o".to_owned(), format!("UserKnownHostsFile={}", known_hosts.display())]);
    }
    if let Some(port) = port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    words
}

/// How to reach a repository, beside what its address says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SvnSettings {
    /// The name of the account; before the one that the address names.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The directory of Subversion's own configuration. Without one, an empty one of this process is used, so that
    /// nothing is read from the home directory or written there, and no keyring is asked.
    pub config: Option<PathBuf>,
    /// A file with certificates that are trusted for `https://`, beside those of the system.
    pub authorities: Option<PathBuf>,
    /// The ssh behind `svn+ssh://`.
    pub ssh: SvnSsh,
}

impl SvnSettings {
    /// Fails if a program could not be told.
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |why: &str| Err(Error::new(ErrorKind::Usage, why));
        if self.username.as_ref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            return wrong("a user is called something, without control characters");
        }
        let separated = |path: &PathBuf| path.to_str().is_none_or(|path| path.contains(';') || path.contains('\n'));
        if self.authorities.as_ref().is_some_and(separated) {
            return wrong("the name of the file with the certificates must be UTF-8, without `;`");
        }
        self.ssh.variable(None).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_a_line_that_nobody_sees() {
        for text in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            let secret = Secret::new(text).expect(text);
            assert_eq!(secret.line(), b"s3cret\n");
            let settings = SvnSettings { password: Some(secret.clone()), ..SvnSettings::default() };
            assert!(!format!("{secret:?} {settings:?}").contains("s3cret"));
            assert_eq!(secret.taken_out_of("a s3cret s3cret"), "a *** ***");
        }
        for text in ["", "\n", "a\nb", "a\n\n", "a\0", "s3cret\r\r\n"] {
            let error = Secret::new(text).expect_err(text);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_command_for_ssh_is_split_as_it_was_given() {
        let command =
            |words: &[&str]| SvnSsh::Command(words.iter().map(|&word| word.to_owned()).collect()).variable(None);
        assert_eq!(command(&["ssh", "-F", "/a b/c"]).expect("words"), Some("ssh -F \"/a b/c\"".to_owned()));
        assert_eq!(SvnSsh::Own.variable(None).expect("none"), None);
        assert!(SvnSsh::default().variable(None).expect("words").expect("some").contains("BatchMode=yes"));
        let strict = |usual, port| {
            let known = SvnSsh::Strict { identity: Some("/a b".into()), known_hosts: Some("/k".into()), port: usual };
            known.variable(port).expect("words").expect("some")
        };
        let begin = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -i \"/a b\" -o IdentitiesOnly=yes -o UserKnownHostsFile=/k";
        assert_eq!(strict(None, None), begin);
        assert_eq!(strict(Some(23), None), format!("{begin} -p 23"));
        assert_eq!(strict(Some(23), Some(24)), format!("{begin} -p 24"), "the address goes first");
        assert_eq!(SvnSsh::Own.variable(Some(24)).expect_err("refused").kind(), ErrorKind::Usage);
        for bad in [&[] as &[&str], &[""], &["ssh", "a\"b"], &["ssh", "a'b"], &["a\\b"], &["a\nb"]] {
            assert_eq!(command(bad).expect_err("refused").kind(), ErrorKind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn what_a_program_would_misread_is_refused() {
        let plain = SvnSettings::default;
        assert!(plain().check().is_ok());
        for settings in [
            SvnSettings { username: Some(String::new()), ..plain() },
            SvnSettings { username: Some("a\nb".to_owned()), ..plain() },
            SvnSettings { authorities: Some("/a;b".into()), ..plain() },
            SvnSettings { ssh: SvnSsh::Command(Vec::new()), ..plain() },
        ] {
            assert_eq!(settings.check().expect_err("refused").kind(), ErrorKind::Usage, "{settings:?}");
        }
    }
}
