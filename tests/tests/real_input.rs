//! Real applications through the real program: Tomcat's jars, exploded applications and pages, as Debian packs them.
//!
//! `diff -r` and `b3sum`, which know nothing of depsync, say whether what arrives is what was published.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use depsync_tests::cli::Bench;
use depsync_tests::debian;

const PACKAGES: [&str; 4] = ["libtomcat10-java", "tomcat10-examples", "tomcat10-docs", "tomcat10-admin"];

/// Runs a program of the system; it must succeed. Answers its stdout.
fn system(program: &str, args: &[&Path], directory: &Path) -> String {
    let output = Command::new(program).args(args).current_dir(directory).output().expect("the program is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{program} {args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said.into_owned()
}

/// Every path below `top` with kind and mode, and `b3sum`'s word for every file.
fn listing(top: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut files = Vec::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).expect("a readable directory") {
            let path = entry.expect("an entry").path();
            let about = path.symlink_metadata().expect("metadata");
            let below = path.strip_prefix(top).expect("below the top").to_owned();
            if about.is_symlink() {
                lines.push(format!("{} -> {}", below.display(), path.read_link().expect("a link").display()));
                continue;
            }
            lines.push(format!("{} {:o}", below.display(), about.permissions().mode()));
            if about.is_dir() {
                waiting.push(path);
            } else {
                files.push(below);
            }
        }
    }
    files.sort();
    for some in files.chunks(500) {
        let args: Vec<&Path> = some.iter().map(AsRef::as_ref).collect();
        lines.extend(system("b3sum", &args, top).lines().map(str::to_owned));
    }
    lines.sort();
    lines
}

/// Both workers are the manager's directory, by two witnesses.
fn identical(bench: &Bench) {
    let manager = bench.path("manager");
    let wanted = listing(&manager);
    assert!(wanted.len() > 500, "real input is there: {} lines", wanted.len());
    for name in ["worker-1", "worker-2"] {
        let worker = bench.path(name);
        // Links may point outside (Debian's do): they are compared by target in the listing, and never followed.
        system("diff", &["-r".as_ref(), "--no-dereference".as_ref(), &manager, &worker], &manager);
        assert_eq!(wanted, listing(&worker), "{name}");
    }
}

fn done(bench: &Bench, line: &str) {
    let text = bench.run(line);
    assert!(text.ends_with("--- exit 0\n"), "{text}");
}

#[test]
fn tomcat_arrives_identical_on_two_workers_and_so_does_its_change() {
    let bench = Bench::new();
    let manager = bench.path("manager");
    std::fs::create_dir(&manager).expect("a directory");
    for package in PACKAGES {
        system("cp", &["-a".as_ref(), &debian::unpacked(package), &manager.join(package)], &manager);
    }
    done(&bench, "publish manager hub --node m -m first");
    done(&bench, "update worker-1 hub --node w1");
    done(&bench, "update worker-2 hub --node w2");
    identical(&bench);

    let page = "manager/tomcat10-examples/usr/share/tomcat10-examples/examples/index.html";
    bench.write(page, "<html>edited</html>\n");
    bench.write("manager/tomcat10-examples/new/page.html", "<html>new</html>\n");
    std::fs::remove_dir_all(manager.join("tomcat10-admin/usr/share/doc")).expect("removed");
    std::fs::set_permissions(bench.path(page), std::fs::Permissions::from_mode(0o600)).expect("chmod");
    done(&bench, "publish manager hub --node m -m second");
    done(&bench, "update worker-1 hub --node w1");
    done(&bench, "update worker-2 hub --node w2");
    identical(&bench);

    done(&bench, "verify worker-1 hub --node w1");
    let (status, _) = bench.json("status manager hub --node m");
    let roots: Vec<_> = status["nodes"].as_array().expect("nodes").iter().map(|node| &node["measured"]).collect();
    assert_eq!(roots.len(), 3);
    assert!(roots.iter().all(|root| root.is_string() && *root == roots[0]), "{status}");
}
