//! Two managers on two clients publish at once: nothing is lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Barrier};

use depsync_engine::context::Context;
use depsync_engine::engine::{PublishOutcome, Side};
use depsync_engine::error::ErrorKind;
use depsync_engine::path::RelPath;
use depsync_engine::transport::{Look, MemoryLedger, OpenMode, Transport};
use depsync_tests::nfs::Scene;
use depsync_tests::snapshot::{check_same, snapshot};
use depsync_tests::uml::say;
use depsync_transports::{HubTransport, MountStorage};

use crate::member::Member;

/// Revisions of both together; `DEPSYNC_TESTS_REVISIONS=200` for more.
const REVISIONS: usize = 40;
/// Each round so many edits the path that both edit.
const SHARED_EVERY: usize = 4;
const SHARED: &str = "shared.conf";

fn revisions() -> usize {
    std::env::var("DEPSYNC_TESTS_REVISIONS").map_or(REVISIONS, |text| text.parse().expect("a number of revisions"))
}

/// What one manager saw.
#[derive(Default)]
struct Deeds {
    published: Vec<(u64, String)>,
    conflicts: usize,
    again: usize,
}

fn publish(member: &Member, message: &str, deeds: &mut Deeds) -> PublishOutcome {
    loop {
        match member.publish(message) {
            Ok(done) => {
                if done.changed {
                    deeds.published.push((done.revision.expect("a revision"), message.to_owned()));
                }
                return done;
            }
            Err(error) if error.kind() == ErrorKind::Locked => deeds.again += 1,
            Err(error) => panic!("{message}: {error:?}"),
        }
    }
}

fn work(member: &Member, rounds: usize, start: &Barrier) -> Deeds {
    let mut deeds = Deeds::default();
    for round in 0..rounds {
        let message = format!("{} {round}", member.name);
        member.write(&format!("{}/{round}", member.name), &message);
        member.write(&format!("mixed/{round}-{}", member.name), &message);
        if round % SHARED_EVERY == 0 {
            member.write(SHARED, &message);
            start.wait();
        }
        let done = publish(member, &message, &mut deeds);
        assert!(done.changed && done.problems.is_empty(), "{message}: {done:?}");
        if !done.conflicts.is_empty() {
            assert!(done.conflicts.iter().all(|clash| clash.path.as_bytes() == SHARED.as_bytes()), "{done:?}");
            deeds.conflicts += 1;
            let shared = RelPath::try_from(SHARED).expect("a path");
            member.open().and_then(|node| node.resolve(&Context::new(), &shared, Side::Theirs)).expect("resolves");
        }
        if round % SHARED_EVERY == SHARED_EVERY - 1 {
            member.update().expect("updates");
        }
    }
    deeds
}

/// Every publish that was told it went through is in the history, in one chain; everybody has the same in the end.
pub(crate) fn two_publish_at_once(scene: &Scene, top: &Path) {
    let hubs = scene.clients.each_ref().map(|client| client.path().join("managers"));
    std::fs::create_dir(&hubs[0]).expect("mkdir");
    let managers = [("left", &hubs[0]), ("right", &hubs[1])].map(|(name, hub)| Member::new(top, name, hub));
    managers[0].write("first", "first");
    managers[0].write(SHARED, "first");
    managers[0].publish("first").expect("publishes");
    managers[1].update().expect("updates");
    let (rounds, start) = (revisions() / 2, Arc::new(Barrier::new(2)));
    let deeds = std::thread::scope(|scope| {
        let start = &start;
        let both = managers.each_ref().map(|member| scope.spawn(move || work(member, rounds, start)));
        both.map(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let published: usize = deeds.iter().map(|one| one.published.len()).sum();
    let (conflicts, again) = deeds.iter().fold((0, 0), |sum, one| (sum.0 + one.conflicts, sum.1 + one.again));
    say(&format!("{published} revisions, {conflicts} conflicts, {again} times asked to try again"));
    assert_eq!(published, 2 * rounds);
    assert!(conflicts > 0, "the two never met");

    for hub in &hubs {
        // Each record is verified, and follows the one before it by hash.
        let storage = MountStorage::new(hub, true).expect("a live mount");
        let ledger = Arc::new(MemoryLedger::default());
        let transport = HubTransport::new(storage, "main".parse().expect("name"), ledger);
        transport.open(&Context::new(), OpenMode::Existing).expect("the hub");
        let head = transport.head(&Context::new(), Look::Glance).expect("a look").expect("a head");
        assert_eq!(head.number, published as u64 + 1);
        let records = transport.envelopes(&Context::new(), 1, head.number).expect("the records");
        assert_eq!(records.last().expect("some").revision(), head);
        for (number, message) in deeds.iter().flat_map(|one| &one.published) {
            assert_eq!(&records[*number as usize - 1].payload().message, message, "revision {number}");
        }
        let told: BTreeSet<u64> = deeds.iter().flat_map(|one| &one.published).map(|(number, _)| *number).collect();
        assert_eq!(told.len(), published, "each was told a number of its own");
    }

    for member in &managers {
        assert!(member.update().expect("updates").conflicts.is_empty());
    }
    let whole = snapshot(&managers[0].dir);
    check_same(&snapshot(&managers[1].dir), &whole, "the other manager");
    for (member, round) in managers.iter().flat_map(|member| (0..rounds).map(move |round| (member, round))) {
        let message = format!("{} {round}", member.name);
        assert_eq!(member.read(&format!("{}/{round}", member.name)), message);
        assert_eq!(member.read(&format!("mixed/{round}-{}", member.name)), message);
    }
    for (number, hub) in hubs.iter().enumerate() {
        let worker = Member::new(top, &format!("worker-{number}"), hub);
        worker.update().expect("updates");
        check_same(&snapshot(&worker.dir), &whole, &worker.name);
        assert!(worker.open().and_then(|node| node.verify(&Context::new(), false)).expect("verifies").matches);
    }
}
