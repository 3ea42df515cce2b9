//! The first process of a machine that tests boot: see `depsync_tests::uml`.

fn main() {
    depsync_tests::uml::init::run();
}
