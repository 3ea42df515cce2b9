//! `HEAD` is a hint: whatever it says, the records decide, and a node that sees through it puts it right.

use std::fs;

use depsync_engine::error::ErrorKind;
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{snapshot, write_tree};

fn settled() -> Site {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("a", "one")]);
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    site
}

#[test]
fn a_head_that_lies_is_seen_through_by_an_update() {
    let site = settled();
    let head = site.hub().join("d/main/HEAD");
    let truth = fs::read(&head).expect("a head");
    let wrong = "ab".repeat(32);
    for lie in ["nonsense".to_owned(), format!("2 {wrong}\n"), format!("1 {wrong}\n")] {
        fs::write(&head, &lie).expect("a lie");
        let update = site.update("w").unwrap_or_else(|error| panic!("{lie:?}: {error}"));
        assert_eq!((update.to, update.changed), (Some(1), false), "{lie:?}");
    }
    assert_eq!(fs::read(&head).expect("a head"), truth, "it was put right");

    // Behind the truth, and wrong besides: the update finds what was published.
    fs::write(site.dir("m").join("a"), "two!").expect("a file");
    site.publish("m").expect("publishes");
    fs::write(&head, format!("1 {wrong}\n")).expect("a lie");
    assert_eq!(site.update("w").expect("updates").to, Some(2));
    assert_eq!(snapshot(&site.dir("w")), snapshot(&site.dir("m")));
}

#[test]
fn a_rewound_hub_is_refused_whatever_its_head_says() {
    let site = settled();
    let head = site.hub().join("d/main/HEAD");
    let before = fs::read(&head).expect("a head");
    fs::write(site.dir("m").join("a"), "two!").expect("a file");
    site.publish("m").expect("publishes");
    site.update("w").expect("updates");
    fs::remove_file(site.hub().join("d/main/revisions/000000000002")).expect("rewound");
    fs::write(site.dir("m").join("a"), "three").expect("a file");
    for said in [before, b"2 ".iter().copied().chain([b'0'; 64]).chain([b'\n']).collect()] {
        fs::write(&head, &said).expect("a head");
        assert_eq!(site.update("w").expect_err("rewound").kind(), ErrorKind::Refused);
        assert_eq!(site.publish("m").expect_err("rewound").kind(), ErrorKind::Refused);
    }
    assert_eq!(fs::read(site.dir("w").join("a")).expect("a file"), b"two!");
}
