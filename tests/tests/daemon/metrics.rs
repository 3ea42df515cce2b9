use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::write_tree;
use depsync_tests::sshd::free_port;
use serde_json::Value;

use super::heard::token;
use super::{hub, wait_for_equality};

/// What is answered to a GET, with its head.
fn get(port: u16, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("writes");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("reads");
    said
}

/// The value of a metric of the node.
fn value(port: u16, name: &str, node: &str) -> Option<f64> {
    let page = get(port, "/metrics", "the-token-of-the-tests");
    let wanted = format!("{name}{{");
    let of_node = format!("node=\"{node}\"");
    let line = page.lines().find(|line| line.starts_with(&wanted) && line.contains(&of_node))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn what_can_be_measured_is_there_for_who_may_know() {
    let site = Site::new();
    let (hub, token) = (hub(&site), token(&site));
    let (of_boss, of_worker) = (free_port(), free_port());
    let (boss_status, worker_status) = (format!("127.0.0.1:{of_boss}"), format!("127.0.0.1:{of_worker}"));
    let usual = ["--period", "300ms", "--token-file", &token];
    write_tree(&site.dir("m"), &[("a", "one")]);
    let args = [&usual[..], &["--role", "manager", "--status", &boss_status, "--scan-period", "1s"]].concat();
    let mut boss = Post::new(&site.dir("m"), &hub, &args).start();
    boss.wait_for_event("published");
    let args = [&usual[..], &["--status", &worker_status]].concat();
    let mut worker = Post::new(&site.dir("w"), &hub, &args).start();
    worker.wait_for_event("ready");
    write_tree(&site.dir("m"), &[("a", "two")]);
    let dirs = ["m", "w"].map(|name| site.dir(name));
    wait_for_equality(&dirs);

    let is = |port, name: &str, node: &str, wanted: f64| {
        wait_until(&format!("{name} of {node} is {wanted}"), || value(port, name, node) == Some(wanted));
    };
    is(of_boss, "depsync_head_revision", "m", 2.0);
    is(of_boss, "depsync_publishes_total", "m", 2.0);
    is(of_worker, "depsync_applied_revision", "w", 2.0);
    is(of_worker, "depsync_lag_seconds", "w", 0.0);
    is(of_worker, "depsync_failing", "w", 0.0);
    assert!(value(of_worker, "depsync_updates_total", "w").is_some_and(|count| count >= 1.0));
    assert!(value(of_worker, "depsync_update_bytes_total", "w").is_some_and(|bytes| bytes > 0.0));
    assert!(value(of_worker, "depsync_last_success_timestamp_seconds", "w").is_some_and(|at| at > 1.7e9));
    wait_until("the manager has heard of both", || {
        let page = get(of_boss, "/metrics", "the-token-of-the-tests");
        page.lines()
            .any(|line| line.starts_with("depsync_nodes{") && line.contains("current") && line.ends_with(" 2.0"))
            || page
                .lines()
                .any(|line| line.starts_with("depsync_nodes{") && line.contains("current") && line.ends_with(" 2"))
    });
    let page = get(of_worker, "/metrics", "the-token-of-the-tests");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("application/openmetrics-text"), "{page}");
    assert!(page.trim_end().ends_with("# EOF"), "{page}");
    // Nobody else is told, but whether it is well.
    assert!(get(of_worker, "/metrics", "another-token-of-them").starts_with("HTTP/1.1 401 "));
    assert!(get(of_worker, "/healthz", "").starts_with("HTTP/1.1 200 "));

    // The hub is away.
    let away = site.path().join("away");
    fs::rename(site.hub(), &away).expect("rename");
    wait_until("it is not well", || get(of_worker, "/healthz", "").starts_with("HTTP/1.1 503 "));
    assert!(value(of_worker, "depsync_failing", "w").is_some_and(|failures| failures >= 1.0));
    assert!(value(of_worker, "depsync_failures_total", "w").is_some_and(|failures| failures >= 1.0));
    fs::rename(&away, site.hub()).expect("rename");
    wait_until("it is well", || get(of_worker, "/healthz", "").starts_with("HTTP/1.1 200 "));
    worker.stop();
    boss.stop();
}

#[test]
fn the_log_is_an_object_a_line_with_a_span_for_each_turn() {
    let site = Site::new();
    let hub = hub(&site);
    write_tree(&site.dir("m"), &[("a", "one")]);
    let args = ["--role", "manager", "--period", "300ms", "--log-format", "json", "-vv"];
    let mut boss = Post::new(&site.dir("m"), &hub, &args).start();
    boss.wait_for_event("published");
    let said = boss.complaints();
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not an object: {line}")))
        .collect();
    let of_turn = lines.iter().find(|line| line["span"]["name"] == "turn").expect("something within a turn");
    assert_eq!((&of_turn["span"]["deployment"], of_turn["span"]["number"].as_u64()), (&"main".into(), Some(1)));
    assert!(of_turn["timestamp"].is_string() && of_turn["level"].is_string(), "{of_turn}");
    boss.stop();
}
