//! `engine/doc/operations.md`, typed: every command of it, as it stands there, on machines of this test. What is another
//! here is the names of machines, their ports, and that `/srv` and `/etc` of each machine are directories of the test.

mod page;
mod town;

use std::collections::BTreeSet;
use std::path::Path;

use depsync_engine::engine::State;
use depsync_tests::cli::Bench;
use depsync_tests::sshd::{Sshd, free_port};
use depsync_tests::svn::{Repository, Svnserve, WRITER};
use page::{Command, commands};
use town::Town;

fn text() -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this crate");
    std::fs::read_to_string(top.join("engine/doc/operations.md")).expect("the page")
}

/// The sections that have a place of their own.
const ELSEWHERE: [&str; 2] = ["Behind ssh", "Subversion"];

fn of_section(name: &str) -> Vec<Command> {
    let found: Vec<_> = commands(&text()).into_iter().filter(|command| command.section == name).collect();
    assert!(found.len() > 5, "{name}: {found:?}");
    found
}

#[test]
fn a_cluster_over_a_shared_directory_from_its_first_day_to_its_worst() {
    let port = free_port();
    let town = Town::new(&[
        ("0.0.0.0:7070", format!("127.0.0.1:{port}")),
        ("https://manager:7070", format!("https://localhost:{port}")),
        ("DNS:manager", "DNS:localhost".to_owned()),
    ]);
    let all = commands(&text()).into_iter().filter(|command| !ELSEWHERE.contains(&&*command.section));
    let mut count = 0;
    for command in all {
        town.types(&command);
        count += 1;
        let page = |name: &str| town.read(name, "srv/shop/index.html");
        match (&*command.section, &*command.text) {
            ("Somebody changed files on a worker", text) if text.contains("--repair") => {
                assert_eq!(page("web-1"), "the second page\n");
            }
            ("A wrong release", "depsync update") => assert_eq!(page(&command.machine), "the first page\n"),
            ("A lost or damaged state" | "A lost hub", "depsync update") => assert_eq!(page("web-1"), page("manager")),
            ("A hub put back from an older copy", "depsync update") if command.machine == "web-1" => {
                assert_eq!(page("web-1"), "the first page\n", "what the manager had, and not what the backup has");
            }
            _ => {}
        }
    }
    assert!(count > 70, "{count}");
    let said = town.said();
    for words in ["release 1", "the second page", "verified", "repaired 1 path", "web-9 is off the list until"] {
        assert!(said.contains(words), "{words} is nowhere in:\n{said}");
    }
    assert!(town.machine("manager").join("usr/local/share/man/man1/depsync-doctor.1").is_file());
}

#[test]
fn a_hub_behind_ssh() {
    let server = Sshd::start();
    let place = tempfile::tempdir().expect("a directory");
    let hub = place.path().join("hub");
    std::fs::create_dir(&hub).expect("mkdir");
    let keys = server.identity().parent().expect("a directory").join("authorized_keys");
    let town = Town::new(&[
        ("rsync+ssh://depsync@hub.example/srv/hub", server.url(&hub, server.port())),
        ("ssh-keyscan hub.example", format!("ssh-keyscan -p {} 127.0.0.1", server.port())),
        ("/home/depsync/.ssh/authorized_keys", keys.display().to_string()),
    ]);
    for command in of_section("Behind ssh") {
        town.types(&command);
    }
    assert!(hub.join("FORMAT").is_file(), "{}", town.said());
}

#[test]
fn a_subversion_repository() {
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let town = Town::new(&[
        ("svn://svn.example/repo/shop", format!("{}/shop", server.url())),
        ("username = \"deploy\"", format!("username = {:?}", WRITER.name)),
        ("PASSWORD", WRITER.password.to_owned()),
    ]);
    for command in of_section("Subversion") {
        town.types(&command);
    }
    assert!(town.said().contains("release 1"), "{}", town.said());
    assert!(repository.youngest() > 0);
}

/// What stands in backquotes in the tables of a section.
fn named(section: &str) -> BTreeSet<String> {
    let text = text();
    let (_, rest) = text.split_once(section).unwrap_or_else(|| panic!("no section {section}"));
    let rows = rest.lines().take_while(|line| !line.starts_with("##")).filter(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn every_alarm_is_explained() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this crate");
    let read = |path: &str| std::fs::read_to_string(top.join(path)).expect("a source");
    let kinds = named("### Exit status, and the `kind` of a failure");
    let source = read("engine/src/error.rs");
    let known: Vec<&str> = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \"")?.1.strip_suffix("\","))
        .collect();
    assert!(known.len() > 12 && known.iter().all(|kind| kinds.contains(*kind)), "{known:?} {kinds:?}");
    let states = named("### The state of a node");
    assert!(State::ALL.iter().all(|state| states.contains(state.name())), "{states:?}");
    let events = named("### What a daemon tells");
    let page = read("engine/doc/daemon.md");
    let (_, list) = page.split_once("## What it tells").expect("the list of events");
    let rows = list.lines().take_while(|line| !line.starts_with("## ")).filter_map(|line| line.strip_prefix("| `"));
    let told: Vec<String> = rows
        .flat_map(|row| {
            row.split(" |")
                .next()
                .unwrap_or_default()
                .split("`, `")
                .map(|name| name.replace('`', ""))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(told.len() > 8 && told.iter().all(|event| events.contains(event)), "{told:?} {events:?}");
    // Each exit status of the help but success.
    let help = String::from_utf8(Bench::new().output(&["--help"]).stdout).expect("text");
    let (_, list) = help.split_once("Exit status:").expect("the list");
    let codes =
        list.lines().filter_map(|line| line.split_whitespace().next()).filter(|code| !["0", "10"].contains(code));
    let text = text();
    for code in codes {
        assert!(
            text.lines().any(|line| line.starts_with(&format!("| {code} ")) || line.starts_with(&format!("| {code},"))),
            "{code}"
        );
    }
}
