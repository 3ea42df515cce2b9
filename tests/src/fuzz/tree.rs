//! Pages: one, or a whole tree of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use depsync_engine::codec::{Frame, HEADER};
use depsync_engine::error::Result;
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::path::RelPath;
use depsync_engine::tree::{self, Entry, LinkTarget, MemoryPages, Mode, PageSink, Pages, Step, Totals, Tree};

use super::content::{joined, parts};
use super::lawful;
use crate::forge;

/// Stands for the id of an earlier page: a digest that begins so, then the number of the page, then zeros.
const MARK: &[u8; 5] = b"\x20page";

/// The parts are payloads of pages, the last one that of the root. Where a page names another by its number, the id
/// that the other came to have is put there.
pub(super) fn tree(data: &[u8]) {
    let mut pages = MemoryPages::default();
    let mut ids: Vec<Digest> = Vec::new();
    for part in parts(data) {
        let bytes = forge::framed(Frame::Page, &resolved(part, &ids)).expect("what is fuzzed is short");
        let id = Domain::Page.digest(&bytes);
        pages.put(id, bytes).expect("is memory");
        ids.push(id);
    }
    let Some(&root) = ids.last() else { return };
    let tree = Tree::new(&pages, root);
    let entries: Result<Vec<(RelPath, Entry)>> = tree.iter().collect();
    let walked = tree.walk_pages(|_, _| Ok(true));
    assert_eq!(walked.is_ok(), entries.is_ok(), "what one way of reading refuses, the other refuses");
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return lawful(&error),
    };
    // A key of a byte, its two lengths, and an entry of two bytes.
    assert!(entries.len() * 5 <= data.len() || ids.len() > 1, "more entries than bytes");
    assert!(entries.is_sorted_by(|left, right| left.0 < right.0), "out of order");
    let sizes = entries.iter().map(|(_, entry)| entry.size()).sum();
    assert_eq!(tree.totals().expect("was read"), Totals { entries: entries.len() as u64, bytes: sizes });
    let mut built = MemoryPages::default();
    let again = tree::build(entries.iter().cloned().map(Ok), &mut built).expect("what was read can be built");
    assert_eq!(again, root, "one set of entries has two readable roots");
    let mut visited = 0;
    tree.walk_pages(|id, step| {
        if let Step::Read { bytes, .. } = step {
            assert_eq!(built.page(id).expect("the same pages"), Arc::clone(bytes));
            visited += 1;
        }
        Ok(true)
    })
    .expect("walked before");
    assert_eq!(visited, built.len());
    for (path, entry) in entries.iter().step_by(entries.len() / 8 + 1) {
        assert_eq!(tree.get(path).expect("was read").as_ref(), Some(entry));
        let next = tree.from(path).next().expect("there is one").expect("was read");
        assert_eq!(&next.0, path);
    }
    let empty = Tree::empty(&pages);
    assert_eq!(empty.diff(&tree).filter_map(Result::ok).count(), entries.len());
}

/// `part` with every mark replaced by the id of the page that it names.
fn resolved(part: &[u8], ids: &[Digest]) -> Vec<u8> {
    let mut bytes = part.to_vec();
    let mut at = 0;
    while at + 33 <= bytes.len() {
        let (head, rest) = bytes[at..at + 33].split_at(MARK.len());
        let id = ids.get(usize::from(rest[0]));
        match id {
            Some(id) if head == MARK && rest[1..].iter().all(|&byte| byte == 0) => {
                bytes[at + 1..at + 33].copy_from_slice(id.as_bytes());
                at += 33;
            }
            _ => at += 1,
        }
    }
    bytes
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let path = |text: &str| RelPath::try_from(text).expect("path");
    let file = |number: u64| Entry::File { mode: Mode::new(0o644), size: number, hash: Digest::of(b"x") };
    let mixed: BTreeMap<RelPath, Entry> = BTreeMap::from([
        (path("WEB-INF"), Entry::Directory { mode: Mode::new(0o755) }),
        (path("WEB-INF/web.xml"), file(300)),
        (path("latest"), Entry::Symlink { target: LinkTarget::new(*b"../WEB-INF").expect("target") }),
    ]);
    let many = |count: u64| (0..count).map(|number| (path(&format!("f{number:03}")), file(number))).collect();
    [BTreeMap::new(), mixed, many(20), many(600)].iter().map(written).collect()
}

/// A tree as an input: its pages lowest first, children by number.
fn written(entries: &BTreeMap<RelPath, Entry>) -> Vec<u8> {
    let mut pages = MemoryPages::default();
    let root = tree::build(entries.iter().map(|(path, entry)| Ok((path.clone(), entry.clone()))), &mut pages);
    let mut order: Vec<(Digest, Arc<[u8]>)> = Vec::new();
    let root = root.expect("builds");
    Tree::new(&pages, root)
        .walk_pages(|id, step| {
            if let Step::Read { bytes, .. } = step {
                order.push((*id, Arc::clone(bytes)));
            }
            Ok(true)
        })
        .expect("walks");
    order.reverse();
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for (_, bytes) in &order {
        let mut payload = bytes[HEADER..].to_vec();
        for (number, (id, _)) in order.iter().enumerate() {
            let named = [&[0x20], &id.as_bytes()[..]].concat();
            while let Some(at) = payload.windows(33).position(|window| window == named) {
                let mark = [&MARK[..], &[number as u8], &[0; 27]].concat();
                payload[at..at + 33].copy_from_slice(&mark);
            }
        }
        payloads.push(payload);
    }
    joined(&payloads)
}
