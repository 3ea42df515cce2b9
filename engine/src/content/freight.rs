//! What of a file travels, and why: said to people before it does.

use std::collections::HashMap;

use serde::Serialize;

use super::archive::Tile;
use super::object::ObjectId;
use super::pack::{Codec, Slot};
use super::recipe::{Archived, Content, Recipe};
use crate::hash::Digest;
use crate::path::RelPath;

/// What of one file travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freight {
    /// Where it is.
    pub path: RelPath,
    /// How many bytes the file has.
    pub size: u64,
    /// How many bytes of it travel.
    pub bytes: u64,
    /// What they are. Pieces of one entry of an archive are one part.
    pub parts: Vec<Part>,
}

/// A part of a file that travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The entry of the archive, behind those that it is within; none for what is not of an entry.
    pub entry: Option<String>,
    /// What it is, and how it travels.
    pub how: How,
    /// How many bytes it has.
    pub size: u64,
    /// How many bytes travel for it.
    pub bytes: u64,
}

/// How a part travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// As it is, compressed if that is of use.
    Whole,
    /// As a difference from what was there before.
    Patched,
    /// It is an archive itself: what has changed in it.
    Nested,
    /// Not content, but how the file is made of pieces: with an archive, its headers.
    Recipe,
}

/// What lies in packs that would be, or are, sent.
#[derive(Debug, Default)]
pub struct Load {
    stored: HashMap<ObjectId, (Option<Codec>, u64)>,
}

impl Load {
    /// Takes in an object as a pack stores it.
    pub fn add(&mut self, slot: &Slot) {
        if let Some(id) = slot.id() {
            self.stored.insert(id, (Codec::from_byte(slot.codec), slot.stored_length.into()));
        }
    }

    /// What of the file at `path` is in it. What several files have is counted with the first that is asked for.
    pub fn of(&mut self, path: RelPath, hash: Digest, size: u64, recipe: Option<&Recipe>) -> Freight {
        let mut freight = Freight { path, size, bytes: 0, parts: Vec::new() };
        // What was unpacked from an archive may be there as one piece, whatever it is cut into here.
        let is_single = self.stored.contains_key(&ObjectId::piece(hash));
        let Some(recipe) = recipe.filter(|_| !is_single) else {
            self.put(&mut freight, None, ObjectId::piece(hash), size);
            return freight;
        };
        let owners = recipe.owners();
        for (piece, owner) in recipe.pieces().iter().zip(&owners) {
            self.put(&mut freight, owner.as_ref(), ObjectId::piece(piece.hash), piece.length.into());
        }
        if let Some((_, bytes)) = self.stored.remove(&ObjectId::recipe(hash)) {
            freight.parts.push(Part { entry: None, how: How::Recipe, size: recipe.inline_length(), bytes });
            freight.bytes += bytes;
        }
        freight
    }

    fn put(&mut self, freight: &mut Freight, entry: Option<&String>, id: ObjectId, size: u64) {
        let Some((codec, bytes)) = self.stored.remove(&id) else { return };
        freight.bytes += bytes;
        let how = match codec {
            Some(Codec::Patch) => How::Patched,
            Some(Codec::Nested) => How::Nested,
            _ => How::Whole,
        };
        match freight.parts.last_mut() {
            Some(last) if last.entry.as_ref() == entry && last.how == how => {
                last.size += size;
                last.bytes += bytes;
            }
            _ => freight.parts.push(Part { entry: entry.cloned(), how, size, bytes }),
        }
    }
}

impl Recipe {
    /// Of each piece, the entry of the archive that it is of.
    fn owners(&self) -> Vec<Option<String>> {
        let mut owners = Vec::with_capacity(self.pieces().len());
        match self.archive() {
            Some(archive) => name(archive, "", &mut owners),
            None => owners.resize(self.pieces().len(), None),
        }
        owners
    }
}

fn name(archive: &Archived, before: &str, owners: &mut Vec<Option<String>>) {
    for (content, (tile, _)) in archive.contents.iter().zip(archive.headers.contents()) {
        let owner = match tile {
            Tile::Data(entry) => Some(format!("{before}{}", String::from_utf8_lossy(archive.headers.name(entry)))),
            _ => None,
        };
        match content {
            Content::Pieces(count) => owners.extend(std::iter::repeat_n(owner, *count as usize)),
            Content::Archive(inner) => name(inner, &format!("{}!/", owner.unwrap_or_default()), owners),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::cutter::Cutter;
    use crate::content::pack::PackWriter;
    use crate::content::testing::{archive, noise};

    #[test]
    fn what_travels_is_said_entry_by_entry_and_once() {
        let inner = archive(&[("C.class", &noise(1, 6000), Some(6))], 1);
        let picture = noise(2, 200_000);
        let war = archive(&[("lib/in.jar", &inner, None), ("picture.png", &picture, None)], 1);
        let cut = Cutter::default().cut_slice(&war).expect("cut");
        let mut writer = PackWriter::new();
        for (offset, piece) in cut.recipe.positions() {
            let start = offset as usize;
            writer.add(ObjectId::piece(piece.hash), &war[start..start + piece.length as usize]).expect("adds");
        }
        writer.add(ObjectId::recipe(cut.hash), &cut.recipe.encode().expect("encodes")).expect("adds");
        let mut load = Load::default();
        writer.finish().expect("a pack").index.iter().for_each(|slot| load.add(slot));
        let path = || RelPath::try_from("a.war").expect("a path");
        let freight = load.of(path(), cut.hash, war.len() as u64, Some(&cut.recipe));
        let shown: Vec<_> = freight.parts.iter().map(|part| (part.entry.as_deref(), part.how)).collect();
        assert_eq!(
            shown,
            [(Some("lib/in.jar!/C.class"), How::Whole), (Some("picture.png"), How::Whole), (None, How::Recipe),]
        );
        assert_eq!(freight.bytes, freight.parts.iter().map(|part| part.bytes).sum::<u64>());
        assert_eq!((freight.parts[1].size, freight.parts[1].bytes), (200_000, 200_000));
        let again = load.of(path(), cut.hash, war.len() as u64, Some(&cut.recipe));
        assert_eq!((again.bytes, again.parts.len()), (0, 0));
    }
}
