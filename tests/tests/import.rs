//! What `import` makes of a script's rsync means what it meant: the same script, run by rsync and taken over, leaves out the
//! same files and reaches the same directory.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use depsync_tests::cli::Bench;

/// Files that the patterns tell apart.
const FILES: [&str; 14] = [
    "a.log",
    "a.xml",
    "work/a.xml",
    "work/b.log",
    "deep/work/c.xml",
    "deep/a/b/d.xml",
    "a/b/e.xml",
    "a/c.xml",
    "deep/ab.xml",
    "manager/f.xml",
    "deep/manager/g.xml",
    "w1/x",
    "w2/x",
    "deep/w1",
];

const PATTERNS: [&str; 15] = [
    "*.log",
    "work",
    "work/",
    "/work",
    "/work/",
    "a/b",
    "/a/b/",
    "a/***",
    "deep/**",
    "/deep/**",
    "w[12]",
    "w?",
    "*b*",
    "/manager/f.xml",
    "*a*/*.xml",
];

fn files(top: &Path, below: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(below).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(top, &path, found);
        }
        found.insert(path.strip_prefix(top).expect("below").to_string_lossy().into_owned());
    }
}

fn listed(top: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    files(top, top, &mut found);
    found
}

#[test]
fn what_is_excluded_is_what_rsync_excludes() {
    let mut taken = 0;
    for slash in ["/", ""] {
        for (number, pattern) in PATTERNS.iter().enumerate() {
            let bench = Bench::in_memory();
            for file in FILES {
                bench.write(&format!("manager/{file}"), file);
            }
            let source = format!("{}{slash}", bench.path("manager").display());
            bench.write("old/sync.sh", format!("rsync -a --exclude='{pattern}' {source} web:/there\n"));
            let (plan, code) = bench.json("import nodes-list old/sync.sh");
            assert_eq!(code, Some(0), "{pattern}: {plan}");
            let shown = format!("{pattern} of {source}: {plan}");
            let far = plan["nodes"][0]["address"].as_str().expect("an address");
            assert_eq!(far, if slash.is_empty() { "web:/there/manager" } else { "web:/there" }, "{shown}");
            let ignored = plan["config"]["text"].as_str().expect("a text").contains("ignore");
            // A pattern is taken or named, never dropped in silence.
            assert_ne!(ignored, plan["remarks"].to_string().contains(pattern), "{shown}");
            if !ignored {
                continue;
            }
            taken += 1;
            let there = bench.path("there");
            let exclude = format!("--exclude={pattern}");
            let status =
                Command::new("rsync").args(["-a", &exclude, &source]).arg(&there).status().expect("rsync runs");
            assert!(status.success(), "{shown}");
            let published = bench.run(&format!("publish --config old/depsync.toml --hub hub --node m{number}"));
            assert!(published.ends_with("exit 0\n"), "{published}");
            let updated = bench.run("update mirror hub --node w");
            assert!(updated.ends_with("exit 0\n"), "{updated}");
            let destination = if slash.is_empty() { there.join("manager") } else { there };
            assert_eq!(listed(&bench.path("mirror")), listed(&destination), "{shown}");
        }
    }
    assert!(taken >= PATTERNS.len() + 5, "most patterns have an equal: {taken}");
}
