//! Hooks: what is run around an update, by real programs; and whatever kills the process in between, they are told in the
//! end what is there.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use depsync_tests::cli::Bench;
use serde_json::{Value, json};

/// A manager `m` and a worker `w` whose hooks write down what they see: the moment, the revisions, and the file `a` at that
/// moment. `no` holds a pattern of lines that they refuse.
struct Scene {
    bench: Bench,
    revision: u64,
}

const HOOK: &str = r#"#!/bin/sh
line="$DEPSYNC_HOOK $DEPSYNC_FROM-$DEPSYNC_TO $(cat "$DEPSYNC_DIR/a" 2>/dev/null)"
cat >"$(dirname "$0")/stdin"
echo "$line" >>"$(dirname "$0")/log"
if echo "$line" | grep -q -f "$(dirname "$0")/no"; then echo "no to $line" >&2; exit 9; fi
"#;

impl Scene {
    fn new() -> Self {
        let bench = Bench::in_memory();
        bench.write("hook", HOOK);
        bench.write("no", "");
        bench.write("log", "");
        fs::set_permissions(bench.path("hook"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("executable");
        let hook = bench.path("hook");
        let hooks: String =
            ["before-update", "after-update", "health"].map(|name| format!("{name} = {hook:?}\n")).concat();
        bench.write("w.toml", format!("dir = 'w'\nhub = 'hub'\nnode = 'w'\nrole = 'worker'\n[hooks]\n{hooks}"));
        Self { bench, revision: 0 }
    }

    /// Publishes another revision, in which `a` is `text`.
    fn publish(&mut self, text: &str) {
        self.bench.write("m/a", text);
        self.bench.write("m/b", "always the same");
        let (answer, code) = self.bench.json("publish m hub --node m");
        assert_eq!(code, Some(0), "{answer}");
        self.revision = answer["revision"].as_u64().expect("a revision");
    }

    fn update(&self, words: &str) -> (Value, Option<i32>) {
        self.bench.json(&format!("--config w.toml update {words}"))
    }

    /// Refuses whatever matches one of these.
    fn refuse(&self, patterns: &[&str]) {
        self.bench.write("no", patterns.iter().map(|pattern| format!("{pattern}\n")).collect::<String>());
    }

    /// What the hooks have seen since the last time.
    fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.bench.path("log")).expect("a log");
        self.bench.write("log", "");
        log.lines().map(str::to_owned).collect()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.bench.path("w/a")).unwrap_or_default()
    }

    fn own(&self) -> Value {
        let nodes = self.bench.json("--config w.toml status").0["nodes"].take();
        nodes.as_array().and_then(|nodes| nodes.iter().find(|one| one["node"] == "w")).cloned().unwrap_or_default()
    }
}

#[test]
fn they_are_run_before_and_after_and_told_what_changes() {
    let mut scene = Scene::new();
    scene.publish("one");
    assert_eq!(scene.update("").1, Some(0));
    assert_eq!(scene.log(), ["before-update -1 ", "after-update -1 one", "health -1 one"]);
    scene.publish("two");
    assert_eq!(scene.update("--dry-run").1, Some(0));
    assert_eq!(scene.log(), [""; 0], "nothing is done");
    assert_eq!(scene.update("").1, Some(0));
    assert_eq!(scene.log(), ["before-update 1-2 one", "after-update 1-2 two", "health 1-2 two"]);
    let told: Value = serde_json::from_slice(&fs::read(scene.bench.path("stdin")).expect("read")).expect("JSON");
    let wanted = json!([{ "path": "a", "change": "modified", "type": "file", "size": 3 }]);
    assert_eq!((&told["changes"], &told["from"], &told["to"]), (&wanted, &json!(1), &json!(2)));
    assert_eq!((scene.update("").1, scene.log()), (Some(0), vec![]), "nothing has changed");
    // What somebody changed here comes back: the server hears of that, and its health is no matter of a revision.
    scene.bench.write("w/a", "by hand");
    assert_eq!(scene.update("").1, Some(0));
    assert_eq!(scene.log(), ["before-update 2-2 by hand", "after-update 2-2 two"]);
}

#[test]
fn a_no_before_keeps_everything_as_it_is() {
    let mut scene = Scene::new();
    scene.publish("one");
    scene.update("");
    scene.publish("two");
    scene.refuse(&["^before-update 1-2"]);
    let (answer, code) = scene.update("");
    assert_eq!((code, &answer["error"]["kind"]), (Some(3), &json!("refused")), "{answer}");
    let message = answer["error"]["message"].as_str().expect("a message");
    assert!(message.contains("hook before-update") && message.contains("no to before-update 1-2 one"), "{message}");
    assert_eq!((scene.text().as_str(), scene.own()["state"].as_str()), ("one", Some("failed")));
    scene.refuse(&[]);
    assert_eq!((scene.update("").1, scene.text().as_str()), (Some(0), "two"));
    assert_eq!(scene.own()["state"], "current");
}

#[test]
fn a_no_after_is_asked_again() {
    let mut scene = Scene::new();
    scene.publish("one");
    scene.update("");
    scene.log();
    scene.publish("two");
    scene.refuse(&["^after-update"]);
    assert_eq!(scene.update("").1, Some(1));
    assert_eq!((scene.text().as_str(), scene.own()["state"].as_str()), ("two", Some("failed")));
    scene.publish("three");
    assert_eq!(scene.update("").1, Some(1));
    assert_eq!(scene.text(), "three");
    scene.log();
    scene.refuse(&[]);
    assert_eq!(scene.update("").1, Some(0));
    // All that it was not told of.
    assert_eq!(scene.log(), ["after-update 1-3 three", "health 1-3 three"]);
    assert_eq!((scene.update("").1, scene.log(), scene.own()["state"].as_str()), (Some(0), vec![], Some("current")));
}

#[test]
fn who_is_not_well_goes_back_and_holds_the_revision() {
    let mut scene = Scene::new();
    scene.publish("one");
    scene.update("");
    scene.log();
    scene.publish("bad");
    scene.refuse(&["^health .* bad"]);
    let (answer, code) = scene.update("");
    assert_eq!((code, &answer["to"], &answer["held"]["revision"]), (Some(1), &json!(1), &json!(2)), "{answer}");
    assert!(
        answer["held"]["reason"].as_str().is_some_and(|reason| reason.contains("no to health 1-2 bad")),
        "{answer}"
    );
    assert_eq!(scene.text(), "one");
    let back = ["before-update 2-1 bad", "after-update 2-1 one"];
    let tried = ["before-update 1-2 one", "after-update 1-2 bad", "health 1-2 bad"];
    assert_eq!(scene.log(), [&tried[..], &back].concat());
    let own = scene.own();
    assert_eq!((&own["state"], &own["applied"]["number"]), (&json!("failed"), &json!(1)), "{own}");
    assert!(own["problem"].as_str().is_some_and(|problem| problem.contains("revision 2 is held back")), "{own}");
    assert_eq!(scene.bench.json("--config w.toml status").0["held_revision"]["revision"], 2);

    // It is not tried again by itself, and drift comes back to what is here.
    assert_eq!((scene.update("").1, scene.log()), (Some(1), vec![]));
    scene.bench.write("w/a", "by hand");
    assert_eq!((scene.update("").1, scene.text().as_str()), (Some(1), "one"));
    scene.log();
    // It is when somebody asks for it.
    assert_eq!((scene.update("--retry").1, scene.text().as_str()), (Some(1), "one"));
    assert_eq!(scene.log(), [&tried[..], &back].concat());
    // Another revision is another matter.
    scene.publish("good");
    let (answer, code) = scene.update("");
    assert_eq!((code, &answer["held"], scene.text().as_str()), (Some(0), &Value::Null, "good"), "{answer}");
    assert_eq!(scene.log(), ["before-update 1-3 one", "after-update 1-3 good", "health 1-3 good"]);
    assert_eq!(scene.own()["state"], "current");
}

#[test]
fn the_first_revision_has_none_before_it() {
    let mut scene = Scene::new();
    scene.publish("bad");
    scene.refuse(&["^health .* bad"]);
    let (answer, code) = scene.update("");
    assert_eq!((code, scene.text().as_str()), (Some(1), "bad"), "{answer}");
    assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("first revision")), "{answer}");
    scene.log();
    scene.refuse(&[]);
    assert_eq!(scene.update("").1, Some(0));
    assert_eq!(scene.log(), ["after-update -1 bad", "health -1 bad"]);
}

/// Kills an update before each of its steps, and runs another one behind it.
fn killed_at_each_step(refused: &[&str], then: impl Fn(&Scene, u64)) {
    let mut at = 1;
    loop {
        let mut scene = Scene::new();
        scene.publish("one");
        scene.update("");
        scene.publish("two");
        scene.refuse(refused);
        scene.log();
        let words = ["--config", "w.toml", "--die-at-step", &at.to_string(), "update"].map(str::to_owned);
        let killed = scene.bench.output(&words).status.signal() == Some(9);
        scene.update("");
        then(&scene, at);
        // Nothing is owed any more.
        scene.log();
        scene.update("");
        assert_eq!(scene.log(), [""; 0], "killed at step {at}");
        if !killed {
            break;
        }
        at += 1;
    }
    assert!(at > 8, "there are steps to be killed at: {at}");
}

#[test]
fn killed_at_any_step_they_are_told_in_the_end() {
    killed_at_each_step(&[], |scene, at| {
        assert_eq!(scene.text(), "two", "killed at step {at}");
        let log = scene.log();
        assert!(log.contains(&"after-update 1-2 two".to_owned()), "killed at step {at}: {log:?}");
        assert!(log.contains(&"health 1-2 two".to_owned()), "killed at step {at}: {log:?}");
    });
}

#[test]
fn killed_on_its_way_back_a_node_goes_back_all_the_same() {
    killed_at_each_step(&["^health .* two"], |scene, at| {
        assert_eq!(scene.text(), "one", "killed at step {at}");
        let log = scene.log();
        assert_eq!(log.last().map(String::as_str), Some("after-update 2-1 one"), "killed at step {at}: {log:?}");
        assert_eq!(scene.bench.json("--config w.toml status").0["held_revision"]["revision"], 2);
    });
}
