//! The names in a hub: what there is, where it is, and which of it may ever change.
//!
//! ```text
//! FORMAT                                  format, features, hub id
//! HEADS                                   one digest of all heads
//! d/<deployment>/HEAD                     number and hash of the newest record: a hint
//! d/<deployment>/revisions/<12 digits>    the records
//! d/<deployment>/nodes/<node id>.json     reports
//! packs/<2 hex>/<64 hex>                  packs
//! INDEX, index/<64 hex>                   after gc: the pointer and the multi-pack index
//! gc/condemned                            what gc will delete
//! gc/turns/<12 digits>                    which collector came last
//! tmp/<anything>                          uploads until they are whole
//! tmp/.partial/<anything>                 what broken-off uploads by rsync have brought
//! ```

use depsync_engine::error::Result;
use depsync_engine::hash::Digest;
use depsync_engine::name::{DeploymentName, NodeId};
use depsync_engine::path::RelPath;

/// What a name in a hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The hub's format and identity.
    Format,
    /// The digest of all heads.
    Heads,
    /// A deployment's hint of its newest record.
    Head(DeploymentName),
    /// A record.
    Record(DeploymentName, u64),
    /// A node's report.
    Report(DeploymentName, NodeId),
    /// A pack.
    Pack(Digest),
    /// The pointer to the multi-pack index.
    IndexPointer,
    /// A multi-pack index.
    Index(Digest),
    /// The condemned list.
    Condemned,
    /// A collector's turn.
    Turn(u64),
    /// Something not finished.
    Temporary(String),
}

impl Place {
    /// What `name` is, if it is a name of the layout at all.
    pub fn of(name: &RelPath) -> Option<Self> {
        let text = std::str::from_utf8(name.as_bytes()).ok()?;
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["FORMAT"] => Some(Self::Format),
            ["HEADS"] => Some(Self::Heads),
            ["INDEX"] => Some(Self::IndexPointer),
            ["gc", "condemned"] => Some(Self::Condemned),
            ["gc", "turns", number] => Some(Self::Turn(record_number(number.as_bytes())?)),
            ["tmp", name] => Some(Self::Temporary((*name).to_owned())),
            ["d", deployment, "HEAD"] => Some(Self::Head(deployment.parse().ok()?)),
            ["d", deployment, "revisions", number] => {
                Some(Self::Record(deployment.parse().ok()?, record_number(number.as_bytes())?))
            }
            ["d", deployment, "nodes", file] => {
                Some(Self::Report(deployment.parse().ok()?, file.strip_suffix(".json")?.parse().ok()?))
            }
            ["packs", shard, hash] if hash.starts_with(shard) && shard.len() == 2 => {
                Some(Self::Pack(hash.parse().ok()?))
            }
            ["index", hash] => Some(Self::Index(hash.parse().ok()?)),
            _ => None,
        }
    }

    /// Whether what stands under the name never changes once it is there.
    pub fn is_immutable(&self) -> bool {
        matches!(self, Self::Record(..) | Self::Pack(_) | Self::Index(_) | Self::Turn(_))
    }
}

/// The number in a record's file name: exactly twelve digits, not zero.
pub(crate) fn record_number(name: &[u8]) -> Option<u64> {
    let digits = name.len() == 12 && name.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| std::str::from_utf8(name).ok()?.parse::<u64>().ok()).flatten()?;
    (number > 0).then_some(number)
}

/// Every name below is made of checked parts, so none can fail the check of [`RelPath`].
fn path(text: String) -> RelPath {
    RelPath::new(text.into_bytes()).expect("because a name of the layout is made of checked names, digits and hex")
}

/// `FORMAT`.
pub fn format() -> RelPath {
    path("FORMAT".into())
}

/// `HEADS`.
pub fn heads() -> RelPath {
    path("HEADS".into())
}

/// `d`: one directory per deployment.
pub fn deployments() -> RelPath {
    path("d".into())
}

/// `d/<deployment>/HEAD`.
pub fn head(deployment: &DeploymentName) -> RelPath {
    path(format!("d/{deployment}/HEAD"))
}

/// `d/<deployment>/revisions`.
pub fn revisions(deployment: &DeploymentName) -> RelPath {
    path(format!("d/{deployment}/revisions"))
}

/// `d/<deployment>/revisions/<12 digits>`.
pub fn record(deployment: &DeploymentName, number: u64) -> RelPath {
    path(format!("d/{deployment}/revisions/{number:012}"))
}

/// `d/<deployment>/nodes`.
pub fn reports(deployment: &DeploymentName) -> RelPath {
    path(format!("d/{deployment}/nodes"))
}

/// `d/<deployment>/nodes/<node>.json`.
pub fn report(deployment: &DeploymentName, node: &NodeId) -> RelPath {
    path(format!("d/{deployment}/nodes/{node}.json"))
}

/// `packs`.
pub fn packs() -> RelPath {
    path("packs".into())
}

/// `packs/<2 hex>/<64 hex>`.
pub fn pack(name: &Digest) -> RelPath {
    let hex = name.to_string();
    path(format!("packs/{}/{hex}", &hex[..2]))
}

/// `INDEX`.
pub fn index_pointer() -> RelPath {
    path("INDEX".into())
}

/// `index`.
pub fn indexes() -> RelPath {
    path("index".into())
}

/// `index/<64 hex>`.
pub fn index(hash: &Digest) -> RelPath {
    path(format!("index/{hash}"))
}

/// `gc/condemned`.
pub fn condemned() -> RelPath {
    path("gc/condemned".into())
}

/// `gc/turns`.
pub(crate) fn turns() -> RelPath {
    path("gc/turns".into())
}

/// `gc/turns/<12 digits>`.
pub fn turn(number: u64) -> RelPath {
    path(format!("gc/turns/{number:012}"))
}

/// `tmp`.
pub fn temporary_directory() -> RelPath {
    path("tmp".into())
}

/// `tmp/.partial`: what rsync has of files that were not brought whole.
pub fn partial_directory() -> RelPath {
    path("tmp/.partial".into())
}

/// `tmp/<name>`.
pub fn temporary(name: &[u8]) -> Result<RelPath> {
    temporary_directory().join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_says_what_it_is_and_nothing_else_is_a_name() {
        let (main, node) = (DeploymentName::default(), "web-1".parse::<NodeId>().expect("id"));
        let hash = Digest::of(b"x");
        for (name, place) in [
            (format(), Place::Format),
            (heads(), Place::Heads),
            (head(&main), Place::Head(main.clone())),
            (record(&main, 7), Place::Record(main.clone(), 7)),
            (report(&main, &node), Place::Report(main.clone(), node)),
            (pack(&hash), Place::Pack(hash)),
            (index_pointer(), Place::IndexPointer),
            (index(&hash), Place::Index(hash)),
            (condemned(), Place::Condemned),
            (turn(3), Place::Turn(3)),
            (temporary(b"ab-0").expect("name"), Place::Temporary("ab-0".into())),
        ] {
            assert_eq!(Place::of(&name), Some(place), "{name}");
        }
        assert_eq!(record(&main, 7).to_string(), "d/main/revisions/000000000007");
        for bad in [
            "d/main/revisions/7",
            "d/main/revisions/000000000000",
            "d/UP/HEAD",
            "packs/00/x",
            "other",
            "d/main/nodes/x",
        ] {
            assert_eq!(Place::of(&RelPath::try_from(bad).expect("path")), None, "{bad}");
        }
    }
}
