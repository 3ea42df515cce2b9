//! How facts look to a person: styled lines, and nothing in them that could move a cursor.
//!
//! Messages, authors, file names and reports come from other machines. Every one of them passes through [`clean`] (a
//! path escapes itself) before it reaches a terminal. Styles are written always; the output stream drops them where
//! nobody would see them.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use depsync_engine::content::{Freight, How, Part};
use depsync_engine::engine::{Conflict, Ghosts, Remark};
use depsync_engine::packed::Packed;
use depsync_engine::tree::{Change, Entry, Mode};

use crate::units::{bytes, counted};

/// What to look at first.
pub(crate) const STRONG: Style = Style::new().bold();
/// Something was added.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Something needs attention.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Something was removed, or failed.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// What may be skipped.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// How many paths of a list are shown unless more were asked for.
const SHOWN: usize = 10;

/// How much to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// The first paths of every list.
    Short,
    /// All.
    Full,
}

/// `text` in `style`.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` with control characters escaped.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// The first line of `text`, cleaned, with a mark if there is more.
pub(crate) fn first_line(text: &str) -> String {
    let mut lines = text.trim().lines();
    let mut line = clean(lines.next().unwrap_or_default());
    if lines.next().is_some() {
        line.push_str(" …");
    }
    line
}

/// Adds up to the shown number of lines, and says how many more there are.
pub(crate) fn list<T>(
    out: &mut String,
    count: usize,
    items: impl Iterator<Item = T>,
    length: Length,
    mut line: impl FnMut(T) -> String,
) {
    let shown = if length == Length::Full { count } else { SHOWN };
    for item in items.take(shown) {
        writeln!(out, "  {}", line(item)).expect("writing to a string cannot fail");
    }
    if count > shown {
        let more = format!("… and {} (-v lists all)", counted(count - shown, "more path"));
        writeln!(out, "  {}", styled(FAINT, more)).expect("writing to a string cannot fail");
    }
}

/// Adds a titled list, or nothing if it is empty.
pub(crate) fn section<T>(out: &mut String, title: &str, items: &[T], length: Length, line: impl FnMut(&T) -> String) {
    if !items.is_empty() {
        writeln!(out, "{}:", styled(WARN, title)).expect("writing to a string cannot fail");
        list(out, items.len(), items.iter(), length, line);
    }
}

/// What is known and not here.
pub(crate) fn ghosts(ghosts: Ghosts) -> String {
    let entries = counted(usize::try_from(ghosts.entries).unwrap_or(usize::MAX), "entry");
    format!("known and not here: {entries}, {} (`depsync fetch`)", bytes(ghosts.bytes))
}

/// Adds what has changed, a line a path.
pub(crate) fn changes(out: &mut String, changes: &Packed<Change>, length: Length) {
    list(out, changes.len(), changes.iter(), length, |changed| change(&changed));
}

/// Adds what would travel, file by file, the largest parts of each first.
pub(crate) fn freight(out: &mut String, freight: &[Freight], length: Length) {
    let total = freight.iter().map(|file| file.bytes).fold(0, u64::saturating_add);
    let whole = freight.iter().map(|file| file.size).fold(0, u64::saturating_add);
    if freight.is_empty() {
        return;
    }
    writeln!(out, "what would travel: {} of {}", styled(STRONG, bytes(total)), bytes(whole))
        .expect("writing to a string cannot fail");
    list(out, freight.len(), freight.iter(), length, |file| {
        let mut line = format!("{}: {} of {}", file.path, bytes(file.bytes), bytes(file.size));
        let mut parts: Vec<&Part> = file.parts.iter().collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        let is_archive = parts.iter().any(|part| part.entry.is_some() || part.how == How::Recipe);
        if is_archive {
            let shown = if length == Length::Full { parts.len() } else { SHOWN };
            for part in parts.iter().take(shown) {
                line.push_str(&format!("\n    {}", styled(FAINT, of_part(part))));
            }
            if parts.len() > shown {
                line.push_str(&format!(
                    "\n    {}",
                    styled(FAINT, format!("… and {} more (-v lists all)", parts.len() - shown))
                ));
            }
        }
        line
    });
}

/// One part of a file that travels.
fn of_part(part: &Part) -> String {
    let entry = part.entry.as_deref().map_or("between the entries".to_owned(), clean);
    let sizes = format!("{} of {}", bytes(part.bytes), bytes(part.size));
    match part.how {
        How::Whole => format!("{entry}: whole, {sizes}"),
        How::Patched => format!("{entry}: what has changed, {sizes}"),
        How::Nested => format!("{entry}: what has changed within it, {sizes}"),
        How::Recipe => format!("how it is put together: {}", bytes(part.bytes)),
    }
}

/// What happened to a path, in one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It is new.
    Added,
    /// Its content, kind or target is another.
    Modified,
    /// Its permission bits alone are others.
    Mode,
    /// It is gone.
    Removed,
}

impl Deed {
    /// What `change` does.
    pub(crate) fn of(change: &Change) -> Self {
        match (&change.before, &change.after) {
            (None, _) => Self::Added,
            (_, None) => Self::Removed,
            (Some(before), Some(after)) if before.differs_in_mode_only(after) => Self::Mode,
            _ => Self::Modified,
        }
    }

    /// The word for machines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Mode => "mode-changed",
            Self::Removed => "removed",
        }
    }
}

/// One line of a list of changes: `A conf/web.xml (file, 12.3 KiB)`.
pub(crate) fn change(change: &Change) -> String {
    let (letter, style) = match Deed::of(change) {
        Deed::Added => ('A', GOOD),
        Deed::Modified => ('M', WARN),
        Deed::Mode => ('P', WARN),
        Deed::Removed => ('D', BAD),
    };
    let about = match (&change.before, &change.after) {
        (Some(before), Some(after)) if before.differs_in_mode_only(after) => {
            let mode = |entry: &Entry| entry.mode().map_or(0, Mode::bits);
            format!("mode {:03o} to {:03o}", mode(before), mode(after))
        }
        (_, Some(entry)) | (Some(entry), None) => kind(entry),
        (None, None) => String::new(),
    };
    format!("{} {} {}", styled(style, letter), change.path, styled(FAINT, format_args!("({about})")))
}

fn kind(entry: &Entry) -> String {
    match entry {
        Entry::File { size, .. } => format!("file, {}", bytes(*size)),
        Entry::Directory { .. } => "directory".to_owned(),
        Entry::Symlink { target } => format!("link to {}", clean(&String::from_utf8_lossy(target.as_bytes()))),
    }
}

/// One line of a list of remarks.
pub(crate) fn remark(remark: &Remark) -> String {
    match &remark.path {
        Some(path) => format!("{path}: {}", clean(&remark.reason)),
        None => clean(&remark.reason),
    }
}

/// One line of a list of conflicts.
pub(crate) fn conflict(conflict: &Conflict) -> String {
    let Conflict { path, mine, theirs, revision } = conflict;
    format!("{path}: {mine} here, {theirs} in the hub by revision {revision}")
}

/// What to do about conflicts.
pub(crate) const RESOLVE: &str = "`depsync resolve PATH --mine` or `--theirs` ends a conflict";

/// `2 added, 1 modified, 0 removed`.
pub(crate) fn counts(added: u64, modified: u64, removed: u64) -> String {
    format!("{added} added, {modified} modified, {removed} removed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use depsync_engine::tree::LinkTarget;

    fn file(mode: u32, size: u64) -> Option<Entry> {
        Some(Entry::File { mode: Mode::new(mode), size, hash: Digest::of(b"") })
    }

    fn shown(before: Option<Entry>, after: Option<Entry>) -> String {
        let line = change(&Change { path: "a\u{1b}b".try_into().expect("a path"), before, after });
        anstream::adapter::strip_str(&line).to_string()
    }

    #[test]
    fn a_change_is_one_harmless_line() {
        assert_eq!(shown(None, file(0o644, 2048)), "A a\\u{1b}b (file, 2.0 KiB)");
        assert_eq!(shown(file(0o644, 1), file(0o755, 1)), "P a\\u{1b}b (mode 644 to 755)");
        assert_eq!(shown(file(0o644, 1), file(0o644, 2)), "M a\\u{1b}b (file, 2 B)");
        let link = Entry::Symlink { target: LinkTarget::new(*b"x\n").expect("a target") };
        assert_eq!(shown(Some(link), None), "D a\\u{1b}b (link to x\\n)");
    }

    #[test]
    fn long_lists_are_cut_unless_asked_for() {
        let items: Vec<u32> = (0..SHOWN as u32 + 1).collect();
        let mut short = String::new();
        list(&mut short, items.len(), items.iter(), Length::Short, ToString::to_string);
        assert!(anstream::adapter::strip_str(&short).to_string().ends_with("  … and 1 more path (-v lists all)\n"));
        let mut full = String::new();
        section(&mut full, "all", &items, Length::Full, ToString::to_string);
        assert_eq!(full.lines().count(), SHOWN + 2);
        section(&mut full, "none", &[] as &[u32], Length::Full, ToString::to_string);
        assert_eq!(full.lines().count(), SHOWN + 2);
    }

    #[test]
    fn foreign_text_cannot_move_the_cursor() {
        assert_eq!(clean("a\x1b[2Jb\r\u{9b}"), "a\\u{1b}[2Jb\\r\\u{9b}");
        assert_eq!(first_line("  one\nand two"), "one …");
        assert_eq!(first_line(""), "");
    }
}
