//! `demo`: the main job, told step by step in a temporary directory.
//!
//! A manager and two workers share a directory hub. Every command of the story is the real program, run as somebody
//! would type it; after every step the trees are compared by a walk of the demo's own ([`snapshot`]), which asks
//! neither the engine nor its records. One update runs inside this process, so that its durable steps can be counted:
//! the same update of the other worker is then killed in the middle.

mod sample;
mod snapshot;
mod stage;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use depsync_engine::context::{Context, Observer};
use depsync_engine::engine::{Options, Role, StatePlace, UpdateOptions};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_transports::Access;
use serde::Serialize;

use crate::args::Demo;
use crate::exit::Exit;
use crate::output::Answer;
use crate::session::{Open, Session};
use crate::text::{GOOD, styled};
use crate::units::counted;

use snapshot::Snapshot;
use stage::Stage;

#[derive(Serialize)]
struct Facts {
    entries: usize,
    durable_steps: usize,
    killed_at_step: usize,
    identical: bool,
    kept: Option<String>,
}

/// Runs the story.
pub(crate) fn run(session: &Session<'_>, args: &Demo) -> Result<Answer> {
    let aloud = !session.global.json && !session.global.quiet;
    let stage = Stage::build(session.cancel.clone(), aloud)?;
    let facts = tell(session, args, &stage)?;
    let end = match stage.close(args.keep)? {
        Some(place) => (format!("Everything is left in {place}\n"), Some(place)),
        None => ("The temporary directory is removed.\n".to_owned(), None),
    };
    let facts = Facts { kept: end.1, ..facts };
    let text = format!("\n{} All trees were identical after every step. {}", styled(GOOD, "Done."), end.0);
    Ok(Answer::fact(&facts, text, Exit::Done))
}

fn tell(session: &Session<'_>, args: &Demo, stage: &Stage) -> Result<Facts> {
    let [manager, worker_1, worker_2] = ["manager", "worker-1", "worker-2"].map(|name| stage.path(name));

    stage.say("A manager with a deployment directory, two workers without one, and a directory as the hub");
    match &args.source {
        Some(source) => {
            let left_out = sample::copy(&session.environment.cwd.join(source), &manager)?;
            if left_out > 0 {
                stage.note(&format!("{} left out of the copy: ignored by default", counted(left_out, "path")));
            }
        }
        None => sample::make(&manager)?,
    }
    let first = Snapshot::of(&manager)?;
    stage.note(&format!("{} in the directory", counted(first.len(), "path")));

    stage.say("The manager publishes; both workers update");
    stage.run(&["publish", "manager", "hub", "--node", "manager", "--no-hold", "-m", "release 1"])?;
    stage.run(&["update", "worker-1", "hub", "--node", "worker-1"])?;
    stage.run(&["update", "worker-2", "hub", "--node", "worker-2"])?;
    stage.check("worker-1 is the manager's directory", &first, &worker_1)?;
    stage.check("worker-2 is the manager's directory", &first, &worker_2)?;

    stage.say("Something changes on the manager: files edited, added and removed, a mode changed");
    sample::change(&manager)?;
    let second = Snapshot::of(&manager)?;
    stage.run(&["publish", "manager", "hub", "--node", "manager", "--no-hold", "-m", "release 2"])?;

    stage.say("worker-2 updates, and its durable steps are counted");
    let steps = watched_update(session, stage, &worker_2)?;
    stage.note(&format!("{} durable steps", steps.len()));
    stage.check("worker-2 is the manager's directory", &second, &worker_2)?;

    let at = kill_point(&steps);
    let chapter = format!("The same update of worker-1 is killed (SIGKILL) before step {at} of {}", steps.len());
    stage.say(&format!("{chapter}, {}", steps[at - 1]));
    stage.run_killed(&["update", "worker-1", "hub", "--node", "worker-1", "--die-at-step", &at.to_string()])?;
    let torn = Snapshot::of(&worker_1)?;
    let (old, new) = torn.old_and_new(&first, &second)?;
    stage.note(&format!(
        "of the changed paths {old} are still as before and {new} already as after; none is anything between"
    ));
    stage.run(&["status", "manager", "hub", "--node", "manager"])?;

    stage.say("The next update finishes it");
    stage.run(&["update", "worker-1", "hub", "--node", "worker-1"])?;
    stage.check("worker-1 is the manager's directory", &second, &worker_1)?;

    stage.say("Release 2 was a mistake: the manager rolls back, and the whole cluster follows");
    stage.run(&["rollback", "1", "--dir", "manager", "--hub", "hub", "--node", "manager"])?;
    for name in ["manager", "worker-1", "worker-2"] {
        stage.run(&["update", name, "hub", "--node", name])?;
    }
    for (name, place) in [("the manager", &manager), ("worker-1", &worker_1), ("worker-2", &worker_2)] {
        stage.check(&format!("{name} is the directory of release 1"), &first, place)?;
    }

    stage.say("Who has what");
    stage.run(&["status", "manager", "hub", "--node", "manager"])?;
    stage.run(&["log", "--dir", "manager", "--hub", "hub", "--node", "manager"])?;
    Ok(Facts { entries: first.len(), durable_steps: steps.len(), killed_at_step: at, identical: true, kept: None })
}

/// Watches an update from the inside.
#[derive(Default)]
struct Steps(Mutex<Vec<&'static str>>);

impl Observer for Steps {
    fn step(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }
}

/// The number, from 1, of the step in the middle of the renames: some paths are new by then and some still old.
fn kill_point(steps: &[&str]) -> usize {
    let renames: Vec<usize> = (0..steps.len()).filter(|&at| steps[at].starts_with("apply.")).collect();
    renames.get(renames.len() / 2).map_or(steps.len(), |at| at + 1)
}

/// Updates worker-2 in this process and answers the names of its durable steps.
fn watched_update(session: &Session<'_>, stage: &Stage, dir: &Path) -> Result<Vec<&'static str>> {
    let hub = stage.path("hub").to_string_lossy().into_owned();
    let mut options = Options::new(dir, hub, StatePlace::BesideOr(session.environment.state_home()));
    options.node = Some("worker-2".parse()?);
    options.role = Some(Role::ReadOnly);
    options.author = session.environment.author();
    let watch = Arc::new(Steps::default());
    let cx = Context::new().with_cancel(session.cancel.clone()).with_observer(Arc::clone(&watch) as _);
    let open = Open::new(cx, options, &Access::default())?;
    let outcome = open.node.update(&open.cx, &UpdateOptions::default())?;
    let steps = watch.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !outcome.changed || steps.is_empty() {
        return Err(Error::new(ErrorKind::Internal, "the update of worker-2 changed nothing"));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kill_is_among_the_renames() {
        assert_eq!(kill_point(&["stage.begin", "apply.rename-over", "apply.place-new", "apply.remove", "settle"]), 3);
        assert_eq!(kill_point(&["stage.begin", "settle"]), 2);
    }
}
