//! Calls on a storage that are made together.
//!
//! Behind ssh a call is a round trip, and what must be done in order need not be asked for one by one: [`Call`]s say
//! when to stop. [`in_turn`] is what they mean; a storage may answer them with fewer round trips, never differently.

use depsync_engine::context::Context;
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::path::RelPath;

use crate::storage::{Placed, Staged, Storage};

/// One of the calls that are made together.
#[derive(Clone, Debug)]
pub enum Call<'a> {
    /// [`Storage::find`].
    Find(RelPath, usize),
    /// [`Storage::get_range`].
    Range(RelPath, u64, usize),
    /// [`Storage::find`]; what comes behind it is made only if this is what stands there.
    Insist(RelPath, usize, Option<&'a [u8]>),
    /// [`Storage::stage`].
    Stage(&'a Staged, &'a [u8]),
    /// [`Storage::commit`]; what comes behind it is made only if the name is ours now.
    Commit(&'a Staged, RelPath),
    /// [`Storage::replace`].
    Replace(RelPath, &'a [u8]),
    /// Sets one line in a text of sorted lines.
    SetLine(RelPath, &'a Line),
}

impl Call<'_> {
    /// The name that it is about.
    pub fn name(&self) -> &RelPath {
        match self {
            Self::Find(name, _)
            | Self::Range(name, ..)
            | Self::Insist(name, ..)
            | Self::Commit(_, name)
            | Self::Replace(name, _)
            | Self::SetLine(name, _) => name,
            Self::Stage(staged, _) => &staged.name,
        }
    }

    /// What it asks for, in one word.
    pub(crate) fn operation(&self) -> &'static str {
        match self {
            Self::Find(..) | Self::Insist(..) => "find",
            Self::Range(..) => "range",
            Self::Stage(..) => "stage",
            Self::Commit(..) => "commit",
            Self::Replace(..) => "replace",
            Self::SetLine(..) => "set-line",
        }
    }

    /// The durable step that it takes, if it takes one.
    pub fn step(&self) -> Option<&'static str> {
        match self {
            Self::Find(..) | Self::Range(..) | Self::Insist(..) => None,
            Self::Stage(..) => Some("hub.stage"),
            Self::Commit(..) => Some("hub.commit"),
            Self::Replace(..) => Some("hub.replace"),
            Self::SetLine(..) => Some("hub.set-line"),
        }
    }
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was found.
    Found(Option<Vec<u8>>),
    /// How a commit ended.
    Placed(Placed),
    /// It was done.
    Done,
}

/// A line that takes the place of those that begin with the same word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The word: no space in it.
    pub key: String,
    /// What stands behind it and a space.
    pub value: String,
    /// A text of more bytes is not worth keeping: it begins anew.
    pub limit: usize,
}

impl Line {
    /// The text with this line.
    pub fn set(&self, text: &[u8]) -> Vec<u8> {
        let text = if text.len() > self.limit { &[] } else { text };
        let own = format!("{} ", self.key).into_bytes();
        let mut lines: Vec<Vec<u8>> = text
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty() && !line.starts_with(&own))
            .map(<[u8]>::to_vec)
            .collect();
        lines.push([&own, self.value.as_bytes()].concat());
        lines.sort();
        lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
    }
}

/// Makes the calls one after the other.
pub fn in_turn<S: Storage + ?Sized>(
    storage: &S,
    cx: &Context,
    calls: &[Call<'_>],
    answers: &mut Vec<Answer>,
) -> Result<()> {
    for call in calls {
        if let Some(step) = call.step() {
            cx.step(step);
        }
        let (answer, on) = match call {
            Call::Find(name, limit) => (Answer::Found(storage.find(cx, name, *limit)?), true),
            Call::Range(name, offset, length) => {
                (Answer::Found(Some(storage.get_range(cx, name, *offset, *length)?)), true)
            }
            Call::Insist(name, limit, on) => {
                let found = storage.find(cx, name, *limit)?;
                let same = found.as_deref() == *on;
                (Answer::Found(found), same)
            }
            Call::Stage(staged, bytes) => (storage.stage(cx, staged, bytes).map(|()| Answer::Done)?, true),
            Call::Commit(staged, name) => {
                let placed = storage.commit(cx, staged, name)?;
                (Answer::Placed(placed), placed == Placed::Created)
            }
            Call::Replace(name, bytes) => (storage.replace(cx, name, bytes).map(|()| Answer::Done)?, true),
            Call::SetLine(name, line) => {
                let text = match storage.get(cx, name, line.limit) {
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => Vec::new(),
                    read => read?,
                };
                (storage.replace(cx, name, &line.set(&text)).map(|()| Answer::Done)?, true)
            }
        };
        answers.push(answer);
        if !on {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_the_place_of_its_own_and_of_nothing_else() {
        let line = Line { key: "b".into(), value: "2 x".into(), limit: 40 };
        for (before, after) in [
            ("", "b 2 x\n"),
            ("c 1\nb 1 y\nbb 7\nb 9\na 1\n", "a 1\nb 2 x\nbb 7\nc 1\n"),
            ("broken", "b 2 x\nbroken\n"),
            ("a 1\n0123456789012345678901234567890123456789\n", "b 2 x\n"),
        ] {
            assert_eq!(String::from_utf8(line.set(before.as_bytes())).expect("text"), after, "{before:?}");
        }
    }
}
