//! What `statx` says of an entry: enough to tell that it is still the one that was hashed.
//!
//! A stamp is not identity: it is what the stat cache compares before it believes a hash, and what `apply` compares
//! before it replaces something. Two equal stamps with a change time well before the moment they were taken mean
//! equal content (see the racy-clock rule in `scan`).

use rustix::fs::{FileType, Statx, StatxFlags, StatxTimestamp};
use serde::{Deserialize, Serialize};

/// The fields that a stamp needs.
pub const WANTED: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO);

/// Type, permissions, size, times, inode and device of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// `st_mode`: type and permission bits.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Modification time, nanoseconds since the epoch.
    pub mtime: i64,
    /// Change time, nanoseconds since the epoch.
    pub ctime: i64,
    /// Inode number.
    pub inode: u64,
    /// Device number.
    pub device: u64,
}

impl Stamp {
    /// What sort of thing it is.
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    /// The permission bits that identity knows: 0o777.
    pub fn permissions(&self) -> u16 {
        (self.mode & 0o777) as u16
    }

    /// The modification time in whole seconds, rounded down: what application servers compare.
    pub fn mtime_seconds(&self) -> i64 {
        self.mtime.div_euclid(NANOS)
    }
}

const NANOS: i64 = 1_000_000_000;

fn nanoseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(NANOS).saturating_add(i64::from(time.tv_nsec))
}

impl From<&Statx> for Stamp {
    fn from(statx: &Statx) -> Self {
        Self {
            mode: u32::from(statx.stx_mode),
            size: statx.stx_size,
            mtime: nanoseconds(statx.stx_mtime),
            ctime: nanoseconds(statx.stx_ctime),
            inode: statx.stx_ino,
            device: rustix::fs::makedev(statx.stx_dev_major, statx.stx_dev_minor),
        }
    }
}
