//! A watch that remembers what nobody has looked at yet, and begins anew where it has become blind.
//!
//! Law: whatever has changed since the last look that was told of ([`Lookout::seen`]) is in [`Lookout::unseen`], or that is
//! everything. While the directory cannot be watched it is everything, always.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use super::{Hint, Settling, Waited, Waker, Watch, Why};
use crate::beneath::Root;
use crate::context::Context;
use crate::error::Result;
use crate::scan::{Ignore, Part, Reach};

/// How often is read what has been told, if there is always more.
const ROUNDS: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Lookout {
    watch: Watch,
    unseen: Hint,
    /// Why nothing is watched; none if it is.
    blind: Option<Why>,
}

impl Lookout {
    /// Watches nothing yet.
    pub fn new() -> Result<Self> {
        Ok(Self { watch: Watch::blind()?, unseen: Hint::Everything(Why::New), blind: Some(Why::New) })
    }

    /// What ends a wait from elsewhere.
    pub fn waker(&self) -> Waker {
        self.watch.waker()
    }

    /// Why the directory is not watched, if it is not.
    pub fn blind(&self) -> Option<Why> {
        self.blind
    }

    /// How many directories are watched.
    pub fn directories(&self) -> usize {
        self.watch.directories()
    }

    /// What has changed since the last look.
    pub fn unseen(&self) -> &Hint {
        &self.unseen
    }

    /// Watches `root` from now on. Until the next look, everything may have changed.
    pub fn open(&mut self, cx: &Context, root: Root, ignore: Ignore) -> Result<()> {
        self.watch.open_again(cx, root, ignore)?;
        (self.unseen, self.blind) = (Hint::Everything(Why::New), None);
        self.take_in(cx)
    }

    /// Takes in what has been told by now.
    pub fn take_in(&mut self, cx: &Context) -> Result<()> {
        let mut rang = false;
        for _ in 0..ROUNDS {
            match self.wait(cx, Settling::AT_ONCE, Instant::now())? {
                Woke::Over => break,
                Woke::Rung => rang = true,
                Woke::Stirred => {}
            }
        }
        // That is for whoever waits.
        if rang {
            self.waker().ring();
        }
        Ok(())
    }

    /// Notices that it is another directory by now that is at `path`: the one that is watched says nothing of that.
    pub fn check(&mut self, path: &Path) {
        let Some((device, inode)) = self.watch.identity() else { return };
        if std::fs::metadata(path).is_ok_and(|found| (found.dev(), found.ino()) == (device, inode)) {
            return;
        }
        self.watch.close();
        (self.unseen, self.blind) = (Hint::Everything(Why::Gone), Some(Why::Gone));
    }

    /// Waits as [`Watch::wait`]; what is told is unseen.
    pub fn wait(&mut self, cx: &Context, settling: Settling, until: Instant) -> Result<Woke> {
        match self.watch.wait(cx, settling, until)? {
            Waited::Woken => Ok(Woke::Rung),
            Waited::Over => Ok(Woke::Over),
            Waited::Changed(hint) => {
                if let Hint::Everything(why) = hint
                    && why.lasts()
                {
                    self.watch.close();
                    self.blind = Some(why);
                }
                self.unseen.add_all(hint);
                Ok(Woke::Stirred)
            }
        }
    }

    /// Somebody has looked at all that was unseen, but for `not`.
    pub fn seen(&mut self, not: impl IntoIterator<Item = crate::path::RelPath>) {
        let left: Part = not.into_iter().map(|path| (path, Reach::Whole)).collect();
        self.unseen = self.blind.map_or(Hint::Paths(left), Hint::Everything);
    }
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woke {
    /// Something has changed, and has settled.
    Stirred,
    /// A waker rang.
    Rung,
    /// The time is over.
    Over,
}
