//! A storage in memory that is stricter than any real one.
//!
//! What a real place merely lets happen is an [`ErrorKind::Internal`] here: names outside the layout, immutable names
//! replaced, a record before its packs or its parent, a head without its record, an index pointer without its index,
//! bytes that do not hash to their name, anything written before `FORMAT`, records removed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use depsync_engine::context::Context;
use depsync_engine::durable::Created;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::hash::{Digest, Domain};
use depsync_engine::path::RelPath;
use depsync_engine::record::Envelope;
use depsync_transports::hub::layout::{self, Place};
use depsync_transports::storage::{Listed, Placed, Probe, Staged, Storage};
use jiff::{Timestamp, ToSpan};

/// The place itself; clones and clients share it.
#[derive(Clone, Default)]
pub struct MemoryStorage(Arc<Mutex<Names>>);

#[derive(Default)]
struct Names {
    files: BTreeMap<Vec<u8>, (Vec<u8>, Timestamp)>,
    clock: Timestamp,
}

impl Names {
    /// A time after every earlier one.
    fn tick(&mut self) -> Timestamp {
        let later = self.clock.checked_add(1.nanosecond()).expect("because time does not end soon");
        self.clock = later.max(Timestamp::now());
        self.clock
    }

    fn put(&mut self, name: &RelPath, bytes: &[u8]) {
        let now = self.tick();
        self.files.insert(name.as_bytes().to_vec(), (bytes.to_vec(), now));
    }

    fn has(&self, name: &RelPath) -> bool {
        self.files.contains_key(name.as_bytes())
    }

    /// Whether the order of durable writes allows `bytes` to stand under `name` now.
    fn check(&self, name: &RelPath, place: &Place, bytes: &[u8]) -> Result<()> {
        let broken = |why: &str| Err(Error::new(ErrorKind::Internal, why).at(name));
        if bytes.is_empty() {
            return broken("nothing is empty in a hub");
        }
        if !matches!(place, Place::Format | Place::Temporary(_)) && !self.has(&layout::format()) {
            return broken("written before there is a hub");
        }
        match place {
            Place::Pack(hash) if Domain::Pack.digest(bytes) != *hash => broken("not the pack of that name"),
            Place::Index(hash) if Domain::Index.digest(bytes) != *hash => broken("not the index of that name"),
            Place::Record(deployment, number) => {
                let record = Envelope::parse(bytes.to_vec())?;
                if record.revision().number != *number {
                    return broken("a record of another number");
                }
                if *number > 1 && !self.has(&layout::record(deployment, number - 1)) {
                    return broken("a record before its parent");
                }
                let missing = record.payload().packs.iter().any(|pack| {
                    let there = self.files.get(layout::pack(&pack.name).as_bytes());
                    there.is_none_or(|(bytes, _)| bytes.len() as u64 != pack.length)
                });
                if missing { broken("a record before its packs") } else { Ok(()) }
            }
            Place::Head(deployment) => {
                let text = String::from_utf8_lossy(bytes);
                let (number, hash) = text.trim_end().split_once(' ').unwrap_or_default();
                let record = number.parse().ok().map(|number| layout::record(deployment, number));
                let stands = record.and_then(|name| self.files.get(name.as_bytes()));
                let same = stands.and_then(|(bytes, _)| Envelope::parse(bytes.clone()).ok());
                let same = same.is_some_and(|record| record.revision().record.to_string() == hash);
                if same { Ok(()) } else { broken("a head without its record") }
            }
            Place::IndexPointer => {
                let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
                let hash = value["index"].as_str().and_then(|hash| hash.parse::<Digest>().ok());
                if hash.is_some_and(|hash| self.has(&layout::index(&hash))) {
                    Ok(())
                } else {
                    broken("a pointer before its index")
                }
            }
            _ => Ok(()),
        }
    }
}

fn place(name: &RelPath) -> Result<Place> {
    Place::of(name).ok_or_else(|| Error::new(ErrorKind::Internal, "not a name of the layout").at(name))
}

fn missing(name: &RelPath) -> Error {
    Error::new(ErrorKind::NotFound, "there is no such file").at(name)
}

impl MemoryStorage {
    /// An empty place.
    pub fn new() -> Self {
        Self::default()
    }

    fn names(&self, cx: &Context) -> Result<MutexGuard<'_, Names>> {
        cx.check()?;
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts bytes under a name, past every rule: an accident, or somebody malicious.
    pub fn tamper(&self, name: &RelPath, bytes: Option<Vec<u8>>) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match bytes {
            Some(bytes) => names.put(name, &bytes),
            None => drop(names.files.remove(name.as_bytes())),
        }
    }

    /// Lets what stands under a name be `span` older than it is.
    pub fn age(&self, name: &RelPath, span: std::time::Duration) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.files.get_mut(name.as_bytes()).expect("it stands").1 -= span;
    }

    /// The bytes under a name.
    pub fn peek(&self, name: &RelPath) -> Option<Vec<u8>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.files.get(name.as_bytes()).map(|(bytes, _)| bytes.clone())
    }
}

impl Storage for MemoryStorage {
    fn endpoint(&self) -> &dyn fmt::Display {
        &"memory"
    }

    fn make(&self, cx: &Context) -> Result<()> {
        cx.check()
    }

    fn probe(&self, cx: &Context) -> Result<Probe> {
        let now = self.names(cx)?.tick();
        Ok(Probe { writable: true, exclusive: true, refused: None, now: Some(now) })
    }

    fn get(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Vec<u8>> {
        self.find(cx, name, limit)?.ok_or_else(|| missing(name))
    }

    fn find(&self, cx: &Context, name: &RelPath, limit: usize) -> Result<Option<Vec<u8>>> {
        place(name)?;
        match self.names(cx)?.files.get(name.as_bytes()) {
            Some((bytes, _)) if bytes.len() > limit => Err(Error::damaged(name, "it is too long")),
            found => Ok(found.map(|(bytes, _)| bytes.clone())),
        }
    }

    fn get_range(&self, cx: &Context, name: &RelPath, offset: u64, length: usize) -> Result<Vec<u8>> {
        place(name)?;
        let names = self.names(cx)?;
        let (bytes, _) = names.files.get(name.as_bytes()).ok_or_else(|| missing(name))?;
        let from = usize::try_from(offset).expect("because tests are small");
        let part = bytes.get(from..from + length);
        part.map(<[u8]>::to_vec).ok_or_else(|| Error::damaged(name, "it ends too early"))
    }

    fn put_if_absent(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<Created> {
        let place = place(name)?;
        if !matches!(place, Place::Pack(_) | Place::Index(_)) {
            return Err(Error::new(ErrorKind::Internal, "only what is named by its hash is put if absent").at(name));
        }
        let mut names = self.names(cx)?;
        names.check(name, &place, bytes)?;
        if names.files.get(name.as_bytes()).is_some_and(|(there, _)| there.len() == bytes.len()) {
            return Ok(Created::Existed);
        }
        names.put(name, bytes);
        Ok(Created::Yes)
    }

    fn stage(&self, cx: &Context, staged: &Staged, bytes: &[u8]) -> Result<()> {
        self.names(cx)?.put(&staged.name, bytes);
        Ok(())
    }

    fn commit(&self, cx: &Context, staged: &Staged, name: &RelPath) -> Result<Placed> {
        let place = place(name)?;
        if !matches!(place, Place::Record(..) | Place::Format | Place::Turn(_)) {
            return Err(
                Error::new(ErrorKind::Internal, "only records, turns and FORMAT are created exclusively").at(name)
            );
        }
        let mut names = self.names(cx)?;
        let Some((bytes, _)) = names.files.remove(staged.name.as_bytes()) else { return Ok(Placed::Swept) };
        if names.has(name) {
            return Ok(Placed::Existed);
        }
        names.check(name, &place, &bytes)?;
        names.put(name, &bytes);
        Ok(Placed::Created)
    }

    fn replace(&self, cx: &Context, name: &RelPath, bytes: &[u8]) -> Result<()> {
        let place = place(name)?;
        if place.is_immutable() || matches!(place, Place::Temporary(_)) {
            return Err(Error::new(ErrorKind::Internal, "what never changes is not replaced").at(name));
        }
        let mut names = self.names(cx)?;
        names.check(name, &place, bytes)?;
        names.put(name, bytes);
        Ok(())
    }

    fn list(&self, cx: &Context, directory: Option<&RelPath>, limit: usize) -> Result<Vec<Listed>> {
        let prefix = directory.map_or(Vec::new(), |directory| [directory.as_bytes(), b"/"].concat());
        let names = self.names(cx)?;
        let mut listed: Vec<Listed> = names
            .files
            .keys()
            .filter_map(|name| {
                let rest = name.strip_prefix(prefix.as_slice())?;
                let end = rest.iter().position(|&byte| byte == b'/');
                Some(Listed { name: rest[..end.unwrap_or(rest.len())].to_vec(), directory: end.is_some() })
            })
            .collect();
        listed.sort_unstable();
        listed.dedup();
        if listed.len() > limit { Err(Error::new(ErrorKind::Refused, "too many names")) } else { Ok(listed) }
    }

    fn remove(&self, cx: &Context, name: &RelPath) -> Result<()> {
        let mut names = self.names(cx)?;
        let allowed = match place(name)? {
            Place::Pack(_) | Place::Index(_) | Place::Temporary(_) => true,
            // The newest number must stay: it is what an older collector looks for.
            Place::Turn(number) => names
                .files
                .keys()
                .any(|other| **other > *layout::turn(number).as_bytes() && other.starts_with(b"gc/turns/")),
            _ => false,
        };
        if !allowed {
            return Err(Error::new(ErrorKind::Internal, "that is never removed").at(name));
        }
        names.files.remove(name.as_bytes());
        Ok(())
    }

    fn modified(&self, cx: &Context, name: &RelPath) -> Result<Option<Timestamp>> {
        place(name)?;
        Ok(self.names(cx)?.files.get(name.as_bytes()).map(|(_, time)| *time))
    }
}
