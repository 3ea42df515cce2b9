use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Post, wait_until};
use depsync_tests::snapshot::{snapshot, write_tree};

#[test]
fn a_populated_node_explains_and_publishes_only_when_told() {
    let site = Site::new();
    write_tree(&site.dir("m"), &[("conf/a.xml", "shipped"), ("webapps/x.txt", "x")]);
    let before = snapshot(&site.dir("m"));
    let hub = site.hub().display().to_string();
    let post = || Post::new(&site.dir("m"), &hub, &["--role", "manager", "--period", "300ms"]);
    // No hub at all, then an empty directory in its place, then a hub with nothing in it.
    for step in 0..3 {
        let mut manager = post().unseeded().start();
        let failed = manager.wait_for_event("failed");
        let hint = failed["hint"].as_str().unwrap_or_default().to_owned();
        assert!(hint.contains("depsync publish"), "{step}: {failed}");
        manager.stop();
        assert_eq!(snapshot(&site.dir("m")), before, "nothing is hidden");
        match step {
            0 => std::fs::create_dir(site.hub()).expect("a directory"),
            1 => drop(site.node("other").init(&site.context(), None).expect("a hub")),
            _ => {}
        }
    }
    let mut manager = post().start();
    manager.wait_for_event("published");
    wait_until("it is in the hub", || site.hub().join("d/main/HEAD").exists());
    manager.stop();
    // From then on nobody has to say it.
    write_tree(&site.dir("m"), &[("conf/a.xml", "changed")]);
    let mut manager = post().unseeded().start();
    manager.wait_for_event("published");
    manager.stop();
    // A worker with shipped defaults of its own keeps them: an update hides nothing.
    write_tree(&site.dir("w"), &[("conf/own.xml", "shipped")]);
    site.update("w").expect("updates");
    assert!(site.dir("w").join("conf/own.xml").exists() && site.dir("w").join("conf/a.xml").exists());
}
