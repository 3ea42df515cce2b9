//! The transport: nodes of ours, and a person, on one repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use depsync_engine::content::LocalContent;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Look, MemoryLedger, OpenMode, Published, Transport};
use depsync_tests::node::{Node, files, noise};
use depsync_tests::sshd::program;
use depsync_tests::svn::{Access, Apache, READER, Repository, Svnserve, WRITER};
use depsync_transports::svn::{SvnSettings, SvnTransport};

use super::{client, patient, settings};

/// A node of the deployment at `url`. What it has on its way lies beside the repository.
fn node(repository: &Repository, url: &str, settings: SvnSettings) -> Node<SvnTransport> {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let room = repository.path().with_file_name(format!("room-{}", MADE.fetch_add(1, Ordering::Relaxed)));
    Node::new(SvnTransport::new(client(url, settings), Arc::new(MemoryLedger::default()), room))
}

/// Everything that every server must do alike.
fn a_day_at(repository: &Repository, url: &str, settings: &SvnSettings) {
    let cx = patient();
    let place = format!("{url}/deployments/main");
    let new = || node(repository, &place, settings.clone());
    let mut manager = new();
    let kind = |error: Error| error.kind();
    assert_eq!(manager.transport.open(&cx, OpenMode::Existing).map_err(kind), Err(ErrorKind::NotFound));
    let made = manager.transport.open(&cx, OpenMode::Create).expect("is made");
    assert!(made.created && !made.capabilities.reports);
    assert_eq!(made.id.to_string(), repository.uuid().replace('-', ""));
    assert_eq!(manager.transport.head(&cx, Look::Glance).expect("a look"), None);

    let mut all = files([("empty", &b""[..]), ("link", b"->small"), ("small", b"small file"), ("a @b%41", b"odd")]);
    all.extend(files([("large", noise(1, 3_000_000).as_slice())]));
    let before = repository.youngest();
    let one = manager.must_publish(&all);
    assert_eq!((one.number, repository.youngest()), (before + 1, before + 1), "one publish is one commit");
    let mut worker = new();
    worker.update(&cx).expect("updates");
    assert_eq!((&worker.files, worker.applied), (&all, Some(one)));

    all.remove(&"empty".try_into().expect("a path"));
    all.extend(files([("small", &b"changed"[..]), ("link", b"no link"), ("new", b"->elsewhere")]));
    let moved = all.remove(&"large".try_into().expect("a path")).expect("is there");
    all.extend(files([("moved", moved.as_slice())]));
    let two = manager.must_publish(&all);
    worker.update(&cx).expect("updates");
    assert_eq!((&worker.files, worker.applied), (&all, Some(two)));
    assert!(repository.log_verbose().contains("moved (from /deployments/main/large:"), "{}", repository.log_verbose());

    // Somebody else commits meanwhile, elsewhere in the deployment.
    let person = repository.person();
    person.puts("deployments/main/by hand", b"$Id$\r\nby hand\n");
    let by_hand = repository.youngest();
    let mut mine = all.clone();
    mine.extend(files([("small", &b"mine"[..])]));
    assert!(matches!(manager.publish(&cx, &mine).expect("an answer"), Published::Raced));
    assert_eq!(repository.youngest(), by_hand);
    manager.update(&cx).expect("updates");
    all.extend(files([("by hand", &b"$Id$\r\nby hand\n"[..])]));
    assert_eq!((&manager.files, manager.applied.map(|head| head.number)), (&all, Some(by_hand)));
    mine.extend(all.clone());
    mine.extend(files([("small", &b"mine"[..])]));
    manager.must_publish(&mine);

    // One that is three behind, one that is new, one that goes back.
    worker.update(&cx).expect("updates");
    assert_eq!(worker.files, mine);
    let mut late = new();
    late.update(&cx).expect("updates");
    assert_eq!((&late.files, late.applied), (&mine, manager.applied));
    let head = manager.applied.expect("a head");
    let history = late.transport.history(&cx, head.number, 10).expect("a history");
    let numbers: Vec<u64> = history.iter().map(|statement| statement.revision.number).collect();
    assert_eq!(numbers, [one.number, two.number, by_hand, head.number]);
    let mut parent = None;
    for statement in &history {
        assert!(statement.follows(parent));
        parent = Some(statement.revision);
    }
    assert_eq!((&*history[0].author, history[2].node.is_none(), history[2].nonce.is_none()), ("test", true, true));
    late.update_to(&cx, one).expect("goes back");
    assert_eq!(late.applied, Some(one));
    assert_eq!(late.files.len(), 5);
    repository.verify();
    assert!(repository.transactions().is_empty());
}

#[test]
fn a_day_on_this_machine() {
    let repository = Repository::create();
    a_day_at(&repository, &repository.url(), &SvnSettings::default());
}

#[test]
fn a_day_behind_svnserve() {
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    a_day_at(&repository, &server.url(), &settings(WRITER));
}

#[test]
fn a_day_behind_apache() {
    let repository = Repository::create();
    let server = Apache::start(&repository);
    a_day_at(&repository, &server.url(), &settings(WRITER));
}

/// While a commit is on its way, Subversion lets others in that touch other files, and merges both, whatever property the
/// commit sets on the directory above: it is noticed, and everybody has the merged tree.
#[test]
fn a_commit_that_slips_in_is_merged_and_noticed() {
    let repository = Repository::create();
    let place = format!("{}/main", repository.url());
    let mut manager = node(&repository, &place, SvnSettings::default());
    let cx = patient();
    manager.transport.open(&cx, OpenMode::Create).expect("is made");
    let mut all = files([("a", &b"1"[..]), ("b", b"2")]);
    manager.must_publish(&all);
    let mut worker = node(&repository, &place, SvnSettings::default());
    worker.update(&cx).expect("updates");
    // Between the beginning of the next commit and its end, once.
    let once = repository.path().with_file_name("once");
    let content = repository.path().with_file_name("content");
    std::fs::write(&content, "slipped in").expect("writes");
    let slip = format!(
        "rm {} 2>/dev/null && {} -m 'slipped in' put {} {place}/b >/dev/null 2>&1; exit 0",
        once.display(),
        program("svnmucc", "subversion").display(),
        content.display()
    );
    repository.hook("pre-commit", &slip);
    for round in 0..3 {
        std::fs::write(&once, "").expect("writes");
        std::fs::write(&content, format!("slipped in {round}")).expect("writes");
        let before = repository.youngest();
        all.extend(files([("a", format!("ours {round}").as_bytes())]));
        let Published::Done { revision, root, .. } = manager.publish(&cx, &all).expect("an answer") else {
            panic!("not published");
        };
        assert_eq!((revision.number, repository.youngest()), (before + 2, before + 2), "theirs, and ours");
        all.extend(files([("b", format!("slipped in {round}").as_bytes())]));
        assert_eq!((&manager.files, manager.applied), (&all, Some(revision)));
        for other in [&mut worker, &mut node(&repository, &place, SvnSettings::default())] {
            assert_eq!(other.transport.root(&cx, revision, &Nothing).expect("the root"), root);
            other.update(&cx).expect("updates");
            assert_eq!((&other.files, other.applied), (&all, Some(revision)));
        }
        // And on from there.
        all.extend(files([("c", format!("on {round}").as_bytes())]));
        manager.must_publish(&all);
        worker.update(&cx).expect("updates");
        assert_eq!(worker.files, all);
    }
    // A file that both change is a race, also in this moment.
    std::fs::write(&once, "").expect("writes");
    all.extend(files([("b", &b"ours"[..])]));
    assert!(matches!(manager.publish(&cx, &all).expect("an answer"), Published::Raced));
}

/// Nothing is in the directory.
struct Nothing;

impl LocalContent for Nothing {
    fn open(&self, _: &RelPath) -> Result<std::fs::File> {
        Err(Error::new(ErrorKind::NotFound, "nothing is here"))
    }
}

/// What a reader may not see is an error, whether it knew it before or not, and never a removal.
#[test]
fn a_hidden_subtree_is_never_a_removal() {
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let place = format!("{}/main", server.url());
    let mut manager = node(&repository, &place, settings(WRITER));
    let cx = patient();
    manager.transport.open(&cx, OpenMode::Create).expect("is made");
    let mut all = files([("open", &b"1"[..]), ("secret", b"2")]);
    manager.must_publish(&all);
    let mut worker = node(&repository, &place, settings(READER));
    worker.update(&cx).expect("updates");
    assert_eq!(worker.files, all);
    repository.hide("main/secret");
    repository.grant("main/secret", WRITER, Access::Write);
    all.extend(files([("open", &b"3"[..])]));
    manager.must_publish(&all);
    // What this one knew of it stays what it was.
    worker.update(&cx).expect("updates");
    assert_eq!(worker.files, all);
    let mut late = node(&repository, &place, settings(READER));
    assert_eq!(late.update(&cx).map_err(|error| error.kind()), Err(ErrorKind::Damaged));
    all.extend(files([("secret", &b"4"[..])]));
    manager.must_publish(&all);
    let before = worker.files.clone();
    assert_eq!(worker.update(&cx).map_err(|error| error.kind()), Err(ErrorKind::Damaged));
    assert_eq!(worker.files, before);
}
