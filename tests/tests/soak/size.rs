use std::fmt;
use std::fs;

/// What may be more in the end: what a busy moment takes.
const MEMORY: u64 = 6 << 20;
const FILES: usize = 8;

/// How large a process is.
pub(crate) struct Size {
    pid: u32,
    name: String,
    /// Bytes of its own that are in memory.
    memory: u64,
    files: usize,
}

impl Size {
    /// Of the process `pid`.
    pub(crate) fn of(name: &str, pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux says it");
        let kib: u64 = anonymous.trim().trim_end_matches("kB").trim().parse().expect("a number");
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process").count();
        Self { pid, name: name.to_owned(), memory: kib << 10, files }
    }

    /// This, with as many files as there were at `other`, if those were more.
    pub(crate) fn with_files_of(self, other: &Self) -> Self {
        Self { files: self.files.max(other.files), ..self }
    }

    /// Why `later` is too large for the same process, if it is.
    pub(crate) fn objection(&self, later: &Self) -> Option<String> {
        if self.pid != later.pid {
            return Some(format!("{} is another process now", self.name));
        }
        let grew = later.memory > self.memory + self.memory / 4 + MEMORY || later.files > self.files + FILES;
        grew.then(|| format!("it has grown: {self} -> {later}"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} KiB, {} files", self.name, self.memory >> 10, self.files)
    }
}
