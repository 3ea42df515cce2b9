//! Who reads while a unit changes: through one open of the directory everything is of one revision.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use depsync_engine::beneath::Root;
use depsync_engine::context::Context;
use depsync_engine::scan::{Ignore, Reach};
use depsync_engine::watch::{Hint, Settling, Waited, Watch};
use rustix::fs::{Mode, OFlags, openat};

use crate::town::{kept, release, town, update};

/// The files that a release changes together.
const TOGETHER: [&str; 3] = ["index.jsp", "WEB-INF/web.xml", "WEB-INF/classes/deep/er/A.class"];

fn all_of(number: u64) -> Vec<(String, String)> {
    TOGETHER.iter().map(|path| (format!("shop/{path}"), format!("release {number}"))).collect()
}

fn read(directory: &OwnedFd, path: &str) -> std::io::Result<String> {
    let file = openat(directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    File::from(file).read_to_string(&mut text)?;
    Ok(text)
}

/// What the files say through one open of the directory.
fn look(shop: &Path) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(rustix::fs::CWD, shop, flags, Mode::empty()).expect("there is always a directory");
    TOGETHER.iter().map(|path| read(&directory, path).expect("each file is there")).collect()
}

#[test]
fn a_reader_never_sees_a_mix_of_revisions() {
    let site = town(&[]);
    let publish = |number: u64| {
        let files = all_of(number);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        release(&site, &files);
    };
    publish(0);
    update(&site);
    let shop = site.dir("w/shop");
    let (over, looks) = (Arc::new(AtomicBool::new(false)), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen: Vec<String> = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let found = look(&shop);
                assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "a mix: {found:?}");
                looks.fetch_add(1, Ordering::SeqCst);
                if seen.last() != found.first() {
                    seen.extend(found.into_iter().take(1));
                }
            }
            seen
        });
        for number in 1..=20 {
            publish(number);
            // At least one look at each revision, and one while it is exchanged.
            let before = looks.load(Ordering::SeqCst);
            while looks.load(Ordering::SeqCst) < before + 2 && !reader.is_finished() {
                std::thread::yield_now();
            }
            update(&site);
        }
        let before = looks.load(Ordering::SeqCst);
        while looks.load(Ordering::SeqCst) < before + 2 && !reader.is_finished() {
            std::thread::yield_now();
        }
        over.store(true, Ordering::SeqCst);
        let seen = reader.join().expect("the reader saw no mix");
        let all: Vec<String> = (0..=20).map(|number| format!("release {number}")).collect();
        assert_eq!(seen, all, "each revision once, in order");
    });
}

#[test]
fn an_open_directory_and_its_handles_read_the_old_revision_on() {
    let site = town(&[]);
    let shop = File::open(site.dir("w/shop")).expect("open");
    let shop = OwnedFd::from(shop);
    let mut page = File::open(site.dir("w/shop/index.jsp")).expect("open");
    release(&site, &[("shop/index.jsp", "index 2"), ("shop/WEB-INF/web.xml", "web 2")]);
    std::fs::remove_file(site.dir("m/shop/WEB-INF/lib/a.bin")).expect("remove");
    site.publish("m").expect("publishes");
    update(&site);
    let mut text = String::new();
    page.read_to_string(&mut text).expect("read");
    assert_eq!(text, "index 1");
    // What is opened through it only now is of the old revision, too, also what is gone by now.
    for (path, content) in [("WEB-INF/web.xml", "web 1"), ("WEB-INF/lib/a.bin", "a library"), ("index.jsp", "index 1")]
    {
        assert_eq!(read(&shop, path).expect(path), content);
    }
    assert_eq!(kept(&site).len(), 1);
}

#[test]
fn who_watches_is_told_that_the_old_one_went_before_the_new_one_came() {
    let site = town(&[]);
    let (cx, dir) = (Context::new(), site.dir("w"));
    let mut watch = Watch::open(&cx, Root::open(&dir).expect("open"), Ignore::new()).expect("watched");
    let watched = watch.directories();
    let mut wait = || {
        let settling = Settling { quiet: Duration::from_millis(30), at_most: Duration::from_secs(5) };
        watch.wait(&cx, settling, Instant::now() + Duration::from_secs(20)).expect("waits")
    };
    release(&site, &[("shop/index.jsp", "index 2")]);
    update(&site);
    let Waited::Changed(Hint::Paths(paths)) = wait() else { panic!("not told what has changed") };
    assert!(paths.iter().any(|(path, reach)| path.as_bytes() == b"shop" && reach == Reach::Whole), "{paths:?}");
    // The new directory is the one that is watched now: a write deep in it is told.
    std::fs::write(dir.join("shop/WEB-INF/classes/deep/er/A.class"), "by hand").expect("write");
    let Waited::Changed(Hint::Paths(paths)) = wait() else { panic!("not told what has changed") };
    let told = paths.iter().any(|(path, _)| path.as_bytes() == b"shop/WEB-INF/classes/deep/er/A.class");
    assert!(told, "{paths:?}");
    assert_eq!(watch.directories(), watched);
}
