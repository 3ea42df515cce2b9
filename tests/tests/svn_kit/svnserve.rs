//! `svnserve`: what every server does, and how many it serves.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use depsync_tests::svn::{HOST, READER, Repository, Svnserve};

use crate::server;

#[test]
fn the_writer_commits_and_the_reader_only_reads() {
    server::the_writer_commits_and_the_reader_only_reads::<Svnserve>();
}

#[test]
fn a_wrong_password_and_none_are_refused() {
    server::a_wrong_password_and_none_are_refused::<Svnserve>();
}

#[test]
fn what_is_hidden_is_not_seen_until_it_is_shown() {
    server::what_is_hidden_is_not_seen_until_it_is_shown::<Svnserve>();
}

#[test]
fn it_comes_back_on_its_port_with_what_was_there() {
    server::it_comes_back_on_its_port_with_what_was_there::<Svnserve>();
}

#[test]
fn a_cut_ends_a_commit_and_the_next_one_is_taken() {
    server::a_cut_ends_a_commit_and_the_next_one_is_taken::<Svnserve>();
}

#[test]
fn nothing_is_left_when_it_is_dropped() {
    server::nothing_is_left_when_it_is_dropped::<Svnserve>();
}

#[test]
fn a_relay_stands_in_front_of_it() {
    server::a_relay_stands_in_front_of_it::<Svnserve>();
}

#[test]
fn two_servers_have_two_repositories() {
    server::two_servers_have_two_repositories::<Svnserve>();
}

#[test]
fn connections_are_counted_cut_and_written_down() {
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let mut held: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect((HOST, server.port())).expect("it listens")).collect();
    server.wait_for(|server| server.connections() == 3, "all are served");
    server.cut();
    assert_eq!(server.connections(), 0);
    for stream in &mut held {
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        // Its greeting, and the end.
        let mut greeting = String::new();
        stream.read_to_string(&mut greeting).expect("the end of the connection");
        assert!(greeting.starts_with("( success"), "{greeting}");
    }
    let reader = server.person(READER);
    reader.does(&["list", &reader.url("")]);
    assert!(server.log().contains(" reader repository "), "{}", server.log());
}
