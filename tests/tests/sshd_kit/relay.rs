//! A relay passes everything, and cuts, stalls, refuses and delays what it is told to.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use depsync_tests::sshd::{Client, HOST, Line, Relay, Sshd, Way};

use crate::{echo, run};

/// A server, a relay in front of it, and somebody who comes that way.
fn scene() -> (Sshd, Relay, Client) {
    let server = Sshd::start();
    let relay = Relay::to(server.port());
    let client = Client::of(&server).at(relay.port());
    (server, relay, client)
}

/// Waits until the relay has as many connections.
fn wait_for(relay: &Relay, connections: usize) {
    let begun = Instant::now();
    while relay.connections() != connections {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} connections", relay.connections());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_passes_and_counts() {
    let (server, relay, client) = scene();
    assert_eq!(run(client.ssh("head -c 1000000 /dev/zero")).well().len(), 1_000_000);
    let (up, down) = (relay.passed(Way::Up), relay.passed(Way::Down));
    assert!((1_000_000..1_200_000).contains(&down), "{down} bytes came down");
    assert!((1_000..50_000).contains(&up), "{up} bytes went up");
    wait_for(&relay, 0);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn it_cuts_behind_a_number_of_bytes() {
    let (server, relay, client) = scene();
    let place = tempfile::tempdir().expect("tempdir");
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::write(&from, vec![7; 2 << 20]).expect("write");
    for way in [Way::Up, Way::Down] {
        let before = relay.passed(way);
        relay.cut_after(way, 300_000);
        let mut rsync = client.rsync();
        match way {
            Way::Up => rsync.arg("--whole-file").arg(&from).arg(client.remote(&to)),
            Way::Down => rsync.arg("--whole-file").arg(client.remote(&from)).arg(&to),
        };
        let said = run(rsync);
        assert!(said.code.is_some_and(|code| code != 0), "{way:?}: {}", said.err);
        assert_eq!(relay.passed(way), before + 300_000, "{way:?}");
        assert!(!to.exists(), "{way:?}");
        wait_for(&relay, 0);
    }
    run(client.ssh("true")).well();
    server.wait_for(|server| server.sessions() == 0, "the sessions see that they are cut");
}

#[test]
fn a_cut_takes_all_connections() {
    let (_server, relay, client) = scene();
    let held = [echo(&client), echo(&client)];
    assert_eq!(relay.connections(), 2);
    relay.cut();
    for mut held in held {
        assert_eq!(held.hear(), "");
        assert_eq!(held.end(), Some(255));
    }
    let held = echo(&client);
    relay.cut_after(Way::Down, 0);
    assert_eq!(held.end(), Some(255));
    run(client.ssh("true")).well();
}

#[test]
fn a_stall_passes_nothing_and_breaks_nothing() {
    let (server, relay, client) = scene();
    let mut held = echo(&client);
    for way in [Way::Up, Way::Down] {
        relay.stall(way);
        let before = relay.passed(way);
        held.say("late");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(relay.passed(way), before, "{way:?}");
        assert!(held.is_running(), "{way:?}");
        assert_eq!((relay.connections(), server.sessions()), (1, 1), "{way:?}");
        relay.go_on();
        assert_eq!(held.hear(), "late");
    }
    assert_eq!(held.end(), Some(0));
}

#[test]
fn it_refuses_and_takes_again() {
    let (_server, relay, client) = scene();
    let mut held = echo(&client);
    relay.refuse();
    run(client.ssh("true")).failed(255, "Connection refused");
    held.say("still here");
    assert_eq!(held.hear(), "still here");
    relay.go_on();
    run(client.ssh("true")).well();
    assert_eq!(held.end(), Some(0));
}

#[test]
fn a_delay_is_added_to_each_round_trip() {
    let (_server, relay, client) = scene();
    let mut held = echo(&client);
    relay.delay(Way::Up, Duration::from_millis(300));
    relay.delay(Way::Down, Duration::from_millis(200));
    let begun = Instant::now();
    held.say("there and back");
    assert_eq!(held.hear(), "there and back");
    assert!(begun.elapsed() >= Duration::from_millis(500), "it took {:?}", begun.elapsed());
    relay.go_on();
    assert_eq!(held.end(), Some(0));
}

#[test]
fn a_line_has_its_round_trip_its_bandwidth_and_its_losses() {
    let (_server, relay, client) = scene();
    let line = Line { rtt: Duration::from_millis(100), bandwidth: None, loss: 0.0, seed: 1 };
    let time = |line: Line, bytes: u32| {
        relay.lay(line);
        let begun = Instant::now();
        let said = run(client.ssh(&format!("head -c {bytes} /dev/zero")));
        assert_eq!(said.well().len(), bytes as usize);
        begun.elapsed()
    };
    // The handshake of TCP, versions, keys, the account, the command: each there and back.
    let far = time(line, 1);
    assert!(far >= Duration::from_millis(500), "it took {far:?}");
    // 500,000 bytes at 4 Mbit/s take a second.
    let narrow = time(Line { bandwidth: Some(4e6), ..line }, 500_000);
    assert!(narrow >= Duration::from_millis(1500), "it took {narrow:?}");
    // One packet in fifty is lost: no more than some 0.9 Mbit/s go through, and each is waited for.
    let bad = time(Line { loss: 0.02, ..line }, 300_000);
    assert!(bad >= Duration::from_millis(2400), "it took {bad:?}");
    relay.go_on();
    run(client.ssh("true")).well();
}

#[test]
fn it_shows_that_the_server_is_gone() {
    let (server, relay, client) = scene();
    server.stop();
    run(client.ssh("true")).failed(255, "onnection");
    server.start_again();
    run(client.ssh("true")).well();
    let held = echo(&client);
    let port = relay.port();
    drop(relay);
    assert_eq!(held.end(), Some(255));
    assert!(TcpStream::connect((HOST, port)).is_err(), "the port is free");
}
