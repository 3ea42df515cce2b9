//! Which paths clash, closed under parents.
//!
//! Two changes clash when they touch one path and end differently. They also clash when one side makes something
//! other than a directory of a path (or removes it) while the other side leaves something beneath it: taking both
//! would give an entry without a parent. Then both paths clash. No further closure is needed: whatever else is beneath
//! the path is removed or left on one side alone (`engine/doc/decisions/three-trees.md` has the argument).

use crate::path::RelPath;
use crate::tree::Change;

/// The clashing paths, ascending, each once.
pub(super) fn clashing(mine: &[Change], theirs: &[Change]) -> Vec<RelPath> {
    let mut paths = Vec::new();
    both(mine, theirs, &mut paths);
    beneath(mine, theirs, &mut paths);
    beneath(theirs, mine, &mut paths);
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Paths that both sides changed, differently.
fn both(mine: &[Change], theirs: &[Change], paths: &mut Vec<RelPath>) {
    let mut rest = theirs.iter().peekable();
    for change in mine {
        while rest.next_if(|other| other.path < change.path).is_some() {}
        if let Some(other) = rest.next_if(|other| other.path == change.path)
            && other.after != change.after
        {
            paths.push(change.path.clone());
        }
    }
}

/// Paths where `upper` ends without a directory and `lower` leaves something beneath.
fn beneath(upper: &[Change], lower: &[Change], paths: &mut Vec<RelPath>) {
    if lower.is_empty() {
        return;
    }
    for change in upper {
        if change.after.as_ref().is_some_and(crate::tree::Entry::is_directory) {
            continue;
        }
        let start = lower.partition_point(|other| other.path <= change.path);
        let before = paths.len();
        let inside = lower[start..].iter().take_while(|other| other.path.is_beneath(&change.path));
        paths.extend(inside.filter(|other| other.after.is_some()).map(|other| other.path.clone()));
        if paths.len() > before {
            paths.push(change.path.clone());
        }
    }
}
