//! The multi-pack index: which pack holds which object, for every record that gc has looked at.
//!
//! gc writes it under its hash and replaces the pointer `INDEX` (generation, hash). It lists what was *alive* then: an
//! object that is missing from it may still stand in a pack, but nobody who publishes may rely on that.

use depsync_engine::codec::{self, Frame};
use depsync_engine::content::ObjectId;
use depsync_engine::content::pack::PackRef;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::name::DeploymentName;
use serde::{Deserialize, Serialize};

use super::layout;
use super::reading::Reading;

const MAX_POINTER: usize = 4096;
/// How often the pointer may be replaced while we follow it.
const TRIES: usize = 16;
const LOST: &str = "`INDEX` names an index that is not there: restore it, or remove `INDEX` and run `depsync gc`";
/// The schema of the pointer and of the condemned list.
pub(super) const SCHEMA: u32 = 1;

/// The contents of `INDEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointer {
    pub(super) schema: u32,
    pub(super) generation: u64,
    pub(super) index: Digest,
}

#[derive(Debug, Serialize, Deserialize)]
struct Raw {
    through: Vec<(String, u64)>,
    packs: Vec<PackRef>,
    objects: Vec<(u8, Digest, u32)>,
}

/// A multi-pack index, verified.
#[derive(Debug)]
pub(super) struct HubIndex {
    raw: Raw,
    pub(super) generation: u64,
    hash: Digest,
}

impl HubIndex {
    /// Encodes an index: its hash and bytes. `objects` are sorted; each names its pack by its place in `packs`.
    pub(super) fn encode(
        through: &[(DeploymentName, u64)],
        packs: &[PackRef],
        objects: &[(ObjectId, u32)],
    ) -> Result<(Digest, Vec<u8>)> {
        let raw = Raw {
            through: through.iter().map(|(deployment, number)| (deployment.to_string(), *number)).collect(),
            packs: packs.to_vec(),
            objects: objects.iter().map(|(id, pack)| (id.kind.byte(), id.hash, *pack)).collect(),
        };
        let bytes = codec::encode(Frame::HubIndex, &raw)?;
        Ok((Domain::Index.digest(&bytes), bytes))
    }

    /// Reads the pointer and what it points to, unless that is what `known` is. None where gc has never run.
    pub(super) fn read(hub: &Reading<'_>, known: Option<&Self>) -> Result<Option<Read>> {
        let Some(mut pointer) = read_pointer(hub)? else { return Ok(None) };
        for _ in 1..TRIES {
            match Self::read_at(hub, pointer, known) {
                // A collector may have replaced the pointer, and removed what the old one named, between two calls.
                Err(error) if error.kind() == ErrorKind::NotFound => match read_pointer(hub)? {
                    Some(newer) if newer != pointer => pointer = newer,
                    _ => return Err(error.with_kind(ErrorKind::Damaged).hint(LOST)),
                },
                read => return read.map(Some),
            }
        }
        Self::read_at(hub, pointer, known).map(Some)
    }

    fn read_at(hub: &Reading<'_>, pointer: Pointer, known: Option<&Self>) -> Result<Read> {
        if known.is_some_and(|known| known.hash == pointer.index && known.generation == pointer.generation) {
            return Ok(Read::Same);
        }
        let name = layout::index(&pointer.index);
        let is_it = |bytes: &Vec<u8>| Domain::Index.digest(bytes) == pointer.index;
        let bytes = match hub.ledger.hub_index(&pointer.index)?.filter(is_it) {
            Some(remembered) => remembered,
            None => {
                let bytes = hub.get(&name, Frame::HubIndex.limit())?;
                if !is_it(&bytes) {
                    return Err(hub.damaged(&name, "its bytes are not those it is named by"));
                }
                hub.ledger.remember_hub_index(&pointer.index, &bytes)?;
                bytes
            }
        };
        let raw: Raw = codec::decode(Frame::HubIndex, &bytes).map_err(|error| error.at(&name))?;
        let sorted = raw.objects.is_sorted_by(|left, right| (left.0, left.1) < (right.0, right.1));
        if !sorted || raw.objects.iter().any(|&(_, _, pack)| pack as usize >= raw.packs.len()) {
            return Err(hub.damaged(&name, "its objects are out of order, or name packs that it does not list"));
        }
        Ok(Read::New(Self { raw, generation: pointer.generation, hash: pointer.index }))
    }

    /// The last record of `deployment` that the index covers; 0 if none.
    pub(super) fn through(&self, deployment: &DeploymentName) -> u64 {
        let covered = self.raw.through.iter().find(|(name, _)| name == deployment.as_str());
        covered.map_or(0, |&(_, number)| number)
    }

    /// The pack that holds `id`.
    pub(super) fn find(&self, id: &ObjectId) -> Option<PackRef> {
        let key = (id.kind.byte(), id.hash);
        let at = self.raw.objects.binary_search_by(|object| (object.0, object.1).cmp(&key)).ok()?;
        self.raw.packs.get(self.raw.objects[at].2 as usize).copied()
    }
}

/// What reading the index came to.
pub(super) enum Read {
    Same,
    New(HubIndex),
}

/// The contents of `INDEX`, if gc has ever run.
pub(super) fn read_pointer(hub: &Reading<'_>) -> Result<Option<Pointer>> {
    let name = layout::index_pointer();
    let Some(bytes) = hub.find(&name, MAX_POINTER)? else { return Ok(None) };
    let pointer: Pointer =
        serde_json::from_slice(&bytes).map_err(|source| hub.damaged(&name, "it does not read").because(source))?;
    if pointer.schema != SCHEMA {
        return Err(Error::new(ErrorKind::Unsupported, format!("an index pointer of schema {}", pointer.schema))
            .at(name)
            .hint("upgrade depsync on this node"));
    }
    Ok(Some(pointer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_names() {
        let pack = PackRef { name: Digest::of(b"pack"), length: 1000, index_length: 100 };
        let through = [("main".parse().expect("name"), 7)];
        let objects = [(ObjectId::page(Digest::of(b"page")), 0), (ObjectId::piece(Digest::of(b"piece")), 0)];
        let (hash, bytes) = HubIndex::encode(&through, &[pack], &objects).expect("encodes");
        assert_eq!(bytes.len(), 125);
        assert_eq!(hash.to_string(), "2bdf0e36d8f305392b18f30e5c57c4d0eaab57ba15f19cef3d9f6a2b498b849f");
        let pointer = Pointer { schema: SCHEMA, generation: 3, index: Digest::of(b"") };
        assert_eq!(
            serde_json::to_string(&pointer).expect("encodes"),
            concat!(
                r#"{"schema":1,"generation":3,"#,
                r#""index":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}"#
            )
        );
    }
}
