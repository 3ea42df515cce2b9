use std::fs;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::wait_until;
use depsync_tests::dice::Dice;
use depsync_tests::snapshot::{Item, snapshot, write_tree};

use super::{hub, manager, wait_for_equality, worker};

#[test]
fn what_a_manager_changes_arrives_everywhere() {
    let site = Site::new();
    let dirs = ["m", "w1", "w2"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one"), ("conf/b", "two")]);
    let mut boss = manager(&dirs[0], &hub(&site)).start();
    let workers = [1, 2].map(|index: usize| worker(&dirs[index], &hub(&site)).start());
    let watching = boss.wait_for_event("watching");
    assert_eq!(watching["directories"], 2);
    wait_for_equality(&dirs);
    // One turn for everything that is done at once, directories that appear among it.
    for number in 0..40 {
        write_tree(&dirs[0], &[(&*format!("new/{}/{number}", number % 5), "content")]);
    }
    fs::rename(dirs[0].join("conf"), dirs[0].join("moved")).expect("rename");
    wait_for_equality(&dirs);
    fs::remove_file(dirs[0].join("a")).expect("remove");
    wait_for_equality(&dirs);
    let told = boss.stop();
    let published: Vec<_> = told.iter().filter(|event| event["event"] == "published").collect();
    // As many as a slow machine needs for what is done at once, and by far not one for each file.
    assert!((2..=20).contains(&published.len()), "{published:?}");
    assert!(published.iter().all(|event| event["changed"] == true), "{published:?}");
    for mut worker in workers {
        // It is told a moment after it is there.
        let last = &published.last().expect("a publish")["revision"];
        worker.wait_for("the last revision", |event| event["event"] == "updated" && event["to"] == *last);
        let told = worker.stop();
        let updates: Vec<_> = told.iter().filter(|event| event["event"] == "updated").collect();
        assert!(updates.iter().all(|event| event["changed"] == true), "{updates:?}");
        // The manager may have been stopped before it told its last.
        assert!(updates.last().expect("an update")["to"].as_u64() >= last.as_u64(), "{updates:?}");
    }
}

/// Whoever has nothing to do reads the head once a period, and writes nothing.
#[test]
fn who_has_nothing_to_do_leaves_everything_alone() {
    let site = Site::new();
    let dirs = ["m", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one")]);
    let daemons = [manager(&dirs[0], &hub(&site)).start(), worker(&dirs[1], &hub(&site)).start()];
    wait_for_equality(&dirs);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let look = || ["", ".m.depsync", ".w.depsync"].map(|name| files(&site.path().join(name)));
    let before = look();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(look(), before, "somebody wrote something");
    for daemon in daemons {
        let told = daemon.stop();
        let deeds = told.iter().filter(|event| event["event"] == "published" || event["event"] == "updated");
        assert_eq!(deeds.count(), 1, "{told:?}");
    }
}

/// Names and contents of what is in a state directory or hub, without the files that SQLite maps.
fn files(top: &std::path::Path) -> Vec<(Vec<u8>, Item)> {
    let of_sqlite = |path: &[u8]| path.ends_with(b"-shm");
    snapshot(top).into_iter().filter(|(path, _)| !of_sqlite(path)).collect()
}

#[test]
fn two_managers_publish_what_differs_and_stop_at_a_conflict() {
    let site = Site::new();
    let dirs = ["m1", "m2", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("both", "0"), ("one", "0"), ("two", "0")]);
    let mut first = manager(&dirs[0], &hub(&site)).start();
    first.wait_for_event("published");
    fs::create_dir(&dirs[1]).expect("mkdir");
    let mut second = manager(&dirs[1], &hub(&site)).start();
    let worker = worker(&dirs[2], &hub(&site)).start();
    wait_for_equality(&dirs);
    for round in 1..=8 {
        write_tree(&dirs[0], &[("one", &*format!("{round}"))]);
        write_tree(&dirs[1], &[("two", &*format!("{round}")), (&*format!("new/{round}"), "x")]);
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    wait_for_equality(&dirs);
    assert_eq!(fs::read_to_string(dirs[2].join("one")).expect("read"), "8");
    // Both change the same file while neither can publish.
    let away = site.path().join("away");
    fs::rename(site.hub(), &away).expect("the hub goes");
    write_tree(&dirs[0], &[("both", "mine")]);
    write_tree(&dirs[1], &[("both", "yours")]);
    first.wait_for_event("failed");
    second.wait_for_event("failed");
    fs::rename(&away, site.hub()).expect("the hub comes back");
    let has_conflict = |event: &serde_json::Value| event["conflicts"].as_array().is_some_and(|list| !list.is_empty());
    wait_until("one of them is told of a conflict", || first.told().iter().chain(&second.told()).any(has_conflict));
    assert_eq!(fs::read_to_string(dirs[0].join("both")).expect("read"), "mine", "nobody's work is overwritten");
    assert_eq!(fs::read_to_string(dirs[1].join("both")).expect("read"), "yours");
    // What has nothing to do with it goes on.
    write_tree(&dirs[0], &[("more", "1")]);
    write_tree(&dirs[1], &[("other", "2")]);
    wait_until("the rest arrives", || dirs.iter().all(|dir| dir.join("more").exists() && dir.join("other").exists()));
    for daemon in [first, second, worker] {
        daemon.stop();
    }
}

/// Daemons that are killed at any time, and started again.
#[test]
fn killed_and_started_again_they_all_arrive() {
    let seed = depsync_tests::dice::seed();
    let mut dice = Dice::new(seed);
    let site = Site::new();
    let dirs = ["m", "w1", "w2"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("keep", "it")]);
    let posts = [manager(&dirs[0], &hub(&site)), worker(&dirs[1], &hub(&site)), worker(&dirs[2], &hub(&site))];
    let mut daemons: Vec<_> = posts.iter().map(|post| Some(post.start())).collect();
    for round in 0..40 {
        let name = format!("{}/{}", dice.below(4), dice.below(6));
        write_tree(&dirs[0], &[(&*name, &*format!("{round} {}", "x".repeat(dice.below(4000))))]);
        let who = dice.below(3);
        if let Some(daemon) = daemons[who].take() {
            daemon.kill();
        }
        std::thread::sleep(std::time::Duration::from_millis(dice.below(60) as u64));
        for (daemon, post) in daemons.iter_mut().zip(&posts) {
            daemon.get_or_insert_with(|| post.start());
        }
        std::thread::sleep(std::time::Duration::from_millis(dice.below(120) as u64));
    }
    wait_for_equality(&dirs);
    assert_eq!(fs::read_to_string(dirs[2].join("keep")).expect("read"), "it");
    for daemon in daemons.into_iter().flatten() {
        daemon.stop();
    }
}
