//! Real input: Debian packages that `./dev test` has unpacked beneath `target/debian` (see `tests/packages.txt`).

use std::path::{Path, PathBuf};

/// Where the package `name` is unpacked.
pub fn unpacked(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let target = test.ancestors().nth(3).map(Path::to_owned).expect("a test lies in target/<profile>/deps");
    let place = target.join("debian").join(name);
    assert!(place.is_dir(), "{} is missing: `./dev test` unpacks it", place.display());
    place
}
