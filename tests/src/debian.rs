//! Real input: Debian packages that `./dev test` has unpacked beneath `target/debian` (see `tests/packages.txt`).

use std::fs;
use std::path::{Path, PathBuf};

/// Where the package `name` is unpacked.
pub fn unpacked(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // A test lies in target/<profile>/deps, a benchmark beside that, or wherever somebody has put a copy.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let mut targets = test.ancestors().map(Path::to_owned).chain([here.clone()]);
    let target = targets.find(|target| target.join("debian").is_dir()).unwrap_or(here);
    let place = target.join("debian").join(name);
    assert!(place.is_dir(), "{} is missing: `./dev test` unpacks it", place.display());
    place
}

/// Every archive beneath a directory, by name. Links are passed over: packages give an archive several names.
pub fn archives(top: &Path) -> Vec<PathBuf> {
    let (mut found, mut waiting) = (Vec::new(), vec![top.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).expect("lists").flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|name| name == "jar" || name == "war") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
