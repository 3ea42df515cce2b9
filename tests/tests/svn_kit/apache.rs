//! Apache: what every server does, what it writes down, and `https://`.

use depsync_tests::svn::{Apache, Certificate, Person, READER, Repository, WRITER};

use crate::{fails, server};

#[test]
fn the_writer_commits_and_the_reader_only_reads() {
    server::the_writer_commits_and_the_reader_only_reads::<Apache>();
}

#[test]
fn a_wrong_password_and_none_are_refused() {
    server::a_wrong_password_and_none_are_refused::<Apache>();
}

#[test]
fn what_is_hidden_is_not_seen_until_it_is_shown() {
    server::what_is_hidden_is_not_seen_until_it_is_shown::<Apache>();
}

#[test]
fn it_comes_back_on_its_port_with_what_was_there() {
    server::it_comes_back_on_its_port_with_what_was_there::<Apache>();
}

#[test]
fn a_cut_ends_a_commit_and_the_next_one_is_taken() {
    server::a_cut_ends_a_commit_and_the_next_one_is_taken::<Apache>();
}

#[test]
fn nothing_is_left_when_it_is_dropped() {
    server::nothing_is_left_when_it_is_dropped::<Apache>();
}

#[test]
fn a_relay_stands_in_front_of_it() {
    server::a_relay_stands_in_front_of_it::<Apache>();
}

#[test]
fn two_servers_have_two_repositories() {
    server::two_servers_have_two_repositories::<Apache>();
}

#[test]
fn requests_are_written_down() {
    let repository = Repository::create();
    let server = Apache::start(&repository);
    assert_eq!(server.requests(), [""; 0]);
    let reader = server.person(READER);
    reader.does(&["list", &reader.url("")]);
    let wanted = "reader REPORT /repository/!svn/rvr/0 200".to_owned();
    server.wait_for(|server| server.requests().contains(&wanted), "the reader's request is written down");
    assert_eq!(server.requests()[0], "- OPTIONS /repository 401");
}

#[test]
fn a_certificate_must_be_trusted_and_be_its_own() {
    let repository = Repository::create();
    let server = Apache::start_secure(&repository, Certificate::ours());
    let writer = server.person(WRITER);
    assert!(writer.url("").starts_with("https://"));
    writer.puts("file", b"text");
    let stranger = Person::at(&server.url()).having(WRITER);
    fails(stranger.svn(&["list", &server.url()]), "E230001");
    drop(server);
    let server = Apache::start_secure(&repository, Certificate::of("another.example"));
    fails(server.person(WRITER).svn(&["list", &server.url()]), "hostname");
    assert_eq!(repository.youngest(), 1);
}
