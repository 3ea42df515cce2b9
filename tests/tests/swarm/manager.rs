//! One manager: edits its own paths and the shared ones, publishes, updates when it must, is killed now and then.
//!
//! Everything that it does to its directory and everything that it was told is written down for the judge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use depsync_engine::hash::Digest;
use depsync_tests::dice::Dice;

use depsync_tests::process::{Death, Ended, run};

/// Paths of its own, and paths that all managers write.
pub(crate) const OWN: usize = 5;
pub(crate) const SHARED: usize = 6;

/// What happened to a manager, in order.
#[derive(Debug)]
pub(crate) enum Event {
    /// A path was written, or removed.
    Edited(String, Option<Digest>),
    /// It gave in: the hub's side of a conflict wins.
    GaveIn(String),
    /// A publish under this message. What it was told; nothing if it was killed.
    Published(String, Option<Told>),
}

/// What a publish answered.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) changed: bool,
    pub(crate) revision: Option<u64>,
    pub(crate) conflicts: Vec<String>,
    pub(crate) held: Vec<String>,
}

/// A manager.
pub(crate) struct Manager {
    pub(crate) number: usize,
    pub(crate) dir: PathBuf,
    hub: PathBuf,
    dice: Dice,
    count: usize,
    pub(crate) events: Vec<Event>,
    /// What it wrote and is not known to be published, as it must lie on its disk.
    waiting: BTreeMap<String, Option<Vec<u8>>>,
    pub(crate) kills: usize,
    pub(crate) conflicts: usize,
}

impl Manager {
    pub(crate) fn new(number: usize, top: &Path, dice: Dice) -> Self {
        Self {
            number,
            dir: top.join(format!("m{number:02}")),
            hub: top.join("hub"),
            dice,
            count: 0,
            events: Vec::new(),
            waiting: BTreeMap::new(),
            kills: 0,
            conflicts: 0,
        }
    }

    /// One round: some edits, a publish, now and then an update. The newest revision that it was told of.
    pub(crate) fn round(&mut self, deaths: usize) -> Option<u64> {
        for _ in 0..1 + self.dice.below(3) {
            let path = format!("own/{:02}/f{}", self.number, self.dice.below(OWN));
            self.edit(path);
        }
        if self.dice.chance(40) {
            let path = format!("shared/s{}", self.dice.below(SHARED));
            self.edit(path);
        }
        let revision = self.publish(deaths);
        if self.dice.chance(35) {
            self.update(deaths);
        }
        revision
    }

    /// Writes something that nobody has ever written, or removes the file.
    fn edit(&mut self, path: String) {
        self.count += 1;
        let file = self.dir.join(&path);
        let content = if self.dice.chance(12) && file.exists() {
            std::fs::remove_file(&file).expect("remove");
            None
        } else {
            let mut content = format!("manager {} edit {} of {path}\n", self.number, self.count).into_bytes();
            content.resize(content.len() + self.dice.below(6000), b'.');
            std::fs::write(&file, &content).expect("write");
            Some(content)
        };
        self.events.push(Event::Edited(path.clone(), content.as_deref().map(Digest::of)));
        self.waiting.insert(path, content);
    }

    /// Publishes until it is not killed, and ends every conflict.
    pub(crate) fn publish(&mut self, mut deaths: usize) -> Option<u64> {
        loop {
            self.count += 1;
            let message = format!("manager {} publish {}", self.number, self.count);
            let death = Death::draw(&mut self.dice, deaths);
            let ended = run(&self.dir, &self.hub, &["publish", "-m", &message], death).expect(&[0, 4], death);
            if ended.code.is_none() {
                self.events.push(Event::Published(message, None));
                self.kills += 1;
                deaths /= 2;
                continue;
            }
            let (conflicts, held) = (ended.paths("conflicts"), ended.paths("held"));
            assert_eq!(ended.code == Some(4), !conflicts.is_empty(), "{}", ended.told);
            assert!(ended.paths("problems").is_empty(), "{}", ended.told);
            self.waiting.retain(|path, _| conflicts.contains(path) || held.contains(path));
            let told = Told {
                changed: ended.json["changed"] == true,
                revision: ended.number("revision"),
                conflicts: conflicts.clone(),
                held,
            };
            self.events.push(Event::Published(message, Some(told)));
            self.end_conflicts(&conflicts);
            return ended.number("revision");
        }
    }

    /// Insists on its own side, or gives in.
    fn end_conflicts(&mut self, conflicts: &[String]) {
        self.conflicts += conflicts.len();
        for path in conflicts {
            let side = if self.dice.chance(50) { "--mine" } else { "--theirs" };
            let ended = run(&self.dir, &self.hub, &["resolve", path, side], Death::Never);
            // The others go on: by now the hub may have what is here, so that nothing is left to resolve.
            let ended = ended.expect(&[0, 2], Death::Never);
            if side == "--theirs" && ended.code == Some(0) {
                self.waiting.remove(path);
                self.events.push(Event::GaveIn(path.clone()));
            }
        }
    }

    /// Updates until it is not killed. What waits to be published stays as it is.
    pub(crate) fn update(&mut self, mut deaths: usize) -> Ended {
        loop {
            let death = Death::draw(&mut self.dice, deaths);
            let ended = run(&self.dir, &self.hub, &["update"], death).expect(&[0, 4], death);
            if ended.code.is_none() {
                self.kills += 1;
                deaths /= 2;
                continue;
            }
            assert_eq!(ended.code == Some(4), !ended.paths("conflicts").is_empty(), "{}", ended.told);
            assert!(ended.paths("problems").is_empty(), "{}", ended.told);
            for (path, content) in &self.waiting {
                let here = std::fs::read(self.dir.join(path)).ok();
                assert!(here == *content, "{path} of manager {} was lost by an update: {}", self.number, ended.told);
            }
            return ended;
        }
    }

    /// Publishes and updates until there is nothing left to do and no conflict.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10 {
            self.publish(0);
            let ended = self.update(0);
            let conflicts = ended.paths("conflicts");
            if conflicts.is_empty() && self.waiting.is_empty() {
                return;
            }
            self.end_conflicts(&conflicts);
        }
        panic!("manager {} does not come to rest: {:?}", self.number, self.waiting.keys());
    }
}
