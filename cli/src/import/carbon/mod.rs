//! From the `<DeploymentSynchronizer>` of a `carbon.xml` to a `depsync.toml`.
//!
//! What each element really did is known from the sources of the original (carbon-commons, carbon-kernel 4.x). What has a
//! place here is taken over with its line; what did nothing, or did harm, is named; a password goes into a file that only
//! its owner can read. Several files, of a manager and its workers, are looked at together: where they contradict each
//! other that is said, and the manager's word holds.

mod block;
mod read;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use serde::Serialize;

use self::block::Block;
use super::preset::Preset;
use super::{text_of, usage};

/// The most bytes of a file.
const MOST: u64 = 4 << 20;
/// The name of the file that a password goes into.
pub(crate) const PASSWORD: &str = "svn-password";

/// What is to be taken over. All paths are absolute.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The files.
    pub(crate) files: Vec<PathBuf>,
    /// Where the server is, if it is not what the file is in.
    pub(crate) home: Option<PathBuf>,
    /// The hub, where the file's is not to be used.
    pub(crate) hub: Option<String>,
    /// What is usual for the server.
    pub(crate) preset: Option<Preset>,
    /// Where `depsync.toml` is to lie.
    pub(crate) into: PathBuf,
}

/// Something that a file says, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Said {
    /// The element.
    pub(crate) key: String,
    /// Its line; none if it is not there, and what counts then matters.
    pub(crate) line: Option<usize>,
    /// What becomes of it.
    pub(crate) what: String,
}

/// What one file becomes.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    /// The file.
    pub(crate) file: PathBuf,
    /// Whether it publishes.
    pub(crate) is_manager: bool,
    /// Where its `depsync.toml` is to lie.
    pub(crate) config: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// Where the password is to lie, if there is one.
    pub(crate) password_file: Option<PathBuf>,
    #[serde(skip)]
    password: Option<String>,
    /// What was taken over.
    pub(crate) taken: Vec<Said>,
    /// What was not, and why.
    pub(crate) dropped: Vec<Said>,
    /// What did harm.
    pub(crate) dangers: Vec<Said>,
}

/// What is to be written and said.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// File by file.
    pub(crate) nodes: Vec<Taken>,
    /// Where the files contradict each other.
    pub(crate) contradictions: Vec<String>,
}

impl Plan {
    /// Reads the files.
    pub(crate) fn of(request: &Request) -> Result<Self> {
        let mut blocks = Vec::new();
        for file in &request.files {
            let text = text_of(file, MOST, "read the configuration")?;
            blocks.push(Block::new(read::Carbon::read(&text, file)?, file, request)?);
        }
        let contradictions = contradictions(&mut blocks);
        let several = blocks.len() > 1;
        let mut nodes: Vec<Taken> = Vec::new();
        for block in blocks {
            let kind = if block.is_manager { "manager" } else { "worker" };
            let before = nodes.iter().filter(|node| node.is_manager == block.is_manager).count();
            let name = if before == 0 { kind.to_owned() } else { format!("{kind}-{}", before + 1) };
            let into = if several { request.into.join(name) } else { request.into.clone() };
            nodes.push(block.take(&into, request)?);
        }
        Ok(Self { nodes, contradictions })
    }

    /// Writes what is new. What is there already stays, and nothing is written then.
    pub(crate) fn write(&self) -> Result<()> {
        let files = self.nodes.iter().flat_map(|node| node.password_file.iter().chain([&node.config]));
        if let Some(there) = files.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(exists(there));
        }
        for node in &self.nodes {
            let directory = node.config.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(directory).map_err(|source| Error::io("make", directory.display(), source))?;
            // The configuration comes last: where it stands, what it names does.
            if let (Some(file), Some(password)) = (&node.password_file, &node.password) {
                create(file, 0o600, password)?;
            }
            create(&node.config, 0o644, &node.text)?;
        }
        Ok(())
    }
}

/// Writes a file that is not there yet.
pub(crate) fn create(path: &Path, mode: u32, text: &str) -> Result<()> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Error::io("write", path.display(), source).hint("write elsewhere: --into DIR"),
    })
}

fn exists(path: &Path) -> Error {
    usage("there is one already; nothing was written")
        .at(path.display())
        .hint("move it away, or write elsewhere: --into DIR; --dry-run shows what would be written")
}

/// Where the files contradict each other. The manager's word holds.
fn contradictions(blocks: &mut [Block]) -> Vec<String> {
    let mut said = Vec::new();
    let managers: Vec<usize> =
        blocks.iter().enumerate().filter(|(_, block)| block.is_manager).map(|(at, _)| at).collect();
    if blocks.len() > 1 && managers.is_empty() {
        said.push("none of them has AutoCommit: nobody would publish anything".to_owned());
    }
    let Some(first) = managers.first().copied().or(if blocks.is_empty() { None } else { Some(0) }) else { return said };
    let (word, url, file) = (blocks[first].appends, blocks[first].url.clone(), blocks[first].shown());
    for at in (0..blocks.len()).filter(|at| *at != first) {
        let block = &mut blocks[at];
        if block.appends != word {
            let form = |appends: bool| if appends { "URL/TENANT" } else { "the URL itself" };
            said.push(format!(
                "SvnUrlAppendTenantId: {} uses {}, {} {}; so they never saw the same. Both are written as {} has it",
                file,
                form(word),
                block.shown(),
                form(block.appends),
                if managers.is_empty() { "the first" } else { "the manager" }
            ));
            block.appends = word;
        }
        if block.url != url {
            said.push(format!(
                "SvnUrl: {} and {} name different repositories; each keeps its own",
                file,
                block.shown()
            ));
        }
    }
    said
}

/// A kind of repository that there is no transport for.
fn unsupported(kind: &str, place: String) -> Error {
    let what = match kind {
        "git" => "a git repository is no hub of ours".to_owned(),
        "registry" => "its repository is the registry, which was never told where else it lies".to_owned(),
        other => format!("`{}` is no kind of repository that the original knew", crate::text::clean(other)),
    };
    Error::new(ErrorKind::Unsupported, what)
        .at(place)
        .hint("name the hub that is to take its place: --hub /mnt/hub, rsync+ssh://…, svn://…")
}
