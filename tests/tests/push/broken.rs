//! Pushes that are killed or cut, and nodes that are down, and what the next push makes of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use depsync_tests::node::noise;
use depsync_tests::sshd::{Programs, Relay, Sshd, Way, program};

use crate::scene::{Scene, node};

#[test]
fn a_node_that_is_down_gets_it_when_it_is_back_and_keeps_no_other_from_it() {
    let scene = Scene::new(2);
    scene.write("a", "1");
    scene.must_push("");
    scene.nodes[0].sshd.stop();
    scene.write("a", "2");
    let (answer, exit) = scene.push("");
    assert_eq!((exit, &answer["failed"], &node(&answer, 1)["error"]["kind"]), (5, &1.into(), &"unreachable".into()));
    scene.identical(&scene.nodes[1], "the other one");
    assert_eq!((scene.on_record(1), scene.on_record(2)), (Some(1), Some(2)));
    scene.nodes[0].sshd.start_again();
    scene.must_push("");
    assert_eq!(scene.on_record(1), Some(2));
}

/// What the second revision has of everything: changed, added, removed, other kinds.
fn second_revision(scene: &Scene) {
    scene.write("app/a", "2");
    scene.write("app/new/deep", "2");
    std::fs::remove_file(scene.source().join("app/b")).expect("removes");
    std::fs::remove_dir_all(scene.source().join("lib")).expect("removes");
    scene.write("lib", "a file now");
    scene.write("large", noise(2, 300_000));
}

fn first_revision(scene: &Scene) {
    for name in ["app/a", "app/b", "lib/x", "lib/y", "stays"] {
        scene.write(name, "1");
    }
    scene.write("large", noise(1, 300_000));
}

/// The source becomes the other of the two revisions.
fn turn_to(scene: &Scene, second: bool) {
    let _ = std::fs::remove_dir_all(scene.source());
    first_revision(scene);
    if second {
        second_revision(scene);
    }
}

#[test]
fn a_push_killed_at_every_step_is_put_right_by_the_next() {
    let scene = Scene::new(1);
    first_revision(&scene);
    scene.must_push("");
    let (mut killed, mut went_through) = (0, 0);
    for step in 1..1000 {
        turn_to(&scene, step % 2 == 1);
        let output = scene.bench.output(&["--die-at-step", &step.to_string(), "push", "--allow-mass-delete"]);
        if let Some(exit) = output.status.code() {
            assert_eq!(exit, 0, "{}", String::from_utf8_lossy(&output.stdout));
            went_through += 1;
            // There are fewer steps one way than the other.
            if went_through == 2 {
                break;
            }
            continue;
        }
        killed += 1;
        // Something else is to come by then: what the broken-off push has brought is not what is wanted now.
        if step % 3 == 0 {
            scene.write("app/new/other", step.to_string());
            let _ = std::fs::remove_file(scene.source().join("app/new/deep"));
        }
        let answer = scene.must_push("--allow-mass-delete");
        assert_eq!(node(&answer, 1)["drift"].as_array().map(Vec::len), Some(0), "step {step}: {answer:#}");
    }
    assert!(killed > 20, "{killed} steps");
    assert!(scene.nodes[0].kept().is_empty(), "nothing was taken for somebody else's");
}

#[test]
fn a_push_cut_at_every_quarter_goes_on_and_what_is_live_is_whole() {
    let scene = Scene::new(1);
    let relay = Relay::to(scene.nodes[0].sshd.port());
    scene.bench.write("known_hosts.more", "");
    let known = std::fs::read_to_string(scene.bench.path("known_hosts")).expect("keys");
    let port = scene.nodes[0].sshd.port().to_string();
    scene.bench.write("known_hosts", known.replace(&port, &relay.port().to_string()));
    scene.list(&[relay.port()]);
    scene.write("a", "1");
    scene.must_push("");
    let large = noise(3, 24 << 20);
    scene.write("large.war.part1", &large);
    for _ in 1..4 {
        relay.cut_after(Way::Up, 6 << 20);
        let (answer, exit) = scene.push("");
        assert_eq!((exit, &node(&answer, 1)["error"]["kind"]), (5, &"unreachable".into()), "{answer:#}");
        assert!(!scene.nodes[0].path("large.war.part1").exists());
        relay.go_on();
    }
    let before = relay.passed(Way::Up);
    scene.must_push("");
    let sent = relay.passed(Way::Up) - before;
    // What was on its way through sshd is lost each time.
    assert!(sent < 16 << 20, "{sent} bytes of 24 MiB after three quarters were sent");
}

#[test]
fn a_reader_never_sees_a_partial_file() {
    let scene = Scene::new(1);
    let body = |round: usize| format!("{round} ").repeat(60_000);
    for number in 0..20 {
        scene.write(&format!("d/{number}.xml"), body(0));
    }
    scene.must_push("");
    let far = &scene.nodes[0];
    let (done, dir) = (AtomicBool::new(false), far.dir());
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            let mut reads = 0u64;
            while !done.load(Ordering::SeqCst) {
                for entry in std::fs::read_dir(dir.join("d")).expect("there") {
                    let path = entry.expect("an entry").path();
                    assert!(path.extension().is_some_and(|ending| ending == "xml"), "{}", path.display());
                    let text = std::fs::read_to_string(&path).expect("there is always a file");
                    let round: usize = text.split(' ').next().expect("a word").parse().expect("a number");
                    assert_eq!(text, body(round), "{}", path.display());
                    seen.insert(round);
                    reads += 1;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            (seen.len(), reads)
        });
        for round in 1..6 {
            for number in 0..20 {
                scene.write(&format!("d/{number}.xml"), body(round));
            }
            scene.must_push("");
        }
        done.store(true, Ordering::SeqCst);
        let (seen, reads) = reader.join().expect("it saw whole files only");
        assert!(seen > 3 && reads > 100, "{seen} versions in {reads} reads");
    });
}

/// A far side whose programs end everything there at one of their calls: as if the machine had stopped.
fn mortal(name: &str, programs: &Programs, calls: &std::path::Path) {
    let real = program(name, "coreutils");
    programs.script(
        name,
        &format!(
            "calls={}
             n=$(($(cat $calls/count) + 1))
             echo $n >$calls/count
             [ $n != \"$(cat $calls/at)\" ] || kill -9 0
             exec {} \"$@\"",
            calls.display(),
            real.display()
        ),
    );
}

#[test]
fn a_far_side_that_dies_at_every_call_is_put_right_by_the_next_push() {
    let calls = tempfile::tempdir().expect("a directory");
    // Without perl every directory's files get their names by a call of their own.
    let programs = Programs::only(&[
        "cat",
        "cksum",
        "cp",
        "find",
        "grep",
        "head",
        "id",
        "ls",
        "readlink",
        "rsync",
        "sha256sum",
        "sh",
        "stat",
        "tr",
        "uname",
    ]);
    for name in ["mv", "rm", "mkdir", "rmdir", "chmod", "ln", "sync"] {
        mortal(name, &programs, calls.path());
    }
    let say = |name: &str, number: usize| std::fs::write(calls.path().join(name), number.to_string()).expect("writes");
    let from = |at: usize| {
        say("count", 0);
        say("at", at);
    };
    from(0);
    let scene = Scene::with(vec![Sshd::with_path(&programs.path())]);
    first_revision(&scene);
    scene.must_push("");
    let (mut died, mut went_through) = (0, 0);
    for at in 1..100 {
        turn_to(&scene, at % 2 == 1);
        from(at);
        let (answer, exit) = scene.push("--allow-mass-delete");
        if exit == 0 {
            went_through += 1;
            if went_through == 2 {
                break;
            }
            continue;
        }
        died += 1;
        assert_eq!(node(&answer, 1)["error"]["kind"], "unreachable", "call {at}: {answer:#}");
        from(0);
        let answer = scene.must_push("--allow-mass-delete");
        assert_eq!(node(&answer, 1)["drift"].as_array().map(Vec::len), Some(0), "call {at}: {answer:#}");
    }
    assert!(died > 15, "{died} calls");
    assert!(scene.nodes[0].kept().is_empty(), "nothing was taken for somebody else's");
}

#[test]
fn a_far_side_that_dies_between_two_renames_is_put_right_by_the_next_push() {
    let programs = Programs::only(&[]);
    let real = program("perl", "perl-base");
    let scene = Scene::with(vec![Sshd::with_path(&programs.path_before_others())]);
    for number in 0..6 {
        scene.write(&format!("d{number}/file"), "1");
    }
    scene.must_push("");
    for number in 0..6 {
        scene.write(&format!("d{number}/file"), "2");
    }
    let half = format!("tr '\\0' '\\n' | head -n 3 | tr '\\n' '\\0' | {} \"$@\"\nkill -9 0", real.display());
    programs.script("perl", &half);
    let (answer, exit) = scene.push("");
    assert_eq!((exit, &node(&answer, 1)["error"]["kind"]), (5, &"unreachable".into()), "{answer:#}");
    let far = &scene.nodes[0];
    let now: String = (0..6).map(|number| far.read(&format!("d{number}/file"))).collect();
    assert_eq!(now, "222111");
    programs.remove("perl");
    let answer = scene.must_push("");
    assert_eq!(node(&answer, 1)["drift"].as_array().map(Vec::len), Some(0), "{answer:#}");
}
