//! A program whose zlib writes other bytes than the format demands: what it says, what it still does, and what helps it.
//!
//! It is the real one, with another hash in the place of the one that its encoder has to prove itself by.

use std::fs;
use std::path::{Path, PathBuf};

use depsync_tests::cli::{Bench, program};
use depsync_tests::cluster::copy_tree;
use depsync_tests::jar;
use depsync_tests::snapshot::{Snapshot, snapshot};

/// What level 6 makes of the sample, as the program has it.
const HASH: &[u8] = b"113f88c8536a226ca301774f99a58e4322a684a76048494f29d1dadfc0c9b661";

/// The program with another encoder.
fn other(bench: &Bench) -> PathBuf {
    let mut bytes = fs::read(program()).expect("the program");
    let found = bytes.windows(HASH.len()).position(|window| window == HASH);
    let at = found.expect("the program holds the hash of level 6: see engine/src/content/deflate/check.rs");
    bytes[at] = b'0';
    let path = bench.path("other");
    // With the right to be run.
    fs::copy(program(), &path).and_then(|_| fs::write(&path, bytes)).expect("a program");
    path
}

fn with_hub() -> (Bench, PathBuf) {
    let bench = Bench::in_memory();
    fs::create_dir(bench.path("hub")).expect("a directory");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hub-v1-archives"), &bench.path("hub"));
    let other = other(&bench);
    (bench, other)
}

fn done(text: &str) {
    assert!(text.ends_with("--- exit 0\n"), "{text}");
}

#[test]
fn a_patch_that_has_to_be_deflated_is_refused_until_gc_has_stored_it_whole() {
    let (mut bench, other) = with_hub();
    for line in ["update m hub --node m", "update --to 2 follows hub --node f"] {
        done(&bench.run(line));
    }
    let before = snapshot(&bench.path("follows"));
    bench.use_program(other.clone());
    for (directory, line) in [("follows", "update --to 3 follows hub --node f"), ("fresh", "update fresh hub --node n")]
    {
        let refused = bench.run(line);
        assert!(refused.contains("this program's zlib does not write what the format demands (level 6)"), "{refused}");
        assert!(refused.contains("\nhint: `depsync gc --raw` on a node whose depsync can"), "{refused}");
        assert!(refused.ends_with("--- exit 6\n"), "{refused}");
        let there = snapshot(&bench.path(directory));
        assert!(there == if directory == "fresh" { Snapshot::new() } else { before.clone() });
    }
    let (answer, exit) = bench.json("update --to 3 follows hub --node f");
    assert_eq!((answer["error"]["kind"].as_str(), exit), (Some("damaged"), Some(6)), "{answer}");

    bench.use_program(program());
    done(&bench.run("gc --raw --dir m --hub hub --node m"));
    bench.use_program(other);
    // The packs with the patches are still there, and in the newest record; `INDEX` names others.
    done(&bench.run("update --to 3 follows hub --node f"));
    done(&bench.run("update fresh hub --node n"));
    for directory in ["follows", "fresh"] {
        assert!(snapshot(&bench.path(directory)) == snapshot(&bench.path("m")), "{directory}");
    }
}

#[test]
fn what_it_publishes_can_be_read_by_everybody() {
    let (mut bench, other) = with_hub();
    done(&bench.run("update m hub --node m"));
    done(&bench.run("gc --raw --dir m --hub hub --node m"));
    bench.use_program(other.clone());
    for release in 1..=3 {
        bench.write("m/webapps/shop.war", jar::release(release));
        bench.write("m/webapps/shop/static/page.html", format!("release {release}"));
        done(&bench.run("publish m hub --node m"));
        done(&bench.run("update follows hub --node f"));
        assert!(snapshot(&bench.path("follows")) == snapshot(&bench.path("m")), "release {release}");
    }
    for (directory, program) in [("fresh", other), ("whoever", program())] {
        bench.use_program(program);
        done(&bench.run(&format!("update {directory} hub --node {directory}")));
        assert!(snapshot(&bench.path(directory)) == snapshot(&bench.path("m")), "{directory}");
    }
}
