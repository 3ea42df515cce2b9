//! What an rsync of a script says: what it sends, where to, and how, as far as depsync has a word for it.

use std::path::{Path, PathBuf};

use super::Remark;
use super::pattern;
use super::script::{Call, Field};
use super::shell;

/// Something that was found, and the line where it stands.
pub(super) type Found<T> = Option<(T, usize)>;

/// What is to be known of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Transfer {
    /// What is sent.
    pub(super) sources: Vec<Field>,
    /// Where to.
    pub(super) destination: Option<Field>,
    pub(super) identity: Found<PathBuf>,
    pub(super) known_hosts: Found<PathBuf>,
    pub(super) port: Found<u16>,
    pub(super) user: Found<String>,
    /// KiB a second.
    pub(super) bandwidth: Found<u32>,
    pub(super) compress: Found<()>,
    pub(super) log: Found<PathBuf>,
    /// Patterns in rsync's syntax.
    pub(super) excludes: Vec<(String, usize)>,
    /// Whether unknown host keys were taken.
    pub(super) trusts_any_host: bool,
    /// Whether what is gone here went on the nodes.
    pub(super) deletes: bool,
    /// Whether owners and times were carried.
    pub(super) carries_owners: bool,
    /// Whether what is included comes before what is excluded.
    filtered: bool,
    /// Whether the whole path of the source was made on the nodes.
    pub(super) relative: bool,
    pub(super) remarks: Vec<Remark>,
}

/// Long options that a word of their own follows, if no `=` does.
const VALUED: [&str; 37] = [
    "rsh",
    "exclude",
    "include",
    "exclude-from",
    "include-from",
    "filter",
    "files-from",
    "bwlimit",
    "port",
    "password-file",
    "log-file",
    "log-file-format",
    "out-format",
    "timeout",
    "contimeout",
    "chmod",
    "chown",
    "usermap",
    "groupmap",
    "rsync-path",
    "temp-dir",
    "partial-dir",
    "backup-dir",
    "suffix",
    "max-size",
    "min-size",
    "compare-dest",
    "copy-dest",
    "link-dest",
    "block-size",
    "max-delete",
    "modify-window",
    "compress-level",
    "skip-compress",
    "iconv",
    "info",
    "debug",
];

/// Long options that need no word: depsync does so anyway, or they are about rsync's own output.
const COVERED: [&str; 35] = [
    "verbose",
    "quiet",
    "recursive",
    "links",
    "perms",
    "executability",
    "progress",
    "stats",
    "itemize-changes",
    "human-readable",
    "partial",
    "partial-dir",
    "checksum",
    "whole-file",
    "no-whole-file",
    "inplace",
    "delay-updates",
    "timeout",
    "contimeout",
    "temp-dir",
    "mkpath",
    "protect-args",
    "secluded-args",
    "info",
    "debug",
    "out-format",
    "log-file-format",
    "omit-dir-times",
    "block-size",
    "skip-compress",
    "compress-level",
    "msgs2stderr",
    "no-motd",
    "delete-excluded",
    "blocking-io",
];

impl Transfer {
    /// Reads a call; `home` is what ssh would take `~/` for.
    pub(super) fn read(call: &Call, home: Option<&Path>) -> Self {
        let mut transfer = Self { log: call.log.clone(), ..Self::default() };
        let mut operands = Vec::new();
        let mut arguments = call.arguments.iter();
        let mut only_operands = false;
        while let Some(field) = arguments.next() {
            let text = field.text().unwrap_or_else(|| field.shown());
            if only_operands || !text.starts_with('-') || text == "-" {
                operands.push(field.clone());
            } else if text == "--" {
                only_operands = true;
            } else if let Some(long) = text.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None if VALUED.contains(&long) => (long, arguments.next().map(Field::shown)),
                    None => (long, None),
                };
                transfer.long(name, value.as_deref(), field.line, home);
            } else {
                for (at, letter) in text.char_indices().skip(1) {
                    let valued = "efBTM@".contains(letter);
                    let rest = &text[at + letter.len_utf8()..];
                    let value = match (valued, rest) {
                        (false, _) => None,
                        (true, "") => arguments.next().map(Field::shown),
                        (true, rest) => Some(rest.to_owned()),
                    };
                    transfer.short(letter, value.as_deref(), field.line, home);
                    if valued {
                        break;
                    }
                }
            }
        }
        transfer.destination = if operands.len() > 1 { operands.pop() } else { None };
        transfer.sources = operands;
        if transfer.filtered && !transfer.excludes.is_empty() {
            let line = transfer.excludes[0].1;
            transfer.remark(line, "--exclude beside other filters: their order cannot be kept; write `ignore` by hand");
            transfer.excludes.clear();
        }
        transfer
    }

    /// The excludes in gitignore syntax; what has no equal there becomes a remark. `name` is that of the source where the
    /// source itself is sent, and not what is in it.
    pub(super) fn ignore(&mut self, name: Option<&str>) -> Vec<(String, usize)> {
        let mut patterns = Vec::new();
        for (exclude, line) in std::mem::take(&mut self.excludes) {
            match pattern::to_gitignore(&exclude, name) {
                Some(pattern) => patterns.push((pattern, line)),
                None => self.remark(
                    line,
                    format!("--exclude={exclude}: gitignore syntax has no equal; write `ignore` by hand"),
                ),
            }
        }
        patterns
    }

    fn remark(&mut self, line: usize, what: impl Into<String>) {
        self.remarks.push(Remark { line, what: what.into() });
    }

    fn long(&mut self, name: &str, value: Option<&str>, line: usize, home: Option<&Path>) {
        match (name, value) {
            ("rsh", Some(value)) => self.ssh(value, line, home),
            ("exclude", Some(value)) => self.excludes.push((value.to_owned(), line)),
            ("bwlimit", Some(value)) => match bandwidth(value) {
                Some(0) => {}
                Some(limit) => self.bandwidth = Some((limit, line)),
                None => self.remark(line, format!("--bwlimit={value}: not understood")),
            },
            ("log-file", Some(value)) => _ = self.log.get_or_insert((value.into(), line)),
            ("archive", _) => self.carries_owners = true,
            ("owner" | "group" | "times" | "acls" | "xattrs" | "hard-links" | "devices" | "specials", _) => {
                self.carries_owners = true;
            }
            ("delete" | "del", _) => self.deletes = true,
            ("delete-excluded", _) => {
                self.deletes = true;
                self.remark(line, "--delete-excluded: what is ignored is left alone on the nodes");
            }
            (name, _) if name.starts_with("delete-") => self.deletes = true,
            ("relative", _) => self.relative = true,
            ("no-relative", _) => self.relative = false,
            ("compress", _) => self.compress = Some(((), line)),
            ("dry-run", _) => self.remark(line, "--dry-run: the script changed nothing; a push does"),
            ("include" | "include-from" | "exclude-from" | "filter" | "files-from" | "cvs-exclude", value) => {
                self.filtered = true;
                let value = value.map_or(String::new(), |value| format!("={value}"));
                self.remark(line, format!("--{name}{value}: not taken over; write `ignore` by hand"));
            }
            (name, _) if COVERED.contains(&name) || name.starts_with("no-") => {}
            (name, _) => self.remark(line, format!("--{name}: not taken over")),
        }
    }

    fn short(&mut self, letter: char, value: Option<&str>, line: usize, home: Option<&Path>) {
        let long = match letter {
            'e' => "rsh",
            'a' => "archive",
            'o' | 'g' | 't' | 'D' | 'A' | 'X' | 'H' => "owner",
            'R' => "relative",
            'z' => "compress",
            'n' => "dry-run",
            'f' | 'F' => "filter",
            'C' => "cvs-exclude",
            'v' | 'q' | 'r' | 'l' | 'p' | 'h' | 'i' | 'P' | 'c' | 'W' | 'y' | 'E' | 'O' | 'J' | 's' | 'T' | 'B'
            | '0' => return,
            'u' => "update",
            'L' => "copy-links",
            'k' => "copy-dirlinks",
            'K' => "keep-dirlinks",
            'b' => "backup",
            'm' => "prune-empty-dirs",
            'x' => "one-file-system",
            'S' => "sparse",
            'I' => "ignore-times",
            other => return self.remark(line, format!("-{other}: not taken over")),
        };
        self.long(long, value, line, home);
    }

    /// What stands behind `-e`.
    fn ssh(&mut self, command: &str, line: usize, home: Option<&Path>) {
        let script = shell::read(command, line);
        let words: Vec<String> = script.statements.iter().flat_map(|one| &one.words).map(letters).collect();
        let mut words = words.iter().map(String::as_str);
        let program = words.next().unwrap_or_default();
        if program.rsplit('/').next() != Some("ssh") {
            let program = program.rsplit('/').next().unwrap_or_default();
            return self.remark(line, format!("-e {program}: not taken over; nodes are reached by ssh with a key"));
        }
        while let Some(word) = words.next() {
            let Some(letter) = word.strip_prefix('-').and_then(|rest| rest.chars().next()) else {
                self.remark(line, format!("ssh {word}: not understood"));
                continue;
            };
            let rest = &word[1 + letter.len_utf8()..];
            let valued = "BbcDEeFIiJLlmOopQRSWw".contains(letter);
            let value = match (valued, rest) {
                (true, "") => words.next().unwrap_or_default(),
                (_, rest) => rest,
            };
            match letter {
                'i' => self.key(value, line, home),
                'p' => self.port(value, line),
                'l' => self.user = Some((value.to_owned(), line)),
                'C' => self.compress = Some(((), line)),
                'o' => self.ssh_option(value, line, home),
                'q' | 'T' | 'x' | 'a' | 'v' | 'n' | '4' | '6' => {}
                _ => self.remark(line, format!("ssh -{letter}: not taken over; write it into ssh's own configuration")),
            }
        }
    }

    fn ssh_option(&mut self, option: &str, line: usize, home: Option<&Path>) {
        let (name, value) = option.split_once(['=', ' ']).unwrap_or((option, ""));
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "stricthostkeychecking" => {
                self.trusts_any_host = !matches!(value.to_ascii_lowercase().as_str(), "yes" | "ask");
            }
            "userknownhostsfile" | "globalknownhostsfile" if value == "/dev/null" => self.trusts_any_host = true,
            "userknownhostsfile" => match at_home(value, home) {
                Some(file) => self.known_hosts = Some((file, line)),
                None => self.remark(line, format!("-o {name}: not understood")),
            },
            "identityfile" => self.key(value, line, home),
            "port" => self.port(value, line),
            "user" => self.user = Some((value.to_owned(), line)),
            "compression" if value == "yes" => self.compress = Some(((), line)),
            "batchmode" | "compression" | "loglevel" | "passwordauthentication" | "checkhostip" => {}
            _ => self.remark(line, format!("ssh -o {name}: not taken over; write it into ssh's own configuration")),
        }
    }

    fn key(&mut self, value: &str, line: usize, home: Option<&Path>) {
        match at_home(value, home) {
            Some(file) => self.identity = Some((file, line)),
            None => self.remark(line, format!("ssh -i {value}: not understood; name the key as `identity` or `key=`")),
        }
    }

    fn port(&mut self, value: &str, line: usize) {
        match value.parse() {
            Ok(port) if port > 0 => self.port = Some((port, line)),
            _ => self.remark(line, format!("ssh's port {value}: not understood")),
        }
    }
}

/// The letters of a word of a command that no shell reads.
fn letters(word: &shell::Word) -> String {
    let part = |part: &shell::Part| match part {
        shell::Part::Text { text, .. } | shell::Part::Other(text) => text.clone(),
        shell::Part::Variable { name, .. } => format!("${name}"),
        shell::Part::Command { text, .. } => format!("$({text})"),
    };
    word.parts.iter().map(part).collect()
}

/// A file that ssh is told: `~/` is the home in quotes, too. What is not wholly known is none.
fn at_home(value: &str, home: Option<&Path>) -> Option<PathBuf> {
    match (value.strip_prefix("~/").or_else(|| value.strip_prefix("%d/")), home) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        (None, _) if value.starts_with('/') => Some(value.into()),
        // Relative to where cron starts the script.
        (None, Some(home)) if value.starts_with(|first: char| first.is_alphanumeric() || first == '.') => {
            Some(home.join(value))
        }
        _ => None,
    }
}

/// rsync's units: KiB unless a letter says otherwise, `KB` and the like by 1000.
fn bandwidth(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let bytes = match text[digits..].to_ascii_lowercase().as_str() {
        "" | "k" | "kib" => 1024.0,
        "kb" => 1000.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "mb" => 1e6,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "gb" => 1e9,
        "b" => 1.0,
        _ => return None,
    };
    let limit = (number * bytes / 1024.0).ceil();
    (limit <= f64::from(u32::MAX)).then_some(limit as u32)
}
