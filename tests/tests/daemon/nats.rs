use std::fs;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::nats::NatsServer;
use depsync_tests::snapshot::write_tree;

use super::heard::{all_hear, token};
use super::{hub, wait_for_equality};

/// Nobody asks the hub by himself for an hour: what arrives was heard of. The server is killed in between.
#[test]
fn what_is_announced_over_nats_arrives_at_once() {
    let (site, server) = (Site::new(), NatsServer::start());
    let (hub, token, url) = (hub(&site), token(&site), server.url());
    let dirs = ["m", "w1", "w2", "w3"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one")]);
    let listens = ["--period", "1h", "--listen", &url, "--token-file", &token];
    let boss = Post::new(&dirs[0], &hub, &[&["--role", "manager"], &listens[..]].concat());
    let workers: Vec<Post> = dirs[1..].iter().map(|dir| Post::new(dir, &hub, &listens)).collect();
    let (daemon, started) = all_hear(&site, &dirs, &boss, &workers);
    // So do all when the server comes back.
    server.stop();
    write_tree(&dirs[0], &[("c", "while the server was away")]);
    server.start_again();
    wait_for_equality(&dirs);
    // So does a manager who is started again: he has something to announce.
    daemon.kill();
    write_tree(&dirs[0], &[("d", "while the manager was away")]);
    let daemon = boss.start();
    wait_for_equality(&dirs);
    daemon.stop();
    started.into_iter().for_each(|worker| drop(worker.stop()));
}

/// Whoever is not let in works without a channel, says so once, and says nothing of what he knows.
#[test]
fn who_is_not_let_in_says_so_once() {
    let (site, server) = (Site::new(), NatsServer::start());
    let (hub, url) = (hub(&site), server.url());
    let token = token(&site);
    fs::write(&token, "another-token-of-them\n").expect("a file");
    write_tree(&site.dir("m"), &[("a", "one")]);
    site.publish("m").expect("publishes");
    let args = ["--period", "300ms", "--listen", &url, "--token-file", &token];
    let worker = Post::new(&site.dir("w"), &hub, &args).variable("DEPSYNC_LOG", "trace").start();
    server.wait_for(|server| server.refused() >= 4, "he is refused, again and again");
    wait_until("it is there", || fs::read_to_string(site.dir("w").join("a")).is_ok_and(|text| text == "one"));
    // What is logged behind the fourth refusal is not waited for: it would be one more of these.
    let said = worker.everything();
    let warned: Vec<&str> = said.lines().filter(|line| line.contains(" WARN ") || line.contains("ERROR")).collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].contains("does not let this node in") && warned[0].contains(&url), "{warned:?}");
    assert!(!said.contains("another-token"), "{said}");
    worker.stop();
}
