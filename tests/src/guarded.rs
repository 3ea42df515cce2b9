//! A refusal, with proof that nothing was changed.

use std::path::Path;

use depsync_engine::error::{Error, ErrorKind, Result};

use crate::cluster::Site;
use crate::snapshot::{Snapshot, snapshot};

/// Asks for something that a guard must refuse, and checks that hub, directories and what the nodes know are as before.
///
/// # Panics
/// If it is not refused, or anything was changed.
pub fn refused<T>(site: &Site, nodes: &[&str], what: &str, ask: impl FnOnce() -> Result<T>) -> Error {
    let before = everything(site, nodes);
    let error = match ask() {
        Ok(_) => panic!("{what}: it was not refused"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Refused, "{what}: {error}");
    assert!(error.advice().is_some_and(|advice| !advice.is_empty()), "{what}: no advice in {error}");
    let after = everything(site, nodes);
    for (name, before) in &before {
        let after = after.iter().find(|(other, _)| name == other).map(|(_, after)| after).expect("the same places");
        let differs = before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path));
        let differs = differs.map(|path| String::from_utf8_lossy(path).into_owned());
        assert_eq!(differs.collect::<Vec<_>>(), Vec::<String>::new(), "{what}: changed in {name}");
    }
    error
}

fn everything(site: &Site, nodes: &[&str]) -> Vec<(String, Snapshot)> {
    let mut all = vec![("the hub".to_owned(), of_hub(&site.hub()))];
    for node in nodes {
        all.push((format!("the directory of {node}"), snapshot(&site.dir(node))));
        all.push((format!("what {node} knows"), known(site, node)));
    }
    all
}

/// The hub without the empty directory that trying out its file system may leave, and without what the nodes say of
/// themselves: they may tell that they were refused.
fn of_hub(hub: &Path) -> Snapshot {
    let mut items = snapshot(hub);
    items.remove(b"tmp".as_slice());
    items.retain(|path, _| !path.starts_with(b"d/main/nodes/"));
    items
}

/// What the node's state says, and what lies beside it: not the bytes of the database, which move with every read.
fn known(site: &Site, node: &str) -> Snapshot {
    let places = site.node(node).places().clone();
    let mut items = Snapshot::new();
    for (name, directory) in [("staging", places.state.join("staging")), ("recovery", places.recovery())] {
        for (path, item) in snapshot(&directory) {
            items.insert([name.as_bytes(), b"/", &path].concat(), item);
        }
    }
    let db = depsync_engine::revdb::RevDb::open(&places.state).expect("the database");
    let mut position = db.position().expect("a position");
    position.healed = None;
    let said = format!("{position:?} {:?} {:?}", db.identity().expect("an identity"), db.journal().expect("a journal"));
    items.insert(b"position".to_vec(), crate::snapshot::Item::Link(said.into_bytes()));
    items
}
