use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use depsync_engine::channel::Announcement;
use depsync_engine::hash::Digest;
use depsync_engine::name::Revision;
use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Daemon, Post, wait_until};
use depsync_tests::snapshot::write_tree;
use depsync_tests::sshd::free_port;

use super::{hub, wait_for_equality};

/// A file with a token.
pub(crate) fn token(site: &Site) -> String {
    let path = site.path().join("token");
    fs::write(&path, "the-token-of-the-tests\n").expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

/// Nobody asks the hub by himself for an hour: what arrives was heard of.
#[test]
fn what_is_announced_arrives_at_once() {
    let site = Site::new();
    let (hub, token, port) = (hub(&site), token(&site), free_port());
    let dirs = ["m", "w1", "w2", "w3"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one")]);
    let (serve, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let boss =
        Post::new(&dirs[0], &hub, &["--role", "manager", "--period", "1h", "--serve", &serve, "--token-file", &token]);
    let listens = ["--period", "1h", "--listen", &url, "--token-file", &token];
    let workers: Vec<Post> = dirs[1..].iter().map(|dir| Post::new(dir, &hub, &listens)).collect();
    let (daemon, started) = all_hear(&site, &dirs, &boss, &workers);
    // So do all when the server comes back.
    daemon.kill();
    write_tree(&dirs[0], &[("c", "while the server was away")]);
    let daemon = boss.start();
    wait_for_equality(&dirs);
    daemon.stop();
    started.into_iter().for_each(|worker| drop(worker.stop()));
}

/// Starts everybody, and changes what is to arrive, with one of the workers away in between.
pub(super) fn all_hear(site: &Site, dirs: &[PathBuf], boss: &Post, workers: &[Post]) -> (Daemon, Vec<Daemon>) {
    let daemon = boss.start();
    wait_until("the hub is there", || site.hub().join("FORMAT").exists());
    let mut started: Vec<Daemon> = workers.iter().map(Post::start).collect();
    wait_for_equality(dirs);
    for round in 0..10 {
        write_tree(&dirs[0], &[("a", &*format!("round {round}"))]);
        wait_for_equality(dirs);
    }
    // Who was away looks when he comes back.
    started.remove(0).kill();
    write_tree(&dirs[0], &[("b", "while one was away")]);
    started.push(workers[0].start());
    wait_for_equality(dirs);
    (daemon, started)
}

/// A server of ours that announces whatever it likes.
#[test]
fn a_lost_a_doubled_an_old_and_a_forged_announcement_change_nothing_but_the_time() {
    let site = Site::new();
    let hub = hub(&site);
    write_tree(&site.dir("m"), &[("a", "one")]);
    site.publish("m").expect("publishes");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut worker = Post::new(&site.dir("w"), &hub, &["--period", "1500ms", "--listen", &url]).start();
    let mut stream = listener.accept().expect("the worker listens").0;
    let _ = stream.read(&mut [0; 4096]);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").expect("writes");
    let mut say = |one: &Announcement| {
        stream.write_all(format!("data: {}\n\n", one.to_text().expect("text")).as_bytes()).expect("writes");
    };
    let known = || site.node("m").announcement().expect("reads").expect("a revision");
    let reads = |wanted: &str| fs::read_to_string(site.dir("w").join("a")).is_ok_and(|text| text == wanted);
    wait_until("the first is there", || reads("one"));
    let old = known();
    let publish = |text: &str| {
        write_tree(&site.dir("m"), &[("a", text)]);
        site.publish("m").expect("publishes");
        known()
    };
    let took = |wanted: &str| {
        let begun = Instant::now();
        wait_until(wanted, || reads(wanted));
        begun.elapsed()
    };
    // An honest one, twice.
    let two = publish("two");
    say(&two);
    say(&two);
    took("two");
    // A lost one: the period finds it.
    publish("three");
    took("three");
    // Old ones, and one of another order.
    let four = publish("four");
    say(&old);
    say(&four);
    say(&two);
    took("four");
    // Forged ones: of a revision that is not there, of another hash, of another deployment and of another hub.
    let forged = |number: u64| Revision { number, record: Digest::of(b"forged") };
    let root = Digest::of(b"forged");
    for number in [1, 4, 5, 1_000_000, u64::from(u32::MAX)] {
        say(&Announcement::new(four.hub, four.deployment.clone(), forged(number), root));
    }
    say(&Announcement::new(four.hub, "other".parse().expect("a name"), forged(9), root));
    let stranger = serde_json::from_str("\"000102030405060708090a0b0c0d0e0f\"").expect("an id");
    say(&Announcement::new(stranger, four.deployment.clone(), forged(9), root));
    std::thread::sleep(Duration::from_millis(200));
    assert!(reads("four"));
    // True ones are heard behind them.
    let five = publish("five");
    say(&five);
    took("five");
    // It is told a moment after it is there.
    worker.wait_for("the fifth revision", |event| event["event"] == "updated" && event["to"] == 5);
    let told = worker.stop();
    let updates: Vec<_> = told.iter().filter(|event| event["event"] == "updated").collect();
    assert_eq!(updates.len(), 5, "{updates:?}");
    assert!(told.iter().all(|event| event["event"] != "failed"), "{told:?}");
}
