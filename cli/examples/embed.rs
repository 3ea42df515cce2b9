//! A manager and a worker inside one program: `cargo run --example embed -- DIR HUB COPY`.
//!
//! What changes in DIR is published to HUB and applied to COPY, until the worker has applied two revisions.

#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use depsync_engine::context::{Cancel, Context};
use depsync_engine::daemon::{Daemon, Duties, Event};
use depsync_engine::engine::{Node, Options, Role, StatePlace};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_transports::channel::{ChannelSettings, HttpChannel};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, hub, copy] = &words[..] else {
        return Err(Error::new(ErrorKind::Usage, "usage: embed DIR HUB COPY"));
    };
    let (cancel, loopback) = (Cancel::default(), "127.0.0.1:0".parse().ok());
    let cx = Context::new().with_cancel(cancel.clone());

    let boss = open(&cx, Path::new(dir), hub, Role::ReadWrite)?;
    let mut say = |event: &Event| println!("manager: {event:?}");
    let mut manager = Daemon::new(&boss, Duties { commit: true, seed: true, ..Duties::default() }, &mut say)?;
    let serves = ChannelSettings { serve: loopback, ..ChannelSettings::default() };
    let channel = Arc::new(HttpChannel::start(&serves, &(manager.mailbox() as _))?);
    let listen = channel.serves().map(|place| format!("http://{place}")).into_iter().collect();
    manager = manager.with_channel(channel);

    let follower = open(&cx, Path::new(copy), hub, Role::ReadOnly)?;
    let mut applied = 0;
    let mut count = |event: &Event| {
        applied += u32::from(matches!(event, Event::Updated(outcome) if outcome.changed));
        println!("worker: {event:?}");
        if applied == 2 {
            cancel.cancel();
        }
    };
    let mut worker = Daemon::new(&follower, Duties::default(), &mut count)?;
    let _ear = HttpChannel::start(&ChannelSettings { listen, ..ChannelSettings::default() }, &(worker.mailbox() as _))?;

    std::thread::scope(|scope| {
        let manager = scope.spawn(|| manager.run(&cx));
        let followed = worker.run(&cx);
        manager.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(followed)
    })
}

/// A node that keeps `dir` in step with `hub`.
fn open(cx: &Context, dir: &Path, hub: &str, role: Role) -> Result<Node> {
    let state = StatePlace::BesideOr(PathBuf::from("/var/lib/depsync"));
    let options = Options { role: Some(role), ..Options::new(dir, hub, state) };
    let deployment = options.deployment.clone();
    Node::open(cx, options, |places, ledger| {
        let room = places.state.join("svn");
        Ok(depsync_transports::open(hub, &Default::default(), deployment, ledger, &room)?.transport())
    })
}
