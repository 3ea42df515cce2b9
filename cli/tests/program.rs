//! The program starts. (That this test stands in this crate makes cargo build the program before any test runs; the
//! end-to-end tests of `tests/` rely on it.)

use std::process::Command;

#[test]
fn the_program_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_depsync")).arg("--version").output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), concat!("depsync ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(output.status.success());
}
