//! `update`, killed.

use depsync_tests::cluster::Site;
use depsync_tests::crash::End;
use depsync_tests::snapshot::{Item, Snapshot};

use crate::scene::{Scene, Setting, Size, check_same, contents_of};

const INSIDE: Setting = Setting { inside: true, poor: false };
const POOR: Setting = Setting { inside: false, poor: true };
const POOR_INSIDE: Setting = Setting { inside: true, poor: true };

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
fn at_every_step(setting: Setting, part: usize, parts: usize) {
    let scene = Scene::new(Size::Whole, setting);
    assert!(scene.steps.len() > 60, "{:?}", scene.steps);
    for at in (0..scene.steps.len()).filter(|at| at % parts == part) {
        let (site, shown) = kill(&scene, at);
        scene.finish(&site);
        scene.check_new(&site, &shown);
        scene.check_nothing_lost(&site, &scene.precious, &shown);
    }
}

#[test]
fn killed_at_every_step_1_of_2() {
    at_every_step(Setting::default(), 0, 2);
}

#[test]
fn killed_at_every_step_2_of_2() {
    at_every_step(Setting::default(), 1, 2);
}

#[test]
fn killed_at_every_step_below_webapps() {
    at_every_step(INSIDE, 0, 1);
}

#[test]
fn killed_at_every_step_on_a_poor_file_system() {
    at_every_step(POOR, 0, 1);
}

#[test]
fn killed_at_every_step_below_webapps_on_a_poor_file_system() {
    at_every_step(POOR_INSIDE, 0, 1);
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
fn edited_after_every_step(setting: Setting, how: Edit) {
    let scene = Scene::new(Size::Whole, setting);
    // Before the journal there is nothing to recover, and an edit is ordinary drift.
    let journal = scene.steps.iter().position(|step| step == "update.journal").expect("a journal is written");
    for at in journal..scene.steps.len() {
        let (site, shown) = kill(&scene, at);
        let live = contents_of(&scene.live(&site));
        let edits = edit(&scene, &site, how);
        let shown = format!("{how:?} after {shown}");
        scene.finish(&site);
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
    edited_after_every_step(Setting::default(), Edit::Overwrite);
}

#[test]
fn replaced_after_every_step() {
    edited_after_every_step(Setting::default(), Edit::Replace);
}

#[test]
fn removed_after_every_step() {
    edited_after_every_step(Setting::default(), Edit::Remove);
}

#[test]
fn swapped_after_every_step() {
    edited_after_every_step(Setting::default(), Edit::Swap);
}

#[test]
fn overwritten_after_every_step_on_a_poor_file_system() {
    edited_after_every_step(POOR, Edit::Overwrite);
}

#[test]
fn replaced_after_every_step_on_a_poor_file_system() {
    edited_after_every_step(POOR, Edit::Replace);
}

#[test]
fn replaced_after_every_step_below_webapps_on_a_poor_file_system() {
    edited_after_every_step(POOR_INSIDE, Edit::Replace);
}

/// Recovery is killed, too, at every step of every first crash.
fn killed_twice(setting: Setting, part: usize, parts: usize) {
    let scene = Scene::new(Size::Small, setting);
    let mut deaths = 0;
    for first in (0..scene.steps.len()).filter(|first| first % parts == part) {
        let (crashed, shown) = kill(&scene, first);
        for second in 0.. {
            let site = crashed.copy();
            let end = scene.run(&site, Some(second));
            let shown = format!("{shown}, again at step {second}: {end:?}");
            assert!(!matches!(end, End::Failed(_)), "{shown}");
            scene.check_whole_entries(&scene.live(&site), &shown);
            if let End::Finished(_) = end {
                break;
            }
            deaths += 1;
            scene.finish(&site);
            scene.check_new(&site, &shown);
            scene.check_nothing_lost(&site, &scene.precious, &shown);
        }
    }
    assert!(deaths > scene.steps.len() / parts * 5, "{deaths}");
}

#[test]
fn killed_twice_1_of_3() {
    killed_twice(Setting::default(), 0, 3);
}

#[test]
fn killed_twice_2_of_3() {
    killed_twice(Setting::default(), 1, 3);
}

#[test]
fn killed_twice_3_of_3() {
    killed_twice(Setting::default(), 2, 3);
}

#[test]
fn killed_twice_below_webapps_on_a_poor_file_system() {
    killed_twice(POOR_INSIDE, 1, 3);
}
