//! The program over repositories: settings, what it refuses, what it says, and going back.

use std::process::Command;

use depsync_tests::cli::Bench;
use depsync_tests::node::noise;
use depsync_tests::snapshot::{Snapshot, check_same, snapshot, write_tree};
use depsync_tests::sshd::{HOST, Sshd};
use depsync_tests::svn::{READER, Repository, Svnserve, WRITER};
use serde_json::Value;

/// A bench whose `[svn]` has an account.
fn bench_of(name: &str, password: &str) -> Bench {
    let bench = Bench::in_memory();
    bench.write("password", password);
    bench.write("depsync.toml", format!("[svn]\nusername = '{name}'\npassword-file = 'password'\n"));
    bench
}

fn hub(repository: &Repository) -> String {
    format!("svn+{}/main", repository.url())
}

/// Runs a command that must go well.
fn run(bench: &Bench, line: &str) -> Value {
    let (answer, exit) = bench.json(line);
    assert_eq!(exit, Some(0), "{line}: {answer:#}");
    answer
}

/// Runs one that must fail; gives its exit status and what it says.
fn fail(bench: &Bench, line: &str) -> (i32, String) {
    let output = bench.output(&line.split(' ').collect::<Vec<_>>());
    (output.status.code().expect("it ends"), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A deployment of `count` files beneath directories, a link and a program.
fn deployment(bench: &Bench, count: u64) {
    for number in 0..count {
        bench.write(&format!("source/app-{}/{number}.class", number % 5), noise(number, 3_000));
    }
    write_tree(&bench.path("source"), &[("bin/run.sh", "#!/bin/sh\n"), ("current", "->app-1"), ("empty/", "")]);
    mode(bench, "source/bin/run.sh", "755");
}

fn mode(bench: &Bench, path: &str, bits: &str) {
    let done = Command::new("chmod").arg(bits).arg(bench.path(path)).status().expect("chmod runs");
    assert!(done.success());
}

/// What the bench's `source` holds.
fn source(bench: &Bench) -> Snapshot {
    snapshot(&bench.path("source"))
}

#[test]
fn a_rollback_copies_on_the_server_and_everybody_follows() {
    let (repository, bench) = (Repository::create(), Bench::in_memory());
    let hub = hub(&repository);
    deployment(&bench, 100);
    let first = run(&bench, &format!("publish source {hub}"))["revision"].clone();
    let one = source(&bench);
    run(&bench, &format!("update follower {hub}"));

    bench.write("source/app-0/0.class", "changed");
    std::fs::remove_dir_all(bench.path("source/app-1")).expect("goes");
    bench.write("source/app-1", "no directory any more");
    std::fs::remove_file(bench.path("source/current")).expect("goes");
    std::fs::remove_file(bench.path("source/app-2/2.class")).expect("goes");
    write_tree(&bench.path("source"), &[("app-2/2.class/", ""), ("new/file", "new")]);
    mode(&bench, "source/bin/run.sh", "644");
    let second = run(&bench, &format!("publish source {hub}"))["revision"].clone();
    let two = source(&bench);
    check_same(&repository.tree("main", repository.youngest()), &two, "as published");
    run(&bench, &format!("update follower {hub}"));

    let back = run(&bench, &format!("rollback {first} --dir source --hub {hub}"));
    assert_eq!(back["bytes_sent"], 0, "{back:#}");
    check_same(&source(&bench), &one, "here");
    check_same(&repository.tree("main", repository.youngest()), &one, "in the repository");
    let log = repository.log_verbose();
    assert!(log.contains(&format!("(from /main/app-1:{first})")), "{log}");
    let followed = run(&bench, &format!("update follower {hub}"));
    check_same(&snapshot(&bench.path("follower")), &one, "one who follows");
    let fetched = followed["bytes_fetched"].as_u64().expect("a number");
    assert!(fetched <= 22 * 3_000, "{fetched} bytes: what did not change is not fetched");

    run(&bench, &format!("rollback {second} --dir source --hub {hub}"));
    check_same(&source(&bench), &two, "forth again");
    run(&bench, &format!("update follower {hub}"));
    run(&bench, &format!("update fresh {hub}"));
    for node in ["follower", "fresh"] {
        check_same(&snapshot(&bench.path(node)), &two, node);
    }
    repository.verify();
}

#[test]
fn status_says_what_a_repository_has_no_place_for_and_takes_nothing_from_the_next_update() {
    let (repository, bench) = (Repository::create(), Bench::in_memory());
    let hub = hub(&repository);
    deployment(&bench, 100);
    run(&bench, &format!("publish source {hub}"));
    run(&bench, &format!("update follower {hub}"));
    bench.write("source/app-0/0.class", noise(7, 3_000));
    bench.write("source/large.jar.txt", noise(8, 900_000));
    run(&bench, &format!("publish source {hub}"));
    let looked = run(&bench, &format!("status follower {hub}"));
    assert_eq!(looked["has_reports"], false);
    let said = bench.run(&format!("status follower {hub}"));
    assert!(said.contains("nodes       not heard of"), "{said}");
    run(&bench, &format!("update follower {hub}"));
    check_same(&snapshot(&bench.path("follower")), &source(&bench), "the end");
}

#[test]
fn names_that_a_repository_cannot_hold_are_refused_before_anything_is_committed() {
    use std::os::unix::ffi::OsStringExt as _;

    let (repository, bench) = (Repository::create(), Bench::in_memory());
    let hub = hub(&repository);
    write_tree(&bench.path("source"), &[("good", "1")]);
    run(&bench, &format!("publish source {hub}"));
    let before = repository.youngest();
    for name in [&b"caf\xe9"[..], b"bell\x07", b"two\nlines", b"\xff/within"] {
        let path = bench.path("source").join(std::ffi::OsString::from_vec(name.to_vec()));
        let top = path.parent().filter(|parent| *parent != bench.path("source")).unwrap_or(&path).to_owned();
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, b"2").expect("a file");
        let (exit, said) = fail(&bench, &format!("publish source {hub}"));
        assert_eq!((exit, repository.youngest()), (1, before), "{said}");
        assert!(said.contains("UTF-8") && said.contains("rename it"), "{said}");
        drop(std::fs::remove_file(&top).or_else(|_| std::fs::remove_dir_all(&top)));
    }
    // These look strange, and are none.
    let odd = [("-dash", "1"), ("at@7", "2"), ("100%25 é", "3"), ("a/@", "4"), ("[x] {tenant}", "5"), ("b\\c", "6")];
    write_tree(&bench.path("source"), &odd);
    run(&bench, &format!("publish source {hub}"));
    run(&bench, &format!("update worker {hub}"));
    check_same(&snapshot(&bench.path("worker")), &source(&bench), "odd names");
    check_same(&repository.tree("main", repository.youngest()), &source(&bench), "in the repository");
}

#[test]
fn a_password_comes_from_a_file_or_the_environment_and_is_never_said() {
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let mut bench = bench_of(WRITER.name, WRITER.password);
    let hub = format!("{}/{{tenant}}", server.url());
    write_tree(&bench.path("source"), &[("a", "1")]);
    run(&bench, &format!("publish source {hub} --deployment acme"));
    check_same(&repository.tree("acme", repository.youngest()), &source(&bench), "the tenant's place");
    // The environment goes first.
    bench.set(&[("DEPSYNC_SVN_USERNAME", READER.name), ("DEPSYNC_SVN_PASSWORD", READER.password)]);
    run(&bench, &format!("update worker {hub} --deployment acme"));
    bench.write("source/b", "2");
    let before = repository.youngest();
    let (exit, said) = fail(&bench, &format!("publish source {hub} --deployment acme"));
    assert_eq!((exit, repository.youngest()), (1, before), "{said}");
    assert!(said.contains(&format!("svn://{HOST}:{}", server.port())), "the place is named: {said}");
    bench.set(&[("DEPSYNC_SVN_PASSWORD", "hunter2")]);
    let dir_and_hub = format!("--dir source --hub {hub} --deployment acme");
    for line in ["publish", "status", "log", "-vv update"] {
        let line = format!("{line} {dir_and_hub}");
        let output = bench.output(&line.split(' ').collect::<Vec<_>>());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains("hunter2"), "{line}: {said}");
        assert!(said.contains("170001"), "{line}: {said}");
    }
    bench.set(&[]);
    bench.write("password", "");
    let (exit, said) = fail(&bench, &format!("publish source {hub}"));
    assert!(exit == 2 && said.contains("password"), "{exit}: {said}");
    bench.write("depsync.toml", "[svn]\nusername = 'writer'\npassword-file = 'nowhere'\n");
    let (exit, said) = fail(&bench, &format!("publish source {hub}"));
    assert!(exit == 2 && said.contains("nowhere"), "{exit}: {said}");
    bench.write("depsync.toml", "[svn]\npassword = 'hunter2'\n");
    let (exit, said) = fail(&bench, &format!("publish source {hub}"));
    assert!(exit == 2 && said.contains("password-file"), "{exit}: {said}");
}

/// Nobody is left to guess why a directory is empty that a checkout fills.
#[test]
fn externals_are_said_and_not_followed() {
    let (repository, bench) = (Repository::create(), Bench::in_memory());
    let hub = hub(&repository);
    write_tree(&bench.path("source"), &[("lib/a", "1"), ("b", "2")]);
    run(&bench, &format!("publish source {hub}"));
    run(&bench, &format!("update worker {hub}"));
    let copy = bench.path("copy");
    repository.checkout(&copy);
    let copy = |path: &str| copy.join(path).display().to_string();
    let person = repository.person();
    person.does(&["propset", "svn:externals", "^/elsewhere there", &copy("main/lib")]);
    person.does(&["commit", "-m", "an external", &copy("")]);
    let warned = |line: &str| {
        let output = bench.output(&line.split(' ').collect::<Vec<_>>());
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let lib = "warning: lib has svn:externals, which are not followed\n";
    assert_eq!(warned(&format!("update worker {hub}")), lib);
    person.does(&["update", "--ignore-externals", &copy("")]);
    person.does(&["propset", "svn:externals", "^/elsewhere there", &copy("main")]);
    person.does(&["commit", "-m", "another", &copy("")]);
    let both = format!("warning: the deployment's own directory has svn:externals, which are not followed\n{lib}");
    assert_eq!(warned(&format!("update worker {hub}")), both);
    assert_eq!(warned(&format!("status worker {hub}")), both);
    assert_eq!(warned(&format!("update fresh {hub}")), both);
    // A publish leaves them alone.
    run(&bench, &format!("update source {hub}"));
    bench.write("source/lib/a", "3");
    run(&bench, &format!("publish source {hub}"));
    assert_eq!(warned(&format!("update worker {hub}")), both);
    for node in ["worker", "fresh"] {
        run(&bench, &format!("update {node} {hub}"));
        check_same(&snapshot(&bench.path(node)), &source(&bench), node);
    }
}

/// Translation is a matter of working copies: what is deployed is what is stored.
#[test]
fn keywords_and_line_ends_change_nothing_and_go_when_we_publish_over_them() {
    let (repository, bench) = (Repository::create(), Bench::in_memory());
    let hub = hub(&repository);
    write_tree(&bench.path("source"), &[("text", "$Id$\nline\n"), ("other", "1")]);
    run(&bench, &format!("publish source {hub}"));
    let copy = bench.path("copy");
    repository.checkout(&copy);
    let text = copy.join("main/text").display().to_string();
    let person = repository.person();
    person.does(&["propset", "svn:keywords", "Id", &text]);
    person.does(&["propset", "svn:eol-style", "CRLF", &text]);
    person.does(&["commit", "-m", "translated", &text]);
    assert!(std::fs::read(&text).expect("reads").starts_with(b"$Id: text"), "the person sees it translated");
    let stored = repository.cat("main/text", repository.youngest());
    run(&bench, &format!("update worker {hub}"));
    assert_eq!(std::fs::read(bench.path("worker/text")).expect("reads"), stored);
    run(&bench, &format!("update source {hub}"));
    bench.write("source/text", "$Id$\r\nmine\n");
    run(&bench, &format!("publish source {hub}"));
    let node = repository.nodes(repository.youngest()).remove("main/text").expect("is there");
    assert!(!format!("{node:?}").contains("svn:keywords") && !format!("{node:?}").contains("eol-style"), "{node:?}");
    run(&bench, &format!("update worker {hub}"));
    check_same(&snapshot(&bench.path("worker")), &source(&bench), "the end");
}

#[test]
fn one_tree_has_one_root_whatever_carries_it() {
    let (repository, tunnelled, sshd) = (Repository::create(), Repository::create(), Sshd::start());
    // Whoever gets in by ssh may do everything.
    std::fs::write(tunnelled.path().join("conf/svnserve.conf"), "[general]\n").expect("a file is written");
    let server = Svnserve::start(&repository);
    let bench = bench_of(WRITER.name, WRITER.password);
    let known_hosts = sshd.known_hosts().display().to_string();
    let mut config = format!("[ssh]\nidentity = '{}'\n", sshd.identity().display());
    config.push_str(&format!("known-hosts = '{known_hosts}'\n"));
    config.push_str(&format!("[svn]\nusername = '{}'\npassword-file = 'password'\n", WRITER.name));
    bench.write("depsync.toml", config);
    deployment(&bench, 60);
    mode(&bench, "source/bin/run.sh", "710");
    mode(&bench, "source/empty", "700");
    let over_ssh = format!("{}@{HOST}:{}{}", sshd.user(), sshd.port(), bench.path("far").display());
    let hubs = [
        bench.path("near").display().to_string(),
        format!("rsync+ssh://{over_ssh}"),
        format!("{}/plain", server.url()),
        format!("svn+{}/direct", repository.url()),
        format!("svn+ssh://{}@{HOST}:{}{}/main", sshd.user(), sshd.port(), tunnelled.path().display()),
    ];
    let root = |hub: &str, number: usize| {
        let published = run(&bench, &format!("publish source {hub} --state state-{number}"));
        let updated = run(&bench, &format!("update worker-{number} {hub}"));
        assert_eq!(published["root"], updated["root"], "{hub}");
        check_same(&snapshot(&bench.path(&format!("worker-{number}"))), &source(&bench), hub);
        published["root"].clone()
    };
    let roots: Vec<Value> = hubs.iter().enumerate().map(|(number, hub)| root(hub, number)).collect();
    assert!(roots.iter().all(|other| *other == roots[0]), "{roots:#?}");
    let found = Command::new("find").arg(bench.path(".")).args(["-name", ".svn"]).output().expect("find runs");
    assert!(found.status.success() && found.stdout.is_empty(), "a working copy: {found:?}");
}
