//! A repository as it is seen from behind, and without a server.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use depsync_tests::snapshot::{Item, check_same, snapshot, write_tree};
use depsync_tests::svn::{Repository, Svnserve, WRITER};

use crate::fails;

/// A working copy of `repository`, and the text of its path.
fn working_copy(repository: &Repository) -> (tempfile::TempDir, String) {
    let place = tempfile::tempdir().expect("tempdir");
    repository.checkout(place.path());
    let path = place.path().to_str().expect("UTF-8").to_owned();
    (place, path)
}

#[test]
fn a_tree_is_what_was_committed() {
    let repository = Repository::create();
    let (place, path) = working_copy(&repository);
    let tree = [
        ("app/empty/", ""),
        ("app/with space", "text\n"),
        ("app/no end", "\n\nK 1\nPROPS-END"),
        ("app/ü/nothing", ""),
        ("app/link", "->ü/nothing"),
    ];
    write_tree(place.path(), &tree);
    std::fs::write(place.path().join("app/run"), [0, 255, 10, 13]).expect("write");
    std::fs::set_permissions(place.path().join("app/run"), Permissions::from_mode(0o755)).expect("mode");
    let person = repository.person();
    person.does(&["add", "-q", &format!("{path}/app")]);
    person.does(&["commit", "-q", "-m", "all", &path]);
    check_same(&repository.tree("app", 1), &snapshot(&place.path().join("app")), "the tree");
    assert_eq!(repository.tree("", 1).len(), repository.tree("app", 1).len() + 1);
    assert!(repository.tree("", 0).is_empty());
    assert!(repository.tree("ap", 1).is_empty());
    repository.verify();
}

#[test]
fn a_tree_has_the_bytes_of_the_repository() {
    let repository = Repository::create();
    let (place, path) = working_copy(&repository);
    std::fs::write(place.path().join("file"), "$Revision$\n").expect("write");
    let (person, file) = (repository.person(), format!("{path}/file"));
    person.does(&["add", "-q", &file]);
    person.does(&["propset", "-q", "svn:keywords", "Revision", &file]);
    person.does(&["commit", "-q", "-m", "all", &path]);
    assert_eq!(std::fs::read_to_string(place.path().join("file")).expect("read"), "$Revision: 1 $\n");
    let bytes = b"$Revision$\n".to_vec();
    assert_eq!(repository.tree("", 1)[b"file".as_slice()], Item::File(0o644, bytes.clone()));
    assert_eq!(repository.cat("file", 1), bytes);
    assert_eq!(repository.nodes(1)["file"].properties["svn:keywords"], b"Revision");
}

#[test]
fn an_older_tree_is_still_there() {
    let repository = Repository::create();
    let person = repository.person();
    person.puts("one", b"1");
    person.does(&["move", "-m", "move", &person.url("one"), &person.url("two")]);
    person.puts("two", b"2");
    let names = |revision| repository.tree("", revision).into_keys().collect::<Vec<_>>();
    assert_eq!((names(1), names(2), names(3)), (vec![b"one".to_vec()], vec![b"two".to_vec()], vec![b"two".to_vec()]));
    assert_eq!([2, 3].map(|revision| repository.cat("two", revision)), [[b'1'], [b'2']]);
    assert!(repository.log_verbose().contains("A /two (from /one:1)"), "{}", repository.log_verbose());
}

#[test]
fn a_property_of_a_revision_changes_when_a_hook_lets_it() {
    let repository = Repository::create();
    let person = repository.person();
    person.puts("file", b"text");
    let change = || person.svn(&["propset", "--revprop", "-r", "1", "svn:log", "other", &person.url("")]);
    fails(change(), "E165006");
    repository.hook("pre-revprop-change", "exit 0");
    assert!(change().output().expect("svn starts").status.success());
    assert!(repository.log_verbose().contains("\nother\n"), "{}", repository.log_verbose());
}

#[test]
fn a_transaction_that_nobody_ends_is_seen() {
    let repository = Repository::create();
    assert_eq!(repository.transactions(), [""; 0]);
    let seen = repository.path().join("seen");
    repository.hook("pre-commit", &format!("echo \"$2\" >'{}'; kill -9 $PPID", seen.display()));
    let person = repository.person();
    let status = person.svn(&["mkdir", "-q", "-m", "dies", &person.url("directory")]).status().expect("svn starts");
    assert!(!status.success());
    let seen = std::fs::read_to_string(seen).expect("the hook ran");
    assert_eq!((repository.transactions(), repository.youngest()), (vec![seen.trim().to_owned()], 0));
}

#[test]
fn it_goes_back_to_a_copy_or_is_another_one() {
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let writer = server.person(WRITER);
    writer.puts("file", b"1");
    let (backup, uuid) = (repository.back_up(), repository.uuid());
    writer.puts("file", b"2");
    server.stop();
    repository.go_back(&backup);
    server.start_again();
    assert_eq!((repository.youngest(), repository.uuid()), (1, uuid.clone()));
    assert_eq!(writer.does(&["cat", &writer.url("file")]), "1");
    writer.puts("file", b"3");
    server.stop();
    repository.replace();
    server.start_again();
    assert_eq!(repository.youngest(), 0);
    assert_ne!(repository.uuid(), uuid);
    writer.puts("file", b"4");
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    // The search for programs is this process's, which may have other tests in it: so another process looks.
    let test = std::env::current_exe().expect("a test knows its own path");
    let mut other = std::process::Command::new(test);
    other.args(["--exact", "repository::a_tree_has_the_bytes_of_the_repository", "--nocapture"]);
    let output = other.env("PATH", "/nowhere").output().expect("it starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("`svnadmin` is missing: install the package subversion"), "{said}");
}
