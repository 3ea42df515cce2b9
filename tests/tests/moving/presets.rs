use depsync_tests::cli::Bench;

#[test]
fn a_preset_is_written_down_and_used() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path("depsync.toml")).expect("the empty one");
    bench.write("server/carbonapps/a.txt", "a");
    bench.write("server/carbonapps/.meta/x", "x");
    bench.write("server/synapse-configs/default/api/x.xml", "x");
    bench.write("server/logs/x.log", "x");
    let (said, code) = bench.json("init server hub --role manager --preset wso2-mi");
    assert_eq!(code, Some(0), "{said}");
    let text = std::fs::read_to_string(bench.path("depsync.toml")).expect("written");
    assert!(text.contains("role = \"manager\"") && text.contains("!/synapse-configs/"), "{text}");
    let (said, code) = bench.json("publish");
    assert_eq!((code, &said["added"]), (Some(0), &6.into()), "{said}");
    let (said, _) = bench.json("ls");
    let paths: Vec<&str> =
        said["entries"].as_array().expect("a list").iter().filter_map(|entry| entry["path"].as_str()).collect();
    assert!(paths.contains(&"carbonapps/a.txt") && !paths.iter().any(|path| path.contains("logs")), "{paths:?}");
    let (said, code) = bench.json("init --preset tomcat");
    assert_eq!(code, Some(2), "there is one already: {said}");
}
