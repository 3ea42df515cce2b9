//! Something that writes as many programs do: a temporary file, renamed, never flushed. It shows what a power cut takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::work::{DISK, content, version};

fn place() -> PathBuf {
    Path::new(DISK).join("careless")
}

/// Writes on a thread of its own, until the power is cut.
pub(crate) fn begin() {
    std::fs::create_dir_all(place()).expect("mkdir");
    std::thread::spawn(|| {
        for number in 0.. {
            let (name, temporary) = (format!("file{}", number % 64), place().join("temporary"));
            std::fs::write(&temporary, content(&name, number)).expect("write");
            std::fs::rename(&temporary, place().join(&name)).expect("rename");
            std::thread::sleep(Duration::from_millis(3));
        }
    });
}

/// How many files are not whole; they are removed.
pub(crate) fn lost() -> usize {
    let Ok(listing) = std::fs::read_dir(place()) else { return 0 };
    let mut lost = 0;
    for entry in listing {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let found = String::from_utf8(std::fs::read(&path).expect("read")).unwrap_or_default();
        lost += usize::from(name != "temporary" && version(&name, &found).is_none());
        std::fs::remove_file(&path).expect("remove");
    }
    lost
}
