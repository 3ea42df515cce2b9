//! Where requests for ghosts wait for each other: what many ask for at once is brought in one go, and each thing once.
//!
//! Whoever finds nobody at work takes all that has been asked for meanwhile and does it, for himself and the others; who
//! comes later waits for the next round. Laws:
//! - a request is in one round: what two ask for is fetched by one, and both are told;
//! - who gives up (a deadline, a cancelled call) gives up for himself: what others have asked of him goes to the next of
//!   them;
//! - a round that fails because of one request is made again for each alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::context::Context;
use crate::error::Result;
use crate::path::RelPath;

/// How often somebody who waits looks whether he still wants to.
const PAUSE: Duration = Duration::from_millis(20);

/// What has come of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Brought {
    /// Paths that were ghosts and are here now.
    pub(super) paths: Vec<RelPath>,
    /// What went wrong at single paths, and did not keep the others from coming.
    pub(super) problems: Vec<super::Remark>,
    /// Those whose place was taken: what stood there was kept aside.
    pub(super) kept_aside: Vec<RelPath>,
    /// What went wrong beside the main job.
    pub(super) warnings: Vec<String>,
    /// Bytes read from the hub in the whole round; told to one of those who were in it.
    pub(super) bytes: u64,
}

#[derive(Default)]
struct State {
    is_busy: bool,
    next: u64,
    waiting: BTreeMap<u64, Vec<RelPath>>,
    done: BTreeMap<u64, Result<Brought>>,
    /// Those who have given up while somebody was at work for them.
    gone: BTreeSet<u64>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

/// One request and what it names.
pub(super) type Asked = (u64, Vec<RelPath>);

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for `paths`; `round` brings what several have asked for.
    pub(super) fn ask(
        &self,
        cx: &Context,
        paths: Vec<RelPath>,
        round: &dyn Fn(&[RelPath]) -> Result<Brought>,
    ) -> Result<Brought> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, paths);
        loop {
            if let Some(done) = state.done.remove(&number) {
                return done;
            }
            if let Err(error) = cx.check() {
                if state.waiting.remove(&number).is_none() {
                    state.gone.insert(number);
                }
                return Err(error);
            }
            if state.is_busy || !state.waiting.contains_key(&number) {
                state = self.changed.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.is_busy = true;
            let asked: Vec<Asked> = std::mem::take(&mut state.waiting).into_iter().collect();
            drop(state);
            let at_work = AtWork { desk: self };
            let (done, back) = serve(cx, number, asked, round);
            drop(at_work);
            state = self.state();
            let mut gone = std::mem::take(&mut state.gone);
            state.waiting.extend(back.into_iter().filter(|(number, _)| !gone.remove(number)));
            state.done.extend(done.into_iter().filter(|(number, _)| !gone.remove(number)));
            self.changed.notify_all();
        }
    }
}

/// Nobody is at work any more when this is dropped, however it ended.
struct AtWork<'a> {
    desk: &'a Desk,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.desk.state().is_busy = false;
        self.desk.changed.notify_all();
    }
}

type Done = Vec<(u64, Result<Brought>)>;

/// Does what was asked. Gives what came of it, and what somebody else has to do.
fn serve(
    cx: &Context,
    own: u64,
    asked: Vec<Asked>,
    round: &dyn Fn(&[RelPath]) -> Result<Brought>,
) -> (Done, Vec<Asked>) {
    let mut paths: Vec<RelPath> = asked.iter().flat_map(|(_, paths)| paths.iter().cloned()).collect();
    paths.sort_unstable();
    paths.dedup();
    let failed = match round(&paths) {
        Ok(brought) => return (share(own, asked, &brought), Vec::new()),
        Err(error) => error,
    };
    if cx.check().is_err() || asked.len() == 1 {
        let others = asked.into_iter().filter(|(number, _)| *number != own).collect();
        return (vec![(own, Err(failed))], others);
    }
    let (mut done, mut back) = (Vec::new(), Vec::new());
    for (number, paths) in asked {
        if number != own && cx.check().is_err() {
            back.push((number, paths));
            continue;
        }
        let brought = round(&paths);
        done.push((number, brought));
    }
    (done, back)
}

/// Tells each what has come of his own.
fn share(own: u64, asked: Vec<Asked>, brought: &Brought) -> Done {
    let is_of = |path: &RelPath, paths: &[RelPath]| paths.iter().any(|asked| path.is_within(asked));
    let told = asked.into_iter().map(|(number, paths)| {
        let mine = Brought {
            paths: brought.paths.iter().filter(|path| is_of(path, &paths)).cloned().collect(),
            problems: brought
                .problems
                .iter()
                .filter(|problem| problem.path.as_ref().is_none_or(|path| is_of(path, &paths)))
                .cloned()
                .collect(),
            kept_aside: brought.kept_aside.iter().filter(|path| is_of(path, &paths)).cloned().collect(),
            warnings: if number == own { brought.warnings.clone() } else { Vec::new() },
            bytes: if number == own { brought.bytes } else { 0 },
        };
        (number, Ok(mine))
    });
    told.collect()
}
