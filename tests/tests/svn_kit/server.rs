//! What every server does. The modules `svnserve` and `apache` have a test for each of these.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use depsync_tests::sshd::{Relay, Way};
use depsync_tests::svn::{Access, HOST, Person, READER, Repository, WRITER};

use crate::{Server, fails};

pub(super) fn the_writer_commits_and_the_reader_only_reads<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let (writer, reader) = (server.person(WRITER), server.person(READER));
    writer.puts("some file@1%20", b"text");
    assert_eq!((repository.youngest(), repository.cat("some file@1%20", 1)), (1, b"text".to_vec()));
    assert_eq!(reader.does(&["cat", &reader.url("some file@1%20")]), "text");
    fails(reader.svn(&["mkdir", "-m", "no", &reader.url("directory")]), S::FORBIDDEN);
    assert_eq!(repository.youngest(), 1);
    assert!(repository.log_verbose().contains("| writer |"), "{}", repository.log_verbose());
}

pub(super) fn a_wrong_password_and_none_are_refused<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let root = server.url_at(server.port());
    for account in [WRITER.mistyped(), READER.mistyped()] {
        fails(server.person(account).svn(&["list", &root]), S::WRONG_PASSWORD);
    }
    fails(Person::at(&root).svn(&["list", &root]), S::WRONG_PASSWORD);
    assert_eq!(server.person(WRITER).does(&["list", &root]), "");
}

pub(super) fn what_is_hidden_is_not_seen_until_it_is_shown<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let (writer, reader) = (server.person(WRITER), server.person(READER));
    for path in ["open", "secret", "secret/below"] {
        writer.does(&["mkdir", "-m", "make", &writer.url(path)]);
    }
    repository.hide("secret");
    for person in [&writer, &reader] {
        assert_eq!(person.does(&["list", "-R", &person.url("")]), "open/\n");
        fails(person.svn(&["list", &person.url("secret")]), S::FORBIDDEN);
        fails(person.svn(&["mkdir", "-m", "no", &person.url("secret/more")]), S::FORBIDDEN);
    }
    repository.grant("secret/below", WRITER, Access::Write);
    writer.does(&["mkdir", "-m", "more", &writer.url("secret/below/more")]);
    repository.grant("open", WRITER, Access::Read);
    fails(writer.svn(&["mkdir", "-m", "no", &writer.url("open/more")]), S::FORBIDDEN);
    repository.grant_as_usual();
    assert_eq!(reader.does(&["list", "-R", &reader.url("")]), "open/\nsecret/\nsecret/below/\nsecret/below/more/\n");
}

pub(super) fn it_comes_back_on_its_port_with_what_was_there<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let (writer, port) = (server.person(WRITER), server.port());
    writer.puts("file", b"one");
    server.stop();
    assert!(TcpStream::connect((HOST, port)).is_err(), "nobody listens");
    fails(writer.svn(&["list", &writer.url("")]), "onnection refused");
    server.start_again();
    assert_eq!(server.port(), port);
    writer.puts("file", b"two");
    let info = writer.does(&["info", &writer.url("")]);
    assert!(info.contains(&repository.uuid()) && info.contains("Revision: 2"), "{info}");
    assert_eq!([1, 2].map(|revision| repository.cat("file", revision)), [b"one", b"two"].map(|text| text.to_vec()));
}

/// A commit that the server thinks about until it is killed, once it has begun that. Later ones pass.
fn held_commit(repository: &Repository, person: &Person) -> Child {
    let began = repository.path().join("began");
    let file = began.display();
    repository
        .hook("pre-commit", &format!("[ -e '{file}' ] && exit 0; echo >'{file}'; while :; do /bin/sleep 0.1; done"));
    let mut commit: Command = person.svn(&["mkdir", "-m", "held", &person.url("held")]);
    let child = commit.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("svn starts");
    wait(|| began.exists());
    child
}

fn wait(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn processes_of(repository: &Repository) -> usize {
    let name = repository.path().display().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let commands = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    commands.filter(|command| String::from_utf8_lossy(command).contains(&format!("{name}/hooks"))).count()
}

pub(super) fn a_cut_ends_a_commit_and_the_next_one_is_taken<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let writer = server.person(WRITER);
    let mut commit = held_commit(&repository, &writer);
    assert!(processes_of(&repository) > 0, "the hook runs");
    server.cut();
    // Not at once: where the client sends its request again, another hook runs, and passes.
    wait(|| processes_of(&repository) == 0);
    let (code, revision) = S::AFTER_CUT;
    assert_eq!((commit.wait().expect("svn ends").code(), repository.youngest()), (Some(code), revision));
    writer.puts("file", b"text");
    assert_eq!(repository.youngest(), revision + 1);
    repository.verify();
}

pub(super) fn nothing_is_left_when_it_is_dropped<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let (port, mut commit) = (server.port(), held_commit(&repository, &server.person(WRITER)));
    drop(server);
    assert!(TcpStream::connect((HOST, port)).is_err(), "the port is free");
    assert_eq!(processes_of(&repository), 0);
    assert_eq!(commit.wait().expect("svn ends").code(), Some(1));
}

pub(super) fn a_relay_stands_in_front_of_it<S: Server>() {
    let repository = Repository::create();
    let server = S::start(&repository);
    let relay = Relay::to(server.port());
    let writer = Person::at(&server.url_at(relay.port())).having(WRITER);
    writer.does(&["mkdir", "-m", "make", &writer.url("a")]);
    // Over http, a copy names where it goes with the relay's port.
    writer.does(&["copy", "-m", "copy", &writer.url("a"), &writer.url("b")]);
    assert_eq!(writer.does(&["list", &writer.url("")]), "a/\nb/\n");
    assert!(relay.passed(Way::Up) > 0);
    relay.refuse();
    fails(writer.svn(&["list", &writer.url("")]), "onnection refused");
}

pub(super) fn two_servers_have_two_repositories<S: Server>() {
    let (one, two) = (Repository::create(), Repository::create());
    let servers = [S::start(&one), S::start(&two)];
    assert_ne!(servers[0].port(), servers[1].port());
    servers[0].person(WRITER).puts("file", b"text");
    assert_eq!((one.youngest(), two.youngest()), (1, 0));
    assert_ne!(one.uuid(), two.uuid());
}
