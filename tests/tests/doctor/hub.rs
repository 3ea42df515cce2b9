use depsync_tests::sshd::Programs;
use depsync_tests::svn::Repository;

use super::{M, Scene, W};

#[test]
fn a_hub_that_is_away_empty_or_another_one() {
    let scene = Scene::new();
    std::fs::rename(scene.path("hub"), scene.path("away")).expect("moved");
    scene.asks(W).has_only(&["hub"], &[]).tells("hub", &["No such file", "mount or restore it"]);
    std::fs::create_dir(scene.path("hub")).expect("mkdir");
    scene.asks(W).has_only(&["hub"], &[]).tells("hub", &["mount or restore it"]);
    std::fs::remove_dir(scene.path("hub")).expect("removed");
    scene.bench.write("other/x", "x");
    scene.does("publish other hub --node other");
    scene.asks(W).has_only(&["hub"], &[]).tells("hub", &["it is another hub", "mount the right hub"]);
    scene.asks(M).has_only(&["hub"], &[]).tells("nodes", &["1 node"]);
    let said = scene.asks("doctor w nfs:///no/hub --node w");
    said.has_only(&["hub"], &[]);
    let said = scene.asks("doctor w ftp://h/x --node w");
    assert!(said.with("failed").contains(&"hub"), "{}", said.text());
    said.tells("programs", &["its scheme is unknown"]);
}

#[test]
fn a_history_that_was_rewound_or_is_damaged_and_a_hint_that_is_behind() {
    let scene = Scene::new();
    let (head, record) = (scene.path("hub/d/main/HEAD"), scene.path("hub/d/main/revisions/000000000002"));
    let before = std::fs::read(&head).expect("a head");
    scene.bench.write("m/a.txt", "the second a.txt\n");
    scene.does("publish m hub --node m");
    scene.does("update w hub --node w");
    let newest = std::fs::read(&head).expect("a head");
    std::fs::write(&head, &before).expect("an old hint");
    scene.asks(W).has_only(&[], &[]).tells("head", &["revision 2 of", "the hub's hint at it is behind"]);
    let bytes = std::fs::read(&record).expect("a record");
    std::fs::remove_file(&record).expect("removed");
    scene.asks(W).has_only(&["head"], &[]).tells("head", &["rewound", "restore the newer hub"]);
    std::fs::write(&record, [&bytes[..40], b"????", &bytes[44..]].concat()).expect("damaged");
    std::fs::write(&head, newest).expect("put back");
    scene.asks("doctor new hub").has_only(&["head"], &[]);
    std::fs::write(&record, bytes).expect("put back");
    scene.asks(W).has_only(&[], &[]);
}

#[test]
fn a_hub_that_may_only_be_read() {
    let mut scene = Scene::new();
    scene.without_power();
    let allow = |mode: u32| ["hub/tmp", "hub"].iter().for_each(|place| scene.chmod(place, mode));
    allow(0o555);
    let (manager, worker) = (scene.asks(M), scene.asks(W));
    allow(0o755);
    manager.has_only(&["rights"], &[]).tells("rights", &["nothing can be published", "may not write there"]);
    worker.has_only(&[], &["rights"]).tells("rights", &["to read only", "use a channel"]);
    assert!(worker.with("skipped").contains(&"hub-clock"), "{}", worker.text());
    scene.asks(M).has_only(&[], &[]);
}

#[test]
fn a_repository_and_its_programs() {
    let mut scene = Scene::new();
    let repository = Repository::create();
    repository.person().does(&["mkdir", "-m", "place", &repository.person().url("main")]);
    let hub = format!("svn+{}/main", repository.url());
    scene.does(&format!("publish m {hub} --node m --state ms"));
    scene.does(&format!("update s {hub} --node s"));
    let line = format!("doctor s {hub} --node s");
    let said = scene.asks(&line);
    said.has_only(&[], &[])
        .tells("programs", &["svn (1.", "svnmucc (svnmucc, version 1."])
        .tells("head", &["is applied here"]);
    assert!(["hub-clock", "hub-space"].iter().all(|name| said.with("skipped").contains(name)), "{}", said.text());
    // Somebody commits by hand what this node has not fetched: nothing is fetched by looking.
    repository.person().puts("main/by hand", b"x");
    scene.asks(&line).has_only(&[], &[]);
    let few = Programs::only(&["svn"]);
    scene.bench.set(&[("PATH", &few.path())]);
    scene
        .asks(&line)
        .has_only(&["programs"], &[])
        .tells("programs", &["svnrdump, svnmucc", "install the package subversion"]);
    let none = Programs::only(&[]);
    scene.bench.set(&[("PATH", &none.path())]);
    let said = scene.asks("doctor new rsync+ssh://127.0.0.1:1/hub");
    said.has_only(&["programs", "hub"], &[]).tells("programs", &["ssh, rsync", "install the package openssh-client"]);
}

#[test]
fn who_pushes_needs_no_hub_to_be_named() {
    let scene = Scene::new();
    scene.bench.write("push.toml", "dir = 'm2'\nnodes = 'list'\nrole = 'manager'\n");
    scene.bench.write("list", "ops@127.0.0.1:/srv/x port=1\n");
    scene.bench.write("m2/a", "x");
    let said = scene.asks("doctor --config push.toml");
    said.has_only(&[], &[])
        .tells("hub", &["first push makes one"])
        .tells("programs", &["ssh (OpenSSH", "rsync (rsync"]);
    // The push reaches nobody, and leaves a hub of the node's own.
    assert_eq!(scene.bench.json("push --config push.toml").1, Some(5));
    let said = scene.asks("doctor --config push.toml");
    said.has_only(&[], &["nodes"]).tells("head", &["revision 1 of"]).tells("nodes", &["2 nodes: 127.0.0.1", "failed"]);
}
