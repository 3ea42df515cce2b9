//! What a killed process left in the slots of its steps, put in order before the steps are taken again.
//!
//! A slot holds the staged content that waits for its name; or, once an exchange, a rename or a removal has gone
//! through, what was at the live name before. Which of them it is can only be told by looking: taking an old content
//! for a staged one would bring it back, and throwing away an area with something unknown in it would lose it. So
//! every slot is read: what is wanted stays, what the hub knows is dropped, everything else is kept aside.

use std::os::fd::AsFd;

use rustix::fs::{self, AtFlags};

use super::live::entry_at;
use super::{Action, Recovery, Stage, Step, swap};
use crate::beneath::{Root, stamp_at};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::packed::Packed;
use crate::path::RelPath;
use crate::stamp::Stamp;
use crate::tree::Entry;

/// Leaves in the slots of `steps` only what is to be placed; gives the paths of which something was kept aside.
pub fn sort_leftovers(
    cx: &Context,
    root: &Root,
    stage: &Stage,
    recovery: &Recovery,
    steps: &Packed<Step>,
) -> Result<Vec<RelPath>> {
    let mut kept = Vec::new();
    let mut rest = steps.iter().enumerate().peekable();
    while let Some((number, step)) = rest.next() {
        let step = &step;
        if let Action::Swap(swap) = &step.action {
            let within = std::iter::from_fn(|| rest.next_if(|(_, step)| step.action == Action::Within));
            let within: Vec<Step> = within.map(|(_, step)| step).collect();
            swap::sort(cx, root, stage, step, swap, &within)?;
            continue;
        }
        let (slots, wanted) = match &step.action {
            Action::Place(slot) => (vec![stage.name(*slot), stage.displaced_name(*slot)], step.want.as_ref()),
            Action::Remove | Action::MakeDirectory => (vec![stage.removed_name(number)], None),
            Action::SetMode(_) | Action::RemoveDirectory | Action::GiveWay => continue,
            Action::Swap(_) | Action::Within => continue,
        };
        for slot in slots {
            let stage = stage.directory();
            let failed = |errno| Error::io("look at what was staged for", &step.path, errno);
            let Some(stamp) = stamp_at(&stage, slot.as_bytes()).map_err(failed)? else { continue };
            let entry = entry_at(&stage, slot.as_bytes(), &stamp)?;
            if entry.is_some() && entry.as_ref() == wanted && !is_live(root, step, &stamp)? {
                continue;
            }
            if is_known(entry.as_ref(), step) || is_live(root, step, &stamp)? {
                cx.step("recover.drop-leftover");
                fs::unlinkat(&stage, &slot, AtFlags::empty()).map_err(failed)?;
            } else {
                recovery.keep(cx, stage.as_fd(), slot.as_bytes(), &step.path)?;
                kept.push(step.path.clone());
            }
        }
    }
    Ok(kept)
}

/// Whether the hub has it.
fn is_known(entry: Option<&Entry>, step: &Step) -> bool {
    entry.is_some() && entry == step.have.as_ref() && !step.keep
}

/// Whether the slot is a second name of what is live: a hard link whose other half is still to come, or to go.
fn is_live(root: &Root, step: &Step, slot: &Stamp) -> Result<bool> {
    match root.stamp(&step.path) {
        Ok(live) => Ok(live.is_some_and(|live| (live.device, live.inode) == (slot.device, slot.inode))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::apply::{OnDrift, Places, WorkArea, commit};
    use crate::hash::Digest;
    use crate::tree::Mode;

    fn file(content: &str) -> Option<Entry> {
        Some(Entry::File { mode: Mode::new(0o644), size: content.len() as u64, hash: Digest::of(content.as_bytes()) })
    }

    fn step(path: &str, action: Action, have: Option<Entry>, want: Option<Entry>, keep: bool) -> Step {
        Step { path: RelPath::try_from(path).expect(path), action, have, want, stamp: None, keep }
    }

    /// Recovers `steps` over the live `x` and the slots given; what is live then, and what was kept.
    fn recover(live: Option<&str>, slots: &[(&str, &str)], steps: &[Step]) -> (Option<String>, Vec<String>) {
        let top = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| top.path().join(name);
        std::fs::create_dir(at("live")).expect("mkdir");
        let places = Places { dir: at("live"), state: at("work"), work: WorkArea::Beside(at("work")) };
        let cx = Context::new();
        let stage = Stage::open(&places, "run").expect("stage");
        let write = |path: &Path, content: &str| {
            std::fs::write(path, content).expect("write");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(path, mode).expect("chmod");
        };
        if let Some(live) = live {
            write(&at("live/x"), live);
        }
        for (slot, content) in slots {
            write(&at("work/staging/run").join(slot), content);
        }
        let root = Root::open(&at("live")).expect("root");
        let recovery = Recovery::new(&cx, at("recovery"), "0123456789");
        let steps = &steps.iter().cloned().collect();
        sort_leftovers(&cx, &root, &stage, &recovery, steps).expect("sorts");
        commit(&cx, &root, &stage, &recovery, steps, OnDrift::KeepAside).expect("commits");
        let (mut kept, mut folders) = (Vec::new(), vec![recovery.folder().to_owned()]);
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("entry").path()) {
                match path.is_dir() {
                    true => folders.push(path),
                    false => kept.push(std::fs::read_to_string(path).expect("read")),
                }
            }
        }
        kept.sort();
        (std::fs::read_to_string(at("live/x")).ok(), kept)
    }

    fn all(kept: &[&str]) -> Vec<String> {
        kept.iter().map(|&kept| kept.to_owned()).collect()
    }

    #[test]
    fn what_an_exchange_brought_out_is_not_taken_for_the_staged_content() {
        let place = [step("x", Action::Place(0), file("old"), file("new"), false)];
        assert_eq!(recover(Some("old"), &[("0", "new")], &place), (Some("new".into()), vec![]), "not yet exchanged");
        assert_eq!(recover(Some("new"), &[("0", "old")], &place), (Some("new".into()), vec![]), "exchanged");
        let edited = recover(Some("edit"), &[("0", "old")], &place);
        assert_eq!(edited, (Some("edit".into()), vec![]), "exchanged, then edited: the next plan sees it");
        assert_eq!(recover(None, &[("0", "old")], &place), (None, vec![]), "exchanged, then removed");
        let edited = recover(Some("edit"), &[("0", "new")], &place);
        assert_eq!(edited, (Some("new".into()), all(&["edit"])), "edited before it was exchanged");
    }

    #[test]
    fn what_was_here_alone_is_kept_wherever_the_crash_left_it() {
        let place = [step("x", Action::Place(0), file("own"), file("new"), true)];
        for slots in [[("0", "own")], [("0-was", "own")]] {
            assert_eq!(recover(Some("new"), &slots, &place), (Some("new".into()), all(&["own"])), "{slots:?}");
            assert_eq!(recover(Some("edit"), &slots, &place), (Some("edit".into()), all(&["own"])), "{slots:?}");
        }
        let mode = Mode::new(0o755);
        let make = [step("x", Action::MakeDirectory, file("own"), Some(Entry::Directory { mode }), true)];
        assert_eq!(recover(None, &[("gone-0", "own")], &make), (None, all(&["own"])));
        let removed = [step("x", Action::Remove, file("own"), None, true)];
        assert_eq!(recover(None, &[("gone-0", "own")], &removed), (None, all(&["own"])));
        let beneath = [step("gone/x", Action::Remove, file("own"), None, true)];
        assert_eq!(recover(None, &[("gone-0", "own")], &beneath), (None, all(&["own"])), "its directory is gone");
    }
}
