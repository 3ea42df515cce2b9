//! A name and a password that servers know.

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub name: &'static str,
    /// The password, as a person types it.
    pub password: &'static str,
    /// Its SHA-1 in Base64, as Apache wants it in a file of passwords.
    hash: &'static str,
}

/// Who may read and write, unless the repository says otherwise.
pub const WRITER: Account =
    Account { name: "writer", password: r#"writes & 100%"#, hash: "3+Qi5a96GDgz8e1SM/KHpaysaW4=" };

/// Who may only read.
pub const READER: Account =
    Account { name: "reader", password: r#"reads: "a" b"#, hash: "qdo+GzfqYWNXGV75DYbIlaA4Ad4=" };

impl Account {
    /// All that servers know.
    pub const ALL: [Self; 2] = [WRITER, READER];

    /// The same with a wrong password.
    #[must_use]
    pub fn mistyped(self) -> Self {
        Self { password: "wrong", ..self }
    }

    /// The line for `svnserve`.
    pub(super) fn for_svnserve(self) -> String {
        format!("{} = {}\n", self.name, self.password)
    }

    /// The line for Apache.
    pub(super) fn for_apache(self) -> String {
        format!("{}:{{SHA}}{}\n", self.name, self.hash)
    }
}
