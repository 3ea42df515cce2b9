//! `resolve`: ending a conflict by saying which side wins. Nothing live changes.
//!
//! A conflict is two differences from the agreement. Saying that mine wins moves the agreement to what the hub has:
//! then only mine differs, and the next publish publishes it. Saying that theirs wins moves it to what is on this
//! disk: then only theirs differs, and the next update brings it; mine, which the hub does not have, is copied to the
//! recovery area first.

use super::agree::agree;
use super::disk::{Gaze, Remember};
use super::{Node, Side};
use crate::apply::Recovery;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::name::random_bytes;
use crate::packed::Packed;
use crate::path::RelPath;
use crate::plan::{self, Agreed, Lazy, Policy, Trees, Unsettled};
use crate::scan::Everything;
use crate::transport::{Look, OpenMode};
use crate::tree::{Overlay, Tree};

impl Node {
    /// Ends the conflict at `path` and, where a directory is in conflict, those beneath it.
    pub fn resolve(&self, cx: &Context, path: &RelPath, side: Side) -> Result<()> {
        self.soundly(|| self.resolve_once(cx, path, side))
    }

    fn resolve_once(&self, cx: &Context, path: &RelPath, side: Side) -> Result<()> {
        cx.check()?;
        let _lock = self.lock(cx)?;
        self.recover(cx)?;
        let mut position = self.db.position()?;
        let hub = self.look_at_hub(cx, &mut position, OpenMode::Existing, Look::Heal)?;
        self.claim_lost_publish(cx, &mut position, &hub)?;
        let Some(head) = hub.head else {
            return Err(
                Error::new(ErrorKind::Usage, "the deployment has no revision yet").at(self.transport.endpoint())
            );
        };
        self.ensure_tree(cx, head.revision, head.root)?;
        let dir = self.open_dir(&position)?;
        let disk = self.look(cx, dir, Gaze::new(&Everything, Remember::Yes))?;
        let pages = disk.pages(&*self.db);
        let trees = Trees {
            agreement: Tree::new(&pages, position.agreement),
            known: Tree::new(&pages, position.known()),
            local: Tree::new(&pages, disk.observed),
            wanted: Tree::new(&pages, head.root),
        };
        let hidden = |path: &RelPath, directory: bool| disk.ignore.matches(path, directory);
        let occupied = |path: &RelPath| disk.is_occupied(path);
        let unsettled = Unsettled::new(disk.unknown(), &hidden, &occupied);
        let laziness = self.laziness(&position)?;
        let covers = |path: &RelPath, directory: bool| laziness.covers(path, directory);
        let plan = plan::plan(trees, Policy::ThreeWay, &unsettled, &Lazy::new(&covers, Vec::new()))?;
        let ended: Vec<_> = plan.conflicts.into_iter().filter(|clash| clash.path.is_within(path)).collect();
        if ended.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "there is no conflict at this path")
                .at(path)
                .hint("`depsync status` lists the conflicts"));
        }
        if side == Side::Theirs {
            let run = data_encoding::HEXLOWER.encode(&random_bytes()?);
            let recovery = Recovery::new(cx, self.places.recovery(), &run);
            for clash in ended.iter().filter(|clash| clash.mine.as_ref().is_some_and(|mine| !mine.is_directory())) {
                cx.step("resolve.copy");
                recovery.copy(disk.root.parent(&clash.path)?, clash.path.name(), &clash.path)?;
            }
        }
        let moved: Packed<Agreed> = ended
            .into_iter()
            .map(|clash| (clash.path, if side == Side::Mine { clash.theirs } else { clash.mine }))
            .collect();
        let mut overlay = Overlay::new(&*self.db);
        agree(&mut position, &moved, &mut overlay)?;
        cx.step("resolve.settle");
        self.settle(&position, &overlay, None, &[], &[])
    }
}
