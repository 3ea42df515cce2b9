//! A whole node, over a hub in memory: what a look at everything and a rebuilt archive take.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use depsync_engine::context::Context;
use depsync_engine::engine::{Node, PublishOptions, UpdateOptions};
use depsync_tests::cluster::Site;
use depsync_tests::jar::{class, deflated, jar};

use crate::subject::{Amount, Subject};

const FILES: usize = 10_000;
const CLASSES: u32 = 1000;

pub(crate) fn subjects() -> Vec<Subject> {
    vec![
        Subject { name: "scan: 10,000 files, nothing changed", amount: Amount::Items(FILES), prepare: scanning },
        Subject { name: "publish: 1 of 1,000 classes of an archive", amount: Amount::Items(1), prepare: publishing },
        Subject { name: "rebuild: 1 of 1,000 classes of an archive", amount: Amount::Items(1), prepare: rebuilding },
    ]
}

fn publish(cx: &Context, node: &Node) -> bool {
    node.publish(cx, &PublishOptions::default()).expect("publishes").changed
}

fn scanning() -> Box<dyn FnMut()> {
    let (site, cx) = (Site::new(), Context::new());
    for number in 0..FILES {
        let directory = site.dir("m").join(format!("app-{:03}", number / 100));
        fs::create_dir_all(&directory).expect("a directory");
        fs::write(directory.join(format!("file-{number:05}.xml")), number.to_string()).expect("a file");
    }
    let node = site.node("m");
    assert!(publish(&cx, &node));
    Box::new(move || assert!(!publish(&cx, &node), "{}", site.path().display()))
}

/// An archive in which one class says `version`.
fn archive(version: u64) -> Vec<u8> {
    let entry = |number: u32| {
        let mut content = class(number.into());
        if number == CLASSES / 2 {
            content.extend_from_slice(&version.to_le_bytes());
        }
        deflated(format!("com/example/Class{number:04}.class"), content)
    };
    jar(&(0..CLASSES).map(entry).collect::<Vec<_>>(), u32::try_from(version).expect("few versions"))
}

fn with_archive() -> (Site, Node) {
    let site = Site::new();
    fs::create_dir_all(site.dir("m")).expect("a directory");
    fs::write(site.dir("m").join("shop.jar"), archive(0)).expect("an archive");
    let node = site.node("m");
    assert!(publish(&Context::new(), &node));
    (site, node)
}

fn publishing() -> Box<dyn FnMut()> {
    let ((site, node), cx, version) = (with_archive(), Context::new(), AtomicU64::new(0));
    let file = site.dir("m").join("shop.jar");
    // Made before: what is measured is not how archives are built here.
    let archives = [archive(1), archive(2)];
    Box::new(move || {
        let number = version.fetch_add(1, Ordering::Relaxed);
        fs::write(&file, &archives[usize::from(number % 2 == 1)]).expect("an archive");
        assert!(publish(&cx, &node), "{}", site.path().display());
    })
}

fn rebuilding() -> Box<dyn FnMut()> {
    let ((site, manager), cx, version) = (with_archive(), Context::new(), AtomicU64::new(0));
    fs::write(site.dir("m").join("shop.jar"), archive(1)).expect("an archive");
    assert!(publish(&cx, &manager));
    let node = site.node("w");
    let to = |number| UpdateOptions { to: Some(number), ..UpdateOptions::default() };
    assert!(node.update(&cx, &to(2)).expect("updates").changed);
    Box::new(move || {
        let number = version.fetch_add(1, Ordering::Relaxed);
        let updated = node.update(&cx, &to(1 + number % 2)).expect("updates");
        assert!(updated.changed, "{}", site.path().display());
    })
}
