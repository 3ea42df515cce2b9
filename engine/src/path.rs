//! A path below the deployment's root: validated bytes with an order of their own.
//!
//! Laws:
//! - a [`RelPath`] is never empty, absolute, or able to climb: no empty, `.` or `..` component, no NUL;
//! - names are bytes: what a Unix file system can hold, a path can hold;
//! - paths are ordered by component (`/` sorts below every other byte), so that a directory is directly followed by
//!   everything beneath it and a subtree is one range of keys.
//!
//! That a path is lexically clean does not make it safe to open: whoever opens it does so beneath a directory
//! handle (see [`crate::beneath`]).

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bstr::ByteSlice;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind};

/// The longest path, in bytes: what Linux takes in one call, less the terminator.
pub const MAX_PATH: usize = 4095;
/// The longest component, in bytes.
pub const MAX_NAME: usize = 255;

/// A validated relative path. See the module for its laws.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(Box<[u8]>);

/// How many bytes are compared at once.
const RUN: usize = 32;

/// Compares two paths component by component.
pub fn compare(left: &[u8], right: &[u8]) -> Ordering {
    // Neighbours share most of their path: whole runs first, which is one memcmp each, then bytes.
    let runs = left.chunks_exact(RUN).zip(right.chunks_exact(RUN)).take_while(|(a, b)| a == b).count() * RUN;
    let common = runs + left[runs..].iter().zip(&right[runs..]).take_while(|(a, b)| a == b).count();
    match (left.get(common), right.get(common)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(b'/'), Some(_)) => Ordering::Less,
        (Some(_), Some(b'/')) => Ordering::Greater,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

impl RelPath {
    /// Checks `bytes` and makes a path of them.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        match flaw(&bytes) {
            None => Ok(Self(bytes)),
            Some(flaw) => {
                let shown: String = bytes.as_bstr().to_string().chars().take(200).collect();
                Err(Error::new(ErrorKind::Usage, format!("not a path below the deployment: {flaw}")).at(shown))
            }
        }
    }

    /// A path of bytes in which [`flaw`] has found nothing before.
    pub(crate) fn of_checked(bytes: &[u8]) -> Self {
        debug_assert!(flaw(bytes).is_none(), "{:?} is not a path", bytes.as_bstr());
        Self(bytes.into())
    }

    /// The path of `name` in the directory `self`.
    pub fn join(&self, name: &[u8]) -> Result<Self, Error> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self::new(bytes)
    }

    /// The path of `name` in `parent`, or at the top.
    pub fn child_of(parent: Option<&Self>, name: &[u8]) -> Result<Self, Error> {
        match parent {
            Some(parent) => parent.join(name),
            None => Self::new(name),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as the standard library's type.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The directory that holds this path; `None` at the top.
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind_byte(b'/').map(|slash| Self(self.0[..slash].into()))
    }

    /// All directories above this path, nearest first.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        match self.0.rfind_byte(b'/') {
            Some(slash) => &self.0[slash + 1..],
            None => &self.0,
        }
    }

    /// The components, first to last.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == b'/')
    }

    /// How many components there are.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// Whether this path lies strictly beneath `directory`.
    pub fn is_beneath(&self, directory: &Self) -> bool {
        is_beneath(&self.0, &directory.0)
    }

    /// Whether this path is `top`, or lies beneath it.
    pub fn is_within(&self, top: &Self) -> bool {
        self == top || self.is_beneath(top)
    }
}

/// Whether the path `path` lies strictly beneath `directory`, both in bytes.
pub(crate) fn is_beneath(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// What is wrong with `bytes` as a path, if anything.
pub(crate) fn flaw(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("it is empty");
    }
    if bytes.len() > MAX_PATH {
        return Some("it is longer than 4095 bytes");
    }
    if bytes.contains(&0) {
        return Some("it holds a NUL byte");
    }
    if bytes[0] == b'/' {
        return Some("it is absolute");
    }
    bytes.split(|&byte| byte == b'/').find_map(|component| match component {
        b"" => Some("it has an empty component"),
        b"." | b".." => Some("it has a component `.` or `..`"),
        long if long.len() > MAX_NAME => Some("a component is longer than 255 bytes"),
        _ => None,
    })
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AsRef<Path> for RelPath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

/// For people: bytes that are not UTF-8 are shown as replacement characters, control characters escaped.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.to_str_lossy().chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_bstr(), f)
    }
}

impl TryFrom<&str> for RelPath {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::new(text.as_bytes())
    }
}

// Binary formats hold the bytes; text formats a string (lossy, for people only: nothing reads a path back from it).
impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = RelPath;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a relative path")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<RelPath, E> {
                RelPath::new(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect(text)
    }

    #[test]
    fn refuses_what_could_climb() {
        for bad in ["", "/", "/etc", "a/", "a//b", ".", "..", "a/..", "a/../b", "./a", "a\0b"] {
            assert_eq!(RelPath::try_from(bad).expect_err(bad).kind(), ErrorKind::Usage);
        }
        assert!(RelPath::new(vec![b'a'; 256]).is_err());
        assert!(RelPath::new(("a/".repeat(2048) + "a").into_bytes()).is_err());
    }

    #[test]
    fn a_directory_is_followed_by_what_is_beneath_it() {
        let mut paths = [path("a-b"), path("a/b"), path("a"), path("a b"), path("a/b/c"), path("b")];
        paths.sort();
        assert_eq!(paths.map(|path| path.to_string()), ["a", "a/b", "a/b/c", "a b", "a-b", "b"]);
    }

    #[test]
    fn parents_and_names() {
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), None);
        assert_eq!(path("a/b").name(), b"b");
        assert_eq!(path("a/b/c").ancestors().collect::<Vec<_>>(), [path("a/b"), path("a")]);
        assert!(
            path("a/b").is_beneath(&path("a"))
                && !path("ab").is_beneath(&path("a"))
                && !path("a").is_beneath(&path("a"))
        );
    }

    fn any_path() -> impl Strategy<Value = RelPath> {
        proptest::collection::vec(proptest::sample::select(&b"ab!/\xff \n-"[..]), 1..12)
            .prop_filter_map("a path", |bytes| RelPath::new(bytes).ok())
    }

    proptest! {
        #[test]
        fn a_common_beginning_changes_no_order(left in any_path(), right in any_path(), length in 0usize..100) {
            let beneath = |path: &RelPath| [&vec![b'p'; length][..], b"/", path.as_bytes()].concat();
            prop_assert_eq!(compare(&beneath(&left), &beneath(&right)), left.cmp(&right));
        }

        #[test]
        fn order_is_that_of_component_lists(left in any_path(), right in any_path()) {
            let by_components = left.components().collect::<Vec<_>>().cmp(&right.components().collect::<Vec<_>>());
            prop_assert_eq!(left.cmp(&right), by_components);
        }
    }
}
