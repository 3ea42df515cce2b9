use std::process::{Command, Stdio};

use depsync_tests::cli::program;
use depsync_tests::cluster::Site;
use depsync_tests::daemon::wait_until;
use depsync_tests::snapshot::write_tree;

use super::wait_for_equality;

/// The example of the program, as it stands in `cli/examples`.
#[test]
fn a_manager_and_a_worker_live_in_one_program() {
    let site = Site::new();
    let dirs = ["m", "w"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("a", "one"), ("conf/b", "two")]);
    let example = program().with_file_name("examples").join("embed");
    let mut command = Command::new(&example);
    command.arg(&dirs[0]).arg(site.hub()).arg(&dirs[1]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child =
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}: cargo build --examples", example.display()));
    wait_until("the worker has the first revision", || dirs[1].join("conf/b").exists());
    write_tree(&dirs[0], &[("a", "changed")]);
    let ended = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    wait_for_equality(&dirs);
    assert_eq!(said.matches("Stopped").count(), 2, "{said}");
}
