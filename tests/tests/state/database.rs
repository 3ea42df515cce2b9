//! The revision database is damaged.

use std::path::Path;

use depsync_tests::node::noise;

use super::{PUBLISH, Scene, UPDATE, UPDATE_M, set_aside, without_log};

const PAGE: usize = 4096;

/// Damages `database` in one way.
fn damage(how: &str, database: &Path) {
    without_log(database);
    let mut bytes = std::fs::read(database).expect("a database");
    match how {
        "cut off" => bytes.truncate(2 * PAGE),
        "garbage" => bytes = noise(1, 5 * PAGE),
        "without its first page" => bytes[..PAGE].copy_from_slice(&noise(2, PAGE)),
        "garbage in its pages" => {
            let length = bytes.len();
            bytes[PAGE..].copy_from_slice(&noise(3, length - PAGE));
        }
        other => unreachable!("{other}"),
    }
    std::fs::write(database, bytes).expect("write");
}

#[test]
fn a_damaged_database_is_refused_and_a_new_one_adopts() {
    let mut scene = Scene::new();
    for how in ["cut off", "garbage", "without its first page", "garbage in its pages"] {
        scene.note(&format!("both databases are {how}"));
        for node in ["m", "w"] {
            damage(how, &scene.path(&format!(".{node}.depsync/state.db")));
        }
        let before = (scene.tree("m"), scene.tree("w"), scene.hub());
        scene.say(PUBLISH, 6);
        scene.say(UPDATE, 6);
        scene.say("status w hub", 6);
        assert!((scene.tree("m"), scene.tree("w"), scene.hub()) == before, "{how}: nothing was changed");
        scene.note("as the advice says");
        for node in ["m", "w"] {
            set_aside(&scene, node);
        }
        scene.say(UPDATE_M, 0);
        scene.say(PUBLISH, 0);
        scene.say(UPDATE, 0);
        assert!((scene.tree("m"), scene.tree("w")) == (before.0, before.1), "{how}: nothing was changed");
    }
    scene.golden("state_database");
}

#[test]
fn an_empty_database_is_none() {
    let mut scene = Scene::new();
    for node in ["m", "w"] {
        let database = scene.path(&format!(".{node}.depsync/state.db"));
        without_log(&database);
        std::fs::write(database, b"").expect("write");
    }
    scene.write("m/own.txt", "own\n");
    scene.note("both databases are empty files: as if the state was gone");
    scene.say(PUBLISH, 3);
    scene.say(UPDATE_M, 0);
    scene.say(PUBLISH, 0);
    scene.say(UPDATE, 0);
    assert!(scene.tree("w") == scene.tree("m"));
    scene.golden("state_empty");
}
