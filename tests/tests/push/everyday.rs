//! First push, a change, a removal, nothing; what it costs.

use crate::scene::{Scene, node};

#[test]
fn a_first_push_a_change_a_removal_and_nothing() {
    let scene = Scene::new(1);
    scene.write("app/WEB-INF/web.xml", "<web-app/>");
    scene.write("app/it's \"a\" $name", "quotes");
    scene.write("conf/a", "1");
    std::os::unix::fs::symlink("a", scene.source().join("conf/link")).expect("a link");
    let first = scene.must_push("-m one");
    assert_eq!(first["revision"], 1, "{first:#}");
    assert_eq!(scene.on_record(1), Some(1));

    scene.write("conf/a", "2");
    scene.write("conf/b", "new");
    std::fs::remove_dir_all(scene.source().join("app")).expect("removes");
    scene.write("app", "a file now");
    let second = node(&scene.must_push(""), 1);
    assert_eq!((&second["added"], &second["modified"]), (&1.into(), &2.into()), "{second:#}");
    assert_eq!(second["checked"], false, "only what changes is looked at");
    assert_eq!(scene.on_record(1), Some(2));

    let third = scene.must_push("");
    assert_eq!((&third["changed"], &node(&third, 1)["changed"]), (&false.into(), &false.into()));
}
