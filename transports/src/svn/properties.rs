//! What svn's properties say of a path, as far as it concerns a deployment.
//!
//! | property | says |
//! |---|---|
//! | `svn:executable` | the file has mode 0755; without it, 0644 |
//! | `depsync:mode` | another mode, as octal digits; on directories too, which have 0755 otherwise |
//! | `svn:special` | the file is a symbolic link, if its text begins with `link ` |
//! | `svn:eol-style`, `svn:keywords` | what a client shows differs from what is stored, which is what is deployed |
//! | `svn:externals` | other repositories' directories belong here: reported, not followed |
//!
//! Of nearly all paths an entry of the tree tells all of that. Those that have more to them are *notable* and stand in a
//! list of their own.

use depsync_engine::tree::{Entry, Mode};
use serde::{Deserialize, Serialize};

pub(super) const EXECUTABLE: &str = "svn:executable";
pub(super) const SPECIAL: &str = "svn:special";
pub(super) const EOL_STYLE: &str = "svn:eol-style";
pub(super) const KEYWORDS: &str = "svn:keywords";
pub(super) const EXTERNALS: &str = "svn:externals";
pub(super) const MODE: &str = "depsync:mode";

/// The mode of a file without properties.
const FILE: Mode = Mode::new(0o644);
/// The mode of a file that is executable, and of a directory.
const EXECUTABLE_FILE: Mode = Mode::new(0o755);

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Properties {
    pub(super) executable: bool,
    pub(super) special: bool,
    pub(super) mode: Option<Mode>,
    pub(super) eol_style: bool,
    pub(super) keywords: bool,
    pub(super) externals: bool,
}

impl Properties {
    /// Those that say what `entry` says, and nothing else.
    pub(super) fn of(entry: &Entry) -> Self {
        match entry {
            Entry::Symlink { .. } => Self { special: true, ..Self::default() },
            Entry::Directory { mode } => {
                Self { mode: Some(*mode).filter(|mode| *mode != EXECUTABLE_FILE), ..Self::default() }
            }
            Entry::File { mode, .. } => Self {
                // A checkout can show that one may run it, whatever else.
                executable: mode.bits() & 0o111 != 0,
                mode: Some(*mode).filter(|mode| *mode != FILE && *mode != EXECUTABLE_FILE),
                ..Self::default()
            },
        }
    }

    /// Takes in a property, or that there is none any more. Those that do not concern us are passed over.
    pub(super) fn take(&mut self, name: &[u8], value: Option<&[u8]>) {
        let is = value.is_some();
        match std::str::from_utf8(name).unwrap_or_default() {
            EXECUTABLE => self.executable = is,
            SPECIAL => self.special = is,
            EOL_STYLE => self.eol_style = is,
            KEYWORDS => self.keywords = is,
            EXTERNALS => self.externals = is,
            MODE => self.mode = value.and_then(parse),
            _ => {}
        }
    }

    /// The mode of a file.
    pub(super) fn of_file(&self) -> Mode {
        self.mode.unwrap_or(if self.executable { EXECUTABLE_FILE } else { FILE })
    }

    /// The mode of a directory.
    pub(super) fn of_directory(&self) -> Mode {
        self.mode.unwrap_or(EXECUTABLE_FILE)
    }

    /// What must be set and removed to come from these to `wanted`.
    pub(super) fn steps_to(&self, wanted: &Self) -> Vec<(&'static str, Option<String>)> {
        let mut steps = Vec::new();
        let mut step = |name: &'static str, before: bool, after: bool| {
            if before != after {
                steps.push((name, after.then(|| "*".to_owned())));
            }
        };
        step(EXECUTABLE, self.executable, wanted.executable);
        step(SPECIAL, self.special, wanted.special);
        // What they were is not known any more: they can only go.
        step(EOL_STYLE, self.eol_style, wanted.eol_style && self.eol_style);
        step(KEYWORDS, self.keywords, wanted.keywords && self.keywords);
        if self.mode != wanted.mode {
            steps.push((MODE, wanted.mode.map(|mode| format!("{:04o}", mode.bits()))));
        }
        steps
    }
}

/// A mode as `depsync:mode` has it. What is none says nothing.
fn parse(value: &[u8]) -> Option<Mode> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let bits = digits.then(|| u32::from_str_radix(text, 8).ok()).flatten()?;
    (bits <= 0o777).then(|| Mode::new(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use proptest::prelude::*;

    fn file(bits: u32) -> Entry {
        Entry::File { mode: Mode::new(bits), size: 1, hash: Digest::of(b"x") }
    }

    fn names(steps: &[(&'static str, Option<String>)]) -> Vec<String> {
        let show = |(name, value): &(&str, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => format!("-{name}"),
        };
        steps.iter().map(show).collect()
    }

    #[test]
    fn usual_modes_need_little() {
        let none = Properties::default();
        assert_eq!(Properties::of(&file(0o644)), none);
        assert_eq!(names(&none.steps_to(&Properties::of(&file(0o755)))), ["svn:executable=*"]);
        assert_eq!(names(&none.steps_to(&Properties::of(&file(0o640)))), ["depsync:mode=0640"]);
        let odd = Properties::of(&file(0o750));
        assert_eq!(names(&none.steps_to(&odd)), ["svn:executable=*", "depsync:mode=0750"]);
        assert_eq!(names(&odd.steps_to(&none)), ["-svn:executable", "-depsync:mode"]);
        let directory = Entry::Directory { mode: Mode::new(0o755) };
        assert_eq!(Properties::of(&directory), none);
    }

    #[test]
    fn what_translates_goes_and_is_never_set() {
        let mut shown = Properties::default();
        shown.take(EOL_STYLE.as_bytes(), Some(b"native"));
        shown.take(KEYWORDS.as_bytes(), Some(b"Id"));
        shown.take(b"svn:mime-type", Some(b"text/plain"));
        assert_eq!(names(&shown.steps_to(&Properties::default())), ["-svn:eol-style", "-svn:keywords"]);
        assert!(Properties::default().steps_to(&shown).is_empty());
        assert_eq!(shown.of_file(), Mode::new(0o644));
    }

    #[test]
    fn what_is_no_mode_says_nothing() {
        let mode = |value: &[u8]| {
            let mut properties = Properties::default();
            properties.take(EXECUTABLE.as_bytes(), Some(b""));
            properties.take(MODE.as_bytes(), Some(value));
            properties.of_file().bits()
        };
        for none in [&b""[..], b"8", b"1777", b"rw-r--r--", b"00644", b"-644", b"\xff"] {
            assert_eq!(mode(none), 0o755, "{none:?}");
        }
        assert_eq!((mode(b"640"), mode(b"0640\n"), mode(b"0")), (0o640, 0o640, 0));
    }

    proptest! {
        #[test]
        fn a_mode_comes_back(bits in 0..=0o777_u32) {
            let mut properties = Properties::default();
            for (name, value) in Properties::default().steps_to(&Properties::of(&file(bits))) {
                properties.take(name.as_bytes(), value.as_deref().map(str::as_bytes));
            }
            prop_assert_eq!(properties.of_file(), Mode::new(bits));
            let mut directory = Properties::default();
            let entry = Entry::Directory { mode: Mode::new(bits) };
            for (name, value) in Properties::default().steps_to(&Properties::of(&entry)) {
                directory.take(name.as_bytes(), value.as_deref().map(str::as_bytes));
            }
            prop_assert_eq!(directory.of_directory(), Mode::new(bits));
        }
    }
}
