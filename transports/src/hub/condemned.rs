//! What gc will delete, told in advance.
//!
//! `gc/condemned` names packs that nothing needed when gc looked. Whoever publishes reads it after staging the record
//! and before linking it, and relies on none of them. The file's bytes are compared, not only its list: they hold a
//! nonce, so that whatever a publisher believes of the hub is believed for one state of gc only.

use std::collections::HashSet;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::Digest;
use depsync_engine::name::random_bytes;
use serde::{Deserialize, Serialize};

use super::index::SCHEMA;
use super::layout;
use super::reading::Reading;

/// The most bytes of the list.
pub(super) const MAX_CONDEMNED: usize = 64 << 20;

/// The list, and the bytes that it was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Condemned {
    bytes: Option<Vec<u8>>,
    generation: u64,
    packs: HashSet<Digest>,
}

#[derive(Serialize, Deserialize)]
struct List {
    schema: u32,
    generation: u64,
    nonce: String,
    packs: Vec<Digest>,
}

impl Condemned {
    /// Reads the list. Where gc has never run it is empty.
    pub(super) fn read(hub: &Reading<'_>) -> Result<Self> {
        let name = layout::condemned();
        let Some(bytes) = hub.find(&name, MAX_CONDEMNED)? else { return Ok(Self::default()) };
        let list: List =
            serde_json::from_slice(&bytes).map_err(|source| hub.damaged(&name, "it does not read").because(source))?;
        if list.schema != SCHEMA {
            return Err(Error::new(ErrorKind::Unsupported, format!("a condemned list of schema {}", list.schema))
                .at(name)
                .hint("upgrade depsync on this node"));
        }
        Ok(Self { bytes: Some(bytes), generation: list.generation, packs: list.packs.into_iter().collect() })
    }

    /// Whether gc has never written here.
    pub(super) fn is_missing(&self) -> bool {
        self.bytes.is_none()
    }

    /// The collector's turn in which it was written; 0 if there is none.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The bytes of the list, if there is one.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// The packs.
    pub(super) fn packs(&self) -> &HashSet<Digest> {
        &self.packs
    }

    /// Replaces the list.
    pub(super) fn write(hub: &Reading<'_>, generation: u64, mut packs: Vec<Digest>) -> Result<()> {
        packs.sort_unstable();
        let nonce = data_encoding::HEXLOWER.encode(&random_bytes()?);
        let mut bytes = serde_json::to_vec(&List { schema: SCHEMA, generation, nonce, packs }).map_err(|source| {
            Error::new(ErrorKind::Internal, "the condemned list cannot be encoded").because(source)
        })?;
        bytes.push(b'\n');
        hub.storage.replace(hub.cx, &layout::condemned(), &bytes)
    }
}
