//! `svnmucc` opens all files of a commit before it sends the first one.

use depsync_tests::cli::Bench;
use depsync_tests::svn::Repository;

#[test]
fn a_publish_needs_no_more_open_files_than_a_process_may_have() {
    let (repository, mut bench) = (Repository::create(), Bench::in_memory());
    for number in 0..400 {
        bench.write(&format!("source/file-{number}.xml"), format!("<content number=\"{number}\"/>\n"));
    }
    let line = format!("--state state publish source svn+{}/main", repository.url());
    // A limit that nobody may raise is named before anything is sent.
    bench.through(&["prlimit", "--nofile=256:256"]);
    let said = bench.run(&line);
    assert!(said.contains("`svnmucc` has to open 528 files at once, and a process may open 256 here"), "{said}");
    assert!(said.contains("ulimit -Hn") && repository.youngest() == 1, "{said}");
    bench.through(&["prlimit", "--nofile=256:1024"]);
    let (said, status) = bench.json(&line);
    assert_eq!((status, repository.youngest()), (Some(0), 2), "{said}");
}
