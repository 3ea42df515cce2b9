//! What Python's zipfile says of an archive: another reader, which knows nothing of ours.

use std::path::Path;
use std::process::Command;

use depsync_tests::sshd::program;
use serde::Deserialize;

/// An entry, in the order of the central directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Said {
    pub(crate) crc: u32,
    pub(crate) compressed: u64,
    pub(crate) size: u64,
    pub(crate) method: u16,
    /// Where its data begins, in bytes, if there is any.
    pub(crate) data: Option<usize>,
}

const SCRIPT: &str = r#"
import json, struct, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, open(sys.argv[1], "rb") as file:
    entries = []
    for entry in archive.infolist():
        file.seek(entry.header_offset)
        name, extra = struct.unpack("<HH", file.read(30)[26:])
        entries.append({"crc": entry.CRC, "compressed": entry.compress_size, "size": entry.file_size,
                        "method": entry.compress_type, "data": entry.header_offset + 30 + name + extra if entry.compress_size else None})
print(json.dumps(entries))
"#;

/// All entries of the archive at `path`.
pub(crate) fn entries(path: &Path) -> Vec<Said> {
    let output =
        Command::new(program("python3", "python3")).args(["-c", SCRIPT]).arg(path).output().expect("python3 runs");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("what the script prints")
}
