//! The steps of an update, in the order in which they are safe. Pure.
//!
//! Order: directories that must be writable are opened; what stands in the way of a file or link (a directory that
//! gives way, with everything known beneath it) goes, deepest first; directories are made, top down; files and links
//! are placed; what is no longer wanted is removed, deepest first; permissions are set, deepest first. A unit is one
//! step, and stands where a file of its path would.

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
    /// Exchanges a unit for the staged one. What changes in it follows, as steps that are [`Action::Within`].
    Swap(Swap),
    /// Changes with the unit that it is, or is in.
    Within,
}

/// How a unit is exchanged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// The number that the staged one waits under.
    pub slot: u64,
    /// Whether anything is staged: not for a unit that goes, and nothing stays in it.
    pub staged: bool,
    /// What of the untracked files moves along.
    pub carry: Vec<String>,
    /// How long the old one is kept, in seconds.
    pub keep: u64,
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

/// A unit that an update changes.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Where.
    pub path: RelPath,
    /// What is there.
    pub have: Option<Entry>,
    /// What is to be there.
    pub want: Option<Entry>,
    /// How it is exchanged; not at all if it had to be left.
    pub swap: Option<Swap>,
}

impl Unit {
    /// Whether `path` changes with it.
    pub fn holds(&self, path: &RelPath) -> bool {
        path.is_within(&self.path)
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
/// `units`, ascending, are exchanged as one each.
pub fn steps(
    applications: &Packed<Application>,
    units: &[Unit],
    surroundings: &dyn Surroundings,
) -> Result<Packed<Step>> {
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
    let mut units = units.iter().peekable();
    let mut within: Vec<Step> = Vec::new();
    let mut applications = applications.iter().enumerate().peekable();
    while let Some((number, application)) = applications.next() {
        while units.next_if(|unit| unit.path < application.path && !unit.holds(&application.path)).is_some() {}
        let unit = units.peek().filter(|unit| unit.holds(&application.path));
        let parent = unit.map_or(&application.path, |unit| &unit.path).parent();
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
        if let Some(unit) = unit {
            within.push(step(application, Action::Within));
            if applications.peek().is_none_or(|(_, next)| !unit.holds(&next.path)) {
                let group = as_one(unit, std::mem::take(&mut within), surroundings);
                match unit.want {
                    // These two lists are read from their end.
                    _ if beneath => way.extend(group.into_iter().rev()),
                    None => remove.extend(group.into_iter().rev()),
                    Some(_) => place.extend(group),
                }
            }
            continue;
        }
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

/// The steps of a unit: the exchange, and behind it what changes with it. None of one that is left.
fn as_one(unit: &Unit, within: Vec<Step>, surroundings: &dyn Surroundings) -> Vec<Step> {
    let Some(swap) = &unit.swap else { return Vec::new() };
    let exchange = Step {
        path: unit.path.clone(),
        action: Action::Swap(swap.clone()),
        have: unit.have.clone(),
        want: unit.want.clone(),
        stamp: surroundings.stamp(&unit.path),
        keep: false,
    };
    std::iter::once(exchange).chain(within).collect()
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
        listed_with(&[], applications)
    }

    fn listed_with(units: &[Unit], applications: &[(&str, Option<Entry>, Option<Entry>)]) -> Vec<String> {
        let applications: Packed<_> = applications
            .iter()
            .map(|(path, have, want)| Application {
                path: RelPath::try_from(*path).expect("path"),
                have: have.clone(),
                want: want.clone(),
                keep: false,
            })
            .collect();
        let steps = steps(&applications, units, &Plain).expect("steps");
        let action = |step: &Step| match &step.action {
            Action::Swap(swap) => format!("Swap({})", swap.slot),
            other => format!("{other:?}"),
        };
        steps.iter().map(|step| format!("{} {}", action(&step), step.path)).collect()
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
    fn a_unit_is_one_step_where_a_file_would_be() {
        let unit = |path: &str, have, want, swap: Option<u64>| Unit {
            path: RelPath::try_from(path).expect(path),
            have,
            want,
            swap: swap.map(|slot| Swap { slot, staged: true, carry: Vec::new(), keep: 0 }),
        };
        let units = [
            unit("d/gone", directory(), None, Some(0)),
            unit("d/shop", directory(), directory(), Some(1)),
            unit("left", directory(), directory(), None),
            unit("way/unit", directory(), None, Some(2)),
        ];
        let order = listed_with(
            &units,
            &[
                ("a", file("old"), file("new")),
                ("d/gone", directory(), None),
                ("d/gone/x", file("old"), None),
                ("d/shop/x", file("old"), file("new")),
                ("d/shop/y", directory(), None),
                ("d/shop/y/z", file("old"), None),
                ("d/shop.xml", file("old"), None),
                ("left/x", file("old"), None),
                ("way", directory(), file("new")),
                ("way/unit", directory(), None),
                ("way/unit/x", file("old"), None),
            ],
        );
        let expected = [
            "Swap(2) way/unit",
            "Within way/unit",
            "Within way/unit/x",
            "GiveWay way",
            "Place(0) a",
            "Swap(1) d/shop",
            "Within d/shop/x",
            "Within d/shop/y",
            "Within d/shop/y/z",
            "Place(8) way",
            "Remove d/shop.xml",
            "Swap(0) d/gone",
            "Within d/gone",
            "Within d/gone/x",
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn what_an_older_version_has_journalled_still_reads() {
        // Written by the version before there were units.
        let old = |action: u8| -> Vec<u8> {
            let payload = [&[1, b'x'][..], &[action], if action == 1 { &[7] } else { &[] }, &[0, 0, 0, 1]].concat();
            [&b"DSca\x02"[..], &(payload.len() as u32).to_le_bytes(), &payload].concat()
        };
        for (number, action) in [(0, Action::MakeDirectory), (1, Action::Place(7)), (3, Action::Remove)] {
            let step = Step::decode(&old(number)).expect("decodes");
            assert_eq!((step.path.as_bytes(), step.action, step.keep), (&b"x"[..], action, true));
        }
        let swap = Swap { slot: 3, staged: true, carry: vec!["*.log".into()], keep: 600 };
        for action in [Action::Swap(swap), Action::Within] {
            let step = Step { action, ..Step::decode(&old(3)).expect("decodes") };
            assert_eq!(Step::decode(&step.encode().expect("encodes")).expect("decodes"), step);
        }
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
