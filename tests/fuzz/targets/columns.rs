#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| depsync_tests::fuzz::run("columns", data));
