use depsync_tests::daemon::wait_until;
use depsync_tests::sshd::free_port;

use crate::town::Town;

#[test]
fn one_process_keeps_all_tenants_in_step() {
    let town = Town::new("");
    for tenant in ["1", "2", "3"] {
        town.write("m", tenant, &[("conf/a.xml", tenant), ("webapps/x.txt", "x")]);
    }
    let mut manager = town.daemon("m", &[]);
    manager.wait_for_event("ready");
    let mut worker = town.daemon("w", &[]);
    let ready = worker.wait_for_event("ready");
    assert_eq!((&ready["loaded"], &ready["tenants"]), (&3.into(), &3.into()), "{ready}");
    for tenant in ["1", "2", "3"] {
        town.wait_for(tenant);
    }
    // A change of one, a new tenant, and one that loses a file.
    town.write("m", "2", &[("conf/a.xml", "2, changed")]);
    town.wait_for("2");
    town.write("m", "new", &[("a", "a")]);
    town.wait_for("new");
    std::fs::remove_file(town.path("m/3/webapps/x.txt")).expect("removed");
    town.wait_for("3");
    // What somebody changes on the worker is looked at in the next period of checks, or by a command.
    town.write("w", "1", &[("conf/a.xml", "drift")]);
    let healed = town.must("w", "update --tenant 1");
    assert_eq!(healed["changed"], true);
    town.wait_for("1");
    wait_until("the list says so", || town.row("w", "new")["state"] == "current");
    for row in town.must("w", "tenants")["tenants"].as_array().expect("a list") {
        assert_eq!(row["applied"], row["head"], "{row}");
    }
    let told = worker.stop();
    assert!(told.iter().any(|event| event["event"] == "updated" && event["deployment"] == "new"), "{told:?}");
    manager.stop();
}

/// The server itself lies elsewhere: what is saved there is as quick as with the others, also when the directory was not there yet or
/// is another one by now.
#[test]
fn the_main_directory_is_watched_too() {
    let town = Town::new("");
    town.configure("m", "hub", "role = 'manager'\n[tenants]\nmain = 'server'\n");
    town.configure("w", "hub", "role = 'worker'\n[tenants]\nmain = 'copy'\n");
    town.write("m", "1", &[("a", "1")]);
    let mut manager = town.daemon("m", &[]);
    manager.wait_for_event("ready");
    let worker = town.daemon("w", &[]);
    let is_there = |name: &str, content: &str| {
        wait_until(&format!("{name} is {content}"), || {
            std::fs::read(town.path("copy").join(name)).is_ok_and(|found| found == content.as_bytes())
        });
    };
    town.write(".", "server", &[("conf/server.xml", "1")]);
    is_there("conf/server.xml", "1");
    town.write(".", "server", &[("conf/server.xml", "2"), ("webapps/new.txt", "new")]);
    is_there("conf/server.xml", "2");
    is_there("webapps/new.txt", "new");
    // Another directory takes its place.
    town.write(".", "next", &[("conf/server.xml", "3"), ("webapps/new.txt", "new")]);
    std::fs::rename(town.path("server"), town.path("gone")).expect("moved");
    std::fs::rename(town.path("next"), town.path("server")).expect("moved");
    is_there("conf/server.xml", "3");
    town.write(".", "server", &[("conf/server.xml", "4")]);
    is_there("conf/server.xml", "4");
    worker.stop();
    manager.stop();
}

#[test]
fn one_that_fails_keeps_no_other_from_its_work() {
    let town = Town::new("");
    for tenant in ["1", "2"] {
        town.write("m", tenant, &[("a", tenant), ("b", "b")]);
    }
    let mut manager = town.daemon("m", &[]);
    manager.wait_for_event("ready");
    let mut worker = town.daemon("w", &[]);
    worker.wait_for_event("ready");
    town.wait_for("1");
    town.wait_for("2");
    // Something stands in the way of the state of one, and its hub's record is gone.
    std::fs::remove_dir_all(town.path("hub/d/1/revisions")).expect("removed");
    std::fs::write(town.path("hub/d/1/HEAD"), "nonsense\n").expect("damaged");
    let heads = std::fs::read_to_string(town.path("hub/HEADS")).expect("there");
    let heads: String = heads
        .lines()
        .map(|line| if line.starts_with("1 ") { line.replacen("1 1 ", "1 9 ", 1) } else { line.to_owned() } + "\n")
        .collect();
    std::fs::write(town.path("hub/HEADS"), heads).expect("written");
    worker.wait_for("the failure of one", |event| event["event"] == "failed" && event["deployment"] == "1");
    town.write("m", "2", &[("a", "2, changed")]);
    town.wait_for("2");
    wait_until("the list says so", || town.row("w", "1")["state"] == "failed");
    assert!(town.row("w", "1")["problem"].as_str().is_some_and(|problem| !problem.is_empty()));
    worker.stop();
    manager.stop();
}

#[test]
fn an_announcement_is_heard_at_once_for_any_tenant() {
    let town = Town::new("");
    town.bench.write("token", "a-token-that-is-long-enough-for-this\n");
    std::fs::set_permissions(town.path("token"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("mode");
    let port = free_port();
    for tenant in ["1", "2"] {
        town.write("m", tenant, &[("a", tenant)]);
    }
    let token = town.path("token").display().to_string();
    let (serve, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let mut manager = town.daemon("m", &["--serve", &serve, "--token-file", &token]);
    manager.wait_for_event("ready");
    let mut worker = town.daemon("w", &["--period", "1h", "--listen", &url, "--token-file", &token]);
    worker.wait_for_event("ready");
    town.wait_for("1");
    for round in 0..5 {
        for tenant in ["1", "2"] {
            town.write("m", tenant, &[("a", &format!("{tenant}, {round}"))]);
            town.wait_for(tenant);
        }
    }
    worker.stop();
    manager.stop();
}

#[test]
fn a_hub_that_is_away_is_told_and_comes_back() {
    let town = Town::new("");
    town.write("m", "1", &[("a", "1")]);
    town.must("m", "publish --tenant 1");
    let mut worker = town.daemon("w", &[]);
    worker.wait_for_event("ready");
    town.wait_for("1");
    std::fs::rename(town.path("hub"), town.path("away")).expect("renamed");
    std::fs::create_dir(town.path("hub")).expect("a mount point without its mount");
    let deaf = worker.wait_for_event("deaf");
    assert_eq!(deaf["error"]["kind"], "not-found", "{deaf}");
    assert!(town.path("w/1/a").exists(), "a missing hub removes nothing");
    std::fs::remove_dir(town.path("hub")).expect("removed");
    std::fs::rename(town.path("away"), town.path("hub")).expect("back");
    worker.wait_for_event("hears");
    town.write("m", "1", &[("a", "1, changed")]);
    town.must("m", "publish --tenant 1");
    town.wait_for("1");
    worker.stop();
}

#[test]
fn an_empty_hub_gets_nothing_unless_that_is_said() {
    let town = Town::new("");
    town.write("m", "1", &[("a", "shipped")]);
    let mut manager = town.post("m", &[]).unseeded().start();
    let deaf = manager.wait_for_event("deaf");
    assert!(deaf["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--seed")), "{deaf}");
    assert!(!town.path("hub").exists());
    manager.stop();
    // A hub, but nothing in it.
    town.must("m", "init --tenant 1");
    let mut manager = town.post("m", &[]).unseeded().start();
    let deaf = manager.wait_for_event("deaf");
    assert!(deaf["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--seed")), "{deaf}");
    manager.stop();
    let mut manager = town.daemon("m", &[]);
    wait_until("it is published", || town.path("hub/d/1/HEAD").exists());
    manager.wait_for_event("ready");
    manager.stop();
    // Once there is something, a new tenant needs no word.
    let manager = town.post("m", &[]).unseeded().start();
    town.write("m", "2", &[("a", "a")]);
    wait_until("it is published", || town.path("hub/d/2/HEAD").exists());
    manager.stop();
}
