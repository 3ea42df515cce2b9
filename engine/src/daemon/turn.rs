//! One turn: watch the directory if it is not watched, publish, update.

use std::time::Instant;

use super::{Daemon, Deed, Event};
use crate::context::Context;
use crate::engine::{Due, Founding, Heal, PublishOptions, PublishOutcome, Remark, Scope, UpdateOptions, UpdateOutcome};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Outcome;
use crate::watch::{Hint, Why};

/// What went wrong, and in doing what.
type Mishap = (Deed, Error);

/// What is left open after a command, told once and not in every period.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Open(Vec<String>);

impl Daemon<'_> {
    /// Does what is due. `scan`: everything is looked at. `ask`: the hub is. `told`: somebody said that it has something
    /// new.
    pub(super) fn turn(&mut self, cx: &Context, scan: bool, ask: bool, told: bool) -> Result<(), Mishap> {
        self.was_behind = false;
        let cx = &self.in_time(cx);
        self.open_eyes(cx, scan).map_err(|error| (Deed::Watch, error))?;
        let mut scan = scan;
        // Who has never met the hub gets to know it before it publishes. Where there is none yet, there is nothing to meet.
        if self.duties.commit
            && self.duties.checkout
            && !self.node.has_applied().map_err(|error| (Deed::Update, error))?
        {
            match self.follow(cx, scan, false, false) {
                Err(error) if error.kind() == ErrorKind::Unreachable => {}
                followed => followed.map_err(|error| (Deed::Update, error))?,
            }
        }
        let mut published = Ok(());
        if self.duties.commit && (scan || !self.lookout.unseen().is_empty()) {
            published = self.publish(cx, scan);
            scan &= published.is_err();
        }
        // What is refused here is no reason not to follow the others.
        let goes_on = published.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Refused);
        if self.duties.checkout && goes_on && (scan || ask) {
            let again = published.is_ok() && self.has_failed();
            self.follow(cx, scan, told, again).map_err(|error| (Deed::Update, error))?;
        }
        published.map_err(|error| (Deed::Publish, error))
    }

    /// The same context with the time that a turn has.
    pub(super) fn in_time(&self, cx: &Context) -> Context {
        match self.duties.timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            Some(deadline) => cx.clone().with_deadline(deadline),
            None => cx.clone(),
        }
    }

    /// Watches the directory, if it is not watched. Where there are not enough watches, it is tried now and then only.
    fn open_eyes(&mut self, cx: &Context, scan: bool) -> Result<()> {
        self.lookout.check(&self.node.places().dir);
        let Some(why) = self.lookout.blind() else {
            self.tell_of_watching(match self.lookout.unseen() {
                Hint::Everything(why @ Why::Lost) => Event::Scanning { why: why.to_string() },
                _ => Event::Watching { directories: self.lookout.directories() },
            });
            return Ok(());
        };
        if why == Why::NoWatches && !scan {
            return Ok(());
        }
        // One that is not there: the commands know what to say of it.
        if !self.node.places().dir.is_dir() {
            return Ok(());
        }
        let event = match self.node.watch(cx, &mut self.lookout) {
            Ok(()) => match self.lookout.blind() {
                None => Event::Watching { directories: self.lookout.directories() },
                Some(why) => Event::Scanning { why: why.to_string() },
            },
            Err(error) => {
                cx.check()?;
                Event::Scanning { why: error.to_string() }
            }
        };
        self.tell_of_watching(event);
        Ok(())
    }

    /// Tells how the directory is watched, if it is another way than was told last.
    fn tell_of_watching(&mut self, event: Event) {
        if !self.told.as_ref().is_some_and(|told| told.is_same_watching(&event)) {
            self.told_of(&event);
            self.told = Some(event);
        }
    }

    fn scope(&self, scan: bool) -> Scope {
        match self.lookout.unseen() {
            Hint::Paths(part) if !scan => Scope::Part(part.clone()),
            _ => Scope::Whole,
        }
    }

    fn publish(&mut self, cx: &Context, scan: bool) -> Result<()> {
        let scope = self.scope(scan);
        let founds = if self.duties.seed { Founding::Hub } else { Founding::Nothing };
        let options =
            PublishOptions { message: self.duties.message.clone(), scope, founds, ..PublishOptions::default() };
        let outcome = self.node.publish(cx, &options)?;
        // What is not settled is looked at again in the next period.
        let again = outcome.held.iter().chain(&outcome.problems).filter_map(|remark| remark.path.clone());
        self.lookout.seen(again);
        let open = Open::of_publish(&outcome);
        if outcome.changed || open != self.open {
            self.told_of(&Event::Published(Box::new(outcome)));
        }
        self.open = open;
        Ok(())
    }

    /// Whether the last thing that this node said of itself is that something failed: then it has to say something better.
    fn has_failed(&self) -> bool {
        let own = self.node.own_report().ok().flatten();
        own.is_some_and(|own| own.report.outcome == Outcome::Failed)
    }

    /// Updates, if the hub has something new, or there may be drift, or it has to be done `again`.
    fn follow(&mut self, cx: &Context, scan: bool, told: bool, again: bool) -> Result<()> {
        let drift = !self.duties.commit && (scan || !self.lookout.unseen().is_empty());
        // Who was told of something new need not ask whether there is something.
        let due = match (told, drift || again) {
            (true, _) => Due::Revision,
            (false, true) => Due::Rest,
            (false, false) => self.node.due(cx)?,
        };
        match due {
            Due::Nothing => return Ok(()),
            Due::Revision => self.speak_of_updating(cx),
            Due::Rest => {}
        }
        let left = self.rewritten.left();
        let heal = match self.duties.heal {
            false => Heal::Nothing,
            true if left.is_empty() => Heal::All,
            true => Heal::AllBut(left.clone()),
        };
        let options = UpdateOptions { scope: self.scope(scan), heal, ..UpdateOptions::default() };
        let outcome = self.node.update(cx, &options)?;
        self.was_behind = outcome.from != outcome.to;
        if !self.duties.commit {
            self.lookout.seen(outcome.problems.iter().filter_map(|problem| problem.path.clone()));
        }
        let given_up = if outcome.from == outcome.to {
            let healed = outcome.changes.iter().map(|change| change.path);
            self.rewritten.healed(Instant::now(), healed)
        } else {
            self.rewritten.begin_anew();
            Vec::new()
        };
        let open = Open::of_update(&outcome);
        if outcome.changed || outcome.from != outcome.to || open != self.open_here {
            self.told_of(&Event::Updated(Box::new(outcome)));
        }
        self.open_here = open;
        if !given_up.is_empty() {
            self.told_of(&Event::Rewritten { paths: given_up });
        }
        Ok(())
    }
}

impl Open {
    fn of_publish(outcome: &PublishOutcome) -> Self {
        let conflicts = outcome.conflicts.iter().map(|conflict| format!("{conflict:?}"));
        let remarks = outcome.held.iter().chain(&outcome.problems).map(Remark::to_string);
        Self(conflicts.chain(remarks).chain(outcome.warnings.iter().cloned()).collect())
    }

    fn of_update(outcome: &UpdateOutcome) -> Self {
        let conflicts = outcome.conflicts.iter().map(|conflict| format!("{conflict:?}"));
        let drift = outcome.drift.iter().map(ToString::to_string);
        let problems = outcome.problems.iter().map(Remark::to_string);
        let held = outcome.held.iter().map(ToString::to_string);
        Self(conflicts.chain(drift).chain(problems).chain(held).chain(outcome.warnings.iter().cloned()).collect())
    }
}
