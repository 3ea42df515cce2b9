//! The model-based test: two managers and two workers over one hub, random edits and random commands, and a naive model
//! that says what every command must answer and leave behind.
//!
//! A case is a number of steps: some disk is edited, some node runs a command. After each command the real directory
//! must equal the model's byte by byte, mode by mode, link by link; counters, conflicts, held paths and problems must
//! be those that the model expects; nothing that was only on that disk may be gone, but in the recovery area; what did
//! not change was not touched. In half of the cases the directories are watched, and commands look only where something
//! has changed; in four of ten, every directory at the top changes as one. In the end everybody settles, and all trees, roots and reports agree.
//!
//! `DEPSYNC_TEST_CASES` sets the number of cases, `DEPSYNC_TEST_SEED` repeats one (a failure prints its seed).

mod commands;
mod edit;
mod member;
mod oracle;
mod sentry;
mod steps;
mod world;

use world::World;

/// As many as two slow cores make in about a minute, unoptimised.
const CASES: u64 = 150;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

fn case(seed: u64) {
    let mut world = World::new(seed);
    world.begin();
    for _ in 0..world.length() {
        world.step();
    }
    world.settle();
}

#[test]
fn the_engine_does_what_the_model_says() {
    if let Some(seed) = number("DEPSYNC_TEST_SEED") {
        return case(seed);
    }
    let cases = number("DEPSYNC_TEST_CASES").unwrap_or(CASES);
    let next = std::sync::atomic::AtomicU64::new(1);
    let work = || {
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed > cases {
                return;
            }
            case(seed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
}
