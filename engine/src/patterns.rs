//! Patterns in gitignore syntax that an operator has written, and what they name: a path, or whatever is beneath one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ::ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::{Error, ErrorKind, Result};

/// See the module. A later line has the last word; one that begins with `!` takes back what those before it name.
#[derive(Clone, Debug)]
pub struct Patterns(Gitignore);

impl Patterns {
    /// Understands the lines.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for one that names nothing, or is not understood.
    pub fn new(lines: &[String]) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        builder.allow_unclosed_class(false);
        for line in lines {
            let flaw = |why: String| Error::new(ErrorKind::Usage, format!("the pattern `{line}`: {why}"));
            if line.trim().is_empty() || line.starts_with('#') || line.contains('\n') {
                return Err(flaw("it names nothing".to_owned()));
            }
            builder.add_line(None, line).map_err(|error| flaw(error.to_string()))?;
        }
        let built = builder.build();
        built.map(Self).map_err(|error| Error::new(ErrorKind::Usage, format!("the patterns are too much: {error}")))
    }

    /// Whether they name nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they name this very path.
    pub fn name(&self, path: &[u8], is_directory: bool) -> bool {
        self.0.matched(Path::new(OsStr::from_bytes(path)), is_directory).is_ignore()
    }

    /// Whether they name it or a directory above it.
    pub fn cover(&self, path: &[u8], is_directory: bool) -> bool {
        let mut above = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(slash, _)| &path[..slash]);
        above.any(|directory| self.name(directory, true)) || self.name(path, is_directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_covered_by_itself_or_from_above() {
        let lines = ["/WEB-INF/upload/**", "*.log", "work/", "!keep.log"].map(str::to_owned);
        let patterns = Patterns::new(&lines).expect("understood");
        for (of, covers) in [
            ("WEB-INF/upload/a/b", true),
            ("WEB-INF/uploaded", false),
            ("x/WEB-INF/upload/a", false),
            ("deep/er.log", true),
            ("deep/keep.log", false),
            ("work/x", true),
            ("work", false),
            ("a/work/b/c", true),
        ] {
            assert_eq!(patterns.cover(of.as_bytes(), false), covers, "{of}");
        }
        assert!(patterns.cover(b"work", true) && !patterns.is_empty());
        assert!(Patterns::new(&[]).expect("nothing").is_empty());
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for bad in ["", " ", "# a word", "a[", "a\nb"] {
            let error = Patterns::new(&[bad.to_owned()]).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Usage, "{bad}");
        }
    }
}
