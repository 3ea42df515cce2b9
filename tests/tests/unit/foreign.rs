//! What nobody tracks in a unit: it refuses the exchange, or moves along.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;

use depsync_engine::context::Observer;
use depsync_engine::engine::{UpdateOptions, UpdateOutcome};
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{Item, check_same, snapshot, write_tree};

use crate::town::{recovered, release, same, staged, stamps, town, update};

fn problems(done: &UpdateOutcome) -> Vec<String> {
    done.problems.iter().map(ToString::to_string).collect()
}

/// Does something on the worker at a step of its update.
struct Meddler(&'static str, Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Observer for Meddler {
    fn step(&self, name: &'static str) {
        if name == self.0
            && let Some(deed) = self.1.lock().expect("no panic").take()
        {
            deed();
        }
    }
}

fn update_meddled(site: &Site, at: &'static str, deed: impl FnOnce() + Send + 'static) -> UpdateOutcome {
    let meddler = std::sync::Arc::new(Meddler(at, Mutex::new(Some(Box::new(deed)))));
    let cx = site.context().with_observer(std::sync::Arc::clone(&meddler) as _);
    let done = site.node_under(&cx, "w").expect("opens").update(&cx, &UpdateOptions::default()).expect("updates");
    assert!(meddler.1.lock().expect("no panic").is_none(), "there was no step {at}");
    done
}

#[test]
fn an_untracked_file_leaves_the_unit_as_it_is_and_everything_else_goes() {
    let site = town(&["*.log"]);
    write_tree(&site.dir("w"), &[("shop/WEB-INF/cache.db", "the server's"), ("shop/x.tmp", "ignored")]);
    let before = stamps(&site.dir("w/shop"));
    release(&site, &[("shop/index.jsp", "index 2"), ("shop/new.jsp", "new"), ("beside.txt", "beside 2")]);
    let dry = UpdateOptions { dry_run: true, ..UpdateOptions::default() };
    let dry = site.node("w").update(&site.context(), &dry).expect("looks");
    let done = site.update("w").expect("updates");
    let wanted = "shop: it changes as one, and is left as it is: shop/WEB-INF/cache.db and another one would stay behind, \
                  as nobody tracks it; remove it, or name it in `carry`";
    for done in [&dry, &done] {
        assert_eq!(problems(done), [wanted]);
        assert_eq!((done.added, done.modified, done.removed), (0, 1, 0));
    }
    assert_eq!(stamps(&site.dir("w/shop")), before, "it was touched");
    assert_eq!(std::fs::read(site.dir("w/beside.txt")).expect("read"), b"beside 2");
    assert_eq!(site.update("w").expect("updates").bytes_fetched, 0, "what cannot be placed is not fetched");
    // The node says so, and goes on as soon as it can.
    let report = site.node("m").status(&site.context()).expect("status").nodes;
    let report = report.iter().map(|node| &node.report).find(|report| report.node.as_str() == "w").expect("a report");
    assert_eq!(report.problem.as_deref(), Some(wanted));
    for file in ["shop/WEB-INF/cache.db", "shop/x.tmp"] {
        std::fs::remove_file(site.dir("w").join(file)).expect("remove");
    }
    assert_eq!(update(&site).modified, 1);
    same(&site, "as soon as it can");
}

#[test]
fn what_carry_names_moves_along_as_it_is() {
    let site = town(&["WEB-INF/upload/**", "*.log", "*.tmp"]);
    let own = [
        ("shop/WEB-INF/upload/a/b.bin", "uploaded"),
        ("shop/WEB-INF/upload/empty/", ""),
        ("shop/WEB-INF/classes/deep/er/app.log", "a log"),
        ("shop/x.tmp", "ignored by default"),
        ("shop/WEB-INF/lib/link.log", "->a.bin"),
        ("shop/nobodys/", ""),
    ];
    write_tree(&site.dir("w"), &own);
    let before = stamps(&site.dir("w/shop"));
    let was = snapshot(&site.dir("w/shop"));
    let log = site.dir("w/shop/WEB-INF/classes/deep/er/app.log");
    let mut open = File::options().append(true).open(&log).expect("open");
    site.pass(5);
    release(&site, &[("shop/index.jsp", "index 2")]);
    let done = update(&site);
    assert!(done.kept_aside.is_empty(), "{:?}", done.kept_aside);
    // Who has it open writes on into what is live now.
    open.write_all(b", and more").expect("write");
    assert_eq!(std::fs::read(&log).expect("read"), b"a log, and more");
    let (after, now) = (stamps(&site.dir("w/shop")), snapshot(&site.dir("w/shop")));
    for (path, _) in own {
        let at = site.dir("w").join(path.trim_end_matches('/'));
        let (old, new) = (before[&at], after[&at]);
        if at.is_dir() {
            assert_eq!((old.1, old.3), (new.1, new.3), "{path}");
        } else if at != log {
            assert_eq!(old, new, "{path}");
        }
    }
    let changed = |name: &[u8]| name == b"index.jsp" || name.ends_with(b"app.log");
    let but = |all: &depsync_tests::snapshot::Snapshot| {
        all.iter().filter(|(name, _)| !changed(name)).map(|(name, item)| (name.clone(), item.clone())).collect()
    };
    check_same(&but(&now), &but(&was), "what moved along");
}

#[test]
fn what_moves_along_keeps_its_directory_and_what_has_no_place_is_kept_aside() {
    let site = town(&["*"]);
    write_tree(&site.dir("w"), &[("shop/WEB-INF/lib/own.jar", "own"), ("shop/static/own.css", "own, too")]);
    std::fs::remove_dir_all(site.dir("m/shop/WEB-INF/lib")).expect("remove");
    std::fs::remove_dir(site.dir("m/shop/static")).expect("remove");
    release(&site, &[("shop/static", "a file by now")]);
    let done = site.update("w").expect("updates");
    assert!(done.problems.is_empty(), "{:?}", done.problems);
    assert_eq!(done.warnings.len(), 1, "{:?}", done.warnings);
    assert!(done.warnings[0].starts_with("shop/WEB-INF/lib: the hub has removed it"), "{:?}", done.warnings);
    assert_eq!(std::fs::read(site.dir("w/shop/WEB-INF/lib/own.jar")).expect("read"), b"own");
    assert!(!site.dir("w/shop/WEB-INF/lib/a.bin").exists());
    assert_eq!(std::fs::read(site.dir("w/shop/static")).expect("read"), b"a file by now");
    let aside: Vec<String> = done.kept_aside.iter().map(ToString::to_string).collect();
    assert_eq!(aside, ["shop/static/own.css"]);
    assert!(recovered(&site).values().any(|item| matches!(item, Item::File(_, text) if text == b"own, too")));
    assert!(!site.update("w").expect("updates").changed);
}

#[test]
fn drift_is_kept_aside() {
    let site = town(&[]);
    write_tree(&site.dir("w"), &[("shop/index.jsp", "by hand"), ("shop/new.jsp", "met")]);
    std::fs::remove_file(site.dir("w/shop/WEB-INF/web.xml")).expect("remove");
    release(&site, &[("shop/new.jsp", "new")]);
    let done = update(&site);
    let aside: Vec<String> = done.kept_aside.iter().map(ToString::to_string).collect();
    assert_eq!(aside.len(), 2, "{aside:?}");
    for text in [&b"by hand"[..], b"met"] {
        assert!(recovered(&site).values().any(|item| matches!(item, Item::File(_, found) if found == text)));
    }
    same(&site, "drift");
}

#[test]
fn what_comes_while_the_update_runs_refuses_or_moves_along() {
    let site = town(&["*.log"]);
    let shop = site.dir("w/shop");
    release(&site, &[("shop/index.jsp", "index 2")]);
    let at = shop.clone();
    let done = update_meddled(&site, "update.journal", move || write_tree(&at, &[("late.db", "the server's")]));
    assert_eq!(problems(&done).len(), 1, "{:?}", done.problems);
    assert!(problems(&done)[0].contains("shop/late.db would stay behind"), "{:?}", done.problems);
    assert_eq!(std::fs::read(shop.join("index.jsp")).expect("read"), b"index 1");
    assert!(staged(&site).is_empty(), "{:?}", staged(&site));
    std::fs::remove_file(shop.join("late.db")).expect("remove");
    // What may move along does, also where it came in the very last moment, and so does what was replaced.
    std::fs::write(shop.join("old.log"), "1").expect("write");
    let at = shop.clone();
    let done = update_meddled(&site, "update.journal", move || {
        write_tree(&at, &[("late.log", "late"), ("new/late.log", "late, too"), ("other.log", "2")]);
        std::fs::rename(at.join("other.log"), at.join("old.log")).expect("rename");
    });
    assert!(problems(&done).is_empty(), "{:?}", done.problems);
    for (name, text) in
        [("late.log", "late"), ("new/late.log", "late, too"), ("old.log", "2"), ("index.jsp", "index 2")]
    {
        assert_eq!(std::fs::read(shop.join(name)).expect(name), text.as_bytes(), "{name}");
    }
    release(&site, &[("shop/index.jsp", "index 3")]);
    let at = shop.clone();
    let done = update_meddled(&site, "apply.exchange-unit", move || {
        write_tree(&at, &[("later.log", "later"), ("later.db", "kept aside"), ("index.jsp", "by hand")]);
    });
    assert!(problems(&done).is_empty(), "{:?}", done.problems);
    assert_eq!(std::fs::read(shop.join("later.log")).expect("read"), b"later");
    let aside: Vec<String> = done.kept_aside.iter().map(ToString::to_string).collect();
    let mut aside: Vec<&str> = aside.iter().map(String::as_str).collect();
    aside.sort_unstable();
    assert_eq!(aside, ["shop/index.jsp", "shop/later.db"]);
    for text in [&b"by hand"[..], b"kept aside"] {
        assert!(recovered(&site).values().any(|item| matches!(item, Item::File(_, found) if found == text)));
    }
}

#[test]
fn a_manager_keeps_what_it_has_edited_and_not_published() {
    let site = town(&["*.log"]);
    site.update("m").expect("updates");
    let other = site.node_as("w", depsync_engine::engine::Role::ReadWrite);
    let options = UpdateOptions::default();
    release(&site, &[("shop/index.jsp", "index 2")]);
    std::fs::write(site.dir("w/shop/WEB-INF/web.xml"), "edited here").expect("write");
    let inode = site.dir("w/shop/WEB-INF/web.xml").metadata().expect("metadata").ino();
    let done = other.update(&site.context(), &options).expect("updates");
    assert!(done.problems.is_empty() && done.kept_aside.is_empty(), "{done:?}");
    assert_eq!(std::fs::read(site.dir("w/shop/index.jsp")).expect("read"), b"index 2");
    assert_eq!(site.dir("w/shop/WEB-INF/web.xml").metadata().expect("metadata").ino(), inode);
    // A file that it has not published yet is tracked by nobody.
    release(&site, &[("shop/index.jsp", "index 3")]);
    std::fs::write(site.dir("w/shop/draft.jsp"), "not yet").expect("write");
    let done = other.update(&site.context(), &options).expect("updates");
    assert!(problems(&done)[0].contains("shop/draft.jsp would stay behind"), "{done:?}");
    // An edit in the last moment is left alone, with the unit.
    std::fs::remove_file(site.dir("w/shop/draft.jsp")).expect("remove");
    let at = site.dir("w/shop/index.jsp");
    let meddler =
        Meddler("update.journal", Mutex::new(Some(Box::new(move || std::fs::write(at, "mine").expect("write")))));
    let cx = site.context().with_observer(std::sync::Arc::new(meddler));
    let done = other.update(&cx, &options).expect("updates");
    assert!(problems(&done)[0].contains("changed here while the update ran"), "{done:?}");
    assert_eq!(std::fs::read(site.dir("w/shop/index.jsp")).expect("read"), b"mine");
    let done = other.update(&site.context(), &options).expect("updates");
    assert_eq!(done.conflicts.len(), 1, "{done:?}");
}

#[test]
fn pruning_makes_room_for_the_exchange() {
    let site = town(&[]);
    write_tree(&site.dir("w"), &[("shop/WEB-INF/cache.db", "the server's")]);
    release(&site, &[("shop/index.jsp", "index 2")]);
    let prune = UpdateOptions { prune: true, ..UpdateOptions::default() };
    let done = site.node("w").update(&site.context(), &prune).expect("updates");
    assert!(done.problems.is_empty(), "{:?}", done.problems);
    assert_eq!(done.kept_aside.iter().map(ToString::to_string).collect::<Vec<_>>(), ["shop/WEB-INF/cache.db"]);
    same(&site, "pruned");
}
