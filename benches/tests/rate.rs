//! The harness from outside: a run that is interrupted goes on where it was, leaves nothing behind, and tells the same.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use depsync_tests::cli::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(240);

fn harness(place: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_depsync-bench"));
    command.args(["rate", "--local", "--quick", "--only", "base", "--program"]).arg(program());
    for (option, name) in [("--place", "place"), ("--results", "results")] {
        let directory = place.join(name);
        fs::create_dir_all(&directory).expect("a directory");
        command.arg(option).arg(directory);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn rows(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Ends it as somebody at a terminal does, but it alone.
fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process");
    kill_process(pid, Signal::INT).expect("it runs");
}

#[test]
fn an_interrupted_run_goes_on_and_tells_the_same() {
    let place = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let unfinished = place.path().join("results/rate.unfinished.jsonl");
    let child = harness(place.path()).spawn().expect("it starts");
    let begun = Instant::now();
    while rows(&unfinished).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no cell is done in time");
        std::thread::sleep(Duration::from_millis(20));
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    let done = rows(&unfinished);
    assert!(!output.status.success() && (1..3).contains(&done.len()), "{} cells: {said}", done.len());
    assert!(said.contains(&format!("interrupted: {} of 3 cells are written down", done.len())), "{said}");
    let left: Vec<_> = fs::read_dir(place.path().join("place")).expect("lists").collect();
    assert!(left.is_empty(), "{left:?}");

    let output = harness(place.path()).output().expect("it runs");
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(!unfinished.exists());
    let ledger = fs::read_dir(place.path().join("results")).expect("lists").flatten().map(|entry| entry.path());
    let ledger: Vec<_> = ledger.filter(|path| path.extension().is_some_and(|name| name == "jsonl")).collect();
    let all = rows(&ledger[0]);
    assert_eq!((ledger.len(), all.len()), (1, 3));
    // What was measured before stands as it was, and every line of the table is that of a row.
    assert_eq!(all[..done.len()], done);
    for row in &all {
        let millis = row["figures"]["p50_s"].as_f64().expect("a time") * 1000.0;
        assert!(text.contains(&format!("{millis:.1}")), "{millis}: {text}");
        assert!(row["changes"].as_u64().is_some_and(|changes| changes >= 3), "{row}");
    }
    for ending in ["csv", "svg", "md"] {
        let beside = fs::read_to_string(ledger[0].with_extension(ending)).expect(ending);
        assert!(beside.len() > 200, "{ending}: {beside}");
    }
}
