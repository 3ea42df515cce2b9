//! The deployment directory, staging, the state directory, and the room that they have.

use std::path::Path;

use depsync_engine::apply::WorkArea;
use depsync_engine::error::{Error, ErrorKind};
use depsync_engine::revdb::{has_state, on_network_file_system};

use super::judge::space;
use super::{Check, Patient, disk};
use crate::settings::Settings;
use crate::units::counted;

const OWNER: &str = "run depsync as the user to whom it belongs, or give this user the right to write there";

/// Nothing can be found: the directory above the deployment's is missing, or the state is locked away.
pub(super) fn nowhere(settings: &Settings, error: &Error) -> Vec<Check> {
    let name = if error.kind() == ErrorKind::PermissionDenied { "state" } else { "directory" };
    let file = settings.file.as_ref().map_or_else(|| "the command line".to_owned(), |file| file.display().to_string());
    let mut checks = vec![Check::ok("configuration", file), Check::of(name, error, "check the path")];
    let others = ["hub", "clock", "watches", "nodes"];
    checks.extend(others.map(|name| Check::skipped(name, "it is not known where this node's things are")));
    checks
}

/// All of them.
pub(super) fn look(patient: &Patient<'_>) -> Vec<Check> {
    let mut checks = vec![directory(patient), staging(patient), state(patient)];
    let (dir, state) = (&patient.places.dir, &patient.places.state);
    for (name, place, copy) in [("directory-space", dir, patient.size), ("state-space", state, None)] {
        checks.push(match disk::room(place) {
            Some(room) => space(name, &disk::nearest(place).display().to_string(), room, copy),
            None => Check::skipped(name, "the system does not say what is left"),
        });
    }
    checks
}

/// `what` as people want to know it: where, on which file system, mounted how.
fn described(path: &Path) -> String {
    let kind = disk::kind(path).unwrap_or_else(|| "an unknown file system".to_owned());
    let point = if disk::is_mount_point(path) { ", a mount point" } else { "" };
    format!("{} on {kind}{point}", path.display())
}

fn directory(patient: &Patient<'_>) -> Check {
    const NAME: &str = "directory";
    let dir = &patient.places.dir;
    let applied = patient.findings.as_ref().and_then(|findings| findings.applied);
    let entries = patient.findings.as_ref().map_or(0, |findings| findings.entries);
    let mount = "mount what belongs there, or make the directory again and run `depsync verify --repair`";
    let found = match dir.metadata() {
        Ok(found) => found,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
            let shown = dir.display();
            return match (applied, patient.publishes()) {
                (Some(number), _) if entries > 0 => {
                    Check::failed(NAME, format!("{shown} is gone: revision {number} was applied there"), mount)
                }
                (_, Some(true)) => {
                    Check::failed(NAME, format!("{shown} does not exist"), "make it: a manager publishes it")
                }
                _ if disk::may_write(disk::nearest(dir)) => {
                    Check::ok(NAME, format!("{shown} does not exist yet: the first update makes it"))
                }
                _ => Check::failed(NAME, format!("{shown} does not exist, and this user may not make it"), OWNER),
            };
        }
        Err(source) => return Check::of(NAME, &Error::io("look at", dir.display(), source), "check the path"),
    };
    if !found.is_dir() {
        return Check::failed(
            NAME,
            format!("{} is not a directory", dir.display()),
            "name the directory that is deployed",
        );
    }
    let shown = described(dir);
    let publishes = patient.publishes() == Some(true);
    if !disk::may_write(dir) {
        let is_read_only = disk::is_read_only(dir);
        let why = if is_read_only { "mounted read-only" } else { "this user may not write there" };
        let advice = if is_read_only { "mount it writable: `mount -o remount,rw`" } else { OWNER };
        let found = format!("{shown}: {why}");
        // Who only publishes only reads.
        let reads = publishes && std::fs::read_dir(dir).is_ok();
        return if reads {
            Check::warning(NAME, format!("{found}: nothing can be applied here"), advice)
        } else {
            Check::failed(NAME, found, advice)
        };
    }
    let is_empty = std::fs::read_dir(dir).is_ok_and(|mut listing| listing.next().is_none());
    if is_empty && entries > 0 {
        return Check::failed(
            NAME,
            format!("{shown} is empty: there were {}", counted(entries as usize, "entry")),
            mount,
        );
    }
    let before = patient.findings.as_ref().and_then(|findings| findings.place);
    let moved = before.zip(disk::identity(dir)).is_some_and(|(before, now)| before.0 != now.0);
    if moved {
        return Check::warning(
            NAME,
            format!("{shown}: another file system than the last command found there"),
            "see whether the right one is mounted; everything is looked at once more if it is",
        );
    }
    Check::ok(NAME, shown)
}

/// Whether files can be renamed from where they are staged.
fn staging(patient: &Patient<'_>) -> Check {
    const NAME: &str = "staging";
    let dir = &patient.places.dir;
    let WorkArea::Beside(area) = &patient.places.work else {
        return Check::ok(NAME, "as hidden files in the directory itself");
    };
    let (shown, nearest) = (area.display(), disk::nearest(area));
    if !disk::may_write(nearest) {
        return Check::failed(NAME, format!("{shown}: this user may not write there"), OWNER);
    }
    let from = disk::mount(nearest);
    if from.is_none() || from == disk::mount(dir) {
        return Check::ok(NAME, format!("{shown}, on the directory's file system"));
    }
    let advice = "files arrive by rename: choose a `staging` directory on the directory's own mount, or leave it out";
    Check::failed(NAME, format!("{shown} is on another mount than {}", dir.display()), advice)
}

fn state(patient: &Patient<'_>) -> Check {
    const NAME: &str = "state";
    let state = &patient.places.state;
    let nearest = disk::nearest(state);
    let shown = described(state);
    if on_network_file_system(nearest).unwrap_or(false) {
        return Check::failed(
            NAME,
            format!("{shown}, which is a network file system"),
            "choose a local directory with --state",
        );
    }
    let database = state.join("state.db");
    let is_locked = !disk::may_write(nearest)
        || (database.exists() && rustix::fs::access(&database, rustix::fs::Access::WRITE_OK).is_err());
    if is_locked {
        let why = if disk::is_read_only(nearest) { "mounted read-only" } else { "this user may not write there" };
        return Check::failed(NAME, format!("{shown}: {why}"), OWNER);
    }
    if !has_state(state) {
        return Check::ok(NAME, format!("{shown}: nothing yet, the first command makes it"));
    }
    Check::ok(NAME, shown)
}
