//! What a machine is to do, as its first process reads it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::debian::unpacked;

/// One program to run inside.
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Variables for the program.
    pub(super) variables: Vec<(String, String)>,
    /// Kernel modules to load, with those that they need.
    pub(super) modules: Vec<String>,
    pub(super) hostname: String,
}

/// Variables that are handed through.
const KEPT: [&str; 4] = ["RUST_BACKTRACE", "PROPTEST_RNG_SEED", "PROPTEST_CASES", "DEPSYNC_TESTS_REVISIONS"];

impl Job {
    /// The test `name` of this test binary.
    pub fn test(name: &str) -> Self {
        let arguments = ["--exact", name, "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec();
        let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        Self {
            program: std::env::current_exe().expect("this binary"),
            arguments,
            variables: kept.collect(),
            modules: Vec::new(),
            hostname: "machine".to_owned(),
        }
    }

    /// The same with a variable set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where the job lies in the shared directory.
    pub(super) fn file(shared: &Path) -> PathBuf {
        shared.join("job.json")
    }

    /// Writes the job into the shared directory.
    pub(super) fn write(&self, shared: &Path, modules: &[&str]) {
        let job = json!({
            "program": text(&self.program),
            "arguments": self.arguments,
            "variables": self.variables,
            "modules": modules,
            "hostname": self.hostname,
            "kernel": text(&kernel_modules()),
        });
        std::fs::write(Self::file(shared), job.to_string()).expect("the job is written");
    }

    /// Reads it inside, and the directory with the kernel's modules.
    pub(super) fn read(shared: &Path) -> (Self, PathBuf) {
        let text = std::fs::read_to_string(Self::file(shared)).expect("a job");
        let job: Value = serde_json::from_str(&text).expect("JSON");
        let word = |value: &Value| value.as_str().expect("a text").to_owned();
        let words = |name: &str| job[name].as_array().expect("a list").iter().map(word).collect::<Vec<_>>();
        let pair = |pair: &Value| (word(&pair[0]), word(&pair[1]));
        let read = Self {
            program: word(&job["program"]).into(),
            arguments: words("arguments"),
            variables: job["variables"].as_array().expect("a list").iter().map(pair).collect(),
            modules: words("modules"),
            hostname: word(&job["hostname"]),
        };
        (read, word(&job["kernel"]).into())
    }
}

/// The modules of the one kernel that the package holds.
fn kernel_modules() -> PathBuf {
    let place = unpacked("user-mode-linux").join("usr/lib/uml/modules");
    let mut found = std::fs::read_dir(&place).expect("the package has modules");
    found.next().expect("a kernel version").expect("an entry").path()
}

fn text(path: &Path) -> String {
    OsString::from(path).into_string().expect("paths of the build are UTF-8")
}
