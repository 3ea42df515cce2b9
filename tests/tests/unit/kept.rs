//! The unit that was replaced is kept for a while, beside the deployment, and then goes.

use depsync_engine::engine::{Options, UnitRule, UpdateOptions};
use depsync_tests::snapshot::snapshot;

use crate::town::{chmod, kept, release, same, staged, town, unlock, update};

#[test]
fn it_is_kept_whole_for_ten_minutes_and_then_swept() {
    let site = town(&[]);
    chmod(&site.dir("m/shop/WEB-INF/lib"), 0o555);
    site.publish("m").expect("publishes");
    update(&site);
    let old = snapshot(&site.dir("w/shop"));
    let before = kept(&site).len();
    site.pass(60);
    release(&site, &[("shop/index.jsp", "index 2"), ("shop/new.jsp", "new")]);
    update(&site);
    let both = kept(&site);
    assert_eq!(both.len(), before + 1);
    assert_eq!(snapshot(&both[before]), old, "the old one, whole");
    assert_eq!(snapshot(&site.dir("w")).keys().filter(|path| path.starts_with(b".")).count(), 0, "nothing inside");
    site.pass(9 * 60 + 30);
    same(&site, "the first is over, the second is not");
    assert_eq!(kept(&site), both[before..]);
    site.pass(60);
    same(&site, "over");
    assert!(staged(&site).is_empty(), "{:?}", staged(&site));
    unlock(&site);
}

#[test]
fn how_long_is_the_operators_to_say_and_outlives_the_rule() {
    let site = town(&[]);
    let with = |units: Vec<UnitRule>| {
        let options = Options { units, ..site.options("w") };
        site.open(options).update(&site.context(), &UpdateOptions::default()).expect("updates")
    };
    let rule = |seconds| UnitRule {
        directory: "shop".to_owned(),
        carry: Vec::new(),
        keep: std::time::Duration::from_secs(seconds),
    };
    release(&site, &[("shop/index.jsp", "index 2")]);
    assert_eq!(with(vec![rule(0)]).modified, 1);
    assert!(staged(&site).is_empty(), "{:?}", staged(&site));
    release(&site, &[("shop/index.jsp", "index 3")]);
    assert_eq!(with(vec![rule(3600)]).modified, 1);
    // Whoever comes later need not know how long it was to be.
    site.pass(3500);
    with(Vec::new());
    assert_eq!(kept(&site).len(), 1);
    site.pass(200);
    with(Vec::new());
    assert!(staged(&site).is_empty(), "{:?}", staged(&site));
}

#[test]
fn what_is_still_read_from_it_while_it_is_swept_goes_on() {
    use std::io::Read;
    let site = town(&[]);
    let mut library = std::fs::File::open(site.dir("w/shop/index.jsp")).expect("open");
    release(&site, &[("shop/index.jsp", "index 2")]);
    update(&site);
    site.pass(3600);
    same(&site, "swept");
    assert!(kept(&site).is_empty());
    let mut text = String::new();
    library.read_to_string(&mut text).expect("read");
    assert_eq!(text, "index 1");
    // The files that stay have their second name no more, and are as they were.
    use std::os::unix::fs::MetadataExt;
    assert_eq!(site.dir("w/shop/WEB-INF/web.xml").metadata().expect("metadata").nlink(), 1);
}
