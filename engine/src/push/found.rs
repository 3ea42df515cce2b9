//! What stands at a path of a destination.

use crate::tree::{LinkTarget, Mode};

/// What a path of a destination names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A regular file.
    File {
        /// Permission bits.
        mode: Mode,
        /// Length in bytes.
        size: u64,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: Mode,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: LinkTarget,
    },
    /// A socket, a fifo, a device.
    Other,
}
