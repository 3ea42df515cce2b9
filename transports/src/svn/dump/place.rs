//! Where a path of the repository lies, seen from the directory that was dumped.

use depsync_engine::error::Result;

use super::headers::shown;
use super::input::damaged;

/// A path of the repository, by where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The dumped directory (empty) or something beneath it, relative to it.
    Within(Vec<u8>),
    /// A directory on the way to the dumped one, from the repository's root (empty). What happens to it happens to the
    /// dumped one too.
    Above(Vec<u8>),
    /// Anything else, from the repository's root.
    Beside(Vec<u8>),
}

impl Place {
    /// Where `path` lies, seen from the directory `at`; both from the repository's root.
    pub(super) fn of(path: &[u8], at: &[u8]) -> Result<Self> {
        let flaw = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.contains(&0);
        if !path.is_empty() && path.split(|byte| *byte == b'/').any(flaw) {
            return Err(damaged(format!("not a path: {}", shown(path))));
        }
        Ok(match (beneath(path, at), beneath(at, path)) {
            (Some(rest), _) => Self::Within(rest.to_vec()),
            (None, Some(_)) => Self::Above(path.to_vec()),
            (None, None) => Self::Beside(path.to_vec()),
        })
    }
}

/// What `path` is relative to `directory`, if that is so.
fn beneath<'a>(path: &'a [u8], directory: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(directory)?;
    if directory.is_empty() || rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}
