//! Servers that are down, cut, silent or elsewhere, and what must not be seen of a password meanwhile.

use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::error::ErrorKind;
use depsync_tests::sshd::{Relay, Way};
use depsync_tests::svn::{Apache, Certificate, READER, Svnserve, WRITER};

use crate::{address, client, made, patient, settings, trusting};

#[test]
fn a_server_that_is_down_is_unreachable() {
    let repository = made();
    let (svnserve, apache) = (Svnserve::start(&repository), Apache::start(&repository));
    svnserve.stop();
    apache.stop();
    for url in [svnserve.url(), apache.url(), "svn://no.such.host.invalid/r".to_owned()] {
        let error = client(&url, settings(READER)).info(&patient(), None, None).expect_err("down");
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        assert!(error.to_string().contains(&address(&url)), "{error}");
    }
}

#[test]
fn a_connection_that_is_cut_is_unreachable() {
    let repository = made();
    let certificate = Certificate::ours();
    let tls = trusting(settings(READER), &certificate);
    let (svnserve, apache) = (Svnserve::start(&repository), Apache::start(&repository));
    let secure = Apache::start_secure(&repository, certificate);
    let relays = [svnserve.port(), apache.port(), secure.port()].map(Relay::to);
    let ways = [
        (svnserve.url_at(relays[0].port()), settings(READER)),
        (apache.url_at(relays[1].port()), settings(READER)),
        (secure.url_at(relays[2].port()), tls),
    ];
    for (relay, (url, settings)) in relays.iter().zip(ways) {
        let client = client(&url, settings);
        client.info(&patient(), None, None).expect("it is there");
        // So that whoever tries again by himself finds nobody either.
        relay.cut_after(Way::Down, 60);
        relay.refuse();
        let error = client.info(&patient(), None, None).expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
        relay.go_on();
        client.info(&patient(), None, None).expect("it is there again");
    }
}

#[test]
fn a_server_that_hangs_is_left_at_the_deadline_and_no_child_stays() {
    let repository = made();
    let (svnserve, apache) = (Svnserve::start(&repository), Apache::start(&repository));
    for (port, url_at) in [
        (svnserve.port(), &(|port| svnserve.url_at(port)) as &dyn Fn(u16) -> String),
        (apache.port(), &|port| apache.url_at(port)),
    ] {
        let relay = Relay::to(port);
        relay.stall(Way::Down);
        let client = client(&url_at(relay.port()), settings(READER));
        let cx = Context::new().with_deadline(Instant::now() + Duration::from_secs(2));
        let error = client.info(&cx, None, None).expect_err("hangs");
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
        assert_eq!(processes_that_say(&format!(":{}/", relay.port())), [""; 0]);
    }
}

#[test]
fn who_is_cancelled_leaves_no_child() {
    let repository = made();
    let server = Svnserve::start(&repository);
    let relay = Relay::to(server.port());
    relay.stall(Way::Down);
    let client = client(&server.url_at(relay.port()), settings(READER));
    let cx = patient();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| client.info(&cx, None, None).expect_err("cancelled").kind());
        wait(|| relay.connections() > 0);
        cx.cancel().cancel();
        assert_eq!(asked.join().expect("it ends"), ErrorKind::Cancelled);
    });
    assert_eq!(processes_that_say(&format!(":{}/", relay.port())), [""; 0]);
    assert_eq!(client.info(&cx, None, None).expect_err("cancelled before").kind(), ErrorKind::Cancelled);
}

#[test]
fn the_password_is_in_no_command_line_and_in_no_word() {
    let repository = made();
    let server = Svnserve::start(&repository);
    let relay = Relay::to(server.port());
    relay.stall(Way::Down);
    let client = client(&server.url_at(relay.port()), settings(READER));
    let said = std::thread::scope(|scope| {
        let cx = Context::new().with_deadline(Instant::now() + Duration::from_secs(3));
        let asked = scope.spawn(move || client.info(&cx, None, None).map_err(|error| format!("{error:?} {client:?}")));
        let mine = format!(":{}/", relay.port());
        wait(|| !processes_that_say(&mine).is_empty());
        let seen = processes_that_say(&mine).concat();
        assert!(seen.contains("--password-from-stdin") && seen.contains("reader"), "{seen}");
        assert!(!seen.contains(READER.password) && !seen.contains("reads:"), "{seen}");
        asked.join().expect("it ends").expect_err("it hangs")
    });
    assert!(!said.contains("reads:"), "{said}");
    let wrong = crate::client(&server.url(), settings(WRITER.mistyped()));
    let error = wrong.info(&patient(), None, None).expect_err("wrong");
    // That is the password.
    assert!(!format!("{error:?} {wrong:?}").contains("wrong"), "{error:?}");
}

/// A web server that sends everybody elsewhere.
fn elsewhere(to: &str) -> (u16, std::thread::JoinHandle<()>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind((depsync_tests::svn::HOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answer = format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let _ = stream.read(&mut [0; 4096]).expect("a request");
        stream.write_all(answer.as_bytes()).expect("an answer");
    });
    (port, server)
}

#[test]
fn a_server_that_sends_us_elsewhere_is_not_believed() {
    let repository = made();
    let server = Apache::start(&repository);
    let (port, sends) = elsewhere(&server.url());
    let client = client(&server.url_at(port), settings(READER));
    let error = client.info(&patient(), None, None).expect_err("another address");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains(&server.url()), "{error}");
    sends.join().expect("it has sent somebody");
}

fn wait(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The command lines of all processes that have this in theirs.
fn processes_that_say(words: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(words)).collect()
}
