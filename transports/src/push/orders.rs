//! What the far side is asked to do, as a text for its shell: calls of the functions of `far.sh`, many names in one.
//!
//! Names are bytes; each stands between quotes, and none reaches a program in a place where it could be an option.

use depsync_engine::apply::{Action, Step};
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Entry, Mode};

/// How many names one call has, and how many bytes of them: the system bounds the arguments of a program.
const NAMES: usize = 500;
const BYTES: usize = 64 << 10;

/// A text of calls.
#[derive(Debug, Default)]
pub(super) struct Orders {
    text: Vec<u8>,
    /// The call that still takes names: its beginning, how many it has, and where it began.
    open: Option<(Vec<u8>, usize, usize)>,
}

impl Orders {
    /// One call for all `names`, or few.
    pub(super) fn of<'a>(call: &str, names: impl IntoIterator<Item = &'a RelPath>) -> Self {
        let mut orders = Self::default();
        for name in names {
            orders.add(call.as_bytes(), name.as_bytes());
        }
        orders
    }

    /// What carries out `steps`.
    pub(super) fn to_carry_out(steps: &Packed<Step>) -> Self {
        let mut orders = Self::default();
        // Nothing of this changes what is live.
        for mode in modes_of_files(steps) {
            for step in steps.iter().filter(|step| placed_with(step) == Some(mode)) {
                orders.add(format!("staged {mode:o}").as_bytes(), step.path.as_bytes());
            }
        }
        for step in steps.iter().filter(|step| step.keep) {
            orders.add(b"aside", step.path.as_bytes());
        }
        let mut placing = false;
        for step in steps.iter() {
            let places = placed_with(&step).is_some();
            if placing && !places {
                orders.alone(b"placed", &[]);
            }
            placing = places;
            orders.step(&step);
        }
        if placing {
            orders.alone(b"placed", &[]);
        }
        orders
    }

    fn step(&mut self, step: &Step) {
        let path = step.path.as_bytes();
        match &step.action {
            Action::MakeDirectory => {
                if step.have.is_some() {
                    self.add(b"gone", path);
                }
                let mode = step.want.as_ref().and_then(Entry::mode).map_or(0o755, Mode::bits);
                // One that may not be written to gets its own permissions when all is done.
                self.add(format!("made {:o}", mode | 0o700).as_bytes(), path);
            }
            Action::Place(_) => match &step.want {
                Some(Entry::Symlink { target }) => self.alone(b"link", &[path, target.as_bytes()]),
                _ => {
                    if matches!(step.have, Some(Entry::Symlink { .. })) {
                        self.add(b"gone", path);
                    }
                    let directory = step.path.parent();
                    let mut call = b"put ".to_vec();
                    quote(&mut call, directory.as_ref().map_or(&b"."[..], RelPath::as_bytes));
                    self.add(&call, step.path.name());
                }
            },
            Action::SetMode(mode) => self.add(format!("modes {:o}", mode.bits()).as_bytes(), path),
            Action::Remove => self.add(b"gone", path),
            Action::RemoveDirectory => self.add(b"emptied", path),
            Action::GiveWay => self.add(b"way", path),
            // A push is planned without units: nothing is staged as a directory on the far side.
            Action::Swap(_) | Action::Within => {}
        }
    }

    /// Adds a name to the call there is, if it is the same and has room; otherwise begins another.
    fn add(&mut self, call: &[u8], name: &[u8]) {
        let fits = self.open.as_ref().is_some_and(|(open, names, from)| {
            open == call && *names < NAMES && self.text.len() - from + name.len() < BYTES
        });
        if !fits {
            self.close();
            self.open = Some((call.to_vec(), 0, self.text.len()));
            self.text.extend_from_slice(call);
        }
        self.text.push(b' ');
        quote(&mut self.text, name);
        if let Some((_, names, _)) = &mut self.open {
            *names += 1;
        }
    }

    /// A call of its own.
    fn alone(&mut self, call: &[u8], arguments: &[&[u8]]) {
        self.close();
        self.text.extend_from_slice(call);
        for argument in arguments {
            self.text.push(b' ');
            quote(&mut self.text, argument);
        }
        self.text.push(b'\n');
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.text.push(b'\n');
        }
    }

    /// The text.
    pub(super) fn into_text(mut self) -> Vec<u8> {
        self.close();
        self.text
    }
}

/// The permissions that files are placed with, each once.
fn modes_of_files(steps: &Packed<Step>) -> Vec<u32> {
    let mut modes: Vec<u32> = steps.iter().filter_map(|step| placed_with(&step)).collect();
    modes.sort_unstable();
    modes.dedup();
    modes
}

fn placed_with(step: &Step) -> Option<u32> {
    match (&step.action, &step.want) {
        (Action::Place(_), Some(Entry::File { mode, .. })) => Some(mode.bits()),
        _ => None,
    }
}

/// `text` as one word of a shell.
fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'\'');
    for &byte in text {
        if byte == b'\'' { out.extend_from_slice(br"'\''") } else { out.push(byte) }
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use depsync_engine::tree::LinkTarget;

    fn step(path: &[u8], action: Action, have: Option<Entry>, want: Option<Entry>, keep: bool) -> Step {
        Step { path: RelPath::new(path).expect("path"), action, have, want, stamp: None, keep }
    }

    fn file(mode: u32) -> Option<Entry> {
        Some(Entry::File { mode: Mode::new(mode), size: 1, hash: Digest::of(b"x") })
    }

    fn link(target: &str) -> Option<Entry> {
        Some(Entry::Symlink { target: LinkTarget::new(target.as_bytes()).expect("a target") })
    }

    fn directory(mode: u32) -> Option<Entry> {
        Some(Entry::Directory { mode: Mode::new(mode) })
    }

    #[test]
    fn calls_are_few_and_in_the_order_of_the_steps() {
        let steps: Packed<Step> = [
            step(b"w", Action::GiveWay, directory(0o755), None, false),
            step(b"d", Action::MakeDirectory, file(0o644), directory(0o755), true),
            step(b"d/e", Action::MakeDirectory, None, directory(0o555), false),
            step(b"a", Action::Place(0), file(0o644), file(0o644), false),
            step(b"b it's", Action::Place(1), None, file(0o640), false),
            step(b"d/c\n\xff", Action::Place(2), link("x"), file(0o644), false),
            step(b"l", Action::Place(3), None, link("-t"), false),
            step(b"o", Action::Remove, file(0o644), None, false),
            step(b"p", Action::Remove, file(0o644), None, true),
            step(b"q", Action::RemoveDirectory, directory(0o755), None, false),
            step(b"d/e", Action::SetMode(Mode::new(0o555)), None, directory(0o555), false),
        ]
        .into_iter()
        .collect();
        let text = Orders::to_carry_out(&steps).into_text();
        let wanted: &[u8] = b"staged 640 'b it'\\''s'\nstaged 644 'a' 'd/c\n\xff'\naside 'd' 'p'\nway 'w'\ngone 'd'\n\
            made 755 'd' 'd/e'\nput '.' 'a' 'b it'\\''s'\ngone 'd/c\n\xff'\nput 'd' 'c\n\xff'\nplaced\nlink 'l' '-t'\n\
            gone 'o' 'p'\nemptied 'q'\nmodes 555 'd/e'\n";
        assert_eq!(bstr(&text), bstr(wanted));
    }

    fn bstr(bytes: &[u8]) -> String {
        bytes.escape_ascii().to_string()
    }

    #[test]
    fn a_call_has_no_more_names_than_the_system_takes() {
        let paths: Vec<RelPath> =
            (0..1200).map(|number| RelPath::new(format!("{number}").into_bytes()).expect("path")).collect();
        let text = String::from_utf8(Orders::of("look", &paths).into_text()).expect("text");
        assert_eq!(text.lines().map(|line| line.split(' ').count() - 1).collect::<Vec<_>>(), [500, 500, 200]);
    }
}
