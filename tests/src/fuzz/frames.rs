//! The binary encoding itself: frames of every kind, and values of every shape.

use depsync_engine::apply::{Action, Step};
use depsync_engine::codec::{self, Frame, HEADER};
use depsync_engine::hash::Digest;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Entry, LinkTarget, Mode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lawful;
use crate::forge;

type Mixed = (u8, i64, Vec<(u16, String)>, Option<Digest>, Vec<u8>);

const KINDS: [Frame; 5] = [Frame::Page, Frame::Recipe, Frame::PackIndex, Frame::HubIndex, Frame::Cache];

/// The first byte says as what, the rest is the payload; with its highest bit the rest is the whole frame.
pub(super) fn frames(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let frame = KINDS[usize::from(how & 7) % KINDS.len()];
    let sealed;
    let bytes = if how & 0x80 == 0 {
        sealed = forge::framed(frame, rest).expect("what is fuzzed is short");
        &sealed
    } else {
        rest
    };
    match codec::payload(frame, bytes) {
        Ok(payload) => {
            assert_eq!(forge::framed(frame, payload).expect("seals"), bytes);
            assert_eq!(payload.len() + HEADER, bytes.len());
        }
        Err(error) => lawful(&error),
    }
    match (how >> 3) & 7 {
        0 => decoded::<Vec<u64>>(frame, bytes, Vec::len),
        1 => decoded::<Vec<u8>>(frame, bytes, Vec::len),
        2 => decoded::<Mixed>(frame, bytes, |mixed| mixed.2.len() + mixed.4.len()),
        3 => decoded::<Vec<Entry>>(frame, bytes, Vec::len),
        4 => decoded::<Vec<(RelPath, Option<Entry>)>>(frame, bytes, Vec::len),
        5 => decoded::<(i128, f64, bool, char)>(frame, bytes, |_| 0),
        6 => decoded::<Vec<Vec<Option<()>>>>(frame, bytes, |lists| {
            lists.len() + lists.iter().map(Vec::len).sum::<usize>()
        }),
        _ => match Step::decode(bytes) {
            Ok(step) => {
                let again = step.encode().expect("what was read can be written");
                assert_eq!(Step::decode(&again).expect("and read"), step);
            }
            Err(error) => lawful(&error),
        },
    }
}

fn decoded<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    frame: Frame,
    bytes: &[u8],
    items: impl Fn(&T) -> usize,
) {
    match codec::decode::<T>(frame, bytes) {
        Ok(value) => {
            assert!(items(&value) <= bytes.len(), "more items than bytes");
            let again = codec::encode(frame, &value).expect("what was read can be written");
            assert!(again.len() <= bytes.len(), "the shortest spelling is longer than another one");
            // Bytes and not values: a number that is not one is equal to nothing.
            let back = codec::decode_canonical::<T>(frame, &again).expect("and read");
            assert_eq!(codec::encode(frame, &back).expect("encodes"), again);
            assert_eq!(codec::decode_canonical::<T>(frame, bytes).is_ok(), again == bytes, "one spelling");
        }
        Err(error) => {
            lawful(&error);
            assert!(codec::decode_canonical::<T>(frame, bytes).is_err());
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    fn of<T: Serialize>(how: u8, value: &T) -> Vec<u8> {
        let bytes = codec::encode(KINDS[usize::from(how & 7)], value).expect("encodes");
        [&[how], &bytes[HEADER..]].concat()
    }
    let file = Entry::File { mode: Mode::new(0o644), size: 70_000, hash: Digest::of(b"x") };
    let link = Entry::Symlink { target: LinkTarget::new(*b"../a").expect("target") };
    let path = |text: &str| RelPath::try_from(text).expect("path");
    let step = Step {
        path: path("a/b"),
        action: Action::Place(7),
        have: Some(file.clone()),
        want: Some(link.clone()),
        stamp: None,
        keep: true,
    };
    let whole = codec::encode(Frame::Page, &vec![1u64, 300]).expect("encodes");
    vec![
        of(0, &vec![0u64, 250, 251, 65_536, u64::MAX]),
        of(1 | 1 << 3, &b"bytes".to_vec()),
        of(2 | 2 << 3, &(1u8, -5i64, vec![(7u16, "text")], Some(Digest::of(b"")), b"b".to_vec())),
        of(3 | 3 << 3, &vec![file.clone(), link.clone(), Entry::Directory { mode: Mode::new(0o755) }]),
        of(4 | 4 << 3, &vec![(path("a"), Some(file)), (path("a/b"), None)]),
        of(5 << 3, &(-1i128, 0.5f64, true, 'x')),
        of(6 << 3, &vec![vec![Some(()), None], vec![]]),
        of(4 | 7 << 3, &step),
        [&[0x80], &whole[..]].concat(),
    ]
}
