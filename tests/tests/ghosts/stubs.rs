//! Files that stand for ghosts, by the program, as a person sees them.

use depsync_tests::cli::Bench;

fn bench() -> Bench {
    let bench = Bench::in_memory();
    for (path, text) in [
        ("axis2services/a/b_c.aar", "one"),
        ("axis2services/a_b/c.aar", "other"),
        ("axis2services/plain.aar", "plain"),
        ("webapps/shop/index.jsp", "exploded"),
        ("conf/x.xml", "x"),
    ] {
        bench.write(&format!("m/{path}"), text);
    }
    bench.write("m.toml", "dir = 'm'\nhub = 'hub'\narchives = []\n");
    bench.write(
        "w.toml",
        "dir = 'w'\nhub = 'hub'\nrole = 'worker'\nlazy = ['/axis2services/', '/webapps/*']\nstubs = 'wso2'\n",
    );
    must(&bench, "--config m.toml publish");
    must(&bench, "--config w.toml update");
    bench
}

fn must(bench: &Bench, line: &str) -> serde_json::Value {
    let (said, code) = bench.json(line);
    assert_eq!(code, Some(0), "{line}: {said}");
    said
}

fn stubs(bench: &Bench) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["ghostServices", "ghostWebapps"] {
        let listing = std::fs::read_dir(bench.path("w/ghostmetafiles").join(folder));
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
        names.extend(listing.into_iter().flatten().map(name).map(|name| name.into_string().expect("text")));
    }
    names.sort();
    names
}

#[test]
fn every_artifact_that_is_not_here_has_a_file_and_names_that_collide_are_told_apart() {
    let bench = bench();
    let names = stubs(&bench);
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(names[1], "axis2services_a_b_c.xml");
    assert!(names[0].starts_with("axis2services_a_b_c-"), "{names:?}");
    assert_eq!(&names[2..], ["axis2services_plain.xml", "webapps_shop.xml"]);
    // By its stub, the one that has the name, and the other by its own.
    must(&bench, "--config w.toml fetch ghostmetafiles/ghostServices/axis2services_a_b_c.xml");
    assert!(bench.path("w/axis2services/a/b_c.aar").exists() && !bench.path("w/axis2services/a_b/c.aar").exists());
    assert_eq!(stubs(&bench), ["axis2services_a_b_c.xml", "axis2services_plain.xml", "webapps_shop.xml"]);
    must(&bench, "--config w.toml fetch ghostmetafiles/ghostServices/axis2services_a_b_c.xml");
    assert!(bench.path("w/axis2services/a_b/c.aar").exists());
    must(&bench, "--config w.toml fetch ghostmetafiles/ghostWebapps/webapps_shop.xml");
    assert!(bench.path("w/webapps/shop/index.jsp").exists());
    must(&bench, "--config w.toml evict axis2services webapps");
    assert_eq!(stubs(&bench).len(), 4);
}

#[test]
fn a_metafile_that_a_server_has_written_says_which_it_means() {
    let bench = bench();
    let text = "<serviceGroup name=\"x\" ServiceArchiveFileName=\"a_b/c\"><service name=\"c\" serviceType=\"axis2\"/></serviceGroup>";
    bench.write("w/ghostmetafiles/ghostServices/axis2services_a_b_c.xml", text);
    must(&bench, "--config w.toml fetch ghostmetafiles/ghostServices/axis2services_a_b_c.xml");
    assert!(bench.path("w/axis2services/a_b/c.aar").exists() && !bench.path("w/axis2services/a/b_c.aar").exists());
    let kept = std::fs::read_to_string(bench.path("w/ghostmetafiles/ghostServices/axis2services_a_b_c.xml"));
    assert_eq!(kept.expect("there"), text, "what is not as it was written stays");
}

#[test]
fn they_are_nobodys_drift_and_go_when_they_are_not_wanted() {
    let bench = bench();
    let status = must(&bench, "--config w.toml status");
    assert_eq!(status["drift"], serde_json::json!([]));
    must(&bench, "--config w.toml update --prune");
    assert_eq!(stubs(&bench).len(), 4, "a prune leaves them");
    assert!(!bench.path("m/ghostmetafiles").exists());
    bench.write("w.toml", "dir = 'w'\nhub = 'hub'\nrole = 'worker'\nlazy = ['/axis2services/', '/webapps/*']\n");
    must(&bench, "--config w.toml update");
    assert_eq!(stubs(&bench), Vec::<String>::new());
}
