//! Symbolic links: those that a revision brings, which may point anywhere, and those that somebody plants on the node.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use depsync_tests::forge::{Entry, Pack, Page};

use crate::scene::{MEMORY, Scene, exact_beneath, publish};

const UPDATE: &[&str] = &["update", "live", "hub", "--node", "worker"];

/// A directory by another name.
fn swap_for_link(path: &Path, target: &str) {
    std::fs::rename(path, path.with_extension("moved")).expect("moves");
    symlink(target, path).expect("a link");
}

/// Forges the revision with these entries; files hold their own path.
fn revision(scene: &Scene, entries: &[(&'static str, Entry)]) {
    let mut pack = Pack::default();
    for (path, _) in entries {
        pack.piece(path.as_bytes());
    }
    let entries: Vec<(&[u8], Entry)> = entries.iter().map(|(path, entry)| (path.as_bytes(), entry.clone())).collect();
    let root = pack.page(&Page::leaf(&entries));
    publish(&mut scene.hub(), root, &pack);
}

fn file(path: &'static str) -> (&'static str, Entry) {
    (path, Entry::file(path.as_bytes()))
}

#[test]
fn a_link_of_a_revision_is_content_and_never_followed() {
    let scene = Scene::new();
    let canary = exact_beneath(&scene.path("canary"));
    let check = |what: &str| {
        scene.ask(what, UPDATE, &[0], MEMORY);
        scene.ask(what, &["verify", "live", "hub"], &[0], MEMORY);
        assert_eq!(exact_beneath(&scene.path("canary")), canary, "{what}");
    };
    // A directory becomes a link that leads out, to where the same names are.
    revision(&scene, &[("app", Entry::link("../canary")), file("conf")]);
    check("a directory becomes a link");
    assert!(scene.path("live/app").is_symlink());
    // Then a directory again, with files under the names that the link leads to.
    let directory = Entry::directory;
    revision(
        &scene,
        &[("app", directory()), ("app/lib", directory()), file("app/lib/a.txt"), file("app/secret"), file("conf")],
    );
    check("a link becomes a directory");
    assert_eq!(std::fs::read(scene.path("live/app/secret")).expect("a file"), b"app/secret");
    // A file becomes a link to a file, and a file again with other bits.
    revision(&scene, &[("app", directory()), ("app/secret", Entry::link("../../canary/secret")), file("conf")]);
    check("a file becomes a link");
    let locked = Entry::File { mode: 0o600, size: 10, hash: depsync_engine::hash::Digest::of(b"app/secret") };
    revision(&scene, &[("app", directory()), ("app/secret", locked), file("conf")]);
    check("a link becomes a file");
    // Links to nowhere, to themselves, to devices and into /proc.
    let odd = ["/proc/self/fd/1", "/dev/zero", "e", "/", "."].map(Entry::link);
    let names = ["a", "b", "e", "f", "g"];
    revision(&scene, &names.into_iter().zip(odd).chain([file("h")]).collect::<Vec<_>>());
    check("odd links");
    revision(
        &scene,
        &[file("a"), file("b"), file("e"), ("f", directory()), file("f/x"), ("g", directory()), file("h")],
    );
    check("odd links become files and directories");
}

/// What somebody plants in the worker's directory before revision 2 comes.
fn planted(what: &str, plant: impl Fn(&Scene)) {
    for repair in [false, true] {
        let scene = Scene::new();
        let canary = exact_beneath(&scene.path("canary"));
        plant(&scene);
        if repair {
            scene.ask(what, &["verify", "live", "hub", "--repair"], &[0], MEMORY);
        } else {
            let secret = Entry::File { mode: 0o640, size: 4, hash: depsync_engine::hash::Digest::of(b"conf") };
            revision(&scene, &[("app", Entry::directory()), file("app/new"), file("app/web.xml"), ("conf", secret)]);
            scene.ask(what, UPDATE, &[0], MEMORY);
        }
        scene.ask(what, &["verify", "live", "hub"], &[0], MEMORY);
        assert_eq!(exact_beneath(&scene.path("canary")), canary, "{what}, repair: {repair}");
        assert!(!scene.path("live/app").is_symlink() && !scene.path("live/conf").is_symlink());
    }
}

#[test]
fn a_planted_link_is_no_way_out() {
    planted("a directory is a link", |scene| swap_for_link(&scene.path("live/app"), "../canary"));
    planted("a directory is a link to itself", |scene| swap_for_link(&scene.path("live/app"), "app"));
    planted("a file is a link", |scene| swap_for_link(&scene.path("live/conf"), "../canary/secret"));
    planted("a deep directory is a link", |scene| {
        let target = scene.path("canary/lib");
        swap_for_link(&scene.path("live/app/lib"), target.to_str().expect("a path of a test"));
    });
}

#[test]
fn bits_are_not_set_through_a_link() {
    let scene = Scene::new();
    std::fs::set_permissions(scene.path("canary/secret"), std::fs::Permissions::from_mode(0o600)).expect("bits");
    let canary = exact_beneath(&scene.path("canary"));
    // Revision 2 changes nothing but bits, and the file of those bits is a link to the canary by then.
    let bits = |path: &str, mode: u16| {
        let content = std::fs::read(scene.path("live").join(path)).expect("a file");
        Entry::File { mode, size: content.len() as u64, hash: depsync_engine::hash::Digest::of(&content) }
    };
    let entries = [
        ("app", Entry::Directory { mode: 0o777 }),
        ("app/lib", Entry::Directory { mode: 0o777 }),
        ("app/lib/a.txt", bits("app/lib/a.txt", 0o666)),
        ("app/web.xml", bits("app/web.xml", 0o666)),
        ("conf", bits("conf", 0o777)),
    ];
    revision(&scene, &entries);
    swap_for_link(&scene.path("live/conf"), "../canary/secret");
    swap_for_link(&scene.path("live/app/lib"), "../../canary");
    scene.ask("bits", UPDATE, &[0], MEMORY);
    assert_eq!(exact_beneath(&scene.path("canary")), canary);
    assert_eq!(scene.path("live/conf").metadata().expect("a file").permissions().mode() & 0o777, 0o777);
}

#[test]
fn a_link_in_place_of_the_patterns_is_not_read() {
    let scene = Scene::new();
    std::fs::write(scene.path("canary/patterns"), "*\n").expect("a file");
    symlink("../canary/patterns", scene.path("live/.depsyncignore")).expect("a link");
    symlink("../canary/patterns", scene.path("master/.depsyncignore")).expect("a link");
    scene.ask("update", UPDATE, &[0, 3], MEMORY);
    scene.ask("publish", &["publish", "master", "hub"], &[0, 3], MEMORY);
    assert!(scene.path("live/conf").exists());
}

#[test]
fn a_publisher_publishes_a_link_and_not_what_is_behind_it() {
    let scene = Scene::new();
    swap_for_link(&scene.path("master/app"), "../canary");
    symlink("../canary/secret", scene.path("master/secret")).expect("a link");
    scene.ask("publish", &["publish", "master", "hub", "--allow-mass-delete"], &[0], MEMORY);
    scene.ask("update", UPDATE, &[0], MEMORY);
    for (name, target) in [("live/app", "../canary"), ("live/secret", "../canary/secret")] {
        assert_eq!(std::fs::read_link(scene.path(name)).expect("a link"), Path::new(target));
    }
    let hub = depsync_tests::snapshot::snapshot(&scene.path("hub"));
    let leaks = |item: &depsync_tests::snapshot::Item| matches!(item, depsync_tests::snapshot::Item::File(_, bytes) if bytes.windows(9).any(|part| part == b"untouched"));
    assert!(!hub.values().any(leaks), "what is behind the link was published");
}
