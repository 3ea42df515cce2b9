//! How many requests to the server calls on a hub are, and whether that foretells what a revision takes: what the harness
//! reckons with where there is no mount ([`depsync_tests::nfs::requests`]).

use std::path::Path;
use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::engine::{Node, Options, PublishOptions, StatePlace, UpdateOptions};
use depsync_engine::path::RelPath;
use depsync_tests::nfs::requests::{self, Counted, LEEWAY};
use depsync_tests::nfs::{Client, Scene};
use depsync_tests::uml::say;
use depsync_transports::batch::{Call, Line};
use depsync_transports::storage::{Staged, Storage};
use depsync_transports::{Access, MountStorage, Tally};

use crate::member::Member;

/// How often each call is made.
const TIMES: u32 = 8;
/// A round trip that is added, in milliseconds.
const RTT: u32 = 20;

fn name(text: &str) -> RelPath {
    RelPath::try_from(text).expect("a name")
}

/// Each call, made some times, by a client whose files another one keeps replacing.
pub(crate) fn what_calls_cost(scene: &Scene) {
    let [here, there] = scene.clients.each_ref().map(|client| client.path().join("calls"));
    std::fs::create_dir(&here).expect("mkdir");
    let cx = Context::new();
    let storage = MountStorage::new(here, true).expect("a storage");
    let other = MountStorage::new(there, true).expect("a storage");
    let read = name("d/main/HEAD");
    other.replace(&cx, &read, b"0").expect("replaces");
    let count = |what: &'static str, before: &dyn Fn(u32), call: &dyn Fn(u32)| {
        let mut sum = Counted::default();
        for number in 0..TIMES {
            before(number);
            let begun = Counted::of(scene.clients[0].path());
            call(number);
            let more = Counted::of(scene.clients[0].path()).since(&begun);
            more.requests.iter().for_each(|(name, count)| *sum.requests.entry(name.clone()).or_default() += count);
            sum.bytes += more.bytes;
        }
        let each: Vec<String> = sum
            .requests
            .iter()
            .map(|(name, count)| format!("{name} {:.1}", f64::from(*count as u32) / f64::from(TIMES)))
            .collect();
        let total = sum.total() as f64 / f64::from(TIMES);
        let bytes = sum.bytes as f64 / sum.total().max(1) as f64;
        say(&format!("{what:<10} {total:>5.1} requests of {bytes:.0} bytes: {}", each.join(", ")));
    };
    let nothing: &dyn Fn(u32) = &|_| {};
    let replaced: &dyn Fn(u32) =
        &|number| other.replace(&cx, &read, format!("revision {number}").as_bytes()).expect("replaces");
    count("get", replaced, &|_| drop(storage.get(&cx, &read, 99).expect("reads")));
    count("find", replaced, &|_| drop(storage.find(&cx, &read, 99).expect("reads")));
    let pack = |number: u32| name(&format!("packs/{:02x}/{number:064x}", number % 3));
    let written: &dyn Fn(u32) = &|number| {
        other.put_if_absent(&cx, &pack(number), &[7; 3000]).and_then(|_| other.flush(&cx)).expect("puts");
    };
    count("range", written, &|number| drop(storage.get_range(&cx, &pack(number), 100, 2000).expect("reads")));
    count("put", nothing, &|number| {
        storage.put_if_absent(&cx, &pack(1000 + number), &[7; 3000]).expect("puts");
    });
    count(
        "flush",
        &|number| {
            storage.put_if_absent(&cx, &pack(2000 + number), &[7; 3000]).expect("puts");
        },
        &|_| {
            storage.flush(&cx).expect("flushes");
        },
    );
    let staged = Staged::new().expect("a name");
    count("stage", nothing, &|_| storage.stage(&cx, &staged, &[7; 900]).expect("stages"));
    count("commit", &|_| storage.stage(&cx, &staged, &[7; 900]).expect("stages"), &|number| {
        storage.commit(&cx, &staged, &name(&format!("d/main/revisions/{number:012}"))).expect("commits");
    });
    count("replace", replaced, &|number| storage.replace(&cx, &read, &[b'0' + number as u8]).expect("replaces"));
    let lines: &dyn Fn(u32, &MountStorage) = &|number, storage| {
        let line = Line { key: "main".to_owned(), value: number.to_string(), limit: 1000 };
        storage.perform(&cx, &[Call::SetLine(name("HEADS"), &line)], &mut Vec::new()).expect("sets");
    };
    count("set-line", &|number| lines(number, &other), &|number| lines(100 + number, &storage));
    count("list", nothing, &|_| drop(storage.list(&cx, Some(&name("packs")), 99).expect("lists")));
    count("modified", replaced, &|_| {
        storage.modified(&cx, &read).expect("looks");
    });
    count("remove", nothing, &|number| storage.remove(&cx, &pack(1000 + number)).expect("removes"));
    count("probe", nothing, &|_| drop(storage.probe(&cx).expect("probes")));
}

/// A node that stays, over a hub whose calls are counted.
fn open(member: &Member) -> (Node, Tally) {
    let mut options = Options::new(&member.dir, &member.hub, StatePlace::At(member.state.clone()));
    options.node = Some(member.name.parse().expect("a node id"));
    options.author = "tester".to_owned();
    let mut tally = None;
    let node = Node::open(&Context::new(), options.clone(), |places, ledger| {
        let room = places.state.join("svn");
        let hub = depsync_transports::open(&member.hub, &Access::default(), options.deployment.clone(), ledger, &room)?;
        tally = Some(hub.tally());
        Ok(hub.transport())
    });
    (node.expect("opens"), tally.expect("it has asked for its hub"))
}

/// What some work took: requests that the kernel counted, those that the calls foretell, and the time.
fn took(client: &Client, tally: &Tally, work: impl FnOnce()) -> (f64, f64, Duration) {
    let (before, asked) = (Counted::of(client.path()), tally.now());
    let begun = Instant::now();
    work();
    let time = begun.elapsed();
    let counted = Counted::of(client.path()).since(&before);
    let calls = tally.now();
    let more = calls.iter().map(|(call, count)| (*call, (count - asked.get(call).copied().unwrap_or(0)) as f64));
    let foretold = requests::of(more.clone());
    let calls: Vec<String> =
        more.filter(|(_, count)| *count > 0.0).map(|(call, count)| format!("{call} {count}")).collect();
    say(&format!("calls: {}; requests: {:?}", calls.join(", "), counted.requests));
    (counted.total() as f64, foretold, time)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A manager on one client and a worker on the other, both daemons that stay: a file of 2 KiB, again and again, without
/// and with a long way to the server.
pub(crate) fn what_a_revision_costs(scene: &Scene, top: &Path) {
    let [here, there] = scene.clients.each_ref().map(|client| client.path().join("costs"));
    std::fs::create_dir(&here).expect("mkdir");
    let (manager, worker) = (Member::new(top, "costs-m", &here), Member::new(top, "costs-w", &there));
    let edit = |number: u32| manager.write("conf/file.xml", &format!("{number:0>2000}"));
    edit(0);
    let cx = Context::new();
    let ((publisher, up), (follower, down)) = (open(&manager), open(&worker));
    let publish = || drop(publisher.publish(&cx, &PublishOptions::default()).expect("publishes"));
    let update = || assert!(follower.update(&cx, &UpdateOptions::default()).expect("updates").changed);
    publish();
    update();
    let mut number = 0;
    let mut rounds = |delay: u32| {
        scene.cables.iter().for_each(|cable| cable.delay(delay));
        let (mut published, mut updated) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            number += 1;
            edit(number);
            published.push(took(&scene.clients[0], &up, publish));
            updated.push(took(&scene.clients[1], &down, update));
        }
        [published, updated]
    };
    let (near, far) = (rounds(0), rounds(RTT));
    scene.cables.iter().for_each(|cable| cable.delay(0));
    for (what, (near, far)) in ["publish", "update"].into_iter().zip(near.into_iter().zip(far)) {
        let of = |rounds: &[(f64, f64, Duration)], which: fn(&(f64, f64, Duration)) -> f64| {
            median(rounds.iter().map(which).collect())
        };
        let (counted, foretold) = (of(&far, |round| round.0), of(&far, |round| round.1));
        let times = [&near, &far].map(|rounds| of(rounds, |round| round.2.as_secs_f64()));
        let trips = (times[1] - times[0]) / (f64::from(RTT) / 1000.0);
        say(&format!(
            "{what}: {counted} requests, {foretold} foretold; {:.0} ms, {:.0} ms over {RTT} ms: {trips:.1} round trips",
            times[0] * 1000.0,
            times[1] * 1000.0
        ));
        assert!((foretold / counted - 1.0).abs() < LEEWAY, "{what}: {foretold} requests foretold, {counted} counted");
    }
}
