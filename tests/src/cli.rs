//! The program as a person meets it: run for real, its stdout, stderr and exit status rendered as one text.
//!
//! What differs from run to run (paths, digests, times, sizes of compressed things) is replaced, so that the text can be
//! compared with a file under `tests/golden/`. `DEPSYNC_BLESS=1` writes the files anew; the diff is then for a person
//! to read.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program under test: `target/<profile>/depsync`, beside the directory of the running test.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
    let program = profile.join("depsync");
    assert!(program.is_file(), "{} is missing: run `cargo build -p depsync` first, or `./dev test`", program.display());
    program
}

/// A temporary directory to run the program in, with nothing of the caller's surroundings.
#[derive(Debug)]
pub struct Bench {
    top: tempfile::TempDir,
    program: PathBuf,
    through: Vec<OsString>,
    set: Vec<(OsString, OsString)>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// Makes the directory.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// Makes the directory where nothing is written to a disk, if there is such a place.
    pub fn in_memory() -> Self {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() { Self::below(shm) } else { Self::new() }
    }

    /// An empty `depsync.toml` keeps one further up out of it.
    fn below(place: &Path) -> Self {
        let top = tempfile::Builder::new().prefix("depsync-cli-").tempdir_in(place).expect("a temporary directory");
        std::fs::write(top.path().join("depsync.toml"), b"").expect("a file");
        Self { top, program: program(), through: Vec::new(), set: Vec::new() }
    }

    /// From now on this program is run.
    pub fn use_program(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// From now on the program is run through another one, which is given the program and its arguments as its last
    /// ones; through none if there are no `words`.
    pub fn through(&mut self, words: &[&str]) {
        self.through = words.iter().map(Into::into).collect();
    }

    /// From now on the program finds these variables, and no others of the test's.
    pub fn set(&mut self, variables: &[(&str, &str)]) {
        self.set = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    }

    /// Sets the clock of the program; that of its files, and the one that waiting goes by, stay the system's.
    ///
    /// # Panics
    /// If libfaketime is not installed.
    pub fn set_clock(&mut self, offset: &str) {
        let libraries = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
        let libraries = libraries.map(|machine| PathBuf::from(format!("/usr/lib/{machine}/faketime/libfaketime.so.1")));
        let library = libraries.iter().find(|library| library.is_file());
        let library = library.expect("libfaketime is missing: apt-get install libfaketime (or ./dev test)");
        let library = library.to_str().expect("a name");
        self.set(&[("NO_FAKE_STAT", "1"), ("DONT_FAKE_MONOTONIC", "1"), ("FAKETIME", offset), ("LD_PRELOAD", library)]);
    }

    /// The path of `name` in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Writes a file and the directories above it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a path below the bench has a parent")).expect("directories");
        std::fs::write(path, content).expect("a file");
    }

    /// The program, to be run with `args` in the directory.
    pub fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut words: Vec<OsString> = self.through.clone();
        words.push(self.program.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(args).current_dir(self.top.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.path("home")).env("USER", "tester").env("COLUMNS", "100");
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin").envs(self.set.iter().cloned());
        command
    }

    /// Runs the program.
    pub fn output(&self, args: &[impl AsRef<OsStr>]) -> Output {
        self.command(args).output().expect("the program runs")
    }

    /// Runs the program and renders what it did. Words are separated by blanks; `'a b'` is one word.
    pub fn run(&self, line: &str) -> String {
        let output = self.output(&words(line));
        let mut text = format!("$ depsync {line}\n");
        for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !stream.is_empty() {
                let shown = self.normalise(&String::from_utf8_lossy(stream));
                write!(text, "--- {name}\n{shown}").expect("writing to a string cannot fail");
                if !shown.ends_with('\n') {
                    text.push_str("\n(no newline at the end)\n");
                }
            }
        }
        match output.status.code() {
            Some(code) => writeln!(text, "--- exit {code}"),
            None => writeln!(text, "--- {}", output.status),
        }
        .expect("writing to a string cannot fail");
        text
    }

    /// Runs the program with `--json`; it must print exactly one object.
    pub fn json(&self, line: &str) -> (serde_json::Value, Option<i32>) {
        let mut args = words(line);
        args.insert(0, "--json".to_owned());
        let output = self.output(&args);
        let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
        (serde_json::from_str(&text).expect("JSON"), output.status.code())
    }

    fn normalise(&self, text: &str) -> String {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let text = text.replace(&self.top.path().to_string_lossy().into_owned(), "[TOP]");
        let text = if host.trim().is_empty() { text } else { text.replace(&format!("@{}", host.trim()), "@[HOST]") };
        normalise(&text)
    }
}

/// Splits a line into words: blanks separate, `'…'` keeps together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Replaces what differs from run to run: digests, times, durations, and the bytes that crossed the wire.
pub fn normalise(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        while !rest.is_empty() {
            let inside = out.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
            let found = if inside { None } else { variable(rest) };
            match found {
                Some((length, name)) => {
                    out.push_str(name);
                    rest = &rest[length..];
                }
                None => {
                    let next = rest.chars().next().expect("the rest is not empty");
                    out.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
    }
    out
}

/// What stands at the beginning of `rest` and differs from run to run: its length and its stand-in.
fn variable(rest: &str) -> Option<(usize, &'static str)> {
    let hex = rest.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
    let ends = !rest[hex..].starts_with(|c: char| c.is_ascii_alphanumeric());
    match hex {
        64 if ends => return Some((64, "[DIGEST]")),
        32 if ends => return Some((32, "[ID]")),
        // The highest revision number is no digest.
        12 if ends && !rest.starts_with("999999999999") => return Some((12, "[DIGEST12]")),
        _ => {}
    }
    if let Some(length) = timestamp(rest) {
        return Some((length, "[TIME]"));
    }
    let fields = [
        ("\"duration_ms\":", "\"duration_ms\":[N]"),
        ("\"bytes_sent\":", "\"bytes_sent\":[N]"),
        ("\"bytes_fetched\":", "\"bytes_fetched\":[N]"),
    ];
    for (field, stand_in) in fields {
        if let Some(number) = rest.strip_prefix(field) {
            return Some((field.len() + number.bytes().take_while(u8::is_ascii_digit).count(), stand_in));
        }
    }
    let number = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    if number > 0 {
        if rest[number..].starts_with(" min ")
            && let Some(seconds) = rest.find(" s").filter(|end| *end < number + 8)
        {
            return Some((seconds + 2, "[DURATION]"));
        }
        let unit = [" ms", " s"].into_iter().find(|unit| rest[number..].starts_with(unit));
        if let Some(unit) = unit
            && !rest[number + unit.len()..].starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return Some((number + unit.len(), "[DURATION]"));
        }
        for wire in [" sent", " fetched"] {
            if let Some(end) = rest.find(wire).filter(|end| *end <= number + 4) {
                return Some((end, "[BYTES]"));
            }
        }
    }
    None
}

/// The length of an RFC 3339 time in UTC at the beginning of `rest`, or of one as the name of a file.
fn timestamp(rest: &str) -> Option<usize> {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let fits = |pattern: &str| {
        rest.len() >= pattern.len()
            && rest
                .bytes()
                .zip(pattern.bytes())
                .all(|(byte, kind)| if kind == b'd' { byte.is_ascii_digit() } else { byte == kind })
    };
    let fits = fits(pattern) || fits(&pattern.replace(':', "-"));
    let fraction = rest.get(pattern.len()..)?.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    (fits && rest[pattern.len() + fraction..].starts_with('Z')).then_some(pattern.len() + fraction + 1)
}

/// Compares `text` with `tests/golden/<name>.txt`, or writes it there when `DEPSYNC_BLESS` is set.
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.txt"));
    if std::env::var_os("DEPSYNC_BLESS").is_some() {
        std::fs::write(&path, text).expect("a golden file can be written");
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    if wanted == text {
        return;
    }
    let line = wanted.lines().zip(text.lines()).take_while(|(old, new)| old == new).count();
    let show = |text: &str| text.lines().nth(line).unwrap_or("(the end)").to_owned();
    panic!(
        "{} differs from line {}:\n  golden: {}\n  now:    {}\nThe whole:\n{text}\nIf it is meant: DEPSYNC_BLESS=1 ./dev test",
        path.display(),
        line + 1,
        show(&wanted),
        show(text)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_replaced_and_nothing_else() {
        let digest = "0123456789abcdef".repeat(4);
        let text = format!("root {digest} ({}) at 2026-11-21T20:00:00.123Z in 1.2 s, 40 ms", &digest[..12]);
        assert_eq!(normalise(&text), "root [DIGEST] ([DIGEST12]) at [TIME] in [DURATION], [DURATION]");
        assert_eq!(
            normalise("(2.0 KiB changed, 1.3 KiB sent, 3 min 20 s)"),
            "(2.0 KiB changed, [BYTES] sent, [DURATION])"
        );
        assert_eq!(normalise(r#"{"bytes_sent":123,"added":4}"#), r#"{"bytes_sent":[N],"added":4}"#);
        for plain in ["revision 3 of 5", "deadbeef", "port 80 settings", "v1.2.3 sort", "x0123456789ab"] {
            assert_eq!(normalise(plain), plain);
        }
    }

    #[test]
    fn words_keep_together_what_is_quoted() {
        assert_eq!(words("publish d h -m 'a b' -q"), ["publish", "d", "h", "-m", "a b", "-q"]);
    }
}
