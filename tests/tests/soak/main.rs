//! A cluster under `depsync run` for minutes, in a bad week: two managers who publish, twenty workers who follow, and things
//! that happen to all of them, by a schedule that a seed gives. In the end every directory and every report agrees, and
//! nobody who has lived through it has grown: memory is compared with that of a quiet moment, open files with the most that
//! were open before it, because whoever is cut off just then has fewer than he is to have.
//!
//! Three minutes; `DEPSYNC_SOAK=1800` makes it half an hour.
//!
//! | file | is |
//! |---|---|
//! | `cluster` | the managers, the workers, their hub and the network between them |
//! | `troubles` | what happens to them, and how it ends |
//! | `size` | the memory and the open files of a process |

mod cluster;
mod size;
mod troubles;

use std::time::{Duration, Instant};

use depsync_tests::dice::{Dice, seed};

use self::cluster::Cluster;
use self::size::Size;
use self::troubles::Troubles;

/// How long, if nobody says.
const USUAL: u64 = 180;
/// How often somebody changes something.
const CHANGES: Duration = Duration::from_secs(1);
/// How long it may take until nothing is left of those who are gone.
const SETTLING: Duration = Duration::from_secs(60);

#[test]
#[allow(clippy::print_stderr, reason = "what a long test has seen is for the person who reads its output")]
fn a_bad_week() {
    let given = std::env::var("DEPSYNC_SOAK").ok().map(|text| text.parse().expect("seconds in DEPSYNC_SOAK"));
    let length = Duration::from_secs(given.unwrap_or(USUAL));
    let mut dice = Dice::new(seed());
    let mut cluster = Cluster::start();
    cluster.wait_until_all_agree();
    let mut troubles = Troubles::default();
    let begun = Instant::now();
    let (mut busy, mut changes) = (cluster.sizes(), 0);
    let mut early: Option<Vec<Size>> = None;
    while begun.elapsed() < length {
        let round = Instant::now();
        cluster.change(&mut dice, changes);
        changes += 1;
        troubles.go_on(&mut dice, &mut cluster);
        if early.is_none() {
            busy = busy.into_iter().zip(cluster.sizes()).map(|(most, now)| now.with_files_of(&most)).collect();
        }
        // A third of the time for caches to fill. Then it is quiet for once, as it is in the end.
        if early.is_none() && begun.elapsed() > length / 3 {
            troubles.end_all(&mut cluster);
            cluster.wait_until_all_agree();
            early = Some(cluster.sizes().into_iter().zip(&busy).map(|(now, most)| now.with_files_of(most)).collect());
        }
        std::thread::sleep(CHANGES.saturating_sub(round.elapsed()));
    }
    troubles.end_all(&mut cluster);
    cluster.wait_until_all_agree();
    eprintln!("{changes} changes in {:?}; {}", begun.elapsed(), troubles.account());
    let early = early.expect("it took so long");
    // Connections of those who were killed go when somebody has something to say to them.
    let until = Instant::now() + SETTLING;
    loop {
        let late = cluster.sizes();
        let objections: Vec<String> =
            early.iter().zip(&late).filter_map(|(early, late)| early.objection(late)).collect();
        if objections.is_empty() {
            early.iter().zip(&late).for_each(|(early, late)| eprintln!("{early} -> {late}"));
            break;
        }
        assert!(Instant::now() < until, "{objections:?}");
        std::thread::sleep(Duration::from_secs(1));
    }
    cluster.stop();
}
