use super::*;

use proptest::prelude::*;

use crate::config::Config;

/// A script and its list in a directory of their own. `TOP` in the script stands for the directory.
struct Bench {
    top: tempfile::TempDir,
}

impl Bench {
    fn new(script: &str, list: &str) -> Self {
        let top = tempfile::tempdir().expect("a directory");
        let bench = Self { top };
        for directory in ["conf", "home", "srv/server"] {
            std::fs::create_dir_all(bench.path(directory)).expect("a directory");
        }
        let script = script.replace("TOP", &bench.top.path().to_string_lossy());
        std::fs::write(bench.path("sync.sh"), script).expect("a script");
        std::fs::write(bench.path("nodes-list.txt"), list).expect("a list");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn request(&self) -> Request {
        Request {
            script: self.path("sync.sh"),
            list: None,
            dir: None,
            into: self.path("conf"),
            home: Some(self.path("home")),
        }
    }

    fn plan(&self) -> Plan {
        Plan::of(&self.request()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the plan says, with `@` for the directory.
    fn shown(&self, text: &str) -> String {
        text.replace(&*self.top.path().to_string_lossy(), "@")
    }

    fn settings(&self, plan: &Plan) -> Vec<String> {
        plan.config_text.lines().skip(1).map(|line| self.shown(line)).collect()
    }
}

fn nodes(plan: &Plan) -> Vec<String> {
    plan.nodes.iter().map(Addressee::shown).collect()
}

const USUAL: &str = "#!/bin/sh
manager_server_deployments_dir=TOP/srv/server/
pem_file=~/.ssh/carbon-440-test.pem

#delete the lock on exit
trap 'rm -rf /var/lock/depsync-lock' EXIT
mkdir /tmp/carbon-rsync-logs/
if mkdir /var/lock/depsync-lock; then
  echo \"Locking succeeded\" >&2
else
  echo \"Lock failed - exit\" >&2
  exit 1
fi
pushd `dirname $0` > /dev/null
SCRIPTPATH=`pwd`
popd > /dev/null
echo $SCRIPTPATH
for x in `cat ${SCRIPTPATH}/nodes-list.txt`
do
echo ================================================== >> /tmp/carbon-rsync-logs/logs.txt;
echo Syncing $x;
rsync --delete -arve \"ssh -i  $pem_file -o StrictHostKeyChecking=no\" $manager_server_deployments_dir $x >> /tmp/carbon-rsync-logs/logs.txt
done
";

#[test]
fn the_usual_script_is_taken_over_whole() {
    let bench = Bench::new(USUAL, "ubuntu@10.0.0.1:~/as/server\nubuntu@10.0.0.2:~/as/server\n");
    let plan = bench.plan();
    assert_eq!(
        bench.settings(&plan),
        [
            "dir = \"@/srv/server\"",
            "nodes = \"@/nodes-list.txt\"",
            "[ssh]",
            "identity = \"@/home/.ssh/carbon-440-test.pem\""
        ]
    );
    assert_eq!(nodes(&plan), ["ubuntu@10.0.0.1:~/as/server", "ubuntu@10.0.0.2:~/as/server"]);
    assert_eq!(
        (plan.list_text.is_none(), plan.trusts_any_host, plan.deletes, plan.carries_owners),
        (true, true, true, true)
    );
    assert_eq!(plan.log.as_deref(), Some(Path::new("/tmp/carbon-rsync-logs/logs.txt")));
    assert_eq!(plan.remarks, []);
    let lines: Vec<_> = plan.taken.iter().map(|taken| (taken.key, taken.line)).collect();
    assert_eq!(lines, [("dir", Some(22)), ("nodes", Some(18)), ("ssh.identity", Some(22))]);
}

#[test]
fn what_is_written_is_what_the_program_reads() {
    let script = "for x in `cat TOP/nodes-list.txt`; do rsync -az --bwlimit=2m --exclude='*.log' --exclude /work/ \\
        -e 'ssh -p 2222 -i \"/k/a b\" -o UserKnownHostsFile=~/known' TOP/srv/server $x:/d; done";
    let bench = Bench::new(script, "a\nb\n");
    let plan = bench.plan();
    plan.write().expect("writes");
    let config = Config::load(Some(&plan.config), Path::new("/")).expect("reads");
    assert_eq!(config.dir.as_deref(), Some(&*bench.path("srv/server")));
    assert_eq!(config.nodes.as_deref(), Some(&*bench.path("conf/nodes-list.depsync.txt")));
    assert_eq!(config.ignore, ["*.log"]);
    let ssh = config.ssh;
    assert_eq!((ssh.identity.as_deref(), ssh.port), (Some(Path::new("/k/a b")), Some(2222)));
    assert_eq!((ssh.bandwidth_limit, ssh.compress), (Some(2048), true));
    assert_eq!(ssh.known_hosts, Some(bench.path("home/known")));
    let read = depsync_transports::nodes::read(&plan.list, None).expect("a list");
    assert_eq!(read, plan.nodes);
    assert_eq!(nodes(&plan), ["a:/d/server", "b:/d/server"]);
    assert!(plan.remarks.iter().any(|remark| remark.what.contains("/work/")), "{:?}", plan.remarks);

    let again = plan.write().expect_err("there is one");
    assert_eq!(again.kind(), ErrorKind::Usage);
    assert!(again.place().is_some_and(|place| place.ends_with(LIST)), "{again}");
    std::fs::remove_file(&plan.list).expect("removed");
    let again = plan.write().expect_err("there is one");
    assert!(again.place().is_some_and(|place| place.ends_with("depsync.toml")), "{again}");
    assert!(!plan.list.exists(), "nothing was written");
}

#[test]
fn other_ways_to_write_such_a_script() {
    let usual = "a:/d\nb:/d\n";
    for (script, list, wanted, made) in [
        // The list.
        ("for x in $(cat TOP/nodes-list.txt); do rsync -a TOP/srv/server/ $x; done", usual, "a:/d b:/d", false),
        ("for x in $(<TOP/nodes-list.txt); do rsync -a TOP/srv/server/ $x; done", usual, "a:/d b:/d", false),
        (
            "L=`cat TOP/nodes-list.txt | sort -u`\nfor x in $L\ndo\nrsync -a TOP/srv/server/ ${x}\ndone",
            usual,
            "a:/d b:/d",
            false,
        ),
        ("for x in `grep -v '^#' TOP/nodes-list.txt`; do rsync -a TOP/srv/server/ $x; done", usual, "a:/d b:/d", false),
        ("while read -r x; do rsync -a TOP/srv/server/ \"$x\"; done < TOP/nodes-list.txt", usual, "a:/d b:/d", false),
        ("cat TOP/nodes-list.txt | while IFS= read x; do rsync -a TOP/srv/server/ $x; done", usual, "a:/d b:/d", false),
        (
            "while read x || [ -n \"$x\" ]; do rsync -a TOP/srv/server/ $x; done <TOP/nodes-list.txt",
            usual,
            "a:/d b:/d",
            false,
        ),
        (
            "cd `dirname $0`; for x in `cat nodes-list.txt`; do rsync -a TOP/srv/server/ $x; done",
            usual,
            "a:/d b:/d",
            false,
        ),
        (
            "D=$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)\nfor x in `cat $D/nodes-list.txt`; do rsync -a TOP/srv/server/ $x; done",
            usual,
            "a:/d b:/d",
            false,
        ),
        ("for x in a:/d b:/d; do rsync -a TOP/srv/server/ $x; done", "", "a:/d b:/d", true),
        ("W=\"a:/d \\\n b:/d\"\nfor x in ${W}; do rsync -a TOP/srv/server/ $x; done", "", "a:/d b:/d", true),
        ("rsync -a TOP/srv/server/ ops@a:/d", "", "ops@a:/d", true),
        ("H=ops@a; T=$H:/d/x; rsync -a TOP/srv/server/ $T", "", "ops@a:/d/x", true),
        // What is in the list.
        ("for x in `cat TOP/nodes-list.txt`; do rsync -a TOP/srv/server/ $x; done", "a:/d b:/d\n", "a:/d b:/d", true),
        (
            "for x in `cat TOP/nodes-list.txt`; do rsync -a TOP/srv/server/ $x; done",
            "a:/d a:/d\nb:/d",
            "a:/d b:/d",
            true,
        ),
        (
            "for x in `cat TOP/nodes-list.txt`; do rsync -a TOP/srv/server/ ops@$x:/d/; done",
            "#\na\nb",
            "ops@a:/d ops@b:/d",
            true,
        ),
        (
            "for x in `cat TOP/nodes-list.txt`; do rsync -a -e 'ssh -l ops' TOP/srv/server/ $x; done",
            "a:/d\nx@b:/d",
            "ops@a:/d x@b:/d",
            true,
        ),
        ("while read x; do rsync -a TOP/srv/server/ \"$x\"; done < TOP/nodes-list.txt", "a:/d e\n", "a:/d e", true),
        // The slash.
        (
            "for x in `cat TOP/nodes-list.txt`; do rsync -a TOP/srv/server $x; done",
            "a:/d b:/d/ c: e:~",
            "a:/d/server b:/d/server c:~/server e:~/server",
            true,
        ),
        ("for x in `cat TOP/nodes-list.txt`; do rsync -a TOP/srv/server/. $x; done", usual, "a:/d b:/d", false),
        ("S=TOP/srv; for x in `cat TOP/nodes-list.txt`; do rsync -a $S/server/ $x; done", usual, "a:/d b:/d", false),
        // The command.
        (
            "O='-az --delete'\nR=\"rsync $O\"\nfor x in `cat TOP/nodes-list.txt`; do $R TOP/srv/server/ $x; done",
            usual,
            "a:/d b:/d",
            false,
        ),
        (
            "for x in `cat TOP/nodes-list.txt`; do sudo nice -n 5 /usr/bin/rsync -a TOP/srv/server/ $x || echo no; done",
            usual,
            "a:/d b:/d",
            false,
        ),
        (
            "push() {\n rsync -a TOP/srv/server/ $x\n}\nfor x in `cat TOP/nodes-list.txt`; do if ! rsync -a TOP/srv/server/ $x; then exit; fi; done; push",
            usual,
            "a:/d b:/d",
            false,
        ),
        (
            "D=TOP/srv/\nDIR=${D}server/\nfor x in `cat TOP/nodes-list.txt`; do rsync -a -- \"$DIR\" \"$x\"; done",
            usual,
            "a:/d b:/d",
            false,
        ),
    ] {
        let bench = Bench::new(script, list);
        let plan = Plan::of(&bench.request()).unwrap_or_else(|error| panic!("{script}: {error}"));
        assert_eq!(nodes(&plan).join(" "), wanted, "{script}");
        assert_eq!(plan.list_text.is_some(), made, "{script}");
        assert_eq!(bench.settings(&plan)[0], "dir = \"@/srv/server\"", "{script}");
        if let Some((text, _)) = &plan.list_text {
            let again = depsync_transports::nodes::parse(text, "new", Path::new("/"), None).expect(script);
            assert_eq!(again, plan.nodes, "{script}");
        }
    }
}

#[test]
fn without_a_directory_or_a_list_it_is_an_error_that_says_what_to_say() {
    let each = |source: &str| format!("for x in `cat TOP/nodes-list.txt`; do\nrsync -a {source} $x; done");
    for (script, list, place, word, hint) in [
        ("echo hello", "", "sync.sh", "no rsync", "the crontab"),
        ("W=\"a\nrsync -a TOP/srv/server/ a:/d", "", "sync.sh", "no rsync", "line 1"),
        (&*each("$1/"), "a:/d", "sync.sh:2", "$1", "--dir"),
        (&*each("`date`/x"), "a:/d", "sync.sh:2", "$(date)", "--dir"),
        (&*each("TOP/srv/a TOP/srv/b"), "a:/d", "sync.sh:2", "several", "--dir"),
        (&*each("/"), "a:/d", "sync.sh:2", "not a directory to deploy", "--dir"),
        (&*each("TOP/srv/../x/"), "a:/d", "sync.sh:2", "not a directory to deploy", "--dir"),
        (&*each("web:/srv/"), "a:/d", "sync.sh:2", "another host", "--dir"),
        (&*each("-R TOP/srv/server/"), "a:/d", "sync.sh:2", "--relative", "by hand"),
        (&*each("TOP/"), "a:/d", "conf", "deployed with it", "--into"),
        (&*each("TOP/srv/server/"), "a:/d\n/local\n", "nodes-list.txt:2", "no host", "one node a line"),
        (&*each("TOP/srv/server/"), "a:/d b:/d\nc:/\n", "nodes-list.txt:2", "root", "name a directory"),
        (&*each("TOP/srv/server/"), "\n", "nodes-list.txt", "no node", "one node a line"),
        ("rsync -a TOP/srv/server/ /mnt/x", "", "sync.sh:1", "on this machine", "--list"),
        ("rsync -a TOP/srv/server/", "", "sync.sh:1", "no destination", "--list"),
        ("rsync -a", "", "sync.sh:1", "no directory to send", "--dir"),
        ("rsync -a TOP/srv/server/ $2", "", "sync.sh:1", "$2", "--list"),
        ("for x in `nodes`; do rsync -a TOP/srv/server/ $x; done", "", "sync.sh:1", "$(nodes)", "--list"),
        ("for x in `cat /none`; do rsync -a TOP/srv/server/ $x; done", "", "/none", "No such file", "--list"),
        ("for x in a:/d $y; do rsync -a TOP/srv/server/ $x; done", "", "sync.sh:1", "$y", "--list"),
        (
            "for x in a:/d ':'; do\nrsync -a TOP/srv/server/ $x; done",
            "",
            "sync.sh:1",
            "no directory",
            "one node a line",
        ),
    ] {
        let bench = Bench::new(script, list);
        let error = Plan::of(&bench.request()).err().unwrap_or_else(|| panic!("{script}"));
        assert_eq!(error.kind(), ErrorKind::Usage, "{script}");
        assert!(error.place().expect("a place").ends_with(place), "{script}: {error}");
        assert!(error.to_string().contains(word), "{script}: {error}");
        assert!(error.advice().expect("advice").contains(hint), "{script}: {:?}", error.advice());
    }
}

#[test]
fn the_command_line_says_what_the_script_does_not() {
    let bench = Bench::new("for x in `nodes`; do\nrsync -a $1/ ops@$x; done", "a:/d\n");
    let (dir, list) = (Some(bench.path("srv/server")), Some(bench.path("nodes-list.txt")));
    let plan = Plan::of(&Request { dir, list, ..bench.request() }).expect("a plan");
    assert_eq!(bench.settings(&plan)[0], "dir = \"@/srv/server\"");
    assert_eq!(nodes(&plan), ["ops@a:/d"]);
    assert_eq!(plan.taken.iter().filter(|taken| taken.line.is_none()).count(), 2);
}

#[test]
fn what_has_no_place_is_said_with_its_line() {
    let script = "chown -R x TOP/srv\n. /etc/profile\nfor x in a:/d; do\nrsync -avuH --chmod=D755 --include '*.war' --exclude tmp \\
 -e \"ssh -F cfg -o ProxyJump=j\" TOP/srv/server/ $x\nssh $x systemctl restart wso2\ndone\nrsync -a TOP/other/ b:/d\n";
    let bench = Bench::new(script, "");
    let plan = bench.plan();
    let said: Vec<String> = plan.remarks.iter().map(|remark| format!("{} {}", remark.line, remark.what)).collect();
    for (line, word) in [
        (1, "`chown`"),
        (2, "another file"),
        (4, "--update"),
        (4, "--chmod"),
        (4, "--include=*.war"),
        (4, "--exclude beside"),
        (5, "ssh -F"),
        (5, "ssh -o ProxyJump"),
        (6, "`ssh`"),
        (8, "another rsync"),
    ] {
        assert!(
            said.iter().any(|one| one.starts_with(&format!("{line} ")) && one.contains(word)),
            "{line} {word}: {said:?}"
        );
    }
    assert_eq!(said.len(), 10, "{said:?}");
    assert!(!plan.config_text.contains("ignore"), "{}", plan.config_text);
    let bench = Bench::new("for x in a:/d; do rsync -a -e 'sshpass -p secret ssh' TOP/srv/none/* $x; done", "");
    let plan = bench.plan();
    assert!(plan.remarks.iter().all(|remark| !remark.what.contains("secret")), "{:?}", plan.remarks);
    for word in ["sshpass", "is not there", "begin with a dot"] {
        assert!(plan.remarks.iter().any(|remark| remark.what.contains(word)), "{word}: {:?}", plan.remarks);
    }
}

#[test]
fn a_script_that_grows_without_end_is_no_harm() {
    let doubles = format!("a=x\n{}rsync -a $a/ h:/d", "a=$a$a\n".repeat(200));
    let error = Plan::of(&Bench::new(&doubles, "").request()).expect_err("not understood");
    assert!(error.to_string().contains("very long"), "{error}");
    let deep = format!("rsync -a {}x{}/ h:/d", "$(echo ".repeat(5000), ")".repeat(5000));
    let error = Plan::of(&Bench::new(&deep, "").request()).expect_err("not understood");
    assert!(error.to_string().contains("not understood"), "{error}");
    let long = "#".repeat(70_000);
    let error = Plan::of(&Bench::new(&long, "").request()).expect_err("long");
    assert!(error.to_string().contains("longer than 64.0 KiB"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_script_is_a_panic(
        words in proptest::collection::vec(
            "(for|while|read|done|do|in|rsync|-avze|ssh|cat|cd|pushd|popd|dirname|exec|x=|\\$x|\\$\\{x\\}|\\$0|`|\\$\\(|\\)|\"|'|\\\\|\n|;|\\||<|>>|<<E|2>|&|~|/a|a:/b|--exclude=|-i|-p|é|\\PC)( |)",
            0..40,
        )
    ) {
        let text = words.concat();
        let outline = script::follow(&text, Path::new("/s/x.sh"), Some(Path::new("/h")));
        for call in &outline.calls {
            let mut transfer = Transfer::read(call, Some(Path::new("/h")));
            transfer.ignore(Some("x"));
        }
    }
}
