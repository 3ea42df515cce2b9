//! What the programs say when they fail, as errors: by the numbers in it, never by its words.
//!
//! A failure is a chain, outermost first: `svn: E170013: Unable to connect…` and beneath it the reason,
//! `svn: E175013: Access to … forbidden`. The order of [`CLASSES`] says which of several numbers counts. The table of what
//! was seen is in the room's story.

use depsync_engine::error::{Error, ErrorKind};

use super::settings::Secret;

/// What sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Hook,
    Denied,
    Locked,
    Authority,
    Certificate,
    Full,
    Name,
    Race,
    Missing,
    Gone,
    Moved,
    Stranger,
    Down,
    Connection,
}

/// Which numbers are which, the most telling first. `0` stands for the system's own numbers.
const CLASSES: [(Class, &[u32]); 14] = [
    (Class::Hook, &[165_001]),
    (Class::Denied, &[170_001, 215_004, 175_013, 220_001, 220_004, 13]),
    (Class::Locked, &[160_035, 160_037, 160_038, 160_039]),
    (Class::Authority, &[125_009]),
    (Class::Certificate, &[230_001]),
    (Class::Full, &[28, 122]),
    (Class::Name, &[160_005]),
    (Class::Race, &[160_028, 160_020, 160_016, 160_042, 155_011, 170_004, 160_024]),
    (Class::Gone, &[160_006]),
    (Class::Missing, &[160_013, 195_012, 200_009, 170_000]),
    (Class::Moved, &[170_011]),
    (Class::Stranger, &[175_003, 210_005, 180_001]),
    (
        Class::Down,
        &[
            670_002, 111, 104, 101, 110, 113, 32, 120_104, 120_105, 120_106, 120_108, 120_171, 175_002, 175_012,
            210_002, 210_004,
        ],
    ),
    (Class::Connection, &[170_013]),
];

/// The numbers that say that somebody else has committed meanwhile, if the caller has looked before.
const RACES: [u32; 8] = [160_028, 160_020, 160_013, 160_016, 160_042, 155_011, 170_004, 160_024];

/// How many lines of what was said are repeated, and how many characters of each.
const LINES: usize = 4;
const LENGTH: usize = 300;

/// What a program said when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    numbers: Vec<u32>,
    said: String,
}

impl Failure {
    /// Reads what it said on stderr.
    pub(super) fn read(stderr: &str, password: Option<&Secret>) -> Self {
        let numbered = stderr.lines().filter_map(|line| Some((line, number(line)?)));
        let mut numbers: Vec<u32> = numbered.map(|(_, number)| number).collect();
        // For want of a better one, `svnrdump` takes its number for wrong arguments for a revision that is not there.
        if stderr.lines().any(|line| line.starts_with("svnrdump: E205000:")) {
            numbers.push(160_006);
        }
        let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        let short: Vec<String> = last.iter().map(|line| line.chars().take(LENGTH).collect()).collect();
        let said = short.join("; ");
        Self { numbers, said: password.map_or(said.clone(), |password| password.taken_out_of(&said)) }
    }

    /// Whether one of its numbers is this one.
    pub(crate) fn has(&self, number: u32) -> bool {
        self.numbers.contains(&number)
    }

    /// Whether it may be because somebody else has committed since the caller looked. A path or revision that was never
    /// there fails the same way.
    pub(crate) fn is_race(&self) -> bool {
        matches!(self.class(), Some(Class::Race | Class::Missing)) && RACES.iter().any(|number| self.has(*number))
    }

    fn class(&self) -> Option<Class> {
        let found = CLASSES.iter().find(|(_, numbers)| numbers.iter().any(|number| self.has(*number)));
        found.map(|(class, _)| *class)
    }

    /// Whether somebody was not let in, or may not do that.
    pub(crate) fn is_denial(&self) -> bool {
        self.class() == Some(Class::Denied)
    }

    /// The error, at the place `shown`, whose accounts are those of `realm`.
    pub(crate) fn error(&self, op: &str, shown: impl std::fmt::Display, realm: Option<&str>) -> Error {
        let no_tunnel = self.has(170_013) && self.has(2);
        let (kind, what, hint) = match self.class() {
            _ if no_tunnel => (
                ErrorKind::Unsupported,
                "the program for svn+ssh cannot be started",
                "install the package openssh-client, or name another program",
            ),
            Some(class) => class.explain(),
            None => (ErrorKind::Io, "it failed", ""),
        };
        let what = realm.map_or_else(|| what.to_owned(), |realm| format!("{what}, in the realm {realm}"));
        let message = if self.said.is_empty() { what } else { format!("{what} ({})", self.said) };
        let error = Error::new(kind, message).op(op).at(shown);
        if hint.is_empty() { error } else { error.hint(hint) }
    }
}

impl Class {
    fn explain(self) -> (ErrorKind, &'static str, &'static str) {
        match self {
            Self::Hook => (ErrorKind::Refused, "a hook of the repository refuses it", "its words say why"),
            Self::Denied => (
                ErrorKind::PermissionDenied,
                "the repository does not let this account do that",
                "check the user and the password, and what the repository's access rules say of this path",
            ),
            Self::Locked => (
                ErrorKind::Refused,
                "somebody has locked a path in the repository",
                "`svn lock` was used there; `svn unlock --force` takes it away",
            ),
            Self::Authority => (
                ErrorKind::Usage,
                "the file with trusted certificates cannot be used",
                "it must be there, and in PEM form",
            ),
            Self::Certificate => (
                ErrorKind::Refused,
                "the server's certificate is not trusted",
                "if it is the right server, name a file with the certificate of its authority; and the address must have \
                 the name that the certificate is for",
            ),
            Self::Full => (ErrorKind::NoSpace, "a disk is full, here or there", ""),
            Self::Name => (ErrorKind::Unsupported, "Subversion cannot hold a path of that name", ""),
            Self::Race => (ErrorKind::Conflict, "somebody else has committed meanwhile", ""),
            Self::Missing => (ErrorKind::NotFound, "the repository has no such path in that revision", ""),
            Self::Gone => (ErrorKind::NotFound, "the repository has no such revision", ""),
            Self::Moved => (ErrorKind::Refused, "the repository has moved", "use its new address"),
            Self::Stranger => (ErrorKind::NotFound, "there is no repository", "check the address"),
            Self::Down | Self::Connection => (
                ErrorKind::Unreachable,
                "the connection failed",
                "check the host, the port and the network; `svn info` by hand tells more",
            ),
        }
    }
}

/// The number in a line like `svn: E170013: …` or `svn: warning: W170000: …`.
fn number(line: &str) -> Option<u32> {
    let rest = ["svn: ", "svnmucc: ", "svnrdump: "].iter().find_map(|name| line.strip_prefix(name))?;
    let rest = rest.strip_prefix("warning: ").unwrap_or(rest);
    let digits = rest.strip_prefix(['E', 'W'])?.split_once(':')?.0;
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(stderr: &str) -> (ErrorKind, bool) {
        let failure = Failure::read(stderr, None);
        (failure.error("look", "svn://h/r", None).kind(), failure.is_race())
    }

    #[test]
    fn numbers_decide_and_words_do_not() {
        use ErrorKind::*;
        let wrapped =
            |rest: &str| format!("svn: E170013: Unable to connect to a repository at URL 'svn://h/r'\n{rest}");
        for (stderr, wanted, is_race) in [
            (wrapped("svn: E170001: Authentication error from server: Password incorrect"), PermissionDenied, false),
            (
                wrapped("svn: E215004: No more credentials or we tried too many times.\nAuthentication failed"),
                PermissionDenied,
                false,
            ),
            (wrapped("svn: E175013: Access to '/r/secret' forbidden"), PermissionDenied, false),
            ("svnmucc: E220004: Access denied".to_owned(), PermissionDenied, false),
            ("svn: E220001: Item is not readable".to_owned(), PermissionDenied, false),
            (
                wrapped("svn: E230001: Server SSL certificate verification failed: issuer is not trusted"),
                Refused,
                false,
            ),
            (wrapped("svn: E125009: Invalid config: unable to load certificate file '/x'"), Usage, false),
            (wrapped("svn: E000111: Can't connect to host '127.0.0.1': Connection refused"), Unreachable, false),
            (wrapped("svn: E670002: Unknown hostname 'h'"), Unreachable, false),
            (wrapped("svn: E210005: No repository found in 'svn://h/r'"), NotFound, false),
            (wrapped("svn: E180001: Unable to open repository 'file:///r'"), NotFound, false),
            (wrapped("svn: E000002: Error in child process: exec of 'ssh' failed"), Unsupported, false),
            (wrapped("svn: E160013: '/r' path not found"), NotFound, true),
            ("svnmucc: E170011: Repository moved permanently to 'http://i/r'".to_owned(), Refused, false),
            (wrapped(""), Unreachable, false),
            ("svn: E160006: No such revision 99".to_owned(), NotFound, false),
            (
                "svn: E195012: Unable to find repository location for 'svn://h/r' in revision 3".to_owned(),
                NotFound,
                false,
            ),
            ("svnrdump: E205000: Revision '99' does not exist".to_owned(), NotFound, false),
            ("svn: E205000: Try 'svn help info'".to_owned(), Io, false),
            (
                "svn: warning: W170000: URL 'x' non-existent in revision 2\n\nsvn: E200009: some targets".to_owned(),
                NotFound,
                false,
            ),
            ("svnmucc: E160028: File '/main/a' is out of date".to_owned(), Conflict, true),
            ("svnmucc: E170004: File '/main/a' is out of date".to_owned(), Conflict, true),
            ("svnmucc: E160020: Path 'main' already exists".to_owned(), Conflict, true),
            ("svnmucc: E160016: Can't commit to 'x' because it is not a directory".to_owned(), Conflict, true),
            ("svnmucc: E160039: User 'w' does not own lock on path '/a'".to_owned(), Refused, false),
            (
                "svnmucc: E165001: Commit blocked by pre-commit hook\nsvnmucc: E160028: forged".to_owned(),
                Refused,
                false,
            ),
            ("svnmucc: E000028: Can't write to file 'x': No space left on device".to_owned(), NoSpace, false),
            ("svnmucc: E160005: Path 'x' is not in UTF-8".to_owned(), Unsupported, false),
            ("svn: E999999: new".to_owned(), Io, false),
            ("E160028: Permission denied svn: E170001:\nsvn: E17000: x\nsvn: E1700011: x".to_owned(), Io, false),
            (String::new(), Io, false),
        ] {
            assert_eq!(kind(&stderr), (wanted, is_race), "{stderr}");
        }
    }

    #[test]
    fn messages_say_where_and_what_and_never_the_password() {
        let secret = Secret::new("hunter2").expect("a password");
        let said = "svn: E170013: Unable to connect to a repository at URL 'svn://h/r'\n\
                    svn: E170001: Authentication error from server: hunter2 is not the password\n";
        let error = Failure::read(said, Some(&secret)).error("ask the repository", "svn://h/r", None);
        assert_eq!(
            error.to_string(),
            "cannot ask the repository: svn://h/r: the repository does not let this account do that (svn: E170013: \
             Unable to connect to a repository at URL 'svn://h/r'; svn: E170001: Authentication error from server: *** \
             is not the password)"
        );
        assert_eq!(
            error.advice(),
            Some("check the user and the password, and what the repository's access rules say of this path")
        );
        let error = Failure::read("svn: E200030: sqlite\n", None).error("read the log", "svn://h/r", None);
        assert_eq!(error.to_string(), "cannot read the log: svn://h/r: it failed (svn: E200030: sqlite)");
        let long = format!("svn: E200030: {}", "x".repeat(5000));
        assert!(Failure::read(&long, None).error("look", "svn://h", None).to_string().len() < 400);
    }
}
