//! Where a unit cannot change as one it is left, and that is said with a way out; there is no half way.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use depsync_engine::engine::{Options, UnitRule, UpdateOptions};
use depsync_engine::error::ErrorKind;
use depsync_tests::cluster::Site;
use depsync_tests::crash::{self, Child, End, Work};
use depsync_tests::mounted::{self, Bind, Tmpfs};
use depsync_tests::snapshot::{snapshot, write_tree};

use crate::town::{RELEASE, kept, release, same, staged, stamps, town, update};

#[test]
fn on_a_file_system_that_cannot_exchange_it_is_said() {
    let site = town(&[]);
    let before = stamps(&site.dir("w/shop"));
    release(&site, &[("shop/index.jsp", "index 2"), ("beside.txt", "beside 2")]);
    let child = Child { node: "w", work: Work::Update, poor: true };
    assert!(matches!(crash::run(&site, child, None), End::Finished(_)));
    assert_eq!(stamps(&site.dir("w/shop")), before);
    assert_eq!(std::fs::read(site.dir("w/beside.txt")).expect("read"), b"beside 2");
    let report = site.node("m").status(&site.context()).expect("status").nodes;
    let report = report.iter().map(|node| &node.report).find(|report| report.node.as_str() == "w").expect("a report");
    let said = report.problem.as_deref().expect("a problem");
    assert_eq!(
        said,
        "shop: it changes as one, and is left as it is: this file system cannot exchange two directories (ext4, xfs, \
         btrfs and tmpfs can); move the deployment to one that can, or name no unit here"
    );
    assert!(staged(&site).is_empty(), "{:?}", staged(&site));
    update(&site);
    same(&site, "where it can");
}

#[test]
fn below_webapps_there_is_no_place_to_stage_it_unless_one_is_named() {
    let site = Site::new();
    site.name_unit("shop", &[]);
    write_tree(&site.dir("m"), &RELEASE);
    site.publish("m").expect("publishes");
    std::fs::create_dir(site.dir("webapps")).expect("mkdir");
    let done = site.update("webapps/w").expect("updates");
    let said: Vec<String> = done.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "shop: it changes as one, and is left as it is: there is no place beside the deployment directory to stage it \
          in; name one on its file system with `staging`"
        ]
    );
    assert_eq!(snapshot(&site.dir("webapps/w")).into_keys().collect::<Vec<_>>(), [b"beside.txt"]);
    let options = Options { staging: Some(site.dir("stage")), ..site.options("webapps/w") };
    let done = site.open(options).update(&site.context(), &UpdateOptions::default()).expect("updates");
    assert!(done.problems.is_empty(), "{:?}", done.problems);
    assert_eq!(snapshot(&site.dir("webapps/w")), snapshot(&site.dir("m")));
}

#[test]
fn something_mounted_in_it_is_said() {
    if !mounted::as_root("refused::something_mounted_in_it_is_said") {
        return;
    }
    let site = town(&[]);
    let inner = site.dir("w/shop/static");
    let disk = Tmpfs::mount(&inner, 64);
    release(&site, &[("shop/index.jsp", "index 2")]);
    let said = |site: &Site| -> Vec<String> {
        site.update("w").expect("updates").problems.iter().map(ToString::to_string).collect()
    };
    let expected = "shop: it changes as one, and is left as it is: shop/static: another file system is mounted there";
    assert_eq!(said(&site), [expected]);
    drop(disk);
    // Of the same file system, so that nothing shows it before it is renamed.
    let bound = Bind::mount(&site.dir("w/shop"), &site.dir("w/shop"));
    let [said] = &said(&site)[..] else { panic!("one problem") };
    assert!(said.starts_with("shop: it changes as one, and is left as it is: shop/"), "{said}");
    assert!(said.ends_with(": something is mounted there"), "{said}");
    assert_eq!(std::fs::read(site.dir("w/shop/index.jsp")).expect("read"), b"index 1");
    drop(bound);
    update(&site);
    same(&site, "unmounted");
}

#[test]
fn what_belongs_to_others_goes_on_belonging_to_them() {
    assert!(rustix::process::geteuid().is_root(), "only root can give files away: run the tests as root");
    let site = town(&["*.log"]);
    let log = site.dir("w/shop/own.log");
    std::fs::write(&log, "a server's").expect("write");
    let given = Command::new("chown").args(["-R", "7:8"]).arg(site.dir("w/shop")).status().expect("chown");
    assert!(given.success());
    let before = stamps(&site.dir("w/shop"));
    release(&site, &[("shop/index.jsp", "index 2")]);
    update(&site);
    for path in ["shop", "shop/WEB-INF/lib", "shop/own.log", "shop/WEB-INF/web.xml"] {
        let found = site.dir("w").join(path).metadata().expect("metadata");
        assert_eq!((found.uid(), found.gid()), (7, 8), "{path}");
    }
    assert_eq!(before[&log], stamps(&site.dir("w/shop"))[&log]);
}

#[test]
fn a_rule_that_makes_no_sense_is_refused_before_anything() {
    let site = Site::new();
    let rule = UnitRule { directory: "..".to_owned(), carry: Vec::new(), keep: UnitRule::KEEP };
    let options = Options { units: vec![rule], ..site.options("w") };
    let error = site.try_open(&site.context(), options, |transport| transport).err().expect("refused");
    assert_eq!((error.kind(), error.place()), (ErrorKind::Usage, Some("..")));
    assert!(!site.path().join(".w.depsync").exists() && kept(&site).is_empty());
}
