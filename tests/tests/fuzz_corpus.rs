//! The corpus of the fuzzer as an ordinary test: every input that ever reached something new keeps the laws.
//!
//! `./dev fuzz` makes the corpus; `DEPSYNC_BLESS=1` writes the inputs that the engine's own encoders give into it.

use std::fs;

use depsync_engine::hash::Digest;
use depsync_tests::fuzz::{self, TARGETS};

/// Replays what is kept for one target.
fn replay(name: &str) {
    let directory = fuzz::corpus(name);
    let seeds = fuzz::seeds(name);
    if std::env::var_os("DEPSYNC_BLESS").is_some() {
        fs::create_dir_all(&directory).expect("a directory");
        for seed in &seeds {
            fs::write(directory.join(&Digest::of(seed).to_string()[..40]), seed).expect("a file");
        }
    }
    for seed in &seeds {
        fuzz::run(name, seed);
    }
    let mut inputs = 0;
    for entry in fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("an entry").path();
        let data = fs::read(&path).expect("a readable input");
        // So that a failure names its input.
        std::panic::catch_unwind(|| fuzz::run(name, &data))
            .unwrap_or_else(|_| panic!("{} breaks a law of {name}", path.display()));
        inputs += 1;
    }
    assert!(inputs >= seeds.len(), "{} holds {inputs} inputs only", directory.display());
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|(name, _)| *name).eq(replayed));
        }
    };
}

replayed! { archive block columns deflated frames hub ignore object pack_tail patch recipe record report tree }
