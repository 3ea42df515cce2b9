use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use depsync_tests::dice::Dice;
use depsync_tests::sshd::Way;
use rustix::process::Signal;

use super::cluster::{Cluster, MANAGERS, WORKERS};

/// How likely it is in each round that something happens, in a hundred.
const LIKELY: usize = 60;
/// How long a trouble lasts, in seconds: at least, and so many more by chance.
const SHORTEST: u64 = 1;
const MORE: usize = 6;

/// Something that is wrong with somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    /// A node was killed.
    Killed(usize),
    /// A node stands still.
    Paused(usize),
    /// A manager's channel is cut, and nobody is let in.
    Cut(usize),
    /// A manager's channel is silent.
    Silent(usize),
    /// The hub is away.
    HubAway,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Killed(member) if member < MANAGERS => "managers killed",
            Self::Killed(_) => "workers killed",
            Self::Paused(member) if member < MANAGERS => "managers paused",
            Self::Paused(_) => "workers paused",
            Self::Cut(_) => "channels cut",
            Self::Silent(_) => "channels silent",
            Self::HubAway => "hubs away",
        }
    }

    fn begin(self, cluster: &mut Cluster) {
        match self {
            Self::Killed(member) => cluster.kill(member),
            Self::Paused(member) => cluster.signal(member, Signal::STOP),
            Self::Cut(manager) => {
                cluster.relays[manager].refuse();
                cluster.relays[manager].cut();
            }
            Self::Silent(manager) => {
                [Way::Up, Way::Down].into_iter().for_each(|way| cluster.relays[manager].stall(way));
            }
            Self::HubAway => cluster.move_hub(true),
        }
    }

    fn end(self, cluster: &mut Cluster) {
        match self {
            Self::Killed(member) => cluster.revive(member),
            Self::Paused(member) => cluster.signal(member, Signal::CONT),
            Self::Cut(manager) | Self::Silent(manager) => cluster.relays[manager].go_on(),
            Self::HubAway => cluster.move_hub(false),
        }
    }
}

/// What is wrong at the moment, and what was.
#[derive(Default)]
pub(crate) struct Troubles {
    now: Vec<(Trouble, Instant)>,
    all: BTreeMap<&'static str, usize>,
}

impl Troubles {
    /// Ends what has lasted long enough, and lets something else happen.
    pub(crate) fn go_on(&mut self, dice: &mut Dice, cluster: &mut Cluster) {
        let now = Instant::now();
        for (trouble, _) in self.now.extract_if(.., |(_, until)| *until <= now) {
            trouble.end(cluster);
        }
        if !dice.chance(LIKELY) {
            return;
        }
        let trouble = match dice.below(20) {
            0 => Trouble::HubAway,
            1 | 2 => Trouble::Cut(dice.below(MANAGERS)),
            3 => Trouble::Silent(dice.below(MANAGERS)),
            4 => Trouble::Killed(dice.below(MANAGERS)),
            5 => Trouble::Paused(dice.below(MANAGERS)),
            6..13 => Trouble::Killed(MANAGERS + dice.below(WORKERS)),
            _ => Trouble::Paused(MANAGERS + dice.below(WORKERS)),
        };
        // One thing at a time for each: a relay that is silent is not cut, and who is dead is not stopped.
        if self.now.iter().any(|(other, _)| concerns_the_same(*other, trouble)) {
            return;
        }
        let seconds = SHORTEST + dice.below(MORE) as u64;
        trouble.begin(cluster);
        *self.all.entry(trouble.name()).or_default() += 1;
        self.now.push((trouble, now + Duration::from_secs(seconds)));
    }

    /// Ends all of it.
    pub(crate) fn end_all(&mut self, cluster: &mut Cluster) {
        for (trouble, _) in self.now.drain(..) {
            trouble.end(cluster);
        }
    }

    /// What has happened.
    pub(crate) fn account(&self) -> String {
        self.all.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    }
}

fn concerns_the_same(one: Trouble, other: Trouble) -> bool {
    match (one, other) {
        (Trouble::Killed(one) | Trouble::Paused(one), Trouble::Killed(other) | Trouble::Paused(other))
        | (Trouble::Cut(one) | Trouble::Silent(one), Trouble::Cut(other) | Trouble::Silent(other)) => one == other,
        _ => one == other,
    }
}
