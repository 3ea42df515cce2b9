use std::fs;
use std::path::PathBuf;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::write_tree;
use depsync_tests::sshd::free_port;
use serde_json::Value;

use super::heard::token;
use super::{hub, wait_for_equality};

/// A configuration for a directory of `deployment`.
fn config(site: &Site, name: &str, deployment: &str, rest: &str) -> PathBuf {
    let path = site.path().join(format!("{name}.toml"));
    let (dir, hub) = (site.dir(name), site.hub());
    let text = format!("dir = {dir:?}\nhub = {hub:?}\ndeployment = '{deployment}'\nnode = '{name}'\n{rest}");
    fs::write(&path, text).expect("a configuration");
    path
}

/// Two deployments with one process on either side, and one channel: each hears of its own, also where both change at once.
#[test]
fn several_deployments_share_a_process_and_a_channel() {
    let site = Site::new();
    let (hub, token, port) = (hub(&site), token(&site), free_port());
    let (serve, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let also = |name: &str| config(&site, name, "blog", "").to_str().expect("UTF-8").to_owned();
    let shops = ["m-shop", "w-shop"].map(|name| site.dir(name));
    let blogs = ["m-blog", "w-blog"].map(|name| site.dir(name));
    write_tree(&shops[0], &[("shop", "one")]);
    write_tree(&blogs[0], &[("blog", "one")]);
    let (blog_of_m, blog_of_w) = (also("m-blog"), also("w-blog"));
    let usual = ["--deployment", "shop", "--period", "1h", "--token-file", &token];
    let boss = [&usual[..], &["--role", "manager", "--serve", &serve, "--also", &blog_of_m]].concat();
    let mut boss = Post::new(&shops[0], &hub, &boss).start();
    boss.wait_for_event("ready");
    wait_until("both are in the hub", || {
        ["shop", "blog"].iter().all(|name| site.hub().join("d").join(name).join("HEAD").exists())
    });
    let worker = [&usual[..], &["--role", "worker", "--listen", &url, "--also", &blog_of_w]].concat();
    let mut worker = Post::new(&shops[1], &hub, &worker).start();
    wait_for_equality(&shops);
    wait_for_equality(&blogs);
    for round in 0..10 {
        let text = format!("round {round}");
        write_tree(&blogs[0], &[("blog", &*text)]);
        write_tree(&shops[0], &[("shop", &*text)]);
        wait_for_equality(&shops);
        wait_for_equality(&blogs);
    }
    for name in ["shop", "blog"] {
        worker.wait_for("the last of it", |event| event["deployment"] == name && event["event"] == "updated");
    }
    let told = worker.stop();
    let stopped: Vec<&Value> =
        told.iter().filter(|event| event["event"] == "stopped").map(|event| &event["deployment"]).collect();
    assert_eq!(stopped.len(), 2, "{stopped:?}");
    boss.stop();
}

#[test]
fn what_is_wrong_with_one_ends_all_with_the_reason() {
    let site = Site::new();
    let hub = hub(&site);
    write_tree(&site.dir("m"), &[("a", "one")]);
    site.publish("m").expect("publishes");
    let wrong = config(&site, "wrong", "main", "[run]\nauto-commit = false\nauto-checkout = false\n");
    let words = ["--period", "1h", "--also", wrong.to_str().expect("UTF-8")];
    let (code, told) = Post::new(&site.dir("w"), &hub, &words).start().wait();
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("nothing to do"), "{told}");
}
