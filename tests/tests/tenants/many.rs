use std::time::Duration;

use depsync_tests::daemon::wait_until;

use crate::town::Town;

const TENANTS: usize = 300;

#[test]
fn hundreds_of_tenants_take_a_handful_of_threads_and_one_question() {
    let town = Town::new("[tenants]\nparallel = 4\n");
    for tenant in 0..TENANTS {
        town.write("m", &tenant.to_string(), &[("a", "a"), ("b", "b")]);
    }
    let mut manager = town.daemon("m", &[]);
    manager.wait_for_event("ready");
    let mut worker = town.daemon("w", &[]);
    worker.wait_for_event("ready");
    // Who publishes at the same moment as another may overwrite what the hub says of that, which is put right.
    wait_until("all are in step", || {
        let all = town.must("w", "tenants");
        let rows = all["tenants"].as_array().expect("a list");
        rows.len() == TENANTS && rows.iter().all(|row| row["state"] == "current" && row["applied"] == 1)
    });
    let threads = |id: u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("Threads:")).expect("a line");
        line.split_whitespace().nth(1).and_then(|count| count.parse::<usize>().ok()).expect("a number")
    };
    assert!(threads(worker.id()) < 32, "{} threads", threads(worker.id()));
    town.write("m", "150", &[("a", "changed")]);
    town.wait_for("150");
    std::thread::sleep(Duration::from_millis(50));
    let updated: Vec<_> = worker.events("updated").into_iter().filter(|event| event["from"] == 1).collect();
    assert_eq!(updated.len(), 1, "one tenant has changed: {updated:?}");
    worker.stop();
    manager.stop();
}
