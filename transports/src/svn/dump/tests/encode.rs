//! Writes what is read: svndiff documents, and streams of records.

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use sha1::Sha1;

/// What begins every stream, up to the first node.
pub(super) const START: &str = "SVN-fs-dump-format-version: 3\n\nUUID: 5d2b8d3e-0001-4a5c-9d5e-0123456789ab\n\n\
                                Revision-number: 7\nProp-content-length: 10\nContent-length: 10\n\nPROPS-END\n\n";

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Source { offset: u64, length: u64 },
    Target { offset: u64, length: u64 },
    Fresh(&'a [u8]),
}

pub(super) const MAGIC: &[u8] = b"SVN\0";

/// A number, with the highest seven bits first.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    let mut groups = 1;
    while groups < 10 && number >> (7 * groups) != 0 {
        groups += 1;
    }
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push(more | u8::try_from((number >> (7 * group)) & 0x7f).expect("seven bits"));
    }
}

/// A window's instructions and new data.
pub(super) fn steps(steps: &[Step<'_>]) -> (Vec<u8>, Vec<u8>) {
    let (mut instructions, mut fresh) = (Vec::new(), Vec::new());
    for step in steps {
        let (code, length, offset) = match step {
            Step::Source { offset, length } => (0x00, *length, Some(*offset)),
            Step::Target { offset, length } => (0x40, *length, Some(*offset)),
            Step::Fresh(bytes) => {
                fresh.extend_from_slice(bytes);
                (0x80, bytes.len() as u64, None)
            }
        };
        if let Ok(short @ 1..64) = u8::try_from(length) {
            instructions.push(code | short);
        } else {
            instructions.push(code);
            number(&mut instructions, length);
        }
        if let Some(offset) = offset {
            number(&mut instructions, offset);
        }
    }
    (instructions, fresh)
}

/// A window: where its source view begins, the lengths of both views, and what it does.
pub(super) fn window(out: &mut Vec<u8>, view: (u64, u64), target: u64, does: &[Step<'_>]) {
    let (instructions, fresh) = steps(does);
    let lengths = [view.0, view.1, target, instructions.len() as u64, fresh.len() as u64];
    lengths.into_iter().for_each(|length| number(out, length));
    out.extend(instructions);
    out.extend(fresh);
}

/// A document that makes `text` of nothing.
pub(super) fn all_new(text: &[u8]) -> Vec<u8> {
    let mut delta = MAGIC.to_vec();
    for piece in text.chunks(100 << 10) {
        window(&mut delta, (0, 0), piece.len() as u64, &[Step::Fresh(piece)]);
    }
    delta
}

pub(super) fn md5(text: &[u8]) -> String {
    HEXLOWER.encode(&Md5::digest(text))
}

pub(super) fn sha1(text: &[u8]) -> String {
    HEXLOWER.encode(&Sha1::digest(text))
}

/// A record of a node: its headers but for the lengths, its properties and its text.
pub(super) fn node(headers: &str, properties: Option<&[u8]>, text: Option<&[u8]>) -> Vec<u8> {
    let mut record = headers.as_bytes().to_vec();
    let mut length = |name: &str, part: Option<&[u8]>| {
        let Some(part) = part else { return 0 };
        record.extend_from_slice(format!("{name}-content-length: {}\n", part.len()).as_bytes());
        part.len()
    };
    let all = length("Prop", properties) + length("Text", text);
    if properties.or(text).is_some() {
        record.extend_from_slice(format!("Content-length: {all}\n").as_bytes());
    }
    record.push(b'\n');
    [properties, text].into_iter().flatten().for_each(|part| record.extend_from_slice(part));
    record.extend_from_slice(b"\n\n");
    record
}

/// A file that is added with `text`, as a delta to nothing.
pub(super) fn added(path: &str, text: &[u8]) -> Vec<u8> {
    let sum = md5(text);
    let headers = format!(
        "Node-path: {path}\nNode-kind: file\nNode-action: add\nProp-delta: true\nText-delta: true\nText-content-md5: {sum}\n"
    );
    node(&headers, Some(b"PROPS-END\n"), Some(&all_new(text)))
}

/// A stream of one revision with these records.
pub(super) fn stream(records: &[Vec<u8>]) -> Vec<u8> {
    [START.as_bytes(), &records.concat()].concat()
}
