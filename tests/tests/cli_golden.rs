//! What the program prints and how it exits, word for word: the interface that scripts and people rely on.

use depsync_tests::cli::{Bench, golden};
use depsync_tests::cluster::copy_tree;
use depsync_tests::jar;

/// Runs several lines and puts them together.
fn script(bench: &Bench, lines: &[&str]) -> String {
    lines.iter().map(|line| bench.run(line)).collect::<Vec<_>>().join("\n")
}

/// A directory with a little of everything.
fn deployment(bench: &Bench, name: &str) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    bench.write(&format!("{name}/conf/server.xml"), "<Server port=\"8005\"/>\n");
    bench.write(&format!("{name}/conf/users.properties"), "admin=x\n");
    bench.write(&format!("{name}/bin/start.sh"), "#!/bin/sh\n");
    let start = bench.path(&format!("{name}/bin/start.sh"));
    std::fs::set_permissions(start, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    symlink("server.xml", bench.path(&format!("{name}/conf/current.xml"))).expect("a link");
}

#[test]
fn help() {
    let bench = Bench::new();
    let mut text = script(&bench, &["--help", "-h"]);
    let commands =
        "init publish update status doctor log diff verify rollback resolve gc upgrade-hub push demo completions man";
    for command in commands.split(' ').chain(["import", "import nodes-list"]) {
        text.push('\n');
        text.push_str(&bench.run(&format!("{command} --help")));
    }
    golden("help", &text);
}

#[test]
fn usage_errors() {
    let bench = Bench::new();
    bench.write("bad/depsync.toml", "dir = \"d\"\n\n[recovery]\nmax-agee = \"3d\"\n");
    let lines = [
        "",
        "fly",
        "publish onlydir",
        "publish d h --dir e",
        "status",
        "--json status",
        "--json fly",
        "status --dir d",
        "status --config none.toml",
        "status --config bad/depsync.toml",
        "--json status --config bad/depsync.toml",
        "update d h --to 0",
        "resolve ../x --mine --dir d --hub h",
        "publish d h --node .x",
    ];
    golden("usage_errors", &script(&bench, &lines));
}

#[test]
fn every_shell_gets_its_completions() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = bench.output(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("rollback"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_nobodys_failure() {
    use std::process::Stdio;
    let bench = Bench::new();
    let mut child = bench
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn publish_and_update() {
    let bench = Bench::new();
    deployment(&bench, "manager");
    let mut text = script(
        &bench,
        &[
            "publish manager hub --node m -m 'release 1'",
            "publish manager hub --node m",
            "update worker hub --node w",
            "update worker hub --node w",
            "--detailed-exitcode update worker hub --node w",
        ],
    );
    bench.write("manager/conf/server.xml", "<Server port=\"8006\"/>\n");
    bench.write("manager/conf/new.xml", "<new/>\n");
    std::fs::remove_file(bench.path("manager/conf/users.properties")).expect("removed");
    text.push('\n');
    text.push_str(&script(
        &bench,
        &[
            "diff --dir manager --hub hub --node m",
            "publish --dry-run manager hub --node m",
            "--detailed-exitcode publish manager hub --node m -m 'release 2'",
            "update --dry-run worker hub --node w",
            "--detailed-exitcode update worker hub --node w",
            "status manager hub --node m",
            "log --dir manager --hub hub --node m",
            "verify worker hub --node w",
            "-q update worker hub --node w",
        ],
    ));
    golden("publish_and_update", &text);
}

#[test]
fn an_old_hub_is_upgraded_when_somebody_says_so() {
    use std::fs;
    use std::path::Path;
    let bench = Bench::new();
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hub-v1");
    fs::create_dir(bench.path("hub")).expect("a directory");
    copy_tree(&old, &bench.path("hub"));
    let format = || fs::read_to_string(bench.path("hub/FORMAT")).expect("FORMAT");
    let before = format();
    let mut text = script(
        &bench,
        &[
            "update manager hub --node m",
            "upgrade-hub --dir manager --hub hub --node m",
            "--json upgrade-hub --dir manager --hub hub --node m",
        ],
    );
    assert_eq!(format(), before, "nothing was changed");
    text.push('\n');
    text.push_str(&script(
        &bench,
        &[
            "--detailed-exitcode upgrade-hub --yes --dir manager --hub hub --node m",
            "--detailed-exitcode upgrade-hub --yes --dir manager --hub hub --node m",
            "--json upgrade-hub --dir manager --hub hub --node m",
        ],
    ));
    golden("upgrade_hub", &text);
    assert!(format().contains("\"archives-1\""));

    // Release after release: whole, once; then what has changed.
    let mut fetched = Vec::new();
    for release in 1..=3 {
        bench.write("manager/shop.war", jar::release(release));
        bench.json("publish manager hub --node m");
        let (answer, exit) = bench.json("update worker hub --node w");
        assert_eq!(exit, Some(0), "{answer}");
        fetched.push(answer["bytes_fetched"].as_u64().expect("a number"));
        assert!(fs::read(bench.path("worker/shop.war")).expect("an archive") == jar::release(release));
    }
    let whole = jar::release(1).len() as u64;
    assert!(fetched[0] > whole / 2 && fetched[1] < whole / 10 && fetched[2] < whole / 10, "{fetched:?} of {whole}");

    // Whoever does not know a feature that a hub got later, as a depsync of before does not know this one.
    fs::write(bench.path("hub/FORMAT"), format().replace("archives-1", "archives-9")).expect("a file");
    let refused = bench.run("update late hub --node l");
    assert!(
        refused.contains("a hub that requires `archives-9`") && refused.contains("hint: upgrade depsync"),
        "{refused}"
    );
    assert!(refused.ends_with("--- exit 1\n"), "{refused}");
}

#[test]
fn json() {
    let bench = Bench::new();
    deployment(&bench, "manager");
    let lines = [
        "--json publish manager hub --node m -m 'release 1'",
        "--json publish manager hub --node m",
        "--json update worker hub --node w",
        "--json log --dir worker --hub hub --node w",
        "--json verify worker hub --node w",
        "--json update worker nohub --node w",
    ];
    golden("json", &script(&bench, &lines));
    let fields = |line: &str| {
        let (object, _) = bench.json(line);
        object.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
    };
    for (line, wanted) in [
        (
            "publish manager hub --node m",
            "schema revision root parent changed added modified removed held conflicts problems bytes_changed bytes_sent duration_ms",
        ),
        (
            "update worker hub --node w",
            "schema from to root changed added modified removed conflicts problems bytes_fetched duration_ms",
        ),
        ("status manager hub --node m", "node dir hub applied pinned head drift conflicts nodes"),
    ] {
        let found = fields(line);
        for field in wanted.split(' ') {
            assert!(found.iter().any(|name| name == field), "{line}: no {field} in {found:?}");
        }
    }
}

#[test]
fn conflict_and_resolution() {
    let bench = Bench::new();
    deployment(&bench, "one");
    let mut text = script(&bench, &["publish one hub --node m1 -m 'release 1'", "update two hub --node m2"]);
    bench.write("one/conf/server.xml", "<Server port=\"1\"/>\n");
    bench.write("two/conf/server.xml", "<Server port=\"22\"/>\n");
    bench.write("two/conf/other.xml", "<other/>\n");
    text.push('\n');
    text.push_str(&script(
        &bench,
        &[
            "publish one hub --node m1 -m 'one'",
            "publish two hub --node m2 -m 'two'",
            "status two hub --node m2",
            "resolve conf/server.xml --mine --dir two --hub hub --node m2",
            "publish two hub --node m2 -m 'two again'",
            "update one hub --node m1",
        ],
    ));
    golden("conflict_and_resolution", &text);
}

#[test]
fn rollback_and_pin() {
    let bench = Bench::new();
    deployment(&bench, "manager");
    let mut text = bench.run("publish manager hub --node m -m 'release 1'");
    bench.write("manager/conf/server.xml", "<Server port=\"9\"/>\n");
    text.push('\n');
    text.push_str(&script(
        &bench,
        &[
            "publish manager hub --node m -m 'release 2'",
            "update worker hub --node w --to 1",
            "update worker hub --node w",
            "update worker hub --node w --unpin",
            "rollback 1 --dir manager --hub hub --node m",
            "update worker hub --node w",
            "rollback 99 --dir manager --hub hub --node m",
        ],
    ));
    golden("rollback_and_pin", &text);
}

#[test]
fn guards_and_a_hub_out_of_reach() {
    let bench = Bench::new();
    deployment(&bench, "manager");
    let mut text = script(&bench, &["publish manager hub --node m", "update worker hub --node w"]);
    std::fs::rename(bench.path("manager"), bench.path("elsewhere")).expect("moved");
    std::fs::create_dir(bench.path("manager")).expect("an empty directory");
    text.push('\n');
    text.push_str(&script(&bench, &["publish manager hub --node m", "--json publish manager hub --node m"]));
    std::fs::rename(bench.path("hub"), bench.path("hub-away")).expect("moved");
    std::fs::create_dir(bench.path("hub")).expect("an empty directory");
    text.push('\n');
    text.push_str(&script(&bench, &["update worker hub --node w", "status worker hub --node w"]));
    golden("guards", &text);
}

#[test]
fn a_directory_that_changes_as_one() {
    let bench = Bench::new();
    deployment(&bench, "manager");
    bench.write("manager/shop/index.jsp", "index 1\n");
    bench.write("manager/shop/WEB-INF/web.xml", "<web-app version=\"1\"/>\n");
    let unit = |directory: &str, rest: &str| format!("[[unit]]\ndirectory = \"{directory}\"\n{rest}");
    bench.write("depsync.toml", unit("shop", ""));
    let mut text = script(&bench, &["publish manager hub --node m", "update worker hub --node w"]);
    bench.write("manager/shop/index.jsp", "index 2\n");
    bench.write("manager/conf/users.properties", "admin=y\n");
    bench.write("worker/shop/WEB-INF/upload/one.bin", "uploaded\n");
    let lines = ["publish manager hub --node m", "update worker hub --node w", "--json update worker hub --node w"];
    text.push('\n');
    text.push_str(&script(&bench, &lines));
    bench.write("depsync.toml", unit("shop", "carry = [\"WEB-INF/upload/**\"]\nkeep = \"5m\"\n"));
    text.push('\n');
    text.push_str(&script(&bench, &["update worker hub --node w", "update worker hub --node w"]));
    for bad in [unit("/srv/shop", ""), unit(".", ""), unit("shop", "carry = [\"a[\"]\n"), unit("shop", "kept = 1\n")] {
        bench.write("depsync.toml", bad);
        text.push('\n');
        text.push_str(&bench.run("update worker hub --node w"));
    }
    golden("unit", &text);
}

/// The script that cron has run on such clusters, for a directory that is there.
const CRON_SCRIPT: &str = r#"#!/bin/sh
manager_server_deployments_dir=TOP/manager/
pem_file=~/.ssh/carbon-440-test.pem
trap 'rm -rf /var/lock/depsync-lock' EXIT
mkdir /tmp/carbon-rsync-logs/
if mkdir /var/lock/depsync-lock; then echo "Locking succeeded" >&2; else echo "Lock failed - exit" >&2; exit 1; fi
pushd `dirname $0` > /dev/null; SCRIPTPATH=`pwd`; popd > /dev/null
for x in `cat ${SCRIPTPATH}/nodes-list.txt`
do
echo Syncing $x;
rsync --delete -arve "ssh -i  $pem_file -o StrictHostKeyChecking=no" $manager_server_deployments_dir $x >> /tmp/carbon-rsync-logs/logs.txt
done
"#;

#[test]
fn import_of_a_cron_script() {
    let bench = Bench::new();
    deployment(&bench, "manager");
    bench.write("manager/server.log", "noise\n");
    let top = bench.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let usual = CRON_SCRIPT.replace("TOP", &top);
    bench.write("old/sync.sh", &usual);
    bench.write("old/nodes-list.txt", "ubuntu@10.0.0.1:~/as/server\nubuntu@10.0.0.2:~/as/server\n");
    // Another way to say it: the directory itself is sent, and the list has several nodes a line.
    let other = usual
        .replace("/manager/", "/manager")
        .replace("rsync --delete", "rsync --exclude=*.log -z --bwlimit=500 --delete");
    bench.write("other/sync.sh", other.replace("ssh -i", "ssh -p 2222 -i").replace("done", "chown -R wso2 $x\ndone"));
    bench.write("other/nodes-list.txt", "ubuntu@10.0.0.1:as ubuntu@[2001:db8::2]:/srv\n");
    bench.write("bad/sync.sh", "for x in `hosts`; do rsync -a $1 $x; done\n");
    let lines = [
        "import nodes-list --dry-run old/sync.sh",
        "--detailed-exitcode -q import nodes-list old/sync.sh",
        "import nodes-list old/sync.sh",
        "import nodes-list other/sync.sh",
        "--json import nodes-list other/sync.sh --into . --dry-run",
        "import nodes-list bad/sync.sh",
        "import nodes-list bad/sync.sh --dir manager",
        "import nodes-list none.sh",
        // The program reads what was written.
        "status --config other/depsync.toml",
        "publish --config other/depsync.toml --hub hub --node m",
    ];
    golden("import", &script(&bench, &lines));
}

#[test]
fn the_demo_tells_its_story_to_the_end() {
    let bench = Bench::new();
    deployment(&bench, "mine");
    for line in ["demo", "demo mine"] {
        let text = bench.run(line);
        assert!(text.ends_with("--- exit 0\n"), "{text}");
        assert!(text.contains("signal: 9"), "{text}");
        assert_eq!(text.matches("checked:").count(), 7, "{text}");
    }
    let (object, code) = bench.json("demo");
    assert_eq!((object["identical"].as_bool(), code), (Some(true), Some(0)), "{object}");
}
