//! The parts of the engine, each alone: how long one piece of work takes, and how many instructions.
//!
//! `cargo bench -p depsync-bench --bench micro` has divan take the time. Where others use the machine, that says little;
//! `-- --count` runs each subject under valgrind instead, once with one repetition and once with two, and prints the
//! difference: what is set up before falls out, and two runs agree to a few in a thousand.
//!
//! | file | is |
//! |---|---|
//! | `subject` | [`Subject`]: what is prepared, and what is repeated |
//! | `tree`, `content`, `node`, `database` | the subjects |
//! | `count` | valgrind |

mod content;
mod count;
mod database;
mod node;
mod subject;
mod tree;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

use self::subject::{Amount, Subject};

/// All of them.
fn subjects() -> Vec<Subject> {
    [tree::subjects(), content::subjects(), node::subjects(), database::subjects()].into_iter().flatten().collect()
}

fn names() -> Vec<&'static str> {
    subjects().iter().map(|subject| subject.name).collect()
}

#[divan::bench(args = names(), sample_count = 20)]
fn micro(bencher: Bencher<'_, '_>, name: &str) {
    let Some(subject) = subjects().into_iter().find(|subject| subject.name == name) else { return };
    let mut work = (subject.prepare)();
    match subject.amount {
        Amount::Items(count) => bencher.counter(ItemsCount::new(count)).bench_local(&mut work),
        Amount::Bytes(count) => bencher.counter(BytesCount::new(count)).bench_local(&mut work),
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--once", name, repetitions] => count::once(name, repetitions),
        _ if words.contains(&"--count") => count::all(),
        _ => divan::main(),
    }
}
