//! What this node has already as a whole.
//!
//! Reading a local file may fail, and what is read may no longer be what was measured. Neither is an error: the content
//! is then looked for elsewhere. Only staging can fail.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::hash::{Digest, Hasher};

use super::contents::{Content, State};
use super::{Assembly, LocalFile, write_failed};

/// How much is copied at a time, in bytes.
const BLOCK: usize = 256 << 10;

impl Assembly<'_> {
    /// Makes the empty files, and copies the contents that a local file has whole.
    pub(super) fn copy_whole(&self, cx: &Context) -> Result<()> {
        self.contents.as_slice().par_iter().try_for_each(|content| {
            cx.check()?;
            if content.size == 0 {
                return self.deliver_whole(cx, &content.hash, &[]).map(drop);
            }
            let first = self.sources.partition_point(|source| source.hash < content.hash);
            for source in self.sources[first..].iter().take_while(|source| source.hash == content.hash) {
                if source.size == content.size && self.copy_from(cx, content, source)? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Copies a local file that should have this content; `false` when it turns out that it has not.
    fn copy_from(&self, cx: &Context, content: &Content, source: &LocalFile) -> Result<bool> {
        let Ok(opened) = self.local.open(&source.path) else { return Ok(false) };
        let staged = self.staging.create(self.contents.first_tag(content), content.size)?;
        match copy(cx, &opened, Some(&staged), content)? {
            Ok(hash) if hash == content.hash => {}
            _ => return Ok(false),
        }
        self.spread(cx, content, &staged)?;
        self.staging.complete(self.contents.first_tag(content), &staged)?;
        content.pass(State::Unresolved, State::Whole);
        self.advance(cx, content.size);
        Ok(true)
    }

    /// Copies a verified staged file for the other tags of its content, verifying each copy's source again.
    pub(super) fn spread(&self, cx: &Context, content: &Content, built: &File) -> Result<()> {
        for &tag in &self.contents.tags(content)[1..] {
            let staged = self.staging.create(tag, content.size)?;
            let hash = copy(cx, built, Some(&staged), content)??;
            if hash != content.hash {
                return Err(Error::damaged(format!("content {}", content.hash), "its staged file changed"));
            }
            self.staging.complete(tag, &staged)?;
        }
        Ok(())
    }
}

/// Reads as many bytes as `content` has, hashes them and writes them to `to`.
///
/// The outer error is that of writing, or of the context; the inner that of reading, a short file included.
pub(super) fn copy(cx: &Context, from: &File, to: Option<&File>, content: &Content) -> Result<Result<Digest>> {
    let mut buffer = vec![0; usize::try_from(content.size).unwrap_or(BLOCK).min(BLOCK)];
    let mut hasher = Hasher::plain();
    let mut offset = 0;
    while offset < content.size {
        cx.check()?;
        let left = usize::try_from(content.size - offset).unwrap_or(BLOCK);
        let block = &mut buffer[..left.min(BLOCK)];
        if let Err(source) = from.read_exact_at(block, offset) {
            return Ok(Err(Error::io("read", format!("content {}", content.hash), source)));
        }
        hasher.update(block);
        if let Some(to) = to {
            to.write_all_at(block, offset).map_err(|source| write_failed(&content.hash, source))?;
        }
        offset += block.len() as u64;
    }
    Ok(Ok(hasher.finish()))
}
