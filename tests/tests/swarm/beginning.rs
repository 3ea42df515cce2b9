//! Sixteen processes at once on an empty place: one hub, one first revision, and everybody else knows what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{check_same, snapshot, write_tree};

use crate::{MANAGERS, files};
use depsync_tests::process::{Death, Ended, run};

/// Runs a command in every directory at the same time.
fn all_at_once(dirs: &[PathBuf], hub: &Path, args: &[&str]) -> Vec<Ended> {
    std::thread::scope(|scope| {
        let running: Vec<_> = dirs.iter().map(|dir| scope.spawn(move || run(dir, hub, args, Death::Never))).collect();
        running.into_iter().map(|one| one.join().expect("it ends")).collect()
    })
}

fn dirs(site: &Site) -> Vec<PathBuf> {
    (0..MANAGERS).map(|number| site.path().join(format!("m{number:02}"))).collect()
}

#[test]
fn sixteen_who_make_a_hub_agree_on_it() {
    for _ in 0..5 {
        let site = Site::new();
        std::fs::create_dir(site.hub()).expect("mkdir");
        let dirs = dirs(&site);
        dirs.iter().for_each(|dir| std::fs::create_dir(dir).expect("mkdir"));
        let ended = all_at_once(&dirs, &site.hub(), &["init", "--role", "manager"]);
        let mut hubs = BTreeSet::new();
        let mut made = 0;
        for ended in ended {
            let ended = ended.expect(&[0], Death::Never);
            hubs.insert(ended.json["hub_id"].as_str().expect("an id").to_owned());
            made += usize::from(ended.json["created"] == true);
        }
        assert_eq!((hubs.len(), made), (1, 1), "one hub, made once");
        // It is the hub of the next commands, too.
        for ended in all_at_once(&dirs, &site.hub(), &["update"]) {
            ended.expect(&[0], Death::Never);
        }
    }
}

/// Whoever loses the first race has not seen what it would publish on top of: it is sent to update, and then nothing of
/// what it has is lost, neither where the winner has something else nor where it has nothing.
#[test]
fn of_sixteen_first_publishes_one_is_the_first() {
    let site = Site::new();
    std::fs::create_dir(site.hub()).expect("mkdir");
    let dirs = dirs(&site);
    for (number, dir) in dirs.iter().enumerate() {
        let own = format!("own/{number:02}");
        write_tree(dir, &[("same", "same"), ("differs", &own), (&own, &own), ("gone-with-a-renamed/file", "same")]);
    }
    let ended = all_at_once(&dirs, &site.hub(), &["publish"]);
    let mut losers = Vec::new();
    for (dir, ended) in dirs.iter().zip(ended) {
        let ended = ended.expect(&[0, 3], Death::Never);
        if ended.code == Some(0) {
            assert_eq!((ended.number("revision"), &ended.json["changed"]), (Some(1), &true.into()), "{}", ended.told);
            continue;
        }
        let error = &ended.json["error"];
        assert_eq!(error["kind"], "refused", "{}", ended.told);
        assert_eq!(
            error["message"],
            format!("{}: the hub has revisions that this node has never applied", site.hub().display()),
            "{}",
            ended.told
        );
        let hint = "run `depsync update` first: it adopts what is equal and keeps what differs aside";
        assert_eq!(error["hint"], hint, "{}", ended.told);
        losers.push(dir.clone());
    }
    assert_eq!(losers.len(), MANAGERS - 1, "one is the first");
    let before: BTreeMap<&PathBuf, _> = losers.iter().map(|dir| (dir, files(dir))).collect();
    for (dir, ended) in losers.iter().zip(all_at_once(&losers, &site.hub(), &["update"])) {
        let ended = ended.expect(&[0], Death::Never);
        assert_eq!(ended.json["kept_aside"], serde_json::json!(["differs"]), "{}", ended.told);
        let now = files(dir);
        for (path, content) in &before[dir] {
            assert!(path == "differs" || now.get(path) == Some(content), "{path}: {}", ended.told);
        }
        let aside = files(&dir.with_file_name(format!(".{}.depsync", name(dir))).join("recovery"));
        let kept = aside.iter().find(|(path, _)| path.ends_with("/differs"));
        assert_eq!(kept.map(|(_, content)| content), before[dir].get("differs"), "{}", ended.told);
    }
    // They are managers: what they edit is theirs to publish, and no drift that an update would take back.
    for dir in &losers {
        write_tree(dir, &[(&format!("own/{}", name(dir)), "edited")]);
    }
    for ended in all_at_once(&losers, &site.hub(), &["update"]) {
        let ended = ended.expect(&[0], Death::Never);
        assert_eq!(ended.json["kept_aside"], serde_json::json!([]), "{}", ended.told);
    }
    for ended in all_at_once(&losers, &site.hub(), &["publish"]) {
        let ended = ended.expect(&[0], Death::Never);
        assert_eq!(ended.json["changed"], true, "{}", ended.told);
    }
    for ended in all_at_once(&dirs, &site.hub(), &["update"]) {
        assert_eq!(ended.expect(&[0], Death::Never).number("to"), Some(MANAGERS as u64));
    }
    let wanted = snapshot(&dirs[0]);
    assert_eq!(files(&dirs[0]).len(), 3 + MANAGERS + losers.len());
    for dir in &dirs {
        check_same(&snapshot(dir), &wanted, &name(dir));
    }
}

fn name(dir: &Path) -> String {
    dir.file_name().expect("a name").to_string_lossy().into_owned()
}

/// Sixteen copies of one installation: the first publishes it, the others adopt it.
#[test]
fn of_sixteen_equal_first_publishes_all_succeed() {
    let site = Site::new();
    std::fs::create_dir(site.hub()).expect("mkdir");
    let dirs = dirs(&site);
    for dir in &dirs {
        write_tree(dir, &[("a", "a"), ("b/c", "c"), ("b/d", "->c")]);
    }
    let mut made = 0;
    for ended in all_at_once(&dirs, &site.hub(), &["publish"]) {
        let ended = ended.expect(&[0], Death::Never);
        assert_eq!(ended.number("revision"), Some(1), "{}", ended.told);
        made += usize::from(ended.json["changed"] == true);
    }
    assert_eq!(made, 1, "one of them made it");
}
