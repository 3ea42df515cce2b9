//! A forger: things that no honest publisher writes, with every hash right.
//!
//! What the engine refuses to write is stated here a second time: pages, packs and records as plain data, encoded as
//! they stand and named by what they are. A hub of them differs from an honest one only in what the hashes are of.

use std::path::{Path, PathBuf};

use depsync_engine::codec::{self, Frame};
use depsync_engine::content::ObjectKind;
use depsync_engine::content::pack::{PackRef, Slot};
use depsync_engine::error::Result;
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::name::{HubId, Revision};
use depsync_engine::record::{Acceptance, Draft, Envelope, Payload};
use depsync_transports::hub::layout;
use serde::Serialize;

/// A frame around `payload`, whatever that is.
///
/// # Errors
/// What is over the limit of a frame of this kind cannot be framed.
pub fn framed(frame: Frame, payload: &[u8]) -> Result<Vec<u8>> {
    let header = codec::header(frame, payload.len())?;
    Ok([&header, payload].concat())
}

/// What a page can say of a path, without any of the checks.
#[derive(Clone, Debug, Serialize)]
pub enum Entry {
    /// A regular file.
    File {
        /// Permission bits, or others.
        mode: u16,
        /// The size that is claimed.
        size: u64,
        /// The content's name.
        hash: Digest,
    },
    /// A directory.
    Directory {
        /// Permission bits, or others.
        mode: u16,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: Vec<u8>,
    },
}

impl Entry {
    /// The file with this content.
    pub fn file(content: &[u8]) -> Self {
        Self::File { mode: 0o644, size: content.len() as u64, hash: Digest::of(content) }
    }

    /// A directory that everybody may read.
    pub fn directory() -> Self {
        Self::Directory { mode: 0o755 }
    }

    /// A link to `target`.
    pub fn link(target: &str) -> Self {
        Self::Symlink { target: target.as_bytes().to_vec() }
    }
}

/// The values of a page.
#[derive(Clone, Debug, Serialize)]
pub enum Body {
    /// Of a leaf.
    Entries(Vec<Entry>),
    /// Of a page above: id, count of entries, sum of sizes.
    Children(Vec<(Digest, u64, u64)>),
}

/// A page as it is encoded.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// 0 for a leaf.
    pub level: u8,
    /// For each key: bytes shared with the one before, bytes added.
    pub keys: Vec<(u16, u16)>,
    /// The added bytes, end to end.
    pub added: Vec<u8>,
    /// The values.
    pub body: Body,
}

impl Page {
    /// A leaf with these paths, in this order, as they are.
    pub fn leaf(entries: &[(&[u8], Entry)]) -> Self {
        let (keys, added) = columns(entries.iter().map(|(path, _)| *path));
        Self { level: 0, keys, added, body: Body::Entries(entries.iter().map(|(_, entry)| entry.clone()).collect()) }
    }

    /// A page above others: last key, id, count and size of each.
    pub fn above(level: u8, children: &[(&[u8], Digest, u64, u64)]) -> Self {
        let (keys, added) = columns(children.iter().map(|child| child.0));
        let body = Body::Children(children.iter().map(|child| (child.1, child.2, child.3)).collect());
        Self { level, keys, added, body }
    }

    /// The frame.
    pub fn bytes(&self) -> Vec<u8> {
        codec::encode(Frame::Page, self).expect("a forged page is not that large")
    }
}

/// Keys as columns, sharing as much as they can.
fn columns<'a>(keys: impl Iterator<Item = &'a [u8]>) -> (Vec<(u16, u16)>, Vec<u8>) {
    let (mut lengths, mut added, mut last): (Vec<(u16, u16)>, Vec<u8>, &[u8]) = (Vec::new(), Vec::new(), b"");
    for key in keys {
        let shared = last.iter().zip(key).take_while(|(a, b)| a == b).count();
        lengths.push((shared as u16, (key.len() - shared) as u16));
        added.extend_from_slice(&key[shared..]);
        last = key;
    }
    (lengths, added)
}

/// A pack that is being forged: each object with the slot that speaks of it.
#[derive(Clone, Debug, Default)]
pub struct Pack {
    objects: Vec<(Slot, Vec<u8>)>,
}

const HEADER: &[u8] = b"depsync-pack\x01";
const FOOTER: &[u8] = b"depsync-pind\x01";

impl Pack {
    /// Adds an object as it is.
    pub fn add(&mut self, kind: ObjectKind, hash: Digest, raw: &[u8]) -> &mut Self {
        self.stored(kind.byte(), hash, 0, raw.len() as u32, raw.to_vec())
    }

    /// Adds a piece, or the whole of a small file.
    pub fn piece(&mut self, raw: &[u8]) -> &mut Self {
        self.add(ObjectKind::Piece, Digest::of(raw), raw)
    }

    /// Adds a page and gives its id.
    pub fn page(&mut self, page: &Page) -> Digest {
        let bytes = page.bytes();
        let id = page_id(&bytes);
        self.add(ObjectKind::Page, id, &bytes);
        id
    }

    /// Adds bytes and says anything of them.
    pub fn stored(&mut self, kind: u8, hash: Digest, codec: u8, raw_length: u32, stored: Vec<u8>) -> &mut Self {
        let stored_length = stored.len() as u32;
        self.objects.push((Slot { kind, hash, offset: 0, stored_length, raw_length, codec, base: None }, stored));
        self
    }

    /// Adds bytes and says anything of them, and that they are stored against something.
    pub fn against(
        &mut self,
        kind: ObjectKind,
        hash: Digest,
        (codec, base): (u8, Digest),
        raw_length: u32,
        stored: Vec<u8>,
    ) -> &mut Self {
        self.stored(kind.byte(), hash, codec, raw_length, stored);
        if let Some((slot, _)) = self.objects.last_mut() {
            slot.base = Some(Box::new(base));
        }
        self
    }

    /// The pack, with slots that tile it.
    pub fn finish(&self) -> (PackRef, Vec<u8>) {
        self.finish_with(|_| {})
    }

    /// The pack, with slots as `change` leaves them.
    pub fn finish_with(&self, change: impl FnOnce(&mut Vec<Slot>)) -> (PackRef, Vec<u8>) {
        let mut bytes = HEADER.to_vec();
        let mut slots: Vec<Slot> = Vec::new();
        for (slot, stored) in &self.objects {
            slots.push(Slot { offset: bytes.len() as u64, ..slot.clone() });
            bytes.extend_from_slice(stored);
        }
        slots.sort_by_key(|slot| (slot.kind, slot.hash));
        change(&mut slots);
        let tail = tail(&codec::encode(Frame::PackIndex, &slots).expect("an index"));
        bytes.extend_from_slice(&tail);
        (reference(&bytes, tail.len()), bytes)
    }
}

/// The id of a page with these bytes.
pub fn page_id(bytes: &[u8]) -> Digest {
    Domain::Page.digest(bytes)
}

/// The tail of a pack: an index frame and what follows it.
pub fn tail(frame: &[u8]) -> Vec<u8> {
    let length = (frame.len() as u32).to_le_bytes();
    [frame, &length, Domain::Index.digest(frame).as_bytes(), FOOTER].concat()
}

/// What a record says of these bytes.
pub fn reference(bytes: &[u8], index_length: usize) -> PackRef {
    PackRef { name: Domain::Pack.digest(bytes), length: bytes.len() as u64, index_length: index_length as u32 }
}

/// A hub in a directory, written past every rule.
#[derive(Debug)]
pub struct Hub {
    path: PathBuf,
    id: HubId,
    head: Option<Revision>,
}

impl Hub {
    /// The hub at `path`, as far as it got; one that is not there yet begins with an honest `FORMAT`.
    pub fn at(path: &Path) -> Self {
        let format = path.join("FORMAT");
        if !format.exists() {
            std::fs::create_dir_all(path).expect("a hub's directory");
            let text = r#"{"depsync_hub":1,"hub":"00112233445566778899aabbccddeeff"}"#;
            std::fs::write(&format, text).expect("a FORMAT");
        }
        let value: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&format).expect("a FORMAT")).expect("FORMAT is JSON");
        Self::of(path, value["hub"].as_str().and_then(|id| id.parse().ok()).expect("a hub id"))
    }

    /// The hub `id` at `path`, whatever its `FORMAT` says.
    pub fn of(path: &Path, id: HubId) -> Self {
        let head = std::fs::read_to_string(path.join("d/main/HEAD")).ok();
        let head = head.map(|text| {
            let (number, record) = text.trim_end().split_once(' ').expect("a HEAD");
            Revision { number: number.parse().expect("a number"), record: record.parse().expect("a digest") }
        });
        Self { path: path.to_owned(), id, head }
    }

    /// The newest revision.
    pub fn head(&self) -> Option<Revision> {
        self.head
    }

    /// Writes a file, whatever is in it.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().expect("a name has a directory")).expect("directories");
        std::fs::write(path, bytes).expect("a file");
    }

    /// Writes a pack under its name.
    pub fn pack(&self, (reference, bytes): (PackRef, Vec<u8>)) -> PackRef {
        self.put(&layout::pack(&reference.name).to_string(), bytes);
        reference
    }

    /// Writes the record that follows the newest one, and moves `HEAD`.
    pub fn publish(&mut self, root: Digest, packs: Vec<PackRef>) -> Revision {
        self.publish_as(root, packs, |_| {})
    }

    /// The same, with a payload as `change` leaves it.
    pub fn publish_as(&mut self, root: Digest, packs: Vec<PackRef>, change: impl FnOnce(&mut Payload)) -> Revision {
        let mut payload = draft(root).place(self.id, Default::default(), self.head, packs);
        change(&mut payload);
        let mut line = serde_json::to_vec(&payload).expect("JSON");
        line.push(b'\n');
        self.record(payload.number, &line)
    }

    /// Writes a record's bytes under `number`, and points `HEAD` at them.
    pub fn record(&mut self, number: u64, bytes: &[u8]) -> Revision {
        let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let revision = Revision { number, record: Domain::Record.digest(line) };
        self.put(&layout::record(&Default::default(), number).to_string(), bytes);
        self.put("d/main/HEAD", format!("{number} {}\n", revision.record));
        self.head = Some(revision);
        revision
    }

    /// An honest record after the newest one, as JSON to be bent.
    pub fn payload(&self, root: Digest, packs: Vec<PackRef>) -> serde_json::Value {
        let payload = draft(root).place(self.id, Default::default(), self.head, packs);
        let sealed = Envelope::seal(&payload).expect("an honest record");
        serde_json::from_slice(sealed.payload_line()).expect("JSON")
    }
}

fn draft(root: Digest) -> Draft {
    Draft {
        root,
        author: "forger".to_owned(),
        node: "forger".parse().expect("a node id"),
        nonce: "00".to_owned(),
        time: "2026-11-21T20:00:00Z".parse().expect("a time"),
        message: String::new(),
        // Otherwise the guards would refuse what is to be verified.
        accepts: vec![Acceptance::MassDelete],
    }
}
