//! An archive's headers as differences from those of another archive, its base; or from nothing.
//!
//! One passing over all fields serves both who codes and who decodes ([`pass`]): for each field the candidates are what the
//! base's entry has, what the entry before has, and what follows from what is known by then: where a header stands, what a
//! central record says again. What an archive is built with anew each time, the times of all entries and where they stand,
//! comes to nearly nothing.
//!
//! The order of the passing, the columns and the candidates are a part of the format: a change of any of them is
//! another format.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::columns::{Columns, Pass, Reading, Writing};
use super::fields::{
    CENTRAL, COMPRESSED, CRC, DISK, EXTERNAL, FLAGS, Fielded, Fields, Gap, INTERNAL, LOCAL, MADE_BY, METHOD, NEEDED,
    OFFSET, SIZE, STAMP, Text, text,
};
use super::layout::{SHORT, Tiles};
use super::local::Form;
use super::{Layout, MAX_ENTRIES, MAX_INLINE, Tile, short};
use crate::content::stem::stem;
use crate::error::{Error, ErrorKind, Result};

// The columns, in the order in which they are stored.
const COUNT: usize = 0;
const BASE: usize = 1;
const CENTRALS: usize = 2;
const NAME: usize = CENTRALS + CENTRAL.len();
const EXTRA: usize = NAME + 1;
const COMMENT: usize = NAME + 2;
const LOCALS: usize = NAME + 3;
const LOCAL_NAME: usize = LOCALS + LOCAL.len();
const LOCAL_EXTRA: usize = LOCAL_NAME + 1;
const FORM: usize = LOCAL_NAME + 2;
const WIDE: usize = LOCAL_NAME + 3;
const ORDER: usize = LOCAL_NAME + 4;
const GAP_LONG: usize = LOCAL_NAME + 5;
const GAP_INLINE: usize = LOCAL_NAME + 6;
const SHIFT: usize = LOCAL_NAME + 7;
const END: usize = LOCAL_NAME + 8;
/// How many columns there are.
pub(in crate::content) const ALL: usize = LOCAL_NAME + 9;

/// The longest name, extra field or comment.
const TEXT: usize = 0xffff;
/// What is left to ZIP64.
const LEFT: u32 = u32::MAX;

/// The headers of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Fields);

impl Headers {
    /// Those of an archive. None where fields do not tell all of them: they can be kept as they are.
    pub fn of(layout: &Layout) -> Option<Self> {
        let fields = Fields::of(layout)?;
        let Tiles { tiles, inline } = fields.made()?;
        (tiles == layout.tiles() && inline == layout.inline()).then_some(Self(fields))
    }

    /// The columns that make them of `base`. The same two always give the same bytes.
    pub fn against(&self, base: &Self) -> Result<Vec<u8>> {
        let (mut fields, mut bases) = (self.0.clone(), self.matched(base));
        let mut writing = Writing(Columns::new(ALL));
        pass(&mut writing, &mut fields, &mut bases, &base.0, &mut { MAX_INLINE })?;
        Ok(writing.0.to_bytes())
    }

    /// What [`Self::against`] the same `base` has given, and which entry of the base each entry has. [`ErrorKind::Damaged`]
    /// for anything that cannot be.
    pub fn decode(bytes: &[u8], base: &Self) -> Result<(Self, Vec<Option<u32>>)> {
        let columns = Columns::of_bytes(bytes, ALL)?;
        let (mut fields, mut bases) = (Fields::default(), Vec::new());
        let mut reading = Reading::of(&columns);
        pass(&mut reading, &mut fields, &mut bases, &base.0, &mut { MAX_INLINE })?;
        reading.finish()?;
        let number = |base: u64| base.checked_sub(1).and_then(|base| u32::try_from(base).ok());
        Ok((Self(fields), bases.into_iter().map(number).collect()))
    }

    /// The tiles of the archive, and the bytes that are inline. [`ErrorKind::Damaged`] where they contradict themselves.
    pub fn tiles(&self) -> Result<(Vec<Tile>, Vec<u8>)> {
        let made = self.0.made().ok_or_else(|| damaged("they contradict themselves"))?;
        Ok((made.tiles, made.inline))
    }

    /// Passes over them, with those of a base: writes them, or reads them and `bases`, which say of each entry which one
    /// of the base it has (its number and one, or 0 for none). Takes from `room` how many bytes they have inline;
    /// [`ErrorKind::Damaged`] where they have more.
    pub(in crate::content) fn pass(
        &mut self,
        through: &mut impl Pass,
        bases: &mut Vec<u64>,
        base: &Self,
        room: &mut usize,
    ) -> Result<()> {
        pass(through, &mut self.0, bases, &base.0, room)
    }

    /// Which entry of the base each entry has, as [`Self::pass`] wants it. By name, the first of that name; what is new
    /// there, by what its name is without digits, dots and dashes, if nobody else has that one.
    pub(in crate::content) fn matched(&self, base: &Self) -> Vec<u64> {
        // Whoever reads them has none yet.
        if self.0.entries.is_empty() {
            return Vec::new();
        }
        let mut by_name: HashMap<&[u8], u64> = HashMap::with_capacity(base.0.entries.len());
        for (number, entry) in (1..).zip(&base.0.entries) {
            by_name.entry(&entry.name).or_insert(number);
        }
        let mut matched: Vec<u64> =
            self.0.entries.iter().map(|entry| by_name.get(&entry.name[..]).copied().unwrap_or(0)).collect();
        if matched.iter().all(|number| *number > 0) {
            return matched;
        }
        let taken: HashSet<u64> = matched.iter().copied().collect();
        let mut by_stem: HashMap<Vec<u8>, u64> = HashMap::new();
        for (number, entry) in (1..).zip(&base.0.entries).filter(|(number, _)| !taken.contains(number)) {
            by_stem.entry(stem(&entry.name)).or_insert(number);
        }
        for (number, entry) in matched.iter_mut().zip(&self.0.entries).filter(|(number, _)| **number == 0) {
            *number = by_stem.remove(&stem(&entry.name)).unwrap_or(0);
        }
        matched
    }

    /// What is content, in the order of the file, with its lengths: the data of entries, and what belongs to nobody.
    pub(in crate::content) fn contents(&self) -> Vec<(Tile, u64)> {
        let mut contents = Vec::new();
        let mut gaps = self.0.gaps.iter().map(|gap| gap.long);
        let mut gap = |contents: &mut Vec<_>| match gaps.next() {
            Some(long) if long > 0 => contents.push((Tile::Gap(long), long)),
            _ => {}
        };
        for &number in &self.0.order {
            gap(&mut contents);
            let length = self.0.entries.get(number as usize).map_or(0, |entry| entry.compressed);
            if length > 0 {
                contents.push((Tile::Data(number), length));
            }
        }
        gap(&mut contents);
        gap(&mut contents);
        contents
    }

    /// The name of this entry, as the central directory has it.
    pub(in crate::content) fn name(&self, number: u32) -> &[u8] {
        self.0.entries.get(number as usize).map_or(&[], |entry| &entry.name)
    }

    /// How many entries there are.
    pub(in crate::content) fn count(&self) -> usize {
        self.0.entries.len()
    }

    /// How many bytes the data of this entry has when it is inflated, if it is deflated.
    pub(in crate::content) fn inflated(&self, number: u32) -> Option<u64> {
        let entry = self.0.entries.get(number as usize)?;
        is_deflated(entry.central[METHOD].into(), entry.central[FLAGS].into()).then_some(entry.size)
    }
}

/// Whether data is deflated, and for everybody to inflate.
pub(in crate::content) fn is_deflated(method: u64, flags: u64) -> bool {
    method == 8 && flags & 1 == 0
}

/// Passes over all fields. See the module.
fn pass(
    through: &mut impl Pass,
    fields: &mut Fields,
    bases: &mut Vec<u64>,
    base: &Fields,
    room: &mut usize,
) -> Result<()> {
    let mut count = fields.entries.len() as u64;
    through.number(COUNT, &[base.entries.len() as u64], &mut count)?;
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_ENTRIES);
    let count = count.ok_or_else(|| damaged("more entries than there may be"))?;
    fields.entries.resize_with(count, Fielded::default);
    bases.resize(count, 0);
    let none = Fielded::default();
    let mut expected = 1;
    for number in &mut *bases {
        through.number(BASE, &[expected, 0], number)?;
        expected = if *number == 0 { expected } else { number.wrapping_add(1) };
    }
    for (place, &number) in bases.iter().enumerate() {
        let (before, rest) = fields.entries.split_at_mut(place);
        let (entry, previous) = (&mut rest[0], before.last().unwrap_or(&none));
        central(through, entry, of_base(base, number).unwrap_or(&none), previous)?;
        spend(room, entry.name.len() + entry.comment.len() + 46)?;
    }
    let mut next = 0;
    // Each once: one that came again and again would stand for any amount of bytes.
    let mut is_left = vec![true; count];
    fields.order.resize(count, 0);
    for number in &mut fields.order {
        let mut value = u64::from(*number);
        through.number(ORDER, &[next], &mut value)?;
        *number = u32::try_from(value)
            .ok()
            .filter(|number| is_left.get_mut(*number as usize).is_some_and(std::mem::take))
            .ok_or_else(|| damaged("no such entry, or one that came before"))?;
        next = value + 1;
    }
    fields.gaps.resize_with(count + 2, Gap::default);
    let nothing = Text::default();
    for gap in &mut fields.gaps {
        through.number(GAP_LONG, &[0], &mut gap.long)?;
        let mut inline = text(&gap.inline);
        through.text(GAP_INLINE, &[&nothing], &mut inline, SHORT as usize)?;
        if *inline != *gap.inline {
            gap.inline = inline[..].into();
        }
        spend(room, gap.inline.len())?;
    }
    let mut previous = none.clone();
    for &number in &fields.order {
        let entry = &mut fields.entries[number as usize];
        local(through, entry, of_base(base, bases[number as usize]).unwrap_or(&none), &previous)?;
        let form = Form::of_number(entry.form.into()).ok_or_else(|| damaged("no such form of a descriptor"))?;
        spend(room, entry.local_name.len() + entry.local_extra.len() + 30 + form.length())?;
        previous.local_extra.clone_from(&entry.local_extra);
        previous.form = entry.form;
    }
    offsets(through, fields, bases, base, room)
}

/// The entry of the base that is meant by this number: its place and one.
fn of_base(base: &Fields, number: u64) -> Option<&Fielded> {
    base.entries.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// What a central record says, but for where the entry is.
fn central(through: &mut impl Pass, entry: &mut Fielded, base: &Fielded, previous: &Fielded) -> Result<()> {
    through.text(NAME, &[&base.name], &mut entry.name, TEXT)?;
    through.text(COMMENT, &[&base.comment, &previous.comment], &mut entry.comment, TEXT)?;
    for field in [MADE_BY, NEEDED, FLAGS, METHOD, STAMP, CRC, COMPRESSED, SIZE, DISK, INTERNAL, EXTERNAL] {
        let candidates = match field {
            // What all have alike, a new time above all.
            STAMP => [previous.central[field], base.central[field]],
            _ => [base.central[field], previous.central[field]],
        };
        narrow(through, CENTRALS + field, candidates, &mut entry.central[field])?;
    }
    for (field, known, wide) in
        [(SIZE, base.size, &mut entry.size), (COMPRESSED, base.compressed, &mut entry.compressed)]
    {
        if entry.central[field] == LEFT {
            through.number(WIDE, &[known], wide)?;
        } else {
            *wide = entry.central[field].into();
        }
    }
    Ok(())
}

/// What stands around an entry's data.
fn local(through: &mut impl Pass, entry: &mut Fielded, base: &Fielded, previous: &Fielded) -> Result<()> {
    for (place, value) in entry.local.iter_mut().enumerate() {
        // The same again; or nothing, where it stands behind the data.
        let central = entry.central[NEEDED + place];
        narrow(through, LOCALS + place, [central, 0, LEFT, base.local[place]], value)?;
    }
    through.text(LOCAL_NAME, &[&entry.name], &mut entry.local_name, TEXT)?;
    let stamped = restamped(&base.local_extra, &previous.local_extra);
    through.text(LOCAL_EXTRA, &[&base.local_extra, &previous.local_extra, &stamped], &mut entry.local_extra, TEXT)?;
    let mut form = entry.form.into();
    through.number(FORM, &[base.form.into(), previous.form.into()], &mut form)?;
    entry.form = u8::try_from(form).map_err(|_| damaged("a descriptor of no known form"))?;
    Ok(())
}

/// A number of at most four bytes.
fn narrow<const N: usize>(through: &mut impl Pass, column: usize, candidates: [u32; N], value: &mut u32) -> Result<()> {
    let mut wide = u64::from(*value);
    through.number(column, &candidates.map(u64::from), &mut wide)?;
    *value = u32::try_from(wide).map_err(|_| damaged("a number of more than four bytes"))?;
    Ok(())
}

/// Where the entries are, and what follows from it: extra fields, and the end.
fn offsets(through: &mut impl Pass, fields: &mut Fields, bases: &[u64], base: &Fields, room: &mut usize) -> Result<()> {
    let (positions, directory) = fields.positions().ok_or_else(|| damaged("it is longer than a file can be"))?;
    let mut shift = fields
        .order
        .first()
        .zip(positions.first())
        .map_or(0, |(&number, &at)| at.wrapping_sub(fields.entries[number as usize].central[OFFSET].into()));
    through.number(SHIFT, &[0], &mut shift)?;
    let mut at = vec![0; fields.entries.len()];
    for (&number, position) in fields.order.iter().zip(&positions) {
        at[number as usize] = position.wrapping_sub(shift);
    }
    let none = Fielded::default();
    for (place, &number) in bases.iter().enumerate() {
        let (before, rest) = fields.entries.split_at_mut(place);
        let (entry, previous) = (&mut rest[0], before.last().unwrap_or(&none));
        let mut offset = u64::from(entry.central[OFFSET]);
        through.number(CENTRALS + OFFSET, &[at[place], LEFT.into()], &mut offset)?;
        entry.central[OFFSET] = u32::try_from(offset).map_err(|_| damaged("a number of more than four bytes"))?;
        let known = &of_base(base, number).unwrap_or(&none).extra;
        let values = [(SIZE, entry.size), (COMPRESSED, entry.compressed), (OFFSET, at[place])];
        let left: Vec<u64> =
            values.into_iter().filter(|(field, _)| entry.central[*field] == LEFT).map(|(_, value)| value).collect();
        let (wide, stamped) = (widened(known, &left), restamped(known, &previous.extra));
        let candidates = [&wide, &widened(&previous.extra, &left), &stamped, &entry.local_extra];
        through.text(EXTRA, &candidates, &mut entry.extra, TEXT)?;
        spend(room, entry.extra.len())?;
    }
    let length: usize =
        fields.entries.iter().map(|entry| 46 + entry.name.len() + entry.extra.len() + entry.comment.len()).sum();
    let candidates = ends(&base.end, fields.entries.len() as u64, length as u64, directory.wrapping_sub(shift));
    let mut end = Text::from(&fields.end[..]);
    // What extends the end record of ZIP64 may have any length.
    through.text(END, &candidates.each_ref(), &mut end, *room)?;
    fields.end = end.to_vec();
    spend(room, fields.end.len())
}

/// End records of so many entries and such a central directory: as those of the base, and the plainest.
fn ends(base: &[u8], entries: u64, length: u64, at: u64) -> [Text; 2] {
    let plain = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    let of = |template: &[u8]| {
        let mut end = template.to_vec();
        if let (Some(fields), Ok(entries)) = (end.get_mut(8..20), u16::try_from(entries)) {
            let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
            fields.copy_from_slice(
                &[&entries.to_le_bytes()[..], &entries.to_le_bytes(), &narrow(length), &narrow(at)].concat(),
            );
        }
        Text::from(end)
    };
    [of(base), of(&plain)]
}

/// `extra` with these values in its field of ZIP64, if that has room for just them.
fn widened(extra: &Text, left: &[u64]) -> Text {
    let mut at = 0;
    while let (Some(kind), Some(length)) = (short(extra, at), short(extra, at + 2)) {
        let body = at + 4..at + 4 + usize::from(length);
        if kind == 1 && body.len() == 8 * left.len() && body.end <= extra.len() {
            let values: Vec<u8> = left.iter().flat_map(|value| value.to_le_bytes()).collect();
            return replaced(extra, body, &values);
        }
        at = body.end;
    }
    Arc::clone(extra)
}

/// `extra` with other bytes in this place.
fn replaced(extra: &Text, place: Range<usize>, bytes: &[u8]) -> Text {
    if extra[place.clone()] == *bytes {
        return Arc::clone(extra);
    }
    let mut made = extra.to_vec();
    made[place].copy_from_slice(bytes);
    Text::from(made)
}

/// The kind of the field with times as seconds since 1970.
const TIMES: u16 = 0x5455;

/// `extra` with the times that are in `other`, if both have as many.
fn restamped(extra: &Text, other: &Text) -> Text {
    let find = |extra: &[u8]| {
        let mut at = 0;
        loop {
            let (kind, length) = (short(extra, at)?, usize::from(short(extra, at + 2)?));
            let body = at + 4..at + 4 + length;
            if kind == TIMES && body.end <= extra.len() {
                return Some(body);
            }
            at = body.end;
        }
    };
    match (find(extra), find(other)) {
        (Some(ours), Some(theirs)) if ours.len() == theirs.len() => replaced(extra, ours, &other[theirs]),
        _ => Arc::clone(extra),
    }
}

fn spend(room: &mut usize, bytes: usize) -> Result<()> {
    *room = room.checked_sub(bytes).ok_or_else(|| damaged("longer than headers may be"))?;
    Ok(())
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("damaged headers: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Fields {
        Fields {
            entries: vec![Fielded::default(); 2],
            order: vec![0, 1],
            gaps: vec![Gap::default(); 4],
            end: Vec::new(),
        }
    }

    #[test]
    fn an_entry_stands_once_in_a_file() {
        let base = Headers::default();
        assert!(Headers(two()).against(&base).is_ok());
        for order in [[0, 0], [1, 1], [0, 2]] {
            let error = Headers(Fields { order: order.to_vec(), ..two() }).against(&base).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::Damaged, "{order:?}");
        }
    }

    #[test]
    fn headers_have_as_many_bytes_as_there_may_be_between_pieces() {
        let base = Headers::default();
        // A gap of one byte, two headers of either kind, and end records with something long in them.
        let with_end = |length: usize| {
            let mut fields = two();
            fields.gaps[2].inline = Box::new([1]);
            fields.end = vec![2; length];
            Headers(fields)
        };
        let most = with_end(MAX_INLINE - 1 - 2 * (30 + 46));
        let (decoded, _) = Headers::decode(&most.against(&base).expect("codes"), &base).expect("decodes");
        assert!(decoded == most && decoded.tiles().expect("tiles").1.len() == MAX_INLINE);
        let error = with_end(MAX_INLINE - 2 * (30 + 46)).against(&base).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }

    #[test]
    fn gaps_that_cannot_be_counted_are_refused() {
        for (inline, long) in [(Box::from(*b"x"), u64::MAX), (Box::default(), u64::MAX)] {
            let mut fields = two();
            fields.gaps[1] = Gap { inline, long };
            assert_eq!(Headers(fields).against(&Headers::default()).expect_err("refused").kind(), ErrorKind::Damaged);
        }
    }
}
