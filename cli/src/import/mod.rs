//! Taking over what another tool was told.
//!
//! Two kinds: the `<DeploymentSynchronizer>` of a `carbon.xml` (`carbon`), and the script that cron starts every minute, that goes through a list of nodes and starts an rsync for
//! each. The script is read, never run: `shell` reads its words, `script` follows its variables, `rsync` reads the options,
//! `ends`
//! finds what is sent and where to, `pattern` translates what is excluded, `list` finds the nodes. What comes out is a [`Plan`]: a `depsync.toml`, a list
//! if a new one is needed, and what is to be said. Nothing is written here but by [`Plan::write`], and nothing that is
//! there is ever overwritten.

pub(crate) mod carbon;
mod ends;
mod list;
mod pattern;
pub(crate) mod preset;
mod rsync;
mod script;
mod shell;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_transports::nodes::Addressee;
use serde::Serialize;

use crate::config;
use list::{List, Nodes, Recipe};
use rsync::Transfer;
use script::Call;

/// The name of a list that was made.
pub(crate) const LIST: &str = "nodes-list.depsync.txt";
/// The most bytes of a script.
const MAX_SCRIPT: u64 = 64 << 10;

/// What is to be taken over. All paths are absolute.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The script.
    pub(crate) script: PathBuf,
    /// The list, where the script is not to be asked for it.
    pub(crate) list: Option<PathBuf>,
    /// The directory, where the script is not to be asked for it.
    pub(crate) dir: Option<PathBuf>,
    /// Where `depsync.toml` is to lie.
    pub(crate) into: PathBuf,
    /// The home of the user who runs the script.
    pub(crate) home: Option<PathBuf>,
}

/// Something in the script that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is there.
    pub(crate) what: String,
}

/// A setting and where it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Taken {
    /// The key in `depsync.toml`.
    pub(crate) key: &'static str,
    /// Its value.
    pub(crate) value: String,
    /// The line of the script; none if the command line said it.
    pub(crate) line: Option<usize>,
}

/// What is to be written and said.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where `depsync.toml` is to lie.
    pub(crate) config: PathBuf,
    /// Its text.
    pub(crate) config_text: String,
    /// The list that the configuration names.
    pub(crate) list: PathBuf,
    /// Its text and why it is needed, if it is a new one.
    pub(crate) list_text: Option<(String, &'static str)>,
    /// The nodes.
    pub(crate) nodes: Vec<Addressee>,
    /// What was found.
    pub(crate) taken: Vec<Taken>,
    /// What was not taken over.
    pub(crate) remarks: Vec<Remark>,
    /// Where the script's output went.
    pub(crate) log: Option<PathBuf>,
    /// The file of known hosts, if the script names one.
    pub(crate) known_hosts: Option<PathBuf>,
    /// ssh's port, if the script names one.
    pub(crate) port: Option<u16>,
    /// Whether the script took unknown host keys.
    pub(crate) trusts_any_host: bool,
    /// Whether the script removed on the nodes what it did not find here.
    pub(crate) deletes: bool,
    /// Whether the script carried owners and times.
    pub(crate) carries_owners: bool,
}

impl Plan {
    /// Reads the script.
    pub(crate) fn of(request: &Request) -> Result<Self> {
        let text = text_of(&request.script, MAX_SCRIPT, "read the script")?;
        let home = request.home.as_deref();
        let outline = script::follow(&text, &request.script, home);
        let place = |line: usize| format!("{}:{line}", request.script.display());
        let call = ends::call_of(&outline, &request.script)?;
        let mut transfer = Transfer::read(call, home);
        let mut remarks = outline.remarks.clone();
        for other in outline.calls.iter().filter(|other| other.line != call.line) {
            let what = "another rsync: a directory has its own depsync.toml, and its own line in the crontab";
            remarks.push(Remark { line: other.line, what: what.to_owned() });
        }
        if transfer.relative {
            return Err(usage("--relative makes the whole path of the directory on the nodes")
                .at(place(call.line))
                .hint("write depsync.toml and a list by hand: what stands there becomes equal to the directory"));
        }
        let (dir, itself) = ends::directory(request, call, &mut transfer, &place)?;
        let name = if itself { dir.file_name().and_then(|name| name.to_str()).map(str::to_owned) } else { None };
        let (source, destination, line) = ends::destination(request, &outline, call, &transfer, &place)?;
        let user = transfer.user.clone();
        let recipe = Recipe {
            destination: &destination,
            inside: name.as_deref(),
            user: user.as_ref().map(|(user, _)| user.as_str()),
            place: &place(line.unwrap_or(call.line)),
        };
        let Nodes { list, found: nodes } = list::nodes(&source, &recipe, home)?;
        let (list, list_text) = match list {
            List::Kept(file) => (tidy(&file), None),
            List::Made { text, why } => (request.into.join(LIST), Some((text, why))),
        };
        if request.into.starts_with(&dir) {
            return Err(usage("depsync.toml would lie in the directory that is deployed, and be deployed with it")
                .at(request.into.display())
                .hint("give a directory outside of it: --into DIR"));
        }
        let mut plan = Self {
            config: request.into.join(config::NAME),
            config_text: String::new(),
            list,
            list_text,
            nodes,
            taken: Vec::new(),
            remarks,
            log: transfer.log.clone().or_else(|| outline.log.clone()).map(|(log, _)| tidy(&log)),
            known_hosts: transfer.known_hosts.as_ref().map(|(file, _)| tidy(file)),
            port: transfer.port.map(|(port, _)| port),
            trusts_any_host: transfer.trusts_any_host,
            deletes: transfer.deletes,
            carries_owners: transfer.carries_owners,
        };
        let ignore = transfer.ignore(name.as_deref());
        plan.compose(&dir, request, line, call, &transfer, &ignore);
        plan.remarks.append(&mut transfer.remarks);
        plan.remarks.sort_by_key(|remark| remark.line);
        Ok(plan)
    }

    /// Writes the configuration's text, and with it what was taken from where.
    fn compose(
        &mut self,
        dir: &Path,
        request: &Request,
        list_line: Option<usize>,
        call: &Call,
        transfer: &Transfer,
        ignore: &[(String, usize)],
    ) {
        let mut top = vec![format!("# Taken from {} by `depsync import nodes-list`.", one_line(&request.script))];
        let mut ssh = Vec::new();
        let mut take = |lines: &mut Vec<String>, key: &'static str, toml: toml::Value, line: Option<usize>| {
            let value = match &toml {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            lines.push(format!("{} = {toml}", key.rsplit('.').next().unwrap_or(key)));
            self.taken.push(Taken { key, value, line });
        };
        let text = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
        let dir_line = if request.dir.is_some() { None } else { Some(call.line) };
        take(&mut top, "dir", text(dir), dir_line);
        let list = self.list.strip_prefix(&request.into).unwrap_or(&self.list);
        take(&mut top, "nodes", text(list), list_line);
        if let Some((_, line)) = ignore.first() {
            let patterns = ignore.iter().map(|(pattern, _)| toml::Value::from(pattern.as_str())).collect();
            take(&mut top, "ignore", toml::Value::Array(patterns), Some(*line));
        }
        if let Some((file, line)) = &transfer.identity {
            take(&mut ssh, "ssh.identity", text(&tidy(file)), Some(*line));
        }
        if let Some((file, line)) = &transfer.known_hosts {
            take(&mut ssh, "ssh.known-hosts", text(&tidy(file)), Some(*line));
        }
        if let Some((port, line)) = transfer.port {
            take(&mut ssh, "ssh.port", i64::from(port).into(), Some(line));
        }
        if let Some((limit, line)) = transfer.bandwidth {
            take(&mut ssh, "ssh.bandwidth-limit", i64::from(limit).into(), Some(line));
        }
        if let Some(((), line)) = transfer.compress {
            take(&mut ssh, "ssh.compress", true.into(), Some(line));
        }
        if !ssh.is_empty() {
            top.push("[ssh]".to_owned());
            top.append(&mut ssh);
        }
        self.config_text = top.join("\n") + "\n";
    }

    /// Writes what is new. What is there already stays, and nothing is written then.
    pub(crate) fn write(&self) -> Result<()> {
        let mut files = vec![(&self.config, self.config_text.as_str())];
        if let Some((text, _)) = &self.list_text {
            // The configuration comes last: where it stands, its list does.
            files.insert(0, (&self.list, text));
        }
        let exists = |path: &Path| {
            usage("there is one already; nothing was written")
                .at(path.display())
                .hint("move it away, or write elsewhere: --into DIR; --dry-run shows what would be written")
        };
        if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
            return Err(exists(path));
        }
        for (path, text) in files {
            let written = File::create_new(path).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            });
            written.map_err(|source| match source.kind() {
                std::io::ErrorKind::AlreadyExists => exists(path),
                _ => Error::io("write", path.display(), source).hint("write elsewhere: --into DIR"),
            })?;
        }
        Ok(())
    }
}

/// The text of a file; what is not UTF-8 in it (a comment, mostly) is replaced.
fn text_of(file: &Path, most: u64, op: &str) -> Result<String> {
    let failed = |source| Error::io(op, file.display(), source).with_kind(ErrorKind::Usage);
    let mut bytes = Vec::new();
    File::open(file).and_then(|opened| opened.take(most + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(usage(format!("longer than {}", crate::units::bytes(most))).op(op).at(file.display()));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn usage(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Usage, what)
}

/// Without `.` and doubled slashes.
fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}

fn one_line(path: &Path) -> String {
    crate::text::clean(&path.to_string_lossy())
}
