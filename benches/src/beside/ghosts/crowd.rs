//! A hundred threads of one process that want something at once: the same, and each something else.

use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use depsync_engine::context::Context;
use depsync_engine::engine::{FetchOutcome, Node, Options, Role, StatePlace};
use depsync_engine::path::RelPath;

use super::Row;
use super::street::Street;

/// How many.
const ALL: u32 = 100;

pub(super) fn run(street: &Street, rows: &mut Vec<Row>) -> Result<()> {
    let node = open(street)?;
    let rounds: [(&str, &(dyn Fn(u32) -> String + Sync)); 3] = [
        ("100 at once: the same artifact", &|_| street.artifact(9, 1)),
        ("100 at once: 100 different ones", &|number| street.artifact(20 + number, 3)),
        ("100 at once: 100 archives", &|number| street.artifact(20 + number, 1)),
    ];
    for (what, name) in rounds {
        let start = Barrier::new(ALL as usize);
        let begun = Instant::now();
        let outcomes: Vec<FetchOutcome> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..ALL)
                .map(|number| {
                    let (node, start) = (&node, &start);
                    scope.spawn(move || {
                        let path = RelPath::try_from(name(number).as_str())?;
                        start.wait();
                        node.fetch(&Context::new(), &[path])
                    })
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, depsync_engine::error::Result<FetchOutcome>>| {
                thread.join().map_err(|_| anyhow::anyhow!("a thread has panicked"))?.context("a fetch")
            };
            threads.into_iter().map(join).collect::<Result<_>>()
        })?;
        let wall_s = begun.elapsed().as_secs_f64();
        for number in 0..ALL {
            street.same("lazy", &name(number))?;
        }
        let fetched: u64 = outcomes.iter().map(|outcome| outcome.bytes_fetched).sum();
        ensure!(outcomes.iter().all(|outcome| outcome.problems.is_empty()), "{outcomes:?}");
        let mut names: Vec<String> = (0..ALL).map(name).collect();
        names.sort_unstable();
        names.dedup();
        let on_disk = street.on_disk("lazy")?;
        rows.push(Row {
            what: what.to_owned(),
            who: "depsync, one process",
            files: names.len() as u64,
            fetched: Some(fetched),
            on_disk,
            measure: None,
            wall_s,
        });
    }
    Ok(())
}

fn open(street: &Street) -> Result<Node> {
    let hub = street.hub().display().to_string();
    let mut options =
        Options::new(street.dir("lazy"), hub.clone(), StatePlace::BesideOr(PathBuf::from("/nonexistent")));
    options.role = Some(Role::ReadOnly);
    options.lazy = vec!["*".to_owned()];
    let deployment = options.deployment.clone();
    let opened = Node::open(&Context::new(), options, |places, ledger| {
        let room = places.state.join("svn");
        Ok(depsync_transports::open(&hub, &Default::default(), deployment, Arc::clone(&ledger), &room)?.transport())
    });
    opened.context("opening the worker")
}
