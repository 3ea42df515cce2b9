//! `update`, killed.

use depsync_tests::cluster::Site;
use depsync_tests::crash::End;
use depsync_tests::snapshot::{Item, Snapshot, check_same};

use crate::scene::{Scene, Setting, Size, contents_of};

const INSIDE: Setting = Setting { inside: true, poor: false, unit: false };
const POOR: Setting = Setting { inside: false, poor: true, unit: false };
const POOR_INSIDE: Setting = Setting { inside: true, poor: true, unit: false };
const UNIT: Setting = Setting { inside: false, poor: false, unit: true };

/// Kills the update of `scene` before step `at`, and checks what the directory shows.
fn kill(scene: &Scene, at: usize) -> (Site, String) {
    let site = scene.site.copy();
    let shown = format!("killed at step {at}, {}", scene.steps[at]);
    assert_eq!(scene.run(&site, Some(at)), End::Killed(scene.steps[at].clone()), "{shown}");
    let live = scene.live(&site);
    if scene.before_journal(at) {
        check_same(&live, &scene.old, &shown);
    } else {
        scene.check_whole_entries(&live, &shown);
    }
    (site, shown)
}

/// Kills the update at every step that is `part` modulo `parts`, and lets the next one recover.
fn at_every_step(size: Size, setting: Setting, part: usize, parts: usize) {
    let scene = Scene::new(size, setting);
    assert!(scene.steps.len() > 40, "{:?}", scene.steps);
    for at in (0..scene.steps.len()).filter(|at| at % parts == part) {
        let (site, shown) = kill(&scene, at);
        scene.finish_here(&site);
        scene.check_new(&site, &shown);
        scene.check_nothing_lost(&site, &scene.precious, &shown);
    }
}

#[test]
fn killed_at_every_step_1_of_2() {
    at_every_step(Size::Whole, Setting::default(), 0, 2);
}

#[test]
fn killed_at_every_step_2_of_2() {
    at_every_step(Size::Whole, Setting::default(), 1, 2);
}

#[test]
fn killed_at_every_step_below_webapps() {
    at_every_step(Size::Small, INSIDE, 0, 1);
}

#[test]
fn killed_at_every_step_on_a_poor_file_system() {
    at_every_step(Size::Small, POOR, 0, 1);
}

#[test]
fn killed_at_every_step_below_webapps_on_a_poor_file_system() {
    at_every_step(Size::Whole, POOR_INSIDE, 0, 1);
}

#[test]
fn killed_at_every_step_of_a_unit() {
    at_every_step(Size::Whole, UNIT, 0, 1);
}

/// How somebody changes what an interrupted update has left.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// Writes into the file that is there.
    Overwrite,
    /// Renames another file into its place.
    Replace,
    /// Removes it.
    Remove,
    /// Puts a directory with a file in its place, or a file in place of a directory.
    Swap,
}

/// Edits every path that is live now; gives the contents that must not be lost.
fn edit(scene: &Scene, site: &Site, edit: Edit) -> Vec<Vec<u8>> {
    let dir = site.dir(scene.node);
    let live = scene.live(site);
    let mut edits = Vec::new();
    let mut swapped: Vec<Vec<u8>> = Vec::new();
    for (path, item) in &live {
        if swapped.iter().any(|above| path.starts_with(&[above.as_slice(), b"/"].concat())) {
            continue;
        }
        let at = dir.join(String::from_utf8(path.clone()).expect("the scene's names are text"));
        let content = format!("only here: {edit:?} of {}", String::from_utf8_lossy(path)).into_bytes();
        match (edit, item) {
            (Edit::Overwrite, Item::File(..)) => std::fs::write(&at, &content).expect("overwrite"),
            (Edit::Replace, Item::File(..) | Item::Link(_)) => {
                let other = site.path().join("other");
                std::fs::write(&other, &content).expect("write");
                std::fs::rename(&other, &at).expect("replace");
            }
            (Edit::Remove, Item::File(_, removed) | Item::Link(removed)) => {
                // What somebody removes on purpose is not ours to keep.
                if !scene.precious.contains(removed) {
                    std::fs::remove_file(&at).expect("remove");
                }
                continue;
            }
            (Edit::Swap, Item::File(_, gone) | Item::Link(gone)) if !scene.precious.contains(gone) => {
                std::fs::remove_file(&at).expect("remove");
                std::fs::create_dir(&at).expect("a directory");
                std::fs::write(at.join("inner"), &content).expect("write");
            }
            (Edit::Swap, Item::Directory(_)) if !holds_precious(scene, &live, path) => {
                std::fs::remove_dir_all(&at).expect("remove");
                std::fs::write(&at, &content).expect("a file");
                swapped.push(path.clone());
            }
            _ => continue,
        }
        edits.push(content);
    }
    edits
}

fn holds_precious(scene: &Scene, live: &Snapshot, directory: &[u8]) -> bool {
    let beneath = [directory, b"/"].concat();
    let inside: Snapshot = live
        .iter()
        .filter(|(path, _)| path.starts_with(&beneath))
        .map(|(path, item)| (path.clone(), item.clone()))
        .collect();
    contents_of(&inside).iter().any(|content| scene.precious.contains(content))
}

/// Everything is edited between the crash and the next update, which brings what is wanted and loses nothing.
fn edited_after_every_step(size: Size, setting: Setting, how: Edit) {
    let scene = Scene::new(size, setting);
    // Before the journal there is nothing to recover, and an edit is ordinary drift.
    let journal = scene.steps.iter().position(|step| step == "update.journal").expect("a journal is written");
    for at in journal..scene.steps.len() {
        let (site, shown) = kill(&scene, at);
        let live = contents_of(&scene.live(&site));
        let edits = edit(&scene, &site, how);
        let shown = format!("{how:?} after {shown}");
        scene.finish_here(&site);
        let mut precious = scene.precious.clone();
        if matches!(how, Edit::Overwrite | Edit::Replace) {
            // Somebody overwrote what was live; what was out of the way already is still there.
            precious.retain(|content| !live.contains(content));
        }
        precious.extend(edits);
        scene.check_nothing_lost(&site, &precious, &shown);
        check_tracked(&scene, &site, &shown);
    }
}

/// What the manager published is there, as far as nothing that depsync must not touch stands in the way.
fn check_tracked(scene: &Scene, site: &Site, shown: &str) {
    let live = scene.live(site);
    for (path, item) in scene.wanted.iter() {
        assert!(live.get(path) == Some(item), "{shown}: {} is {:?}", String::from_utf8_lossy(path), live.get(path));
    }
    let again = site.update(scene.node).expect("updates");
    assert!(!again.changed && !again.recovered, "{shown}: {again:?}");
}

#[test]
fn overwritten_after_every_step() {
    edited_after_every_step(Size::Small, Setting::default(), Edit::Overwrite);
}

#[test]
fn replaced_after_every_step() {
    edited_after_every_step(Size::Whole, Setting::default(), Edit::Replace);
}

#[test]
fn removed_after_every_step() {
    edited_after_every_step(Size::Small, Setting::default(), Edit::Remove);
}

#[test]
fn swapped_after_every_step() {
    edited_after_every_step(Size::Small, Setting::default(), Edit::Swap);
}

#[test]
fn overwritten_after_every_step_on_a_poor_file_system() {
    edited_after_every_step(Size::Small, POOR, Edit::Overwrite);
}

#[test]
fn replaced_after_every_step_on_a_poor_file_system() {
    edited_after_every_step(Size::Whole, POOR, Edit::Replace);
}

#[test]
fn replaced_after_every_step_below_webapps_on_a_poor_file_system() {
    edited_after_every_step(Size::Small, POOR_INSIDE, Edit::Replace);
}

#[test]
fn overwritten_after_every_step_of_a_unit() {
    edited_after_every_step(Size::Whole, UNIT, Edit::Overwrite);
}

#[test]
fn replaced_after_every_step_of_a_unit() {
    edited_after_every_step(Size::Whole, UNIT, Edit::Replace);
}

#[test]
fn removed_after_every_step_of_a_unit() {
    edited_after_every_step(Size::Small, UNIT, Edit::Remove);
}

#[test]
fn swapped_after_every_step_of_a_unit() {
    edited_after_every_step(Size::Small, UNIT, Edit::Swap);
}

/// Recovery is interrupted, too: at every step, after every first crash that left a journal.
///
/// The second crash is a copy of the whole site at that step, which is what SIGKILL leaves there.
fn crashed_twice(setting: Setting, part: usize, parts: usize) {
    let scene = Scene::new(Size::Small, setting);
    let mut crashes = 0;
    let firsts = (0..scene.steps.len()).filter(|&first| !scene.before_journal(first));
    for first in firsts.filter(|first| first % parts == part) {
        let (crashed, shown) = kill(&scene, first);
        for (step, site) in scene.copies_at_every_step(&crashed) {
            crashes += 1;
            let shown = format!("{shown}, again at {step}");
            scene.check_whole_entries(&scene.live(&site), &shown);
            scene.finish_here(&site);
            scene.check_new(&site, &shown);
            scene.check_nothing_lost(&site, &scene.precious, &shown);
        }
    }
    assert!(crashes > 50, "{crashes}");
}

#[test]
fn crashed_twice_1_of_2() {
    crashed_twice(Setting::default(), 0, 2);
}

#[test]
fn crashed_twice_2_of_2() {
    crashed_twice(Setting::default(), 1, 2);
}

#[test]
fn crashed_twice_below_webapps_on_a_poor_file_system() {
    crashed_twice(POOR_INSIDE, 0, 3);
}

#[test]
fn crashed_twice_over_a_unit() {
    crashed_twice(UNIT, 0, 3);
}
