//! The format, held still: whoever moves one of these values makes a new tree version.

use super::super::{TREE_VERSION, empty_root};
use super::*;

/// A directory, a file in it, and a link.
pub(super) fn small() -> Model {
    let target = LinkTarget::new(*b"conf/app.xml").expect("a target");
    Model::from([
        (path("conf"), Entry::Directory { mode: Mode::new(0o755) }),
        (path("conf/app.xml"), Entry::File { mode: Mode::new(0o640), size: 300, hash: Digest::of(b"<app/>") }),
        (path("link"), Entry::Symlink { target }),
    ])
}

/// 10,000 entries in 100 directories.
fn large() -> Model {
    let name = |number: u64| path(&format!("app-{:02}/lib-{number:05}.jar", number % 100));
    (0..10_000).map(|number| (name(number), entry(number))).collect()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[test]
fn the_tree_version_is_the_one_of_these_values() {
    assert_eq!(TREE_VERSION, 1);
}

#[test]
fn roots() {
    assert_eq!(empty_root().to_string(), "0e12fb881767dd284969f7eeb9029cc5adf657c3fd4defd8176e3b663de50307");
    assert_eq!(build_of(&small()).0.to_string(), "22e20f549d453dcd6dcf215b68687b934ee3058e4d85c5179b326b75d6201822");
    assert_eq!(build_of(&large()).0.to_string(), "b7954113c1c525a48c1827e2d258ae55120e65e71d0b3f93db911671714d463b");
}

#[test]
fn the_bytes_of_a_small_page() {
    let (root, pages) = build_of(&small());
    let page = pages.page(&root).expect("is there");
    let expected = concat!(
        "4453706701",
        "55000000",                                                           // 85 bytes follow
        "00",                                                                 // a leaf
        "03000404080004",                                                     // three keys: bytes shared, bytes added
        "10636f6e662f6170702e786d6c6c696e6b",                                 // the added ones: conf, /app.xml, link
        "0003",                                                               // three entries
        "01fbed01",                                                           // a directory, 0o755
        "00fba001fb2c01",                                                     // a file, 0o640, 300 bytes
        "20f49291481ca4d72e008dfb3be20959d5e2fa1a46bfcaf1ebfc41f14a61fe03de", // its hash
        "020c636f6e662f6170702e786d6c",                                       // a link and its target
    );
    assert_eq!(hex(&page), expected);
}

#[test]
fn the_bytes_of_a_page_above() {
    let model: Model = (0..33).map(|number| (RelPath::new([b'k', number + 1]).expect("a path"), file(1))).collect();
    let (root, pages) = build_of(&model);
    assert_eq!(pages.len(), 3);
    let page = pages.page(&root).expect("is there");
    let expected = concat!(
        "4453706701",
        "52000000", // 82 bytes follow
        "01",       // level 1
        "020002010103",
        "6b2021", // two keys: 6b20, 6b21
        "0102",   // two children: id, entries, bytes
        "20a4c74dffe6027b7f2fbfaaf63351e3ff59f751a486d4dc509326205a0a8aa6c82020",
        "207149ff0db6975e34c0121b6840f6300e0a92fca5972c461f70e28afc7b54806a0101",
    );
    assert_eq!(hex(&page), expected);
}

#[test]
fn the_shape_of_a_large_tree() {
    let (root, pages) = build_of(&large());
    let mut leaves = Vec::new();
    Tree::new(&pages, root)
        .walk_pages(|_, step| {
            if let Step::Read { leaf, .. } = step
                && !leaf.is_empty()
            {
                leaves.push(leaf.len());
            }
            Ok(true)
        })
        .expect("walks");
    assert_eq!((pages.len(), leaves.len(), &leaves[..8]), (178, 174, &[11, 1, 39, 86, 121, 5, 99, 57][..]));
}

#[test]
fn the_shape_of_a_tree_of_long_keys() {
    let model: Model = POOL.long.iter().map(|path| (path.clone(), file(3))).collect();
    let (root, pages) = build_of(&model);
    assert_eq!(
        (root.to_string().as_str(), pages.len()),
        ("ef88901c726d1a3765af6f8ca0e368584950821e4602f8e76fdc8b5c03541767", 14)
    );
}

#[test]
fn heights_of_keys() {
    let heights: Vec<u8> = (0..70_u8).map(|number| height_of(&[b'k', number])).collect();
    let ends: Vec<usize> = (0..70).filter(|&index| heights[index] > 0).collect();
    assert_eq!(ends, [32]);
}
