//! Which paths clash, closed under parents.
//!
//! Two changes clash when they touch one path and end differently. They also clash when one side makes something
//! other than a directory of a path (or removes it) while the other side leaves something beneath it: taking both
//! would give an entry without a parent. Then both paths clash. No further closure is needed: whatever else is beneath
//! the path is removed or left on one side alone (`engine/doc/decisions/three-trees.md` has the argument).

use crate::packed::Packed;
use crate::path::RelPath;
use crate::tree::{Change, Entry};

/// The clashing paths, ascending, each once.
pub(super) fn clashing(mine: &Packed<Change>, theirs: &Packed<Change>) -> Vec<RelPath> {
    let mut paths = Vec::new();
    if mine.is_empty() || theirs.is_empty() {
        return paths;
    }
    both(mine, theirs, &mut paths);
    beneath(mine, theirs, &mut paths);
    beneath(theirs, mine, &mut paths);
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Paths that both sides changed, differently.
fn both(mine: &Packed<Change>, theirs: &Packed<Change>, paths: &mut Vec<RelPath>) {
    let mut rest = theirs.iter().peekable();
    for change in mine.iter() {
        while rest.next_if(|other| other.path < change.path).is_some() {}
        if let Some(other) = rest.next_if(|other| other.path == change.path)
            && other.after != change.after
        {
            paths.push(change.path);
        }
    }
}

/// Paths where `upper` ends without a directory and `lower` leaves something beneath.
fn beneath(upper: &Packed<Change>, lower: &Packed<Change>, paths: &mut Vec<RelPath>) {
    let mut ends = upper.iter().filter(|change| !change.after.as_ref().is_some_and(Entry::is_directory)).peekable();
    // Those passed that the present path may lie beneath, each beneath the one before it.
    let mut above: Vec<RelPath> = Vec::new();
    for change in lower.iter() {
        while let Some(end) = ends.next_if(|end| end.path < change.path) {
            above.retain(|path| end.path.is_beneath(path));
            above.push(end.path);
        }
        above.retain(|path| change.path.is_beneath(path));
        if change.after.is_some() && !above.is_empty() {
            paths.extend(above.iter().cloned());
            paths.push(change.path);
        }
    }
}
