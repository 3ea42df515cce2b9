//! `depsync advise`: what it says, what it takes from a deployment's own history, and that what it gives to configuration
//! management works there.

mod management;

use depsync_tests::cli::{Bench, golden};

/// A model that no measurement changes.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/advice/model.json");

#[test]
fn what_it_says_stays_as_it_is() {
    let bench = Bench::in_memory();
    let mut text = String::new();
    for line in [
        "advise --rate 2/min --bytes 3K --tree 2000 --nodes 10",
        "advise --rate 3/day --bytes 20M --kind archive --tree 500 --nodes 40 --rtt 30ms --bandwidth 100",
        "advise --rate 100/s --bytes 2K --tree 2000 --nodes 4 --by bytes",
        "advise --rate 40000/s --bytes 2K --tree 2000 --nodes 4",
        "advise --rate 1/min --bytes 2K --tree 2000 --nodes 4 --among svn",
        "--json advise --rate 1/min --bytes 2K --tree 2000 --nodes 4 --among mount,ssh",
        "advise --rate 1/min --bytes 2K --tree 2000",
        "advise --rate often",
        "advise --rate 1/min --bytes 2K --tree 2000 --nodes 4 --loss 60",
    ] {
        text.push_str(&bench.run(&format!("{line} --model {MODEL}")).replace(MODEL, "MODEL"));
    }
    golden("advise", &text);
}

#[test]
fn a_deployment_tells_how_it_changes() {
    let mut bench = Bench::in_memory();
    // Three revisions, a day after another: two edits behind the first.
    for day in 0..3 {
        bench.write("m/conf/app.xml", format!("<app day=\"{day}\"/>\n").repeat(100));
        bench.write("m/static/page.html", "the same every day");
        bench.set_clock(&format!("-{}d", 2 - day));
        let (answer, exit) = bench.json("publish m hub --node m");
        assert_eq!(exit, Some(0), "{answer}");
    }
    bench.set(&[]);
    let (answer, exit) = bench.json(&format!("advise m hub --node m --model {MODEL}"));
    assert_eq!(exit, Some(0), "{answer}");
    let observed = &answer["observed"];
    assert_eq!((observed["revisions"].as_u64(), observed["files"].as_u64()), (Some(2), Some(1)), "{answer}");
    let rate = answer["workload"]["rate"].as_f64().expect("a rate") * 86_400.0;
    assert!((0.9..1.1).contains(&rate), "{rate} a day: {answer}");
    assert_eq!((answer["workload"]["kind"].as_str(), answer["workload"]["tree"].as_u64()), (Some("config"), Some(4)));
    assert!(answer["workload"]["bytes"].as_u64().is_some_and(|bytes| (1500..2500).contains(&bytes)), "{answer}");
    // So rarely that a command would do.
    assert!(answer["by_command"]["p50_s"].as_f64().is_some_and(|seconds| seconds > 900.0), "{answer}");
    // What is given goes before what was seen.
    let (answer, _) = bench.json(&format!("advise m hub --node m --rate 5/s --model {MODEL}"));
    assert_eq!((answer["workload"]["rate"].as_f64(), answer["by_command"].is_null()), (Some(5.0), true), "{answer}");
}

#[test]
fn a_young_deployment_says_nothing_of_its_rate() {
    let bench = Bench::in_memory();
    bench.write("m/file", "content");
    bench.json("publish m hub --node m");
    let (answer, exit) = bench.json("advise m hub --node m");
    assert_eq!((answer["error"]["kind"].as_str(), exit), (Some("usage"), Some(2)), "{answer}");
    assert!(answer["error"]["hint"].as_str().is_some_and(|hint| hint.contains("--rate")), "{answer}");
}

#[test]
fn the_built_in_model_knows_every_transport() {
    let bench = Bench::in_memory();
    let (answer, exit) = bench.json("advise --rate 1/min --bytes 2K --tree 2000 --nodes 4");
    assert_eq!(exit, Some(0), "{answer}");
    let transports = answer["transports"].as_array().expect("transports");
    assert_eq!(transports.len(), 3, "{answer}");
    for transport in transports {
        let seconds = transport["p50_s"].as_f64().expect("a time");
        assert!((0.01..10.0).contains(&seconds), "{transport}");
        assert!(transport["change_bytes"].as_f64().is_some_and(|bytes| bytes > 500.0), "{transport}");
    }
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let bench = Bench::in_memory();
    bench.write("nonsense.json", "{\"schema\": 1}");
    let (answer, exit) = bench.json("advise --rate 1/s --bytes 1 --tree 1 --nodes 1 --model nonsense.json");
    assert_eq!((answer["error"]["kind"].as_str(), exit), (Some("usage"), Some(2)), "{answer}");
}
