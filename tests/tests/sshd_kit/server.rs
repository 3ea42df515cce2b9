//! A server is reached, refuses, is cut, and leaves nothing behind.

use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use depsync_tests::sshd::{Client, HOST, Sshd, program};

use crate::{Held, echo, run, said, scene};

#[test]
fn a_command_runs() {
    let (server, client) = scene();
    assert_eq!(run(client.ssh("echo $((6 * 7)); pwd >&2")).well(), "42\n");
    run(client.ssh("echo no >&2; exit 3")).failed(3, "no");
    assert_eq!(server.accepted(), 2);
    server.wait_for(|server| server.sessions() == 0, "the sessions end");
}

#[test]
fn rsync_copies_there_and_back() {
    let (_server, client) = scene();
    let place = tempfile::tempdir().expect("tempdir");
    let of = |name: &str| place.path().join(name);
    std::fs::create_dir_all(of("from/below")).expect("mkdir");
    std::fs::write(of("from/below/file"), "text").expect("write");
    let from = format!("{}/", of("from").display());
    let mut up = client.rsync();
    up.args(["-a", &from, &client.remote(&of("there"))]);
    run(up).well();
    let mut down = client.rsync();
    down.args(["-a", &client.remote(&of("there/below"))]).arg(place.path());
    run(down).well();
    assert_eq!(std::fs::read_to_string(of("below/file")).expect("read"), "text");
}

#[test]
fn a_key_is_let_in_when_it_is_authorized() {
    let (server, client) = scene();
    let key = server.new_key();
    let stranger = client.with_key(&key);
    run(stranger.ssh("true")).failed(255, "Permission denied");
    assert_eq!(server.accepted(), 0);
    server.authorize(&key, "");
    run(stranger.ssh("true")).well();
    assert_ne!(server.new_key().public(), key.public());
}

#[test]
fn a_host_key_must_be_known_and_the_same() {
    let (server, client) = scene();
    let nobody = tempfile::NamedTempFile::new().expect("a file");
    let stranger = client.clone().knowing(nobody.path());
    run(stranger.ssh("true")).failed(255, "Host key verification failed");
    let before = server.host_key();
    server.change_host_key();
    assert_ne!(server.host_key(), before);
    run(client.ssh("true")).failed(255, "REMOTE HOST IDENTIFICATION HAS CHANGED");
    server.trust();
    run(client.ssh("true")).well();
}

#[test]
fn it_stops_and_starts_again() {
    let (server, client) = scene();
    let mut held = echo(&client);
    server.stop();
    assert_eq!(held.hear(), "");
    assert_eq!(held.end(), Some(255));
    assert_eq!(server.sessions(), 0);
    run(client.ssh("true")).failed(255, "Connection refused");
    server.start_again();
    run(client.ssh("true")).well();
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_cut_ends_all_sessions_and_takes_new_ones() {
    let (server, client) = scene();
    let held = [echo(&client), echo(&client)];
    assert_eq!(server.sessions(), 2);
    server.cut();
    assert_eq!(server.sessions(), 0);
    for held in held {
        assert_eq!(held.end(), Some(255));
    }
    run(client.ssh("true")).well();
}

#[test]
fn a_cut_breaks_a_transfer() {
    let (server, client) = scene();
    let place = tempfile::tempdir().expect("tempdir");
    let (big, there) = (place.path().join("big"), place.path().join("there"));
    std::fs::write(&big, vec![7; 20 << 20]).expect("write");
    std::fs::create_dir(&there).expect("mkdir");
    std::fs::write(there.join("big"), "old").expect("write");
    let mut rsync = client.rsync();
    // It would take 20 seconds.
    rsync.args(["--whole-file", "--bwlimit=1024"]).arg(&big).arg(client.remote(&there.join("big")));
    let child = rsync.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("rsync starts");
    let arrived = || {
        let files = std::fs::read_dir(&there).expect("list").flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).max().unwrap_or(0)
    };
    server.wait_for(|_| arrived() > 100, "a part of it is there");
    let begun = Instant::now();
    server.cut();
    let said = said(&child.wait_with_output().expect("rsync ends"));
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    assert!(said.code.is_some_and(|code| code != 0), "{:?}: {}", said.code, said.err);
    assert_eq!(std::fs::read_to_string(there.join("big")).expect("read"), "old");
    assert!(arrived() < 20 << 20);
}

/// A server with a session that has also left behind an orphan, and the ids of the two.
fn with_processes() -> (Sshd, Held, Vec<u32>) {
    let (server, client) = scene();
    let orphan = "(setsid sleep 1000 </dev/null >/dev/null 2>&1 & printf '%s ' $!)";
    let mut held = Held::start(client.ssh(&format!("{orphan}; echo $$; exec sleep 1000")));
    let ids: Vec<u32> = held.hear().split(' ').map(|id| id.parse().expect("a number")).collect();
    assert_eq!(ids.iter().filter(|id| is_running(**id)).count(), 2);
    (server, held, ids)
}

fn is_running(id: u32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn nothing_is_left(port: u16, held: Held, ids: &[u32]) {
    assert!(TcpStream::connect((HOST, port)).is_err(), "the port is free");
    assert!(!ids.iter().any(|id| is_running(*id)), "no process is left");
    assert_eq!(held.end(), Some(255));
}

#[test]
fn a_cut_finds_what_has_left_its_session() {
    let (server, held, ids) = with_processes();
    server.cut();
    assert!(!ids.iter().any(|id| is_running(*id)), "no process is left");
    assert_eq!(held.end(), Some(255));
}

#[test]
fn nothing_is_left_when_it_is_dropped() {
    let (server, held, ids) = with_processes();
    let port = server.port();
    drop(server);
    nothing_is_left(port, held, &ids);
}

#[test]
fn nothing_is_left_when_a_test_panics() {
    let (sender, receiver) = mpsc::channel();
    let test = std::thread::spawn(move || {
        let (server, held, ids) = with_processes();
        sender.send((server.port(), held, ids)).expect("somebody listens");
        panic!("on purpose");
    });
    assert!(test.join().is_err());
    let (port, held, ids) = receiver.recv().expect("it came so far");
    nothing_is_left(port, held, &ids);
}

#[test]
fn many_log_in_at_once() {
    let (server, client) = scene();
    let held: Vec<Held> = (0..12).map(|_| Held::start(client.ssh("echo in; cat"))).collect();
    for mut held in held {
        assert_eq!(held.hear(), "in");
        assert_eq!(held.end(), Some(0));
    }
    assert_eq!(server.accepted(), 12);
}

#[test]
fn one_connection_carries_many_commands() {
    let server = Sshd::start_logging();
    let place = tempfile::tempdir().expect("tempdir");
    let socket = place.path().join("socket");
    let path = format!("ControlPath={}", socket.display());
    let client = Client::of(&server).with(&path).with("ControlMaster=auto").with("ControlPersist=yes");
    // The one that stays in the background keeps what it has inherited.
    let status = client.ssh("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.expect("ssh starts").success());
    let held: Vec<Held> = (0..20).map(|number| Held::start(client.ssh(&format!("echo {number}; cat")))).collect();
    for (number, mut held) in held.into_iter().enumerate() {
        assert_eq!(held.hear(), number.to_string());
        assert_eq!(held.end(), Some(0));
    }
    assert_eq!((server.accepted(), server.sessions(), server.commands().len()), (1, 1, 21));
    server.cut();
    server.wait_for(|_| !socket.exists(), "the client's end of it has seen that");
}

#[test]
fn two_servers_do_not_meet() {
    let (one, client) = scene();
    let two = Sshd::start();
    assert_ne!(one.port(), two.port());
    run(client.clone().at(two.port()).ssh("true")).failed(255, "REMOTE HOST IDENTIFICATION HAS CHANGED");
    let mut held = echo(&client);
    two.cut();
    drop(two);
    held.say("still here");
    assert_eq!(held.hear(), "still here");
    assert_eq!(Client::of(&one).remote(Path::new("/x")), format!("{}@{HOST}:/x", one.user()));
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let missing = std::panic::catch_unwind(|| program("no-such-program", "its-package")).expect_err("it is missing");
    let words = missing.downcast_ref::<String>().expect("words");
    assert!(words.contains("no-such-program") && words.contains("its-package"), "{words}");
}
