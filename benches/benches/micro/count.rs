//! Instructions, by valgrind.

use std::process::Command;

use crate::subjects;

/// Does a subject so often, for valgrind to look at.
pub(crate) fn once(name: &str, repetitions: &str) {
    let subject = subjects().into_iter().find(|subject| subject.name == name).expect("a subject of that name");
    let mut work = (subject.prepare)();
    (0..repetitions.parse().expect("a number")).for_each(|_| work());
}

/// Counts all of them.
#[allow(clippy::print_stdout, reason = "a table for whoever asked for it")]
pub(crate) fn all() {
    println!("{:<44} {:>16}", "instructions of one repetition", "");
    for subject in subjects() {
        let [one, three] = [1, 3].map(|repetitions| instructions(subject.name, repetitions));
        println!("{:<44} {:>16}", subject.name, grouped(three.saturating_sub(one) / 2));
    }
}

fn instructions(name: &str, repetitions: u32) -> u64 {
    let own = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(own)
        .args(["--once", name, &repetitions.to_string()])
        // One after the other: who waits for whom is no instruction.
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("valgrind: apt-get install valgrind");
    let said = String::from_utf8_lossy(&output.stderr);
    let refs = said.lines().find_map(|line| line.split_once("I   refs:").or_else(|| line.split_once("I refs:")));
    let (_, count) = refs.unwrap_or_else(|| panic!("{name}: {said}"));
    count.trim().replace(',', "").parse().expect("a number")
}

fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(",")
}
