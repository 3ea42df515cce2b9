//! What a cut has left.

use std::collections::BTreeSet;

use depsync_engine::context::Context;
use depsync_engine::engine::UpdateOptions;
use depsync_tests::cluster::Site;
use depsync_tests::snapshot::{Item, check_same, snapshot};

use crate::work::{site, version};

/// Checks a disk on which `published` was told to be the newest revision, and `applied` to be what the worker has. Goes
/// on from there.
pub(crate) fn judge(published: u64, applied: u64) {
    let site = site();
    if published == 0 {
        // The first machine, or one that was cut before its first answer: there is nothing that must be there.
        std::fs::create_dir_all(site.path()).expect("mkdir");
        if !site.hub().join("d/main/revisions/000000000001").exists() {
            return;
        }
    }
    whole_files(&site, "w");
    for node in ["m", "w"] {
        let known = site.node(node).status(&site.context()).expect("a status");
        assert!(known.hub_error.is_none(), "{node}: {:?}", known.hub_error);
        assert!(known.head >= Some(published), "{node}: revision {published} was published, {:?} is", known.head);
        let least = if node == "m" { published } else { applied };
        assert!(known.applied.unwrap_or(0) >= least, "{node}: {least} was applied, {:?} is", known.applied);
    }
    // The next command finishes, whichever it is.
    site.update("w").expect("the worker goes on");
    let head = site.publish("m").expect("the manager goes on").revision.expect("a revision");
    site.update("w").expect("the worker follows");
    let live = snapshot(&site.dir("m"));
    check_same(&snapshot(&site.dir("w")), &live, "the worker");
    for node in ["m", "w"] {
        assert!(site.node(node).verify(&site.context(), false).expect("verifies").matches, "{node}");
        let left = snapshot(&site.path().join(format!(".{node}.depsync/staging")));
        assert!(left.is_empty(), "{node}: left in staging: {:?}", left.keys());
    }
    everything_in_the_hub(&site, head);
    check_same(&snapshot(&site.dir("fresh")), &live, "a worker from nothing");
    for path in ["fresh", ".fresh.depsync"] {
        std::fs::remove_dir_all(site.dir(path)).expect("remove");
    }
}

/// Every live file is one version from its beginning to its end.
fn whole_files(site: &Site, node: &str) {
    for (path, item) in snapshot(&site.dir(node)) {
        if let Item::File(_, content) = item {
            let name = String::from_utf8(path).expect("a name");
            let text = String::from_utf8(content).unwrap_or_default();
            assert!(version(&name, &text).is_some(), "{name} is torn: {} bytes", text.len());
        }
    }
}

/// Each revision of the last few can be brought to an empty directory: every record, page and piece is verified on the
/// way.
fn everything_in_the_hub(site: &Site, head: u64) {
    let mut roots = BTreeSet::new();
    for number in head.saturating_sub(4).max(1)..=head {
        let options = UpdateOptions { to: Some(number), allow_mass_delete: true, ..UpdateOptions::default() };
        let updated = site.node("fresh").update(&Context::new(), &options).expect("every revision is whole");
        assert!(updated.problems.is_empty(), "{:?}", updated.problems);
        roots.insert(updated.root);
        whole_files(site, "fresh");
    }
    assert!(!roots.is_empty());
}
