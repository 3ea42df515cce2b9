//! The stat cache is gone, damaged, somebody else's, or knows a file that was put back.

use std::os::unix::fs::MetadataExt;

use depsync_tests::node::noise;

use super::{PUBLISH, Scene, UPDATE, without_log};

#[test]
fn a_cache_is_made_anew_whatever_happens_to_it() {
    let mut scene = Scene::new();
    let mut content = 0;
    for how in ["deleted", "garbage", "garbage in its pages", "cut off", "another deployment's"] {
        scene.note(&format!("both caches are {how}"));
        for node in ["m", "w"] {
            let cache = scene.path(&format!(".{node}.depsync/cache.db"));
            without_log(&cache);
            let mut bytes = std::fs::read(&cache).expect("a cache");
            // Where its header says how long its pages are.
            let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
            match how {
                "deleted" => std::fs::remove_file(&cache).expect("remove"),
                "garbage" => std::fs::write(&cache, noise(1, 20_000)).expect("write"),
                "cut off" => std::fs::write(&cache, &bytes[..2 * page]).expect("write"),
                "garbage in its pages" => {
                    let length = bytes.len();
                    bytes[page..].copy_from_slice(&noise(2, length - page));
                    std::fs::write(&cache, bytes).expect("write");
                }
                _ => {
                    scene.write("other/a.txt", "another a.txt\n");
                    scene.quietly("publish other hub --deployment other --node other");
                    let other = scene.path(".other.depsync/cache.db");
                    without_log(&other);
                    std::fs::copy(other, &cache).expect("copy");
                }
            }
        }
        content += 1;
        scene.write("m/b.txt", &format!("b number {content}\n"));
        scene.say(PUBLISH, 0);
        scene.say(UPDATE, 0);
        scene.say("verify w hub --node w", 0);
        assert!(scene.tree("w") == scene.tree("m"), "{how}");
    }
    scene.golden("state_cache");
}

/// A backup program puts an old content back with its old size and modification time: the change time gives it away,
/// or the inode where it came by renaming.
#[test]
fn a_file_put_back_with_its_old_times_is_seen() {
    for renamed in [false, true] {
        let scene = Scene::new();
        // Long enough for the scan to believe what it saw.
        for _ in 0..2 {
            std::thread::sleep(std::time::Duration::from_millis(60));
            scene.quietly(PUBLISH);
            scene.quietly(UPDATE);
        }
        for (node, line, content) in [("m", PUBLISH, "THE FIRST b.txt\n"), ("w", UPDATE, "the worst b.txt\n")] {
            let path = scene.path(&format!("{node}/b.txt"));
            let before = path.metadata().expect("metadata");
            let new = if renamed { path.with_extension("tmp") } else { path.clone() };
            std::fs::write(&new, content).expect("write");
            let times = std::fs::File::open(&new).and_then(|file| file.set_modified(before.modified()?));
            times.expect("a time");
            if renamed {
                std::fs::rename(&new, &path).expect("rename");
            }
            let after = path.metadata().expect("metadata");
            assert_eq!((after.len(), after.mtime_nsec()), (before.len(), before.mtime_nsec()));
            let said = scene.bench.run(line);
            assert!(said.contains("M b.txt"), "{said}");
        }
        // The worker's was drift: it has the manager's now.
        assert_eq!(scene.read("w/b.txt").as_deref(), Some("THE FIRST b.txt\n"));
    }
}
