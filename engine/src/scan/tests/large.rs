//! Wide and deep directories.

use super::*;

#[test]
fn one_change_among_a_hundred_thousand_rewrites_one_block() {
    let mut kit = Kit::new();
    kit.mkdir("flat");
    let directory = std::fs::File::open(kit.at("flat")).expect("open");
    for n in 0..100_000 {
        let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
        let mode = rustix::fs::Mode::from_bits_truncate(0o644);
        rustix::fs::openat(&directory, format!("entry-{n:06}.xml"), flags, mode).expect("create");
    }
    kit.later();
    let first = kit.scan();
    assert_eq!((first.changes().count(), first.counts.hashed), (100_001, 100_000));
    assert!((100..400).contains(&first.blocks.len()), "{} blocks", first.blocks.len());
    let idle = kit.scan();
    assert_eq!((idle.counts.hashed, idle.changes().count(), idle.blocks.len()), (0, 0, 0));
    kit.write("flat/entry-050000.xml", "changed");
    let changed = kit.scan();
    assert_eq!((changed.counts.hashed, changed.changes().count(), changed.blocks.len()), (1, 1, 1));
    kit.write("flat/entry-050000-a.xml", "new");
    kit.remove("flat/entry-070001.xml");
    let moved = kit.scan();
    assert_eq!(shown(&changes(&moved)), ["flat/entry-050000-a.xml", "flat/entry-070001.xml"]);
    // Two blocks, perhaps one more at a cut, and the one that holds the directory's own stamp.
    assert!(moved.blocks.len() <= 4, "{} blocks", moved.blocks.len());
}

#[test]
fn as_deep_as_a_path_can_be() {
    let kit = Kit::new();
    let levels = 2040;
    let open = |directory: &std::fs::File, name: &str| {
        let flags = rustix::fs::OFlags::DIRECTORY;
        std::fs::File::from(rustix::fs::openat(directory, name, flags, rustix::fs::Mode::empty()).expect("open"))
    };
    let mut directory = std::fs::File::open(kit.directory.path()).expect("open");
    for _ in 0..levels {
        // A neighbour keeps the parent's handle waiting.
        for name in ["d", "e"] {
            rustix::fs::mkdirat(&directory, name, rustix::fs::Mode::RWXU).expect("mkdir");
        }
        directory = open(&directory, "d");
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::fs::openat(&directory, "file", flags, rustix::fs::Mode::RUSR).expect("create");
    // One name too long for a path of the deployment, though the file system takes it.
    rustix::fs::mkdirat(&directory, "n".repeat(200), rustix::fs::Mode::RWXU).expect("mkdir");
    kit.later();
    // Not through the kit: its maps compare such paths over and over.
    let root = kit.root();
    let run = |cache: Cache| scan(&kit.cx, &root, &kit.ignore, &Options::default(), cache).expect("scans");
    let first = run(Cache::new());
    assert_eq!(first.changes().count(), 2 * levels + 1);
    assert!(changes(&first).is_sorted_by(|(left, _), (right, _)| left < right));
    let [problem] = &first.problems[..] else { panic!("{:?}", first.problems) };
    assert!(problem.path.is_none() && problem.subtree);
    let deepest = RelPath::new("d/".repeat(levels).into_bytes().into_iter().chain(*b"file").collect::<Vec<u8>>());
    let deepest = deepest.expect("a path");
    assert!(first.stamp_of(&deepest).is_some());
    let idle = run(first.into_cache());
    assert!((idle.changes().count() == 0) && idle.blocks.is_empty() && idle.counts.hashed == 0);
    rustix::fs::unlinkat(&directory, "file", rustix::fs::AtFlags::empty()).expect("unlink");
    assert_eq!(changes(&run(idle.into_cache())), [(deepest, None)]);
}
