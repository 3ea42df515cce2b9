//! The documents point at what exists: every relative link of every page, and the tests that the README names.

use std::fs;
use std::path::{Path, PathBuf};

/// The targets of the links `[text](target)` in `text`, without anchors and addresses.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.filter_map(|target| target.split('#').next()).collect()
}

fn pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above this crate");
    let mut documents = vec![top.join("README.md")];
    pages(&top.join("engine/doc"), &mut documents);
    assert!(documents.len() > 2, "the documents are found");
    let mut dead = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a readable page");
        let base = document.parent().expect("a page has a directory");
        dead.extend(
            links(&text)
                .into_iter()
                .filter(|target| !base.join(target).exists())
                .map(|target| format!("{}: {target}", document.display())),
        );
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn links_are_seen() {
    assert_eq!(links("[a](b.md) and [`c`](d/e.rs#f), [g](https://h), [i](#j)"), ["b.md", "d/e.rs"]);
}
