//! The power is cut while nodes publish and update: nothing is torn, what was told is kept, the next command finishes.
//!
//! A machine ([`depsync_tests::uml`]) with one disk works without end ([`work`]) and is killed at a drawn moment: what its
//! kernel had not flushed is gone. The next machine finds the disk as it was left, judges it ([`judge`]), and goes on
//! working until it is killed too. What is lost is shown as well: files that are renamed without a flush, by
//! something that knows no better ([`careless`]), are found empty or cut off.
//!
//! `DEPSYNC_TESTS_CUTS=100` cuts more often; `DEPSYNC_TESTS_SEED` draws the same moments again.

mod careless;
mod judge;
mod work;

use std::time::Duration;

use depsync_tests::dice::seed;
use depsync_tests::node::noise;
use depsync_tests::uml::{Disk, End, Job, Machine, images, is_inside, say};

/// Cuts in CI.
const CUTS: u64 = 6;
/// The earliest and the latest moment of a cut, in milliseconds after the work has begun: in the first revision, or some
/// revisions later.
const MOMENTS: std::ops::Range<u64> = 60..2500;

/// Begins the line after which the power may be cut.
const BEGUN: &str = "power-cut: begun";
/// Begins lines that tell what a command has answered: what must be there after the cut.
const PUBLISHED: &str = "power-cut: published ";
const APPLIED: &str = "power-cut: applied ";
/// Begins the line that tells how many careless files were lost.
const LOST: &str = "power-cut: lost ";

/// What a machine is told of the one before it, and whether it is the last.
const TOLD: &str = "DEPSYNC_TESTS_TOLD";
const LAST: &str = "DEPSYNC_TESTS_LAST";

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

/// The moment of cut `index`.
fn moment(seed: u64, index: u64) -> Duration {
    let bytes = noise(seed.wrapping_add(index), 8);
    let drawn = bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    Duration::from_millis(MOMENTS.start + drawn % (MOMENTS.end - MOMENTS.start))
}

/// The last number on a line that begins with `mark`.
fn told(console: &str, mark: &str) -> u64 {
    let numbers = console.lines().filter_map(|line| line.strip_prefix(mark)?.trim().parse().ok());
    numbers.max().unwrap_or(0)
}

#[test]
fn nothing_is_torn_and_nothing_told_is_lost() {
    if is_inside() {
        return inside();
    }
    let seed = seed();
    let images = images();
    let disk = Disk::ext4(images.path(), "disk", 192);
    let job = Job::test("nothing_is_torn_and_nothing_told_is_lost");
    let (mut published, mut applied, mut lost) = (0, 0, 0);
    let cuts = number("DEPSYNC_TESTS_CUTS", CUTS);
    // On a busy machine little happens in the time: then the next one gets more, and there are more of them.
    let (mut slowness, mut cut) = (1, 0);
    loop {
        let enough = cut >= cuts && published >= 3 && applied >= 2 && lost > 0;
        let last = enough || cut >= 3 * cuts;
        let after = moment(seed, cut) * slowness;
        let machine = Machine::new().disk(&disk);
        let machine = if last { machine } else { machine.cut(BEGUN, after) };
        let job = job.clone().with(TOLD, &format!("{published} {applied}")).with(LAST, if last { "yes" } else { "" });
        let report = machine.run(&job);
        let wanted = if last { End::Finished(0) } else { End::Cut };
        assert_eq!(report.end, wanted, "cut {cut} after {after:?}, seed {seed}\n{}", report.console);
        let new = told(&report.console, PUBLISHED);
        slowness = if last || new > 0 { slowness } else { (slowness * 2).min(16) };
        published = published.max(new);
        applied = applied.max(told(&report.console, APPLIED));
        lost += told(&report.console, LOST);
        say(&format!(
            "cut {cut} after {after:?}: {published} published, {applied} applied, {lost} careless files lost"
        ));
        if last {
            break;
        }
        cut += 1;
    }
    assert!(published >= 3 && applied >= 2, "the machines did next to nothing");
    assert!(lost > 0, "no cut has lost anything: this shows nothing");
}

/// Judges what the last machine has left, then works until the power is cut.
fn inside() {
    // Without the kernel's own care for programs that rename without flushing.
    depsync_tests::uml::mount(0, std::path::Path::new(work::DISK), "ext4", "noauto_da_alloc");
    let told = std::env::var(TOLD).expect(TOLD);
    let (published, applied) = told.split_once(' ').expect("two numbers");
    judge::judge(published.parse().expect("a number"), applied.parse().expect("a number"));
    line(&format!("{LOST}{}", careless::lost()));
    if std::env::var(LAST).expect(LAST).is_empty() {
        work::work_on();
    }
}

/// Says a line that the outside understands.
fn line(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout();
    // At its beginning: the test harness has left its own line open.
    let _ = write!(out, "\n{text}\n");
    let _ = out.flush();
}
