//! The record of a revision: an immutable statement, hashed as it was written.
//!
//! A record is a file of lines. The first line is the payload, one JSON object; its exact bytes are what is hashed
//! ([`Domain::Record`], without the newline) and what any signature covers. Each further line is a signature. A
//! record is never encoded again to be compared: [`Envelope`] keeps the bytes it was made from.
//!
//! The payload names its parent by hash, so the records of a deployment form a chain that nobody can rewrite below a
//! node's feet: a node that applied revision N finds the same hash at N for ever, or refuses to go on.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::content::pack::PackRef;
use crate::error::{Error, ErrorKind, Result};
use crate::hash::{Digest, Domain};
use crate::name::{DeploymentName, HubId, MAX_REVISION, NodeId, Revision};

/// The payload schema that this version writes.
pub const SCHEMA: u32 = 1;
/// The most bytes of a record, signatures included.
pub const MAX_RECORD: usize = 16 << 20;
/// The most bytes of a message.
pub const MAX_MESSAGE: usize = 64 << 10;
/// The most bytes of an author's name.
pub const MAX_AUTHOR: usize = 255;
const MAX_SIGNATURES: usize = 64;
/// The most acceptances of a record.
const MAX_ACCEPTS: usize = 64;
/// The most fields in the room for what comes.
const MAX_MORE: usize = 256;

/// An accident-like change that the publisher confirmed; workers honour it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Acceptance {
    /// Fewer than half of the parent's entries remain.
    MassDelete,
    /// Something that a later version may know.
    #[serde(untagged)]
    Unknown(String),
}

/// What a publisher says of a revision, before the hub gives it a place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The root of the published tree.
    pub root: Digest,
    /// Who published, for people.
    pub author: String,
    /// The node that published.
    pub node: NodeId,
    /// Drawn for this publish: tells a lost reply from a lost race.
    pub nonce: String,
    /// When, by the publisher's clock.
    pub time: Timestamp,
    /// Why, for people.
    pub message: String,
    /// The accidents that the publisher confirmed.
    pub accepts: Vec<Acceptance>,
}

/// The payload of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// The schema of this object; a reader refuses one that it does not know.
    pub schema: u32,
    /// The hub that it was published in.
    pub hub: HubId,
    /// The deployment.
    pub deployment: DeploymentName,
    /// The number, from 1.
    pub number: u64,
    /// The hash of the record before this one; none for the first.
    pub parent: Option<Digest>,
    /// The root of the published tree.
    pub root: Digest,
    /// The version of the tree's layout: everything that shapes a root.
    pub tree: u32,
    /// The packs that this revision added.
    pub packs: Vec<PackRef>,
    /// Who published, for people.
    pub author: String,
    /// The node that published.
    pub node: NodeId,
    /// Drawn for this publish.
    pub nonce: String,
    /// When, by the publisher's clock.
    pub time: Timestamp,
    /// Why, for people.
    pub message: String,
    /// The accidents that the publisher confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "few")]
    pub accepts: Vec<Acceptance>,
    /// Room for what comes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "few_fields")]
    pub more: BTreeMap<String, Opaque>,
}

/// A value that this version does not look into: its text. Taken apart, sixteen megabytes of brackets would become half
/// a gigabyte of empty lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Opaque(Box<RawValue>);

impl PartialEq for Opaque {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// A list of at most [`MAX_ACCEPTS`]; one more is an error before it takes any memory.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ACCEPTS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut few = Vec::new();
            while let Some(item) = list.next_element()? {
                if few.len() == MAX_ACCEPTS {
                    return Err(A::Error::custom("the list is too long"));
                }
                few.push(item);
            }
            Ok(few)
        }
    }
    deserializer.deserialize_seq(Few(PhantomData))
}

/// The same of an object with at most [`MAX_MORE`] fields.
fn few_fields<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Opaque>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = BTreeMap<String, Opaque>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an object with at most {MAX_MORE} fields")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
            let mut few = BTreeMap::new();
            while let Some((name, value)) = object.next_entry()? {
                if few.len() == MAX_MORE {
                    return Err(A::Error::custom("the object has too many fields"));
                }
                few.insert(name, value);
            }
            Ok(few)
        }
    }
    deserializer.deserialize_map(Few)
}

impl Draft {
    /// Gives the draft its place: the revision after `parent` in this deployment of this hub.
    pub fn place(
        self,
        hub: HubId,
        deployment: DeploymentName,
        parent: Option<Revision>,
        packs: Vec<PackRef>,
    ) -> Payload {
        Payload {
            schema: SCHEMA,
            hub,
            deployment,
            number: parent.map_or(1, |parent| parent.number + 1),
            parent: parent.map(|parent| parent.record),
            root: self.root,
            tree: crate::tree::TREE_VERSION,
            packs,
            author: self.author,
            node: self.node,
            nonce: self.nonce,
            time: self.time,
            message: self.message,
            accepts: self.accepts,
            more: BTreeMap::new(),
        }
    }
}

/// A record as it was received or is to be written: the payload, its exact bytes and the signatures.
#[derive(Clone, Debug)]
pub struct Envelope {
    bytes: Vec<u8>,
    line: usize,
    payload: Payload,
    id: Digest,
}

impl Envelope {
    /// Writes `payload` down.
    pub fn seal(payload: &Payload) -> Result<Self> {
        let mut bytes = serde_json::to_vec(payload)
            .map_err(|source| Error::new(ErrorKind::Internal, "a record cannot be encoded").because(source))?;
        bytes.push(b'\n');
        // Reading back what was written applies every check of a reader to the writer as well.
        Self::parse(bytes).map_err(|error| error.with_kind(ErrorKind::Usage).op("write the record"))
    }

    /// Reads a record and checks what can be checked without its neighbours.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let damaged = |why: &str| Error::new(ErrorKind::Damaged, format!("damaged record: {why}"));
        if bytes.len() > MAX_RECORD {
            return Err(damaged("it is longer than 16 MiB"));
        }
        let line = bytes.iter().position(|&byte| byte == b'\n').ok_or_else(|| damaged("it has no whole line"))?;
        if bytes.last() != Some(&b'\n') || bytes.iter().filter(|&&byte| byte == b'\n').count() > 1 + MAX_SIGNATURES {
            return Err(damaged("its signature lines are cut off or too many"));
        }
        let schema: Schema = serde_json::from_slice(&bytes[..line])
            .map_err(|source| damaged("its first line is not a JSON object with a schema").because(source))?;
        if schema.schema != SCHEMA {
            return Err(Error::new(ErrorKind::Unsupported, format!("a record of schema {}", schema.schema))
                .hint("upgrade depsync on this node"));
        }
        let payload: Payload = serde_json::from_slice(&bytes[..line])
            .map_err(|source| damaged("its first line does not read").because(source))?;
        if let Some(why) = flaw(&payload) {
            return Err(damaged(why));
        }
        if payload.tree != crate::tree::TREE_VERSION {
            return Err(Error::new(ErrorKind::Unsupported, format!("a record of a tree of version {}", payload.tree))
                .hint("upgrade depsync on this node"));
        }
        let id = Domain::Record.digest(&bytes[..line]);
        Ok(Self { bytes, line, payload, id })
    }

    /// The payload.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// The record's bytes, signatures included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payload line as it was hashed, without its newline.
    pub fn payload_line(&self) -> &[u8] {
        &self.bytes[..self.line]
    }

    /// The signature lines.
    pub fn signatures(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes[self.line + 1..].split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
    }

    /// Number and hash.
    pub fn revision(&self) -> Revision {
        Revision { number: self.payload.number, record: self.id }
    }

    /// Whether this is the record directly after `parent`.
    pub fn follows(&self, parent: Option<Revision>) -> bool {
        match parent {
            None => self.payload.number == 1 && self.payload.parent.is_none(),
            Some(parent) => self.payload.number == parent.number + 1 && self.payload.parent == Some(parent.record),
        }
    }

    /// Whether the publisher confirmed `acceptance`.
    pub fn accepts(&self, acceptance: &Acceptance) -> bool {
        self.payload.accepts.contains(acceptance)
    }
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

/// What no honest publisher writes.
fn flaw(payload: &Payload) -> Option<&'static str> {
    if !(1..=MAX_REVISION).contains(&payload.number) {
        return Some("its number is out of range");
    }
    if (payload.number == 1) != payload.parent.is_none() {
        return Some("only the first record has no parent");
    }
    if payload.message.len() > MAX_MESSAGE {
        return Some("its message is longer than 64 KiB");
    }
    if payload.author.len() > MAX_AUTHOR || payload.nonce.len() > 64 || payload.nonce.is_empty() {
        return Some("its author or nonce is out of range");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            root: Digest::of(b"root"),
            author: "ops".into(),
            node: "web-1".parse().expect("id"),
            nonce: "00ff".into(),
            time: "2026-11-21T20:00:00Z".parse().expect("time"),
            message: "release 7\n\"quoted\"".into(),
            accepts: vec![],
        }
    }

    fn hub() -> HubId {
        "00112233445566778899aabbccddeeff".parse().expect("hub id")
    }

    // The hash by another program: `b3sum --derive-key "depsync 2026-11 record v1"` of the line without its newline.
    #[test]
    fn golden_bytes_and_hash() {
        let envelope = Envelope::seal(&draft().place(hub(), DeploymentName::default(), None, vec![])).expect("seals");
        let text = std::str::from_utf8(envelope.bytes()).expect("utf-8");
        assert_eq!(
            text,
            concat!(
                r#"{"schema":1,"hub":"00112233445566778899aabbccddeeff","deployment":"main","number":1,"parent":null,"#,
                r#""root":"92a2b787a06d7272df43eaf87acc3b9c1d315d79d599d61c285983483e431998","tree":1,"packs":[],"#,
                r#""author":"ops","node":"web-1","nonce":"00ff","time":"2026-11-21T20:00:00Z","#,
                r#""message":"release 7\n\"quoted\""}"#,
                "\n"
            )
        );
        assert_eq!(
            envelope.revision().record.to_string(),
            "99586cb472be99dda081507463d4ff352d5f2a3f9045d1c4860e0eab2f5bc5d0"
        );
    }

    #[test]
    fn the_chain_is_by_hash() {
        let place =
            |parent| Envelope::seal(&draft().place(hub(), DeploymentName::default(), parent, vec![])).expect("seals");
        let first = place(None);
        let second = place(Some(first.revision()));
        assert!(first.follows(None) && second.follows(Some(first.revision())));
        let other = Revision { record: Digest::of(b"other"), ..first.revision() };
        assert!(!second.follows(Some(other)) && !second.follows(None) && !first.follows(Some(first.revision())));
    }

    #[test]
    fn signatures_are_lines_that_the_hash_does_not_cover() {
        let sealed = Envelope::seal(&draft().place(hub(), DeploymentName::default(), None, vec![])).expect("seals");
        let signed = [sealed.bytes(), b"ssh one\nssh two\n"].concat();
        let signed = Envelope::parse(signed).expect("parses");
        assert_eq!(signed.revision(), sealed.revision());
        assert_eq!(signed.signatures().collect::<Vec<_>>(), [&b"ssh one"[..], b"ssh two"]);
    }

    #[test]
    fn unknown_acceptances_and_fields_pass_unknown_schemas_do_not() {
        let mut payload = draft().place(hub(), DeploymentName::default(), None, vec![]);
        payload.accepts = vec![Acceptance::MassDelete, Acceptance::Unknown("moon-phase".into())];
        let sealed = Envelope::seal(&payload).expect("seals");
        assert!(sealed.accepts(&Acceptance::MassDelete));
        assert_eq!(sealed.payload(), &payload);
        let text = String::from_utf8(sealed.bytes().to_vec()).expect("utf-8");
        assert!(text.contains(r#""accepts":["mass-delete","moon-phase"]"#));
        assert!(Envelope::parse(text.replace("\"tree\"", "\"later\":1,\"tree\"").into_bytes()).is_ok());
        let newer = text.replace("\"schema\":1", "\"schema\":2").into_bytes();
        assert_eq!(Envelope::parse(newer).expect_err("newer").kind(), ErrorKind::Unsupported);
        // Read as a tree of version 1 it would be another tree, or none.
        let newer = text.replace("\"tree\":1", "\"tree\":2").into_bytes();
        assert_eq!(Envelope::parse(newer).expect_err("newer").kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn room_for_what_comes_is_kept_as_it_stands_and_bounded() {
        let sealed = Envelope::seal(&draft().place(hub(), DeploymentName::default(), None, vec![])).expect("seals");
        let text = String::from_utf8(sealed.bytes().to_vec()).expect("utf-8");
        let with = |field: &str| Envelope::parse(text.replace("}\n", &format!(",{field}}}\n")).into_bytes());
        let more = r#""more":{"a":[1, {"b":null}],"c":1e400}"#;
        let read = with(more).expect("reads");
        assert!(String::from_utf8_lossy(Envelope::seal(read.payload()).expect("writes").bytes()).contains(more));
        let list = |count: usize| vec![r#""x""#; count].join(",");
        let fields = |count: usize| (0..count).map(|field| format!("\"{field}\":0")).collect::<Vec<_>>().join(",");
        assert!(with(&format!("\"accepts\":[{}]", list(MAX_ACCEPTS))).is_ok());
        assert!(with(&format!("\"more\":{{{}}}", fields(MAX_MORE))).is_ok());
        for bad in
            [format!("\"accepts\":[{}]", list(MAX_ACCEPTS + 1)), format!("\"more\":{{{}}}", fields(MAX_MORE + 1))]
        {
            assert_eq!(with(&bad).expect_err("too many").kind(), ErrorKind::Damaged);
        }
    }

    #[test]
    fn what_is_cut_off_or_out_of_range_is_damaged() {
        let sealed = Envelope::seal(&draft().place(hub(), DeploymentName::default(), None, vec![])).expect("seals");
        for length in 0..sealed.bytes().len() {
            let cut = Envelope::parse(sealed.bytes()[..length].to_vec());
            assert_eq!(cut.expect_err("cut off").kind(), ErrorKind::Damaged);
        }
        let text = String::from_utf8(sealed.bytes().to_vec()).expect("utf-8");
        for (from, to) in [("\"number\":1", "\"number\":0"), ("\"number\":1", "\"number\":2"), ("web-1", "../x")] {
            assert!(Envelope::parse(text.replace(from, to).into_bytes()).is_err(), "{to}");
        }
    }
}
