use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use depsync_engine::channel::{Channel as _, Listener, Mailbox, Report};
use depsync_engine::watch::Lookout;
use depsync_tests::cli::program;
use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::write_tree;
use depsync_tests::sshd::free_port;
use depsync_tests::svn::{READER, Repository, Svnserve, WRITER};
use depsync_transports::channel::{ChannelSettings, HttpChannel};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::heard::token;
use super::{hub, wait_for_equality};

/// What the program answers to a command about the directory of `node`, and how it ends.
fn ask(site: &Site, hub: &str, node: &str, words: &[&str]) -> (Value, Option<i32>) {
    let mut command = Command::new(program());
    command.args(["--json", "--node", node, "--hub", hub, "--dir"]).arg(site.dir(node)).args(words);
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(site.path());
    command.env("DEPSYNC_SVN_USERNAME", READER.name).env("DEPSYNC_SVN_PASSWORD", READER.password);
    let output = command.output().expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answer = serde_json::from_str(&text);
    (answer.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))), output.status.code())
}

/// How the manager has it that `node` stands.
fn state(site: &Site, hub: &str, node: &str) -> Value {
    let nodes = ask(site, hub, "m", &["status"]).0["nodes"].take();
    let found = nodes.as_array().and_then(|nodes| nodes.iter().find(|one| one["node"] == node));
    found.cloned().unwrap_or_default()
}

fn wait_for_state(site: &Site, hub: &str, node: &str, wanted: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let found = state(site, hub, node);
        if found["state"] == wanted {
            return found;
        }
        assert!(Instant::now() < until, "{node} never was {wanted}: {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
}

/// A repository has no place for reports: all that is known came over the channel.
#[test]
fn a_manager_hears_over_the_channel_who_runs_what() {
    let site = Site::new();
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let hub = format!("{}/shop", server.url());
    let (token, port) = (token(&site), free_port());
    let (serve, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let post = |name: &str, args: &[&str]| {
        let account = if name == "m" { WRITER } else { READER };
        let args = [args, &["--period", "1h", "--heartbeat", "500ms", "--token-file", &token]].concat();
        Post::new(&site.dir(name), &hub, &args)
            .variable("DEPSYNC_SVN_USERNAME", account.name)
            .variable("DEPSYNC_SVN_PASSWORD", account.password)
    };
    let dirs = ["m", "w1", "w2"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one")]);
    let boss = post("m", &["--role", "manager", "--serve", &serve]);
    let mut daemon = boss.start();
    daemon.wait_for_event("published");
    let workers = ["w1", "w2"].map(|name| post(name, &["--listen", &url]).start());
    wait_for_equality(&dirs);

    let (waited, code) = ask(&site, &hub, "m", &["wait", "--nodes", "m,w1,w2", "--timeout", "60"]);
    assert_eq!(
        (code, &waited["done"], &waited["have"]),
        (Some(0), &json!(true), &json!(["m", "w1", "w2"])),
        "{waited}"
    );
    let current = wait_for_state(&site, &hub, "w1", "current");
    assert_eq!((&current["lag"], &current["measured"]), (&json!(0), &current["root"]));
    assert!(
        current["duration_ms"].is_u64() && current["bytes"].is_u64() && current["version"].is_string(),
        "{current}"
    );
    let head = waited["revision"].as_u64().expect("a number");

    // Nobody has the next one, and who is asked for it is named.
    let next = (head + 1).to_string();
    let words = ["wait", "--revision", &next, "--nodes", "w2,w9", "--timeout", "1"];
    let (waited, code) = ask(&site, &hub, "m", &words);
    assert_eq!((code, &waited["done"], &waited["unheard"]), (Some(5), &json!(false), &json!(["w9"])), "{waited}");
    assert_eq!(waited["waiting"][0]["node"], "w2");

    // One that is stopped is behind, and silent after some time; and comes back.
    workers[1].signal(Signal::STOP);
    write_tree(&dirs[0], &[("a", "two")]);
    wait_for_equality(&dirs[..2]);
    let silent = wait_for_state(&site, &hub, "w2", "silent");
    assert_eq!(silent["lag"], 1, "{silent}");
    assert!(silent["lag_s"].is_u64(), "{silent}");
    workers[1].signal(Signal::CONT);
    wait_for_state(&site, &hub, "w2", "current");

    // A manager that has lost all that it knew asks, and everybody answers.
    daemon.stop();
    fs::remove_dir_all(site.path().join(".m.depsync")).expect("the state");
    let mut daemon = boss.start();
    daemon.wait_for_event("ready");
    let (waited, code) = ask(&site, &hub, "m", &["wait", "--nodes", "w1,w2", "--timeout", "60"]);
    assert_eq!(code, Some(0), "{waited}");
    wait_for_state(&site, &hub, "w1", "current");

    let (history, _) = ask(&site, &hub, "m", &["status", "--history", "w1"]);
    assert!(history["reports"].as_array().is_some_and(|rows| !rows.is_empty()), "{history}");
    assert_eq!(ask(&site, &hub, "m", &["status", "--history", "w9"]).1, Some(2));
    for worker in workers {
        worker.stop();
    }
    daemon.stop();
}

/// Without a channel it is told through the hub.
#[test]
fn what_goes_wrong_is_reported_and_what_is_right_again_too() {
    let site = Site::new();
    let hub = hub(&site);
    write_tree(&site.dir("m"), &[("a", "one"), ("b", "b")]);
    site.publish("m").expect("publishes");
    let worker = Post::new(&site.dir("w"), &hub, &["--period", "300ms", "--heal", "report"]);
    let mut daemon = worker.start();
    daemon.wait_for_event("updated");
    let current = wait_for_state(&site, &hub, "w", "current");
    // It has promised to speak again: who is silent for longer can be told from who has nothing to say.
    assert_eq!(current["beat_s"], 330, "{current}");

    // Drift.
    write(&site.dir("w").join("b"), "somebody was here");
    let drifted = wait_for_state(&site, &hub, "w", "drifted");
    assert_ne!(drifted["measured"], drifted["root"]);
    write(&site.dir("w").join("b"), "b");
    wait_for_state(&site, &hub, "w", "current");

    // The directory is away: that fails, until it is back.
    let away = site.path().join("away");
    fs::rename(site.dir("w"), &away).expect("rename");
    let failed = wait_for_state(&site, &hub, "w", "failed");
    assert!(failed["problem"].as_str().is_some_and(|problem| !problem.is_empty()), "{failed}");
    assert_eq!(failed["applied"]["number"], 1);
    fs::rename(&away, site.dir("w")).expect("rename");
    wait_for_state(&site, &hub, "w", "current");

    // All of that stands in the history of whoever looked.
    let (history, _) = ask(&site, &hub, "m", &["status", "--history", "w"]);
    let outcomes: Vec<&str> =
        history["reports"].as_array().expect("rows").iter().filter_map(|row| row["outcome"].as_str()).collect();
    for wanted in ["applied", "drifted", "failed"] {
        assert!(outcomes.contains(&wanted), "{wanted}: {outcomes:?}");
    }

    // One that is gone can be taken off the list, and comes back with what it says next.
    daemon.stop();
    assert_eq!(ask(&site, &hub, "m", &["status", "--forget", "w"]).1, Some(0));
    assert_eq!(state(&site, &hub, "w"), Value::Null, "what it has said before does not bring it back");
    write_tree(&site.dir("m"), &[("a", "two")]);
    site.publish("m").expect("publishes");
    let daemon = worker.start();
    wait_for_state(&site, &hub, "w", "current");
    daemon.stop();
}

/// What strangers post changes the list at most where it may, and never a file.
#[test]
fn a_report_of_another_hub_is_nobodys() {
    let site = Site::new();
    let (hub, port) = (hub(&site), free_port());
    write_tree(&site.dir("m"), &[("a", "one")]);
    let serve = format!("127.0.0.1:{port}");
    let mut daemon = Post::new(&site.dir("m"), &hub, &["--role", "manager", "--serve", &serve]).start();
    daemon.wait_for_event("ready");
    let known = site.node("m").own_report().expect("reads").expect("a report");
    let url = format!("http://{serve}");
    let settings = ChannelSettings { listen: vec![url], ..Default::default() };
    let bell = Lookout::new().expect("a lookout").waker();
    let nobody: Arc<dyn Listener> = Arc::new(Mailbox::new(bell, "main".parse().expect("a name")));
    let stranger = HttpChannel::start(&settings, &nobody).expect("starts");
    let say = |name: &str, hub, deployment: &str| {
        let mut report = known.report.clone();
        report.node = name.parse().expect("an id");
        let deployment = deployment.parse().expect("a name");
        stranger.report(&Report::new(hub, deployment, report));
    };
    let other = serde_json::from_str("\"000102030405060708090a0b0c0d0e0f\"").expect("an id");
    say("of-another-hub", other, "main");
    say("of-another-deployment", known.hub, "other");
    say("one-of-us", known.hub, "main");
    wait_until("the last is on the list", || state(&site, &hub, "one-of-us")["state"] == "current");
    for stranger in ["of-another-hub", "of-another-deployment"] {
        assert_eq!(state(&site, &hub, stranger), Value::Null);
    }
    daemon.stop();
}
