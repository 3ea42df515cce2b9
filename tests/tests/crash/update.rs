//! `update`, killed.

use depsync_tests::crash::End;

use crate::scene::{Scene, Setting, Size, check_same};

/// Kills the update at every step that is `part` modulo `parts`, and lets the next one recover.
fn at_every_step(setting: Setting, part: usize, parts: usize) {
    let scene = Scene::new(Size::Whole, setting);
    assert!(scene.steps.len() > 60, "{:?}", scene.steps);
    for at in (0..scene.steps.len()).filter(|at| at % parts == part) {
        let site = scene.site.copy();
        let shown = format!("killed at step {at}, {}", scene.steps[at]);
        assert_eq!(scene.run(&site, Some(at)), End::Killed(scene.steps[at].clone()), "{shown}");
        let live = scene.live(&site);
        if scene.before_journal(at) {
            check_same(&live, &scene.old, &shown);
        } else {
            scene.check_whole_entries(&live, &shown);
        }
        scene.finish(&site);
        scene.check_new(&site, &shown);
        scene.check_nothing_lost(&site, &scene.precious);
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
