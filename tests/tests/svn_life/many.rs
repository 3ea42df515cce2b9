//! More files in one publish than a program may usually open at once.

use depsync_tests::cli::Bench;
use depsync_tests::svn::Repository;

use crate::town::PLACE;

/// More than the usual 1,024.
const FILES: usize = 1_200;

#[test]
fn more_files_than_a_program_may_open_at_once() {
    let (repository, mut bench) = (Repository::create(), Bench::in_memory());
    for number in 0..FILES {
        bench.write(&format!("m/{number:04}"), format!("{number}\n"));
    }
    let publish = format!("publish m svn+{}/{PLACE} --json", repository.url());
    // What the system allows at most is not enough: said before anything is sent.
    bench.through(&["prlimit", "--nofile=600:600", "--"]);
    let refused = bench.run(&publish);
    assert!(refused.ends_with("--- exit 1\n") && refused.contains("LimitNOFILE"), "{refused}");
    assert_eq!(repository.youngest(), 1, "the place alone");
    // The usual one can be raised.
    bench.through(&["prlimit", "--nofile=1024:4096", "--"]);
    let published = bench.run(&publish);
    assert!(published.ends_with("--- exit 0\n"), "{published}");
    assert_eq!(repository.tree(PLACE, 2).len(), FILES);
}
