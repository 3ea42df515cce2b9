//! A few contents of a revision: one `svn cat` for many files, told apart by their sizes.
//!
//! For what a dump did not bring: because it only named it (a copy), or because the process that read the dump is gone.
//! `svn cat` expands keywords and changes line ends where properties say so, and then what comes is not what is wanted:
//! each content is checked, and whoever asked reads all of the revision instead.

use std::collections::HashMap;
use std::io::{self, BufRead, Read as _, Write as _};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::{Digest, Hasher};
use depsync_engine::path::RelPath;
use depsync_engine::transport::WantedContent;
use depsync_engine::tree::Tree;

use super::client::Tool;
use super::spool::Spool;
use super::transport::SvnTransport;

/// How much a file costs here beside one of a whole dump, as far as it is no matter of bytes.
const DEARER: u64 = 8;
/// How many bytes cost as much as a file of a whole dump does, as far as it is no matter of bytes.
const FILE: u64 = 8 << 10;
/// How many bytes of addresses one process is given.
const ADDRESSES: usize = 512 << 10;

/// Fetches `wanted` to the spool, as far as that is cheaper than all of the revision. Says whether it is there now.
pub(super) fn fetch(
    transport: &SvnTransport,
    cx: &Context,
    (number, root): (u64, Digest),
    wanted: &[WantedContent],
    spool: &mut Spool,
) -> Result<bool> {
    let mut missing: HashMap<Digest, u64> = wanted
        .iter()
        .filter(|one| one.size > 0 && spool.content(&one.hash).is_none())
        .map(|one| (one.hash, one.size))
        .collect();
    let tree = Tree::new(&*transport.ledger, root);
    let all = tree.totals()?;
    let cost = |files: u64, bytes: u64| files.saturating_mul(FILE).saturating_add(bytes);
    let these = cost((missing.len() as u64).saturating_mul(DEARER), missing.values().sum());
    if missing.len() > 1 && these > cost(all.entries, all.bytes) {
        return Ok(false);
    }
    let mut found = Vec::new();
    for entry in tree.iter() {
        let (path, entry) = entry?;
        if let Some((hash, size)) = entry.content().filter(|(hash, size)| missing.get(hash) == Some(size)) {
            missing.remove(&hash);
            found.push((path, hash, size));
            if missing.is_empty() {
                break;
            }
        }
    }
    if !missing.is_empty() {
        return Ok(false);
    }
    let mut rest = &found[..];
    while !rest.is_empty() {
        let mut length = 0;
        let fits = |(path, ..): &&(RelPath, Digest, u64)| {
            length += transport.client.url().pegged(Some(path), Some(number)).len() + 1;
            length <= ADDRESSES
        };
        let count = rest.iter().take_while(fits).count().max(1);
        match one_go(transport, cx, number, &rest[..count], spool) {
            Ok(true) => rest = &rest[count..],
            Ok(false) => return Ok(false),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn one_go(
    transport: &SvnTransport,
    cx: &Context,
    number: u64,
    files: &[(RelPath, Digest, u64)],
    spool: &mut Spool,
) -> Result<bool> {
    let mut program = transport.client.program(cx, Tool::Svn)?.arg("cat");
    for (path, ..) in files {
        program = program.operand(transport.client.url().pegged(Some(path), Some(number)));
    }
    cx.step("svn.cat");
    transport.client.read(cx, "fetch", program, |said| {
        for (path, hash, size) in files {
            cx.check()?;
            let mut hasher = Hasher::plain();
            let mut incoming = spool.incoming();
            let mut left = *size;
            while left > 0 {
                let failed = |source: io::Error| Error::io("fetch", path, source);
                let there = said.fill_buf().map_err(failed)?;
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(there.len());
                if count == 0 {
                    return Ok(false);
                }
                hasher.update(&there[..count]);
                incoming.write_all(&there[..count]).map_err(failed)?;
                said.consume(count);
                left -= count as u64;
            }
            if hasher.finish() != *hash {
                return Ok(false);
            }
            spool.keep(*hash, *size);
        }
        let more = said.read(&mut [0]).map_err(|source| Error::io("fetch", "contents", source))?;
        Ok(more == 0)
    })
}
