//! What the program says beforehand about the bytes that will travel, and afterwards about those that did, beside what did.

use std::fs;

use depsync_tests::cli::Bench;
use depsync_tests::jar;
use serde_json::Value;

/// What records, pages and indexes of packs may be beside the content.
const BESIDE: u64 = 6 << 10;

fn json(bench: &Bench, line: &str) -> Value {
    let (answer, exit) = bench.json(line);
    assert_eq!(exit, Some(0), "{line}: {answer}");
    answer
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// The sum of what is said of each file, which is the sum of what is said of its parts.
fn total(freight: &Value) -> u64 {
    let sum = |of: &Value| of.as_array().expect("a list").iter().map(|part| number(&part["bytes"])).sum::<u64>();
    for file in freight.as_array().expect("a list") {
        assert_eq!(number(&file["bytes"]), sum(&file["parts"]), "{file}");
    }
    sum(freight)
}

/// A manager with a first release, and a worker that has it.
fn first_release() -> Bench {
    let bench = Bench::in_memory();
    bench.write("m/webapps/shop-1.war", jar::release(1));
    bench.write("m/conf/app.properties", "a=1\n".repeat(3000));
    json(&bench, "publish m hub --node m");
    json(&bench, "update w hub --node w");
    bench
}

#[test]
fn what_is_foretold_is_what_travels() {
    let same: fn(&Bench) = |bench| bench.write("m/webapps/shop-1.war", jar::release(2));
    let renamed: fn(&Bench) = |bench| {
        fs::remove_file(bench.path("m/webapps/shop-1.war")).expect("removes");
        bench.write("m/webapps/shop-2.war", jar::release(2));
    };
    let moved: fn(&Bench) = |bench| {
        fs::rename(bench.path("m/conf/app.properties"), bench.path("m/other.properties")).expect("moves");
        fs::rename(bench.path("m/webapps/shop-1.war"), bench.path("m/shop.war")).expect("moves");
    };
    for (what, change, archive) in
        [("edited", same, 300..2000), ("renamed", renamed, 300..2000), ("moved", moved, 0..1)]
    {
        let bench = first_release();
        change(&bench);
        let dry = json(&bench, "publish --dry-run m hub --node m");
        let foretold = number(&dry["bytes_sent"]);
        assert!(archive.contains(&total(&dry["freight"])), "{what}: {dry}");
        let published = json(&bench, "publish m hub --node m");
        let sent = number(&published["bytes_sent"]);
        assert!(foretold <= sent && sent <= foretold + BESIDE, "{what}: {foretold} foretold, {sent} sent");

        let diff = json(&bench, "diff --bytes 1 2 --dir w --hub hub --node w");
        let foretold = total(&diff["freight"]);
        assert!(archive.contains(&foretold), "{what}: {diff}");
        let fetched = number(&json(&bench, "update w hub --node w")["bytes_fetched"]);
        assert!(foretold <= fetched && fetched <= foretold + BESIDE, "{what}: {foretold} foretold, {fetched} fetched");

        let log = json(&bench, "log --stat --dir w --hub hub --node w");
        let newest = &log["revisions"][0];
        let logged = [number(&newest["bytes_sent"]), number(&newest["bytes_changed"])];
        assert!(logged[0] <= sent && sent <= logged[0] + BESIDE, "{what}: {logged:?} logged, {sent} sent");
        assert_eq!(logged[1], number(&published["bytes_changed"]), "{what}");
    }
}

#[test]
fn what_travels_of_an_archive_is_said_entry_by_entry() {
    let bench = first_release();
    bench.write("m/webapps/shop-1.war", jar::release(2));
    let dry = json(&bench, "publish --dry-run m hub --node m");
    let file = &dry["freight"][0];
    assert_eq!((file["path"].as_str(), dry["freight"].as_array().map(Vec::len)), (Some("webapps/shop-1.war"), Some(1)));
    let part = |entry: Option<&str>| {
        let parts = file["parts"].as_array().expect("parts").iter();
        parts.clone().find(|part| part["entry"].as_str() == entry).unwrap_or_else(|| panic!("{entry:?}: {file}"))
    };
    for (entry, how) in [("WEB-INF/classes/Main.class", "patched"), ("WEB-INF/lib/two.jar", "nested")] {
        let part = part(Some(entry));
        assert_eq!(part["how"], how, "{part}");
        assert!(number(&part["bytes"]) * 3 < number(&part["size"]), "{part}");
    }
    assert!(number(&part(None)["bytes"]) > 0, "how the archive is put together");
    let text = bench.run("publish --dry-run m hub --node m");
    assert!(
        text.contains("what would travel: ") && text.contains("    WEB-INF/classes/Main.class: what has changed, "),
        "{text}"
    );
}
