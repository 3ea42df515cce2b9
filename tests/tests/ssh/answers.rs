//! The answer to the commit is lost behind the exclusive create: what stands there decides, and nothing is twice.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::transport::Published;
use depsync_tests::cli::Bench;
use depsync_tests::sshd::{Programs, Relay, Sshd};
use tempfile::TempDir;

use crate::{count, opened, place, small};

/// A server whose `ln` does what it is told, and then holds its answer back while there is a file `held` in `signs`.
struct Scene {
    hub: TempDir,
    signs: TempDir,
    relay: Relay,
    sshd: Sshd,
    _programs: Programs,
}

impl Scene {
    fn new() -> Self {
        let (hub, signs, programs) = (place(), place(), Programs::only(&[]));
        let at = signs.path().display();
        programs.script(
            "ln",
            &format!(
                "/bin/ln \"$@\"\nstatus=$?\ncase \"$*\" in *revisions*) : >'{at}/done'\n\
                 while [ -e '{at}/held' ]; do sleep 0.02; done;; esac\nexit $status"
            ),
        );
        let sshd = Sshd::with_path(&programs.path_before_others());
        let relay = Relay::to(sshd.port());
        Self { hub, signs, relay, sshd, _programs: programs }
    }

    fn sign(&self, name: &str) -> PathBuf {
        self.signs.path().join(name)
    }

    /// From now on answers are held back.
    fn hold(&self) {
        let _ = std::fs::remove_file(self.sign("done"));
        std::fs::write(self.sign("held"), "").expect("a sign");
    }

    /// Waits until the record has its name, and loses the answer.
    fn lose(&self, and_more: impl FnOnce(&Relay)) {
        let began = Instant::now();
        while !self.sign("done").exists() {
            assert!(began.elapsed() < Duration::from_secs(30), "no commit");
            std::thread::sleep(Duration::from_millis(2));
        }
        and_more(&self.relay);
        self.relay.cut();
        std::fs::remove_file(self.sign("held")).expect("a sign");
    }

    fn revisions(&self) -> usize {
        count(&self.hub.path().join("d/main/revisions"))
    }
}

#[test]
fn a_lost_answer_is_decided_by_what_stands_there() {
    let scene = Scene::new();
    let (mut manager, _) = opened(scene.sshd.storage_through(scene.hub.path(), scene.relay.port()));
    manager.must_publish(&small(b"1"));
    scene.hold();
    let published = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| manager.publish(&Context::new(), &small(b"2")));
        scene.lose(|_| ());
        publishing.join().expect("no panic").expect("it is found out")
    });
    let Published::Done { revision, .. } = published else { panic!("{published:?}") };
    assert_eq!((revision.number, scene.revisions()), (2, 2));
    assert_eq!(scene.sshd.accepted(), 2, "over a connection of its own");
    manager.must_publish(&small(b"3"));
    let (mut worker, _) = opened(scene.sshd.storage(scene.hub.path()));
    worker.update(&Context::new()).expect("updates");
    assert_eq!((worker.applied.map(|head| head.number), worker.files), (Some(3), manager.files));
}

#[test]
fn where_nobody_answers_any_more_the_next_publish_finds_its_own_revision() {
    let scene = Scene::new();
    let bench = Bench::in_memory();
    bench.write("depsync.toml", scene.sshd.config(scene.sshd.identity()));
    let far = scene.sshd.url(scene.hub.path(), scene.relay.port());
    let line = format!("publish manager {far} --state state");
    let publish = |bench: &Bench| bench.json(&line);
    bench.write("manager/a", "one");
    assert_eq!(publish(&bench).1, Some(0));
    bench.write("manager/a", "two");
    scene.hold();
    let (said, status) = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| publish(&bench));
        scene.lose(Relay::refuse);
        publishing.join().expect("no panic")
    });
    assert_eq!((said["error"]["kind"].as_str(), status), (Some("indeterminate"), Some(5)), "{said}");
    assert_eq!(scene.revisions(), 2, "it stands");
    scene.relay.go_on();
    let (said, status) = publish(&bench);
    assert_eq!((said["revision"].as_u64(), status), (Some(2), Some(0)), "{said}");
    assert_eq!(scene.revisions(), 2, "and is not published again");
    bench.write("manager/a", "three");
    let (said, status) = publish(&bench);
    assert_eq!((said["revision"].as_u64(), status, scene.revisions()), (Some(3), Some(0), 3), "{said}");
    assert_eq!(tree(&bench, &scene), "three");
}

/// What a worker on a mount of the hub gets.
fn tree(bench: &Bench, scene: &Scene) -> String {
    let (said, status) = bench.json(&format!("update worker {} --state other", scene.hub.path().display()));
    assert_eq!(status, Some(0), "{said}");
    std::fs::read_to_string(bench.path("worker/a")).expect("a file")
}
