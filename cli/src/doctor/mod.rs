//! `doctor`: looks for whatever could keep this node from working, and says what to do.
//!
//! Laws:
//! - nothing is changed: no state, directory or hub is made, no lock is taken, and the state is read from a copy. What
//!   leaves a trace for a moment is what every command does when it opens a hub (a trial write), and a file without a name
//!   in the directory's file system;
//! - it goes on after a check that failed; what cannot be looked at because of that is said to be skipped;
//! - looking and judging are apart: `judge` makes verdicts of numbers, the others find the numbers.
//!
//! | file | looks at |
//! |---|---|
//! | `places` | the deployment directory, staging, the state directory |
//! | `disk` | what the system says of a file system |
//! | `database` | the revision database, and what it tells of this node |
//! | `hub` | the programs for it, the hub, its newest revision, what it lets us do |
//! | `clocks` | this node's, the hub's, and the times of files |
//! | `limits` | watches, open files |
//! | `channel` | secrets, certificates, servers |
//! | `hooks` | the programs that are run around updates |
//! | `processes` | who works with this state at the moment |
//! | `company` | the daemon, the other nodes |

mod channel;
mod check;
mod clocks;
mod company;
mod database;
mod disk;
mod hooks;
mod hub;
mod judge;
mod limits;
mod places;
mod processes;

use depsync_engine::apply::Places;
use depsync_engine::context::Context;
use depsync_engine::engine::{Findings, Node, Role, Standing};
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::name::Revision;
use depsync_transports::Hub;
use jiff::Timestamp;

use crate::args::Operands;
use crate::session::{Session, has_own_hub};
use crate::settings::Settings;
pub(crate) use check::{Check, Verdict, worst};
use processes::Process;

/// What all checks may need to know.
struct Patient<'a> {
    settings: &'a Settings,
    cx: Context,
    /// Where its things lie.
    places: Places,
    /// Who works with its state.
    processes: Vec<Process>,
    /// What it knows of itself; none without a state that can be read.
    findings: Option<Findings>,
    /// The node, with a copy of its state, and its hub; none if not even that can be had.
    node: Option<(Node, Hub)>,
    /// What it holds.
    size: Option<judge::Size>,
    /// The newest revision, if the hub told, and when it was published.
    head: Option<(Revision, Timestamp)>,
    /// The nodes that have reported.
    nodes: Vec<Standing>,
    /// Whether the hub answered.
    hub_answers: bool,
}

impl Patient<'_> {
    /// Whether it publishes; none where nobody has decided yet.
    fn publishes(&self) -> Option<bool> {
        let decided = self.settings.options.role.map(|role| role == Role::ReadWrite);
        decided.or_else(|| self.node.as_ref().and_then(|(node, _)| node.identity().writes))
    }

    /// Whether it has a hub: one that was named, or one of its own.
    fn has_hub(&self) -> bool {
        self.settings.hub_named || has_own_hub(&self.places)
    }
}

/// Looks at everything.
///
/// # Errors
/// Where there is nothing to look at: no directory was named, or the configuration does not read.
pub(crate) fn examine(session: &Session<'_>, operands: &Operands) -> Result<Vec<Check>> {
    let settings = session.settings(operands)?;
    let cx = session.context(&settings)?;
    let places = match Places::look(&settings.options.dir, settings.options.wishes()) {
        Ok(places) => places,
        Err(error) => return Ok(places::nowhere(&settings, &error)),
    };
    if !settings.hub_named && settings.nodes.is_none() && !has_own_hub(&places) {
        return Err(settings.unnamed_hub());
    }
    let processes = processes::working_with(&places.state);
    let (databases, findings, node) = database::look(&settings, &places);
    let size = size(findings.as_ref(), &places);
    // What was heard of others lately, in case that the hub does not answer.
    let nodes = node.as_ref().and_then(|(node, _)| node.roster(&cx, None).ok()).unwrap_or_default();
    let (head, hub_answers) = (None, false);
    let mut patient =
        Patient { settings: &settings, cx, places, processes, findings, node, size, head, nodes, hub_answers };
    let mut checks = vec![configuration(&patient)];
    checks.extend(places::look(&patient));
    checks.extend(databases);
    checks.extend(hub::look(&mut patient));
    for look in [clocks::look, limits::look, channel::look, hooks::look, company::look] {
        checks.extend(look(&patient));
    }
    // A time that is over is no reason to keep back what was found.
    match patient.cx.check() {
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        _ => Ok(checks),
    }
}

/// What the deployment holds: as was agreed on with the hub, or, before that, as the disk has it.
fn size(findings: Option<&Findings>, places: &Places) -> Option<judge::Size> {
    match findings.filter(|findings| findings.applied.is_some()) {
        Some(&Findings { bytes, entries, directories, .. }) => Some(judge::Size { bytes, entries, directories }),
        None => disk::size(&places.dir),
    }
}

/// What this node was told to be.
fn configuration(patient: &Patient<'_>) -> Check {
    let options = &patient.settings.options;
    let file = match &patient.settings.file {
        Some(file) => file.display().to_string(),
        None => format!("no {}, the command line alone", crate::config::NAME),
    };
    let role = match patient.publishes() {
        Some(true) => "a manager",
        Some(false) => "a worker",
        None => "a node without a role yet",
    };
    let known = patient.findings.as_ref().and(patient.node.as_ref()).map(|(node, _)| node.identity().node);
    let id = match options.node.clone().or(known) {
        Some(id) => id.to_string(),
        None => "with an id of its own when it begins".to_owned(),
    };
    let hub = match (&patient.node, patient.has_hub()) {
        (Some((_, hub)), true) => hub.transport().endpoint().to_string(),
        _ => "none".to_owned(),
    };
    let dir = patient.places.dir.display();
    Check::ok("configuration", format!("{file}: {role}, {id}, deployment {}, {dir}, hub {hub}", options.deployment))
}
