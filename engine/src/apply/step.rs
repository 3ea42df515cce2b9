//! The steps of an update, in the order in which they are safe. Pure.
//!
//! Order: directories that must be writable are opened; what stands in the way of a file or link (a directory that
//! gives way, with everything known beneath it) goes, deepest first; directories are made, top down; files and links
//! are placed; what is no longer wanted is removed, deepest first; permissions are set, deepest first.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Frame};
use crate::error::Result;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::Application;
use crate::stamp::Stamp;
use crate::tree::{Entry, Mode};

/// What a step does at its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Makes a directory; a file or link in its place goes first.
    MakeDirectory,
    /// Renames the staged file or link of this number into place.
    Place(u64),
    /// Sets the permission bits.
    SetMode(Mode),
    /// Removes a file or a link.
    Remove,
    /// Removes a directory if nothing unknown is left in it.
    RemoveDirectory,
    /// Removes a directory that must give way: what is left in it is kept aside.
    GiveWay,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where.
    pub path: RelPath,
    /// What.
    pub action: Action,
    /// What the plan found there.
    pub have: Option<Entry>,
    /// What is to be there in the end.
    pub want: Option<Entry>,
    /// The stamp of what the plan found.
    pub stamp: Option<Stamp>,
    /// Whether what is there is unknown to the hub and must be kept aside.
    pub keep: bool,
}

impl Step {
    /// The step as a row of the journal.
    pub fn encode(&self) -> Result<Vec<u8>> {
        codec::encode(Frame::Cache, self)
    }

    /// Reads a row of the journal.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        codec::decode(Frame::Cache, bytes)
    }
}

/// What [`steps`] must be told of the surroundings.
pub trait Surroundings {
    /// The stamp that the scan saw at `path`.
    fn stamp(&self, path: &RelPath) -> Option<Stamp>;

    /// The permission bits that a directory must have for a while so that this process can change what is in it, if
    /// its own bits do not allow that.
    fn must_open(&self, directory: &RelPath) -> Result<Option<Mode>>;
}

/// Orders the applications of a plan as steps. Each file or link gets the number of its application as staging number.
pub fn steps(applications: &Packed<Application>, surroundings: &dyn Surroundings) -> Result<Packed<Step>> {
    let step = |application: &Application, action: Action| Step {
        path: application.path.clone(),
        action,
        have: application.have.clone(),
        want: application.want.clone(),
        stamp: surroundings.stamp(&application.path),
        keep: application.keep,
    };
    let mut open: Vec<(RelPath, Mode)> = Vec::new();
    let [mut way, mut make, mut place, mut remove, mut modes] = std::array::from_fn(|_| Packed::new());
    let mut giving_way: Option<RelPath> = None;
    let mut last_parent: Option<RelPath> = None;
    for (number, application) in applications.iter().enumerate() {
        let parent = application.path.parent();
        if parent != last_parent {
            if let Some(directory) = &parent
                && let Some(mode) = surroundings.must_open(directory)?
            {
                open.push((directory.clone(), mode));
            }
            last_parent = parent;
        }
        let application = &application;
        let beneath = giving_way.as_ref().is_some_and(|directory| application.path.is_beneath(directory));
        match (&application.have, &application.want) {
            (None, None) => {}
            // It goes with the one above, whatever else is in it.
            (Some(Entry::Directory { .. }), None) if beneath => way.push(&step(application, Action::GiveWay)),
            (Some(Entry::Directory { .. }), None) => remove.push(&step(application, Action::RemoveDirectory)),
            (Some(_), None) if beneath => way.push(&step(application, Action::Remove)),
            (Some(_), None) => remove.push(&step(application, Action::Remove)),
            (Some(Entry::Directory { .. }), Some(Entry::Directory { mode })) => {
                modes.push(&step(application, Action::SetMode(*mode)));
            }
            (_, Some(Entry::Directory { mode })) => {
                make.push(&step(application, Action::MakeDirectory));
                if mode.bits() & 0o700 != 0o700 {
                    modes.push(&Step { stamp: None, ..step(application, Action::SetMode(*mode)) });
                }
            }
            (Some(have), Some(want)) if have.differs_in_mode_only(want) && !application.keep => {
                if let Some(mode) = want.mode() {
                    modes.push(&step(application, Action::SetMode(mode)));
                }
            }
            (have, Some(_)) => {
                if have.as_ref().is_some_and(Entry::is_directory) {
                    giving_way = Some(application.path.clone());
                    way.push(&step(application, Action::GiveWay));
                    // By the time the file comes nothing is there any more.
                    place.push(&Step { have: None, stamp: None, ..step(application, Action::Place(number as u64)) });
                } else {
                    place.push(&step(application, Action::Place(number as u64)));
                }
            }
        }
    }
    open.sort_by(|left, right| left.0.cmp(&right.0));
    open.dedup_by(|left, right| left.0 == right.0);
    let (opening, closing): (Vec<_>, Vec<_>) = open.iter().map(|(path, mode)| around(path, *mode)).unzip();
    let mut steps: Packed<Step> = opening.into_iter().chain(way.iter_backwards()).collect();
    steps.append(make);
    steps.append(place);
    steps.extend(remove.iter_backwards());
    steps.extend(modes.iter_backwards());
    steps.extend(closing.into_iter().rev());
    Ok(steps)
}

/// Opens a directory for a while: the bits it must have, and those it has.
fn around(path: &RelPath, mode: Mode) -> (Step, Step) {
    let entry = |mode| Some(Entry::Directory { mode });
    let opened = Mode::new(mode.bits() | 0o700);
    let step = |from, to| Step {
        path: path.clone(),
        action: Action::SetMode(to),
        have: entry(from),
        want: entry(to),
        stamp: None,
        keep: false,
    };
    (step(mode, opened), step(opened, mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Digest;

    struct Plain;

    impl Surroundings for Plain {
        fn stamp(&self, _: &RelPath) -> Option<Stamp> {
            None
        }

        fn must_open(&self, directory: &RelPath) -> Result<Option<Mode>> {
            Ok((directory.as_bytes() == b"locked").then(|| Mode::new(0o555)))
        }
    }

    fn directory() -> Option<Entry> {
        Some(Entry::Directory { mode: Mode::new(0o755) })
    }

    fn file(content: &str) -> Option<Entry> {
        Some(Entry::File { mode: Mode::new(0o644), size: content.len() as u64, hash: Digest::of(content.as_bytes()) })
    }

    fn listed(applications: &[(&str, Option<Entry>, Option<Entry>)]) -> Vec<String> {
        let applications: Packed<_> = applications
            .iter()
            .map(|(path, have, want)| Application {
                path: RelPath::try_from(*path).expect("path"),
                have: have.clone(),
                want: want.clone(),
                keep: false,
            })
            .collect();
        let steps = steps(&applications, &Plain).expect("steps");
        steps.iter().map(|step| format!("{:?} {}", step.action, step.path)).collect()
    }

    #[test]
    fn a_directory_gives_way_to_a_file_before_anything_is_placed() {
        let order = listed(&[
            ("a", directory(), file("new")),
            ("a/b", directory(), None),
            ("a/b/c", file("old"), None),
            ("d", file("old"), None),
            ("e", None, directory()),
            ("e/f", None, file("new")),
        ]);
        assert_eq!(
            order,
            ["Remove a/b/c", "GiveWay a/b", "GiveWay a", "MakeDirectory e", "Place(0) a", "Place(5) e/f", "Remove d"]
        );
    }

    #[test]
    fn removals_go_deepest_first_after_everything_is_placed() {
        let order = listed(&[
            ("a", directory(), None),
            ("a/b", file("old"), None),
            ("c", file("old"), directory()),
            ("c/d", None, file("new")),
        ]);
        assert_eq!(order, ["MakeDirectory c", "Place(3) c/d", "Remove a/b", "RemoveDirectory a"]);
    }

    #[test]
    fn a_locked_directory_is_opened_first_and_closed_last() {
        let order = listed(&[("locked/a", file("old"), file("new")), ("locked/b", None, file("new"))]);
        assert_eq!(
            order,
            ["SetMode(Mode(493)) locked", "Place(0) locked/a", "Place(1) locked/b", "SetMode(Mode(365)) locked"]
        );
    }

    #[test]
    fn a_step_survives_the_journal() {
        let step = Step {
            path: RelPath::new(&b"a\xff"[..]).expect("path"),
            action: Action::SetMode(Mode::new(0o600)),
            have: file("old"),
            want: None,
            stamp: Some(Stamp { mode: 0o100_644, size: 3, mtime: -1, ctime: i64::MAX, inode: 9, device: 1 }),
            keep: true,
        };
        assert_eq!(Step::decode(&step.encode().expect("encodes")).expect("decodes"), step);
    }
}
