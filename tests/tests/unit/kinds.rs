//! A unit comes, goes, becomes something else and comes back: one call each.

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};

use depsync_engine::context::Observer;
use depsync_engine::engine::UpdateOptions;
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{Item, Snapshot, check_same, snapshot, write_tree};

use crate::town::{kept, recovered, release, same, town};

/// Looks at a directory at every step of an update.
struct Onlooker(std::path::PathBuf, Mutex<Vec<Snapshot>>);

impl Observer for Onlooker {
    fn step(&self, _: &'static str) {
        let found = snapshot(&self.0);
        let mut seen = self.1.lock().expect("no panic");
        if seen.last() != Some(&found) {
            seen.push(found);
        }
    }
}

/// Updates the worker; `units` show their old side or their new one at every step, all of it.
fn update_as_one(site: &Site, units: &[&str], at: &str) {
    let (old, new) = (snapshot(&site.dir("w")), snapshot(&site.dir("m")));
    let onlooker = Arc::new(Onlooker(site.dir("w"), Mutex::default()));
    let cx = site.context().with_observer(Arc::clone(&onlooker) as _);
    let done = site.node_under(&cx, "w").expect("opens").update(&cx, &UpdateOptions::default()).expect("updates");
    assert!(done.problems.is_empty(), "{at}: {:?}", done.problems);
    let of = |all: &Snapshot, unit: &str| -> Snapshot {
        let inside = all.iter().filter(|(path, _)| path.starts_with(unit.as_bytes()));
        inside.map(|(path, item)| (path.clone(), item.clone())).collect()
    };
    for unit in units {
        let (old, new) = (of(&old, unit), of(&new, unit));
        for seen in onlooker.1.lock().expect("no panic").iter().map(|seen| of(seen, unit)) {
            if seen != old {
                check_same(&seen, &new, &format!("{at}: {unit}"));
            }
        }
    }
    same(site, at);
}

#[test]
fn it_comes_goes_and_becomes_something_else() {
    let site = town(&[]);
    let (there, here) = (site.dir("m/shop"), site.dir("w/shop"));
    let full = snapshot(&there);
    // So that the guard against mass removals has nothing to say.
    let others: Vec<String> = (0..14).map(|number| format!("other-{number}")).collect();
    release(&site, &others.iter().map(|name| (name.as_str(), "other")).collect::<Vec<_>>());
    site.update("w").expect("updates");
    std::fs::remove_dir_all(&there).expect("remove");
    release(&site, &[]);
    update_as_one(&site, &["shop"], "gone");
    assert!(!here.exists());
    assert_eq!(snapshot(&kept(&site)[0]), full, "it was taken apart");
    let steps: [(&str, &[(&str, &str)]); 6] = [
        ("back", &[("shop/index.jsp", "index 2"), ("shop/WEB-INF/web.xml", "web 2")]),
        ("a file", &[("shop", "a file")]),
        ("a directory again", &[("shop/index.jsp", "index 3"), ("shop/x/y/z", "deep")]),
        ("a link", &[("shop", "->beside.txt")]),
        ("a directory once more", &[("shop/index.jsp", "index 4")]),
        ("empty", &[("shop/", "")]),
    ];
    for (at, tree) in steps {
        if there.is_dir() && !there.is_symlink() {
            std::fs::remove_dir_all(&there).expect("remove");
        } else {
            let _ = std::fs::remove_file(&there);
        }
        release(&site, tree);
        update_as_one(&site, &["shop"], at);
    }
}

#[test]
fn drift_in_the_place_of_a_unit_is_kept_aside() {
    let site = town(&[]);
    let here = site.dir("w/shop");
    std::fs::remove_dir_all(&here).expect("remove");
    std::fs::write(&here, "a file by hand").expect("write");
    update_as_one(&site, &["shop"], "a file in its place");
    assert!(recovered(&site).values().any(|item| matches!(item, Item::File(_, text) if text == b"a file by hand")));
    std::fs::remove_dir_all(&here).expect("remove");
    update_as_one(&site, &["shop"], "removed");
    std::fs::remove_dir_all(here.join("WEB-INF/lib")).expect("remove");
    update_as_one(&site, &["shop"], "removed in it");
}

#[test]
fn units_lie_deep_and_their_directories_come_go_and_give_way() {
    let site = Site::new();
    site.name_unit("tenants/*/apps/*", &[]);
    write_tree(&site.dir("m"), &[("keep/a", "a"), ("keep/b", "b"), ("keep/c", "c"), ("keep/d", "d"), ("keep/e", "e")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    let one = ["tenants/one/apps/shop", "tenants/one/apps/blog"];
    release(
        &site,
        &[
            ("tenants/one/apps/shop/index", "1"),
            ("tenants/one/apps/shop/web", "1"),
            ("tenants/one/apps/blog/index", "1"),
            ("tenants/one/apps/readme.txt", "a file is no unit"),
            ("tenants/two/apps/shop/index", "1"),
        ],
    );
    update_as_one(&site, &one, "come");
    let inode = || site.dir("w").join(one[1]).metadata().expect("metadata").ino();
    let before = inode();
    release(&site, &[("tenants/one/apps/shop/index", "2"), ("tenants/one/apps/shop/web", "2")]);
    update_as_one(&site, &one, "one changes");
    assert_eq!(inode(), before, "the other one is left alone");
    std::fs::remove_dir_all(site.dir("m/tenants/one")).expect("remove");
    release(&site, &[("tenants/one", "a file"), ("tenants/two/apps/shop/index", "2")]);
    update_as_one(&site, &one, "give way");
    std::fs::remove_dir_all(site.dir("m/tenants")).expect("remove");
    release(&site, &[]);
    update_as_one(&site, &["tenants/two/apps/shop"], "go");
}

#[test]
fn a_unit_that_is_left_keeps_the_directory_that_it_is_in() {
    let site = Site::new();
    site.name_unit("apps/*", &[]);
    let keep = [("a", "a"), ("b", "b"), ("c", "c"), ("d", "d"), ("apps/shop/index", "1"), ("apps/blog/index", "1")];
    write_tree(&site.dir("m"), &keep);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    write_tree(&site.dir("w"), &[("apps/shop/cache", "the server's")]);
    std::fs::remove_dir_all(site.dir("m/apps")).expect("remove");
    release(&site, &[("apps", "a file")]);
    let done = site.update("w").expect("updates");
    let paths: Vec<String> = done.problems.iter().filter_map(|one| Some(one.path.as_ref()?.to_string())).collect();
    assert_eq!(paths, ["apps/shop", "apps"], "{:?}", done.problems);
    let left = snapshot(&site.dir("w/apps"));
    let left: Vec<&[u8]> = left.keys().map(Vec::as_slice).collect();
    assert_eq!(left, [&b"shop"[..], b"shop/cache", b"shop/index"]);
    std::fs::remove_file(site.dir("w/apps/shop/cache")).expect("remove");
    update_as_one(&site, &["apps/shop"], "as soon as it can");
    // Where it goes, and is left, it stays with everything above it.
    std::fs::remove_file(site.dir("m/apps")).expect("remove");
    release(&site, &[("apps/shop/index", "1")]);
    update_as_one(&site, &["apps/shop"], "back");
    write_tree(&site.dir("w"), &[("apps/shop/cache", "the server's")]);
    std::fs::remove_dir_all(site.dir("m/apps")).expect("remove");
    release(&site, &[]);
    let done = site.update("w").expect("updates");
    assert_eq!(done.problems.len(), 1, "{:?}", done.problems);
    assert!(site.dir("w/apps/shop/index").exists());
    std::fs::remove_file(site.dir("w/apps/shop/cache")).expect("remove");
    update_as_one(&site, &["apps/shop"], "gone with everything above it");
}
