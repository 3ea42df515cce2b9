//! The files of this node, as content to read from.

use std::fs::File;

use crate::beneath::Root;
use crate::error::Result;
use crate::path::RelPath;

/// Where local content is read: the deployment's directory, or what stands for it.
pub trait LocalContent: Sync {
    /// Opens the regular file `path` for reading.
    fn open(&self, path: &RelPath) -> Result<File>;

    /// Whether every content is wanted here, whatever [`Self::wants`] would say.
    fn wants_all(&self) -> bool {
        true
    }

    /// Whether a new content of `path` is wanted here. One that is not need not be fetched to know of it.
    fn wants(&self, _path: &RelPath) -> bool {
        true
    }
}

impl LocalContent for Root {
    fn open(&self, path: &RelPath) -> Result<File> {
        self.read(path)
    }
}
