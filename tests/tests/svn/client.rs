//! `info` and `log` over every way to a repository, and what goes wrong there.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use depsync_engine::error::{Error, ErrorKind};
use depsync_engine::path::RelPath;
use depsync_tests::svn::{Access, Apache, Certificate, Person, READER, Repository, Svnserve};
use depsync_transports::svn::{
    Action, End, LogEntry, NodeKind, Range, Shown, SvnAddress, SvnClient, SvnSettings, SvnSsh,
};

use crate::{address, client, made, patient, settings, trusting};

const ALL: Range = Range { from: End::At(1), to: End::Head, limit: None, peg: None };

fn log(client: &SvnClient, range: &Range) -> Result<Vec<LogEntry>, Error> {
    let mut entries = Vec::new();
    client.log(&patient(), range, true, &mut |entry| {
        entries.push(entry);
        Ok(())
    })?;
    Ok(entries)
}

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes().to_vec()).expect("a path")
}

/// What every way gives.
fn info_and_log(repository: &Repository, url: &str, settings: &SvnSettings) {
    let root = client(url, settings.clone());
    let info = root.info(&patient(), None, None).expect("the root");
    assert_eq!((info.uuid.as_str(), info.root.as_str(), info.path.as_str()), (&*repository.uuid(), url, ""));
    assert_eq!((info.revision, info.changed, info.kind), (3, 3, NodeKind::Directory));
    assert!(info.author.is_some() && info.date.is_some());
    let main = client(&format!("{url}/main"), settings.clone());
    let odd = path("ä @1 50%");
    let info = main.info(&patient(), Some(&odd), None).expect("a file");
    assert_eq!((info.path.as_str(), info.revision, info.changed), ("main/ä @1 50%", 3, 2));
    assert_eq!(info.kind, NodeKind::File);
    let info = main.info(&patient(), Some(&odd), Some(2)).expect("a file as it was");
    assert_eq!((info.revision, info.changed), (2, 2));
    let entries = log(&main, &ALL).expect("a log");
    assert_eq!(entries.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(entries.iter().all(|entry| entry.shown() == Shown::Whole && entry.date.is_some()));
    assert_eq!(entries[2].message.as_deref(), Some("line\n<&>ä"));
    assert_eq!(entries[2].properties["depsync:root"], b"\x01\x02");
    let [copy] = entries[2].paths.as_slice() else { panic!("{entries:?}") };
    assert_eq!((copy.path.as_str(), copy.action, copy.kind), ("/main/-copy", Action::Added, Some(NodeKind::File)));
    assert_eq!(copy.copied_from, Some(("/main/ä @1 50%".to_owned(), 2)));
    let mut first: Vec<&str> = entries[0].paths.iter().map(|path| path.path.as_str()).collect();
    first.sort_unstable();
    assert_eq!(first, ["/main", "/secret"]);
    let newest = Range { from: End::Head, to: End::At(0), limit: Some(2), peg: Some(3) };
    let entries = log(&main, &newest).expect("a log");
    assert_eq!(entries.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [3, 2]);
    what_is_missing(&main);
}

fn what_is_missing(main: &SvnClient) {
    let fails = |found: Result<_, Error>| {
        let error = found.expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&main.url().to_string()), "{error}");
    };
    fails(main.info(&patient(), Some(&path("nope")), None).map(drop));
    fails(main.info(&patient(), Some(&path("-copy")), Some(2)).map(drop));
    fails(main.info(&patient(), None, Some(99)).map(drop));
    fails(log(main, &Range { to: End::At(99), ..ALL }).map(drop));
    fails(log(main, &Range { peg: Some(99), ..ALL }).map(drop));
    fails(log(main, &Range { peg: Some(0), ..ALL }).map(drop));
}

#[test]
fn a_repository_without_a_server_is_read() {
    let repository = made();
    info_and_log(&repository, &repository.url(), &SvnSettings::default());
    let nothing = client(&repository.url().replace("/repository", "/nothing"), SvnSettings::default());
    let error = nothing.info(&patient(), None, None).expect_err("no repository");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn svnserve_is_read_with_a_password() {
    let repository = made();
    let server = Svnserve::start(&repository);
    info_and_log(&repository, &server.url(), &settings(READER));
}

#[test]
fn apache_is_read_with_a_password() {
    let repository = made();
    let server = Apache::start(&repository);
    info_and_log(&repository, &server.url(), &settings(READER));
}

#[test]
fn apache_is_read_behind_tls() {
    let repository = made();
    let certificate = Certificate::ours();
    let trusting = trusting(settings(READER), &certificate);
    let server = Apache::start_secure(&repository, certificate);
    info_and_log(&repository, &server.url(), &trusting);
    let stranger = client(&server.url(), settings(READER)).info(&patient(), None, None).expect_err("not trusted");
    assert_eq!(stranger.kind(), ErrorKind::Refused, "{stranger}");
    assert!(stranger.advice().is_some_and(|hint| hint.contains("certificate")), "{:?}", stranger.advice());
    let missing = SvnSettings { authorities: Some("/nonexistent.pem".into()), ..settings(READER) };
    let missing = client(&server.url(), missing).info(&patient(), None, None).expect_err("no such file");
    assert_eq!(missing.kind(), ErrorKind::Usage, "{missing}");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let repository = made();
    let certificate = Certificate::of("another.example");
    let trusting = trusting(settings(READER), &certificate);
    let server = Apache::start_secure(&repository, certificate);
    let error = client(&server.url(), trusting).info(&patient(), None, None).expect_err("another host");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
}

/// Both servers, each with the same repository.
fn both(repository: &Repository, check: impl Fn(&str)) {
    check(&Svnserve::start(repository).url());
    check(&Apache::start(repository).url());
}

#[test]
fn whoever_may_not_is_told_so() {
    let repository = made();
    repository.hide("secret");
    let mistyped = settings(READER.mistyped());
    let unknown = SvnSettings { username: Some("-nobody".to_owned()), ..settings(READER) };
    both(&repository, |url| {
        for settings in [&mistyped, &unknown, &SvnSettings::default()] {
            let client = client(url, settings.clone());
            let error = client.info(&patient(), None, None).expect_err("not let in");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains(&address(url)) && error.advice().is_some(), "{error}");
            assert!(error.to_string().contains("> depsync tests"), "the realm: {error}");
        }
        let client = client(&format!("{url}/secret"), settings(READER));
        for error in [client.info(&patient(), None, None).map(drop), log(&client, &ALL).map(drop)] {
            let error = error.expect_err("hidden");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("> depsync tests"), "the realm: {error}");
        }
    });
}

#[test]
fn what_is_hidden_shows_in_the_log_by_what_is_missing() {
    let repository = made();
    let person = repository.person();
    person.puts("secret/file", b"hidden");
    person.does(&["copy", "-m", "out", &person.url("secret/file"), &person.url("main/out")]);
    let reads = |url: &str| {
        let entries = log(&client(url, settings(READER)), &ALL).expect("a log");
        entries.into_iter().map(|entry| (entry.shown(), entry.paths)).collect::<Vec<_>>()
    };
    both(&repository, |url| {
        assert!(reads(url).iter().all(|(shown, _)| *shown == Shown::Whole), "{:?}", reads(url));
    });
    repository.hide("secret");
    both(&repository, |url| {
        let shown = reads(url);
        let wanted = [Shown::Part, Shown::Whole, Shown::Whole, Shown::Number, Shown::Part];
        assert_eq!(shown.iter().map(|(shown, _)| *shown).collect::<Vec<_>>(), wanted);
        assert_eq!(shown[0].1.len(), 1, "only what is not hidden");
        assert_eq!(shown[3].1, []);
        assert_eq!((shown[4].1[0].path.as_str(), &shown[4].1[0].copied_from), ("/main/out", &None));
    });
    repository.grant("secret/file", READER, Access::Read);
    both(&repository, |url| assert_eq!(reads(url)[3].0, Shown::Whole));
}

#[test]
fn nothing_is_written_but_into_a_directory_that_goes() {
    let repository = made();
    let named = tempfile::tempdir().expect("a temporary directory");
    let config = named.path().join("config");
    std::fs::create_dir(&config).expect("a directory");
    let settings = SvnSettings { config: Some(config.clone()), ..SvnSettings::default() };
    client(&repository.url(), settings).info(&patient(), None, None).expect("an answer");
    assert!(config.join("servers").exists(), "the one that was named is used");
    let private = client(&repository.url(), SvnSettings::default());
    private.info(&patient(), None, None).expect("an answer");
    let shown = format!("{private:?}");
    let place = shown.split('"').find(|word| word.contains("depsync-svn-")).expect("its directory").to_owned();
    let mode = std::fs::metadata(&place).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    drop(private);
    assert!(!Path::new(&place).exists());
}

#[test]
fn the_deployment_stands_where_the_address_says() {
    let repository = made();
    let address = SvnAddress::parse(&format!("{}/{{tenant}}", address(&repository.url()))).expect("an address");
    let at = |name: &str| SvnClient::new(address.url(&name.parse().expect("a name")), SvnSettings::default());
    let info = |name| at(name).expect("a client").info(&patient(), None, None);
    assert_eq!(info("main").expect("main").path, "main");
    assert_eq!(info("secret").expect("secret").path, "secret");
    assert_eq!(info("other").expect_err("other").kind(), ErrorKind::NotFound);
}

#[test]
fn a_long_log_comes_as_it_is_read_and_can_be_left() {
    let repository = Repository::create();
    let person: Person = repository.person();
    for number in 0..20 {
        person.does(&["mkdir", "-m", "x", &person.url(&format!("d{number}"))]);
    }
    let client = client(&repository.url(), SvnSettings::default());
    assert_eq!(log(&client, &ALL).expect("a log").len(), 20);
    let mut taken = 0;
    let left = client.log(&patient(), &ALL, false, &mut |entry| {
        taken += 1;
        assert_eq!(entry.paths, [], "not asked for");
        Err(Error::new(ErrorKind::Refused, "enough"))
    });
    assert_eq!((left.expect_err("left").kind(), taken), (ErrorKind::Refused, 1));
}

/// A script in a directory whose name has a space: it stands for ssh.
fn instead_of_ssh(place: &Path, text: &str) -> SvnSettings {
    let directory = place.join("a directory");
    std::fs::create_dir_all(&directory).expect("a directory");
    let script = directory.join("ssh");
    std::fs::write(&script, format!("#!/bin/sh\n{text}\n")).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    let command = vec![script.to_str().expect("UTF-8").to_owned(), "an option".to_owned()];
    SvnSettings { ssh: SvnSsh::Command(command), ..SvnSettings::default() }
}

#[test]
fn ssh_is_the_one_that_was_named() {
    let repository = made();
    let place = tempfile::tempdir().expect("a temporary directory");
    let said = place.path().join("said");
    let serve = format!("printf '%s\\n' \"$@\" >'{}'; exec svnserve -t --tunnel-user reader", said.display());
    let url = format!("svn+ssh://ops@host{}", repository.path().display());
    let served = instead_of_ssh(place.path(), &serve);
    let info = client(&url, served.clone()).info(&patient(), None, None).expect("an answer");
    assert_eq!((info.uuid, info.root), (repository.uuid(), url.clone()));
    let said = std::fs::read_to_string(said).expect("it was run");
    assert!(said.starts_with("an option\n") && said.ends_with("ops@host\nsvnserve\n-t\n"), "{said}");
    let fails = |settings: SvnSettings| client(&url, settings).info(&patient(), None, None).expect_err("no server");
    let ended = fails(instead_of_ssh(place.path(), "echo no such key >&2; exit 255"));
    assert_eq!(ended.kind(), ErrorKind::Unreachable, "{ended}");
    assert!(ended.to_string().contains("no such key"), "{ended}");
    let nowhere = SvnSsh::Command(vec!["/nonexistent/ssh".to_owned()]);
    let missing = fails(SvnSettings { ssh: nowhere, ..served });
    assert_eq!(missing.kind(), ErrorKind::Unsupported, "{missing}");
}
