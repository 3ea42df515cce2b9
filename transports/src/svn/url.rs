//! The place of a deployment in a repository, as the programs take it, and what is beneath it.
//!
//! `svn` takes what follows the last `@` of an operand for a revision; `svnmucc` and `svnrdump` do not, and all undo
//! escapes. So there are two forms. The wrong one is no error for `svnrdump`: it looks for a path with an `@`, finds
//! none, and dumps nothing. Neither form is ever the user's own text: every byte that a URL cannot hold is encoded, in the
//! form that Subversion calls canonical and prints itself.

use std::fmt;

use depsync_engine::path::RelPath;

use super::address::Scheme;

/// The bytes beside letters and digits that stand for themselves in a canonical URL.
const PLAIN: &[u8] = b"!$&'()*+,-.:=@_~";

/// The place of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvnUrl {
    scheme: Scheme,
    user: Option<String>,
    /// Where ssh goes. The programs would take it for a part of the host's name.
    ssh_port: Option<u16>,
    /// For the programs, without a slash at the end.
    base: String,
    /// For people: without the user.
    shown: String,
}

impl SvnUrl {
    /// `path` is encoded.
    pub(super) fn new(scheme: Scheme, user: Option<String>, (host, port): (&str, Option<u16>), path: &str) -> Self {
        // ssh's user is part of the URL; every other is told to the programs with the password.
        let at = user.as_ref().filter(|_| scheme == Scheme::Ssh).map(|user| format!("{}@", encode(user.as_bytes())));
        let place = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let (told, ssh_port) = if scheme == Scheme::Ssh { (host, port) } else { (&*place, None) };
        let base = format!("{}://{}{told}{path}", scheme.for_programs(), at.unwrap_or_default());
        Self { scheme, user, ssh_port, base, shown: format!("{}://{place}{path}", scheme.name()) }
    }

    /// The port that ssh is to use, if the address names one.
    pub(super) fn ssh_port(&self) -> Option<u16> {
        self.ssh_port
    }

    /// How the repository is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user, if the address named one who is asked for a password.
    pub(super) fn account(&self) -> Option<&str> {
        self.user.as_deref().filter(|_| self.scheme != Scheme::Ssh)
    }

    /// Whether it lies in the repository that begins at `root`, which a program has printed.
    pub(super) fn is_within(&self, root: &str) -> bool {
        self.base.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The deployment, or `path` beneath it, for `svnmucc` and `svnrdump`: no `@` is special in it.
    pub fn plain(&self, path: Option<&RelPath>) -> String {
        let mut url = self.base.clone();
        if let Some(path) = path {
            url.push('/');
            url.push_str(&encode(path.as_bytes()));
        }
        url
    }

    /// The same for `svn`: as it was in the revision `peg`, or as it is.
    pub fn pegged(&self, path: Option<&RelPath>, peg: Option<u64>) -> String {
        let mut operand = self.plain(path);
        operand.push('@');
        if let Some(peg) = peg {
            operand.push_str(&peg.to_string());
        }
        operand
    }
}

impl fmt::Display for SvnUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Encodes bytes; slashes stay.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || byte == b'/' || PLAIN.contains(&byte) {
            text.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    text
}

/// Undoes escapes. A `%` without two hex digits stands for itself.
pub(super) fn undo_escapes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        match (first, behind) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(value(*high) << 4 | value(*low));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use depsync_engine::name::DeploymentName;
    use proptest::prelude::*;

    use super::*;
    use crate::svn::SvnAddress;

    fn url(text: &str) -> SvnUrl {
        SvnAddress::parse(text).expect(text).url(&DeploymentName::default())
    }

    #[test]
    fn a_revision_is_always_said() {
        let url = url("svn+http://h/a@2");
        let path = RelPath::new(*b"b c@HEAD").expect("a path");
        assert_eq!(url.plain(Some(&path)), "http://h/a@2/b%20c@HEAD");
        assert_eq!(url.pegged(Some(&path), Some(7)), "http://h/a@2/b%20c@HEAD@7");
        assert_eq!(url.pegged(None, None), "http://h/a@2@");
        assert!(url.is_within("http://h") && url.is_within("http://h/a@2"));
        assert!(!url.is_within("http://h/a") && !url.is_within("http://i") && !url.is_within("http://h/a@2/b"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(&undo_escapes(&text), &bytes);
            prop_assert_eq!(encode(&undo_escapes(&text)), text);
        }

        #[test]
        fn operands_are_never_options_and_end_in_a_revision(
            scheme in proptest::sample::select(vec!["svn", "svn+ssh", "svn+http", "svn+https", "svn+file"]),
            name in "[^/\\x00]{1,20}",
            peg in proptest::option::of(any::<u64>()),
        ) {
            let host = if scheme == "svn+file" { "" } else { "host" };
            let url = url(&format!("{scheme}://{host}/r"));
            if let Ok(path) = RelPath::new(name.clone().into_bytes()) {
                let (plain, pegged) = (url.plain(Some(&path)), url.pegged(Some(&path), peg));
                prop_assert!(plain.starts_with("svn") || plain.starts_with("http") || plain.starts_with("file:///"));
                let (before, revision) = pegged.rsplit_once('@').expect("a revision");
                prop_assert_eq!(before, &plain);
                prop_assert_eq!(revision.parse().ok(), peg);
                prop_assert_eq!(undo_escapes(plain.rsplit_once('/').expect("parts").1), name.into_bytes());
            }
        }
    }
}
