//! A machine to be hard on: user-mode Linux, a whole kernel that runs as an ordinary process.
//!
//! It has what the kernel below may not have (an NFS server and client, device-mapper), and it can lose its power: when
//! its process is killed, what was not flushed to its disks is gone. Needs the package `user-mode-linux`, unpacked by
//! `./dev test`, and a C compiler; no root and no KVM. There is one for x86-64 only.
//!
//! A test runs itself again inside ([`inside`]): the test binary asks for a [`Machine`], which boots with
//! this machine's file system as its root, read-only beneath an overlay, starts the same binary with the one test, and
//! powers off. There is one directory that both sides see and write to ([`shared`]). What is said inside comes back as
//! [`Report::console`], with the exit status in its last line.
//!
//! | file | is |
//! |---|---|
//! | `machine` | outside: the process, its limits, its end |
//! | `job` | what is handed in: program, arguments, modules |
//! | `init` | inside: the first process. Root file system, modules, the program, power off |
//! | `disk` | disk images, and mounting them inside |
//! | `scenarios` | several checks in one machine |
//! | `xstate.c` | makes Debian's kernel run on newer processors |
//!
//! Laws:
//! - a machine has a limit of time, after which it is killed and the test fails with what was said until then;
//! - whatever ends it, no process and no file of it is left: it lives in a process namespace whose first process dies
//!   with the one that the test waits for, also when the test itself is killed;
//! - inside, nothing of the outside can be written to but the shared directory and the disks.
//!
//! It has one processor, and each system call costs some 5 microseconds, a new process 10 ms: one program a machine, and
//! few children.

mod disk;
pub mod init;
mod job;
mod machine;
mod scenarios;

pub use disk::{Disk, mount};
pub use job::Job;
pub use machine::{End, Machine, Report};
pub use scenarios::{Scenarios, say};

use std::path::PathBuf;

use tempfile::TempDir;

/// Set inside: the shared directory.
const INSIDE: &str = "DEPSYNC_TESTS_MACHINE";

/// Runs the test `name` of this binary in `machine`; says whether this is the process inside, which is to do the work.
///
/// # Panics
/// If the machine does not come to its end, or the test fails inside: with what was said there.
pub fn inside(name: &str, machine: &Machine) -> bool {
    if is_inside() {
        return true;
    }
    let report = machine.run(&Job::test(name));
    assert!(report.end == End::Finished(0), "`{name}` in a machine of its own: {:?}\n{}", report.end, report.console);
    // For those who ask to see what went through.
    print(&report.console);
    false
}

/// Whether this process is in a machine.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Outside: a directory for disk images, in memory where there is a file system for that. Inside it stays empty.
pub fn images() -> TempDir {
    machine::scratch()
}

/// Inside: the directory that both sides see.
pub fn shared() -> PathBuf {
    std::env::var_os(INSIDE).expect("only inside a machine").into()
}

fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}
