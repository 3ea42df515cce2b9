//! Records, hints, reports and the other files of a hub: bent, huge, nested, of another hub, with escape codes in them.

use std::fs::File;
use std::os::unix::fs::symlink;

use depsync_engine::hash::Digest;
use depsync_tests::forge::{Entry, Hub, Pack, Page};
use serde_json::{Value, json};

use crate::scene::{MEMORY, REFUSED, Scene};

/// Moves a terminal's cursor, rings its bell, sets its title, and the 8-bit form of the first.
const ESCAPES: &str = "\u{1b}[2J\u{7}\u{1b}]0;owned\u{7}\u{9b}31m\r\u{8}";

/// A revision that could be applied, but for what its record says.
fn with(scene: &Scene, what: &str, change: impl FnOnce(&mut Value, &Hub) -> u64) -> String {
    scene.forged(what, |hub| {
        let mut pack = Pack::default();
        let root = pack.piece(b"owned").page(&Page::leaf(&[(b"a", Entry::file(b"owned"))]));
        let reference = hub.pack(pack.finish());
        let mut payload = hub.payload(root, vec![reference]);
        let number = change(&mut payload, hub);
        hub.record(number, format!("{payload}\n").as_bytes());
    })
}

#[test]
fn records_that_are_not_the_next_one() {
    let scene = Scene::new();
    let most = 999_999_999_999u64;
    let set = |field: &'static str, value: Value, number: u64| {
        move |payload: &mut Value, _: &Hub| {
            payload[field] = value;
            number
        }
    };
    with(&scene, "of another hub", set("hub", json!("ffffffffffffffffffffffffffffffff"), 2));
    with(&scene, "of another deployment", set("deployment", json!("site"), 2));
    with(&scene, "another number", set("number", json!(3), 2));
    with(&scene, "no number", set("number", json!(0), 2));
    // A node that knows the history finds that this is not its continuation. One that is new takes any revision for its
    // first: there is nothing that it could compare it with.
    let stranger = json!(Digest::of(b"x"));
    for (what, parent, number, code) in [
        ("the last number", stranger.clone(), most, 6),
        ("another parent", stranger, 2, 3),
        ("revision 1 once more", Value::Null, 1, 3),
    ] {
        let mut hub = scene.hub();
        let mut payload = hub.payload(Digest::of(b"x"), vec![]);
        (payload["number"], payload["parent"]) = (json!(number), parent);
        hub.record(number, format!("{payload}\n").as_bytes());
        scene.ask(what, &["update", "live", "hub", "--node", "worker"], &[code], MEMORY);
        scene.restore();
    }
    with(&scene, "a number beyond the last", set("number", json!(u64::MAX), 2));
    with(&scene, "a number that is none", set("number", json!(1e300), 2));
    with(&scene, "no parent", set("parent", Value::Null, 2));
    with(&scene, "a node that climbs", set("node", json!("../../x"), 2));
    with(&scene, "an author that is too long", set("author", json!("x".repeat(300)), 2));
    with(&scene, "a message that is too long", set("message", json!("x".repeat(70_000)), 2));
    with(&scene, "a time that is none", set("time", json!("tomorrow"), 2));
    with(&scene, "a root that is no digest", set("root", json!("../../etc"), 2));
    with(&scene, "itself as its parent", |payload, hub| {
        let head = hub.head().expect("revision 1");
        payload["number"] = json!(1);
        payload["parent"] = json!(head.record);
        1
    });
    scene.goes_on();
}

#[test]
fn what_a_later_version_wrote_is_not_called_damaged() {
    let scene = Scene::new();
    for (field, value) in [("schema", json!(2)), ("tree", json!(2))] {
        let mut hub = scene.hub();
        let mut payload = hub.payload(Digest::of(b"x"), vec![]);
        payload[field] = value;
        hub.record(2, format!("{payload}\n").as_bytes());
        let said = scene.refused_with(field, &[1], MEMORY);
        assert!(said.contains("upgrade depsync"), "{said}");
        scene.restore();
    }
    scene.goes_on();
}

#[test]
fn records_that_are_no_records() {
    let scene = Scene::new();
    let nested = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let more = format!("{{\"schema\":1,\"more\":{}}}\n", "{\"a\":".repeat(100_000));
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("no newline", b"{}"),
        ("an empty line", b"\n"),
        ("no JSON", b"revision 2\n"),
        ("no object", b"[1,2]\n"),
        ("a hundred thousand brackets", nested.as_bytes()),
        ("a hundred thousand objects", more.as_bytes()),
        ("bytes that are no text", b"{\"schema\":1,\"hub\":\"\xff\xfe\"}\n"),
        ("escape codes", format!("{{\"schema\":\"{ESCAPES}\"}}\n").as_bytes()),
    ] {
        scene.forged(what, |hub| {
            hub.record(2, bytes);
        });
    }
    scene.goes_on();
}

#[test]
fn hints_that_are_wrong_are_hints() {
    let scene = Scene::new();
    let said = [
        String::new(),
        "2\n".to_owned(),
        format!("999999999999 {}\n", Digest::of(b"x")),
        format!("18446744073709551615 {}\n", Digest::of(b"x")),
        format!("2 {}\n", "../".repeat(21)),
        ESCAPES.to_owned(),
        "x".repeat(100_000),
    ];
    for said in &said {
        for name in ["d/main/HEAD", "HEADS", "INDEX"] {
            scene.hub_file(name, said.as_bytes());
            // The records are the truth, so the honest revision 1 is found; or the hub is refused.
            scene.ask(&format!("{name} {said:.20?}"), &["update", "live", "hub"], &[0, 3, 6], MEMORY);
            scene.restore();
        }
    }
    scene.goes_on();
}

#[test]
fn a_format_that_is_not_this_hubs() {
    let scene = Scene::new();
    let chunking = |numbers: &str| {
        let format = std::fs::read_to_string(scene.path("hub/FORMAT")).expect("a FORMAT");
        format.replace("\"min\": 4096", &format!("\"min\": {numbers}"))
    };
    let (zero, huge) = (chunking("0"), chunking("4294967295"));
    for (what, bytes, allowed) in [
        ("no FORMAT", "", REFUSED),
        ("another hub", r#"{"depsync_hub":1,"hub":"ffffffffffffffffffffffffffffffff"}"#, &[3]),
        ("a hub id that climbs", r#"{"depsync_hub":1,"hub":"../../../../etc/passwd0000000000000"}"#, &[6]),
        ("a later layout", r#"{"depsync_hub":9,"hub":"ffffffffffffffffffffffffffffffff"}"#, &[1]),
        ("a feature with escape codes", &format!(r#"{{"depsync_hub":1,"requires":[{}]}}"#, json!(ESCAPES)), &[1]),
        ("pieces of nothing", &zero, &[6]),
        ("pieces of everything", &huge, &[6]),
    ] {
        scene.hub_file("FORMAT", bytes.as_bytes());
        // A node that does not know the hub has to read it; so does a publisher.
        scene.ask(what, &["publish", "master", "hub", "-m", "x"], &[0, 1, 3, 6], MEMORY);
        let fresh = if what == "another hub" { &[0, 1, 3, 5, 6][..] } else { &[1, 3, 5, 6] };
        scene.ask(what, &["update", "fresh", "hub", "--node", "fresh"], fresh, MEMORY);
        // Nothing new in the hub: one read of HEAD, whatever FORMAT says. Something new: it is opened.
        let mut hub = scene.hub_of("00112233445566778899aabbccddeeff");
        hub.record(2, b"{}\n");
        scene.ask(what, &["update", "live", "hub", "--node", "worker"], &[REFUSED, allowed].concat(), MEMORY);
        scene.restore();
        for name in ["fresh", ".fresh.depsync"] {
            let _ = std::fs::remove_dir_all(scene.path(name));
        }
    }
    scene.goes_on();
}

#[test]
fn names_in_the_hub_that_lead_out_of_it() {
    let scene = Scene::new();
    let canary = scene.path("canary");
    let before = crate::scene::exact_beneath(&canary);
    let replaced = |name: &str, by: &dyn Fn(&std::path::Path)| {
        let path = scene.path("hub").join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
        if path.is_dir() {
            std::fs::remove_dir_all(&path).expect("it goes");
        } else {
            let _ = std::fs::remove_file(&path);
        }
        by(&path);
        let what = format!("{name} is something else");
        let any = &[0, 1, 3, 5, 6];
        for line in
            ["update live hub --node worker", "publish master hub", "status live hub", "gc --dir master --hub hub"]
        {
            scene.ask(&what, &line.split(' ').collect::<Vec<_>>(), any, MEMORY);
        }
        scene.restore();
    };
    for name in ["packs", "tmp", "d", "d/main", "d/main/revisions", "d/main/nodes", "gc", "index"] {
        replaced(name, &|path| symlink(&canary, path).expect("a link"));
        replaced(name, &|path| drop(File::create(path).expect("a file")));
    }
    for name in ["FORMAT", "HEADS", "INDEX", "d/main/HEAD", "d/main/revisions/000000000001", "gc/condemned"] {
        replaced(name, &|path| symlink(canary.join("secret"), path).expect("a link"));
        replaced(name, &|path| std::fs::create_dir(path).expect("a directory"));
        // Whoever opened it the ordinary way would wait for ever.
        replaced(name, &|path| {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("a fifo");
        });
    }
    assert_eq!(crate::scene::exact_beneath(&canary), before, "something got out of the hub");
    scene.goes_on();
}

#[test]
fn reports_of_other_nodes_cannot_move_a_cursor() {
    let scene = Scene::new();
    let good = std::fs::read_to_string(scene.path("hub/d/main/nodes/worker.json")).expect("a report");
    let mut report: Value = serde_json::from_str(&good).expect("JSON");
    report["node"] = json!("evil");
    for field in ["nonce", "outcome", "problem", "version"] {
        report[field] = json!(ESCAPES.repeat(100));
    }
    let nested = "[".repeat(60_000);
    let long = report.to_string().replace("\"problem\":\"", &format!("\"problem\":\"{}", "x".repeat(70_000)));
    for (node, bytes) in [
        ("evil", report.to_string()),
        ("other", report.to_string()),
        ("nested", nested),
        ("long", long),
        ("kinds", good.replace("false", &json!(ESCAPES).to_string())),
        ("empty", String::new()),
    ] {
        scene.hub_file(&format!("d/main/nodes/{node}.json"), bytes.as_bytes());
    }
    scene.hub_file("d/main/nodes/..json", good.as_bytes());
    scene.hub_file("d/main/nodes/\u{1b}[2J.json", good.as_bytes());
    // What one node writes hides no other, in whatever form it is asked for.
    for line in ["status live hub", "status live hub -vv", "--json status live hub"] {
        let said = scene.ask(line, &line.split(' ').collect::<Vec<_>>(), &[0], MEMORY);
        assert!(said.contains("worker") && said.contains("evil") && said.contains("owned"), "{said}");
    }
    scene.goes_on();
}

#[test]
fn what_a_forger_says_of_itself_cannot_move_a_cursor() {
    let scene = Scene::new();
    let mut hub = scene.hub();
    let mut pack = Pack::default();
    let name = format!("conf{ESCAPES}").into_bytes();
    let link = Entry::link(&format!("../canary/{ESCAPES}"));
    let page = Page::leaf(&[(&name, Entry::file(b"owned")), (b"link", link), (b"x\xff\x1b", Entry::directory())]);
    let root = pack.piece(b"owned").page(&page);
    let reference = hub.pack(pack.finish());
    hub.publish_as(root, vec![reference], |payload| {
        payload.author = ESCAPES.to_owned();
        payload.message = format!("{ESCAPES}\nsecond line");
    });
    scene.ask("update", &["update", "live", "hub", "--node", "worker", "-v"], &[0], MEMORY);
    for line in ["log --dir live --hub hub", "status live hub", "verify live hub", "diff 1 2 --dir live --hub hub"] {
        let words: Vec<_> = line.split(' ').collect();
        scene.ask(line, &words, &[0], MEMORY);
        scene.ask(line, &[&["--json"][..], &words].concat(), &[0], MEMORY);
    }
    assert_eq!(std::fs::read(scene.path("canary/secret")).expect("a canary"), b"untouched");
}
