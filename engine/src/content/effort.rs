//! How much a publisher does to make small what it sends.

use serde::{Deserialize, Serialize};

/// How hard patches and recipes are compressed. Whoever reads them need not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Little: for a fast network.
    Fast,
    /// Some: most of what can be had.
    #[default]
    Balanced,
    /// Much: where many nodes fetch what one has published.
    Small,
}

impl Effort {
    /// The level of zstd.
    pub(in crate::content) fn level(self) -> i32 {
        match self {
            Self::Fast => 3,
            Self::Balanced => 12,
            Self::Small => 19,
        }
    }
}
