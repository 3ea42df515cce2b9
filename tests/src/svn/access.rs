//! Who may do what in a repository: the file that `svnserve` and Apache both read.

use std::fmt::Write;

use super::{Account, READER, WRITER};

/// What an account may do somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it does not even see what is there.
    None,
    /// Read.
    Read,
    /// Read and write.
    Write,
}

/// The rules of a repository, in the order in which they were made.
#[derive(Clone, Debug)]
pub(super) struct Rules(Vec<(String, Account, Access)>);

impl Rules {
    /// The writer writes, the reader reads, nobody else does anything.
    pub(super) fn usual() -> Self {
        let everywhere = "/".to_owned();
        Self(vec![(everywhere.clone(), WRITER, Access::Write), (everywhere, READER, Access::Read)])
    }

    /// Adds a rule for `path` and what is beneath it.
    pub(super) fn add(&mut self, path: &str, account: Account, access: Access) {
        let path = format!("/{}", path.trim_matches('/'));
        self.0.retain(|(other, who, _)| (other, who) != (&path, &account));
        self.0.push((path, account, access));
    }

    /// The file.
    pub(super) fn text(&self) -> String {
        let mut paths: Vec<&String> = self.0.iter().map(|(path, ..)| path).collect();
        paths.sort();
        paths.dedup();
        let mut text = String::new();
        for path in paths {
            let _ = writeln!(text, "[{path}]");
            for (_, account, access) in self.0.iter().filter(|(other, ..)| other == path) {
                let letters = match access {
                    Access::None => "",
                    Access::Read => "r",
                    Access::Write => "rw",
                };
                let _ = writeln!(text, "{} = {letters}", account.name);
            }
        }
        text
    }
}
