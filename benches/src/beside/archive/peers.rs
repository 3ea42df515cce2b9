//! Those who bring the same archive: what of it they carry, and what that takes.
//!
//! Each has the old archive on the far side, and its result is made into the new one again, which is compared byte by
//! byte.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::pairs::Pair;
use super::row::{Step, Who};
use crate::kit::measured::{Invocation, Measure, run as measured};
use crate::kit::peers::{on_path, version};
use crate::kit::written::Snapshot;

/// The largest block by which rsync compares, and the bytes by which it tells of one at least.
const BLOCK: u64 = 128 << 10;
const SUM: u64 = 6;

/// One that is there.
pub(super) struct Peer {
    pub(super) who: Who,
    program: PathBuf,
    pub(super) version: String,
}

/// A process of it, and the bytes that are carried.
pub(super) struct Done {
    pub(super) step: Step,
    pub(super) bytes: u64,
    pub(super) measure: Measure,
}

impl Peer {
    /// Looks for its program.
    pub(super) fn find(who: Who) -> Option<Self> {
        let program = on_path(who.package())?;
        let said = version(&program)?;
        // xdelta3 says all of its years.
        let version = said.split(", Copyright").next()?.to_owned();
        Some(Self { who, program, version })
    }

    /// Lets it bring the new archive where the old one is, in the empty directory `place`.
    pub(super) fn carry(&self, pair: &Pair, place: &Path) -> Result<Vec<Done>> {
        let parts = match self.who {
            Who::Depsync => anyhow::bail!("depsync is no peer of itself"),
            Who::Rsync => self.rsync(pair, place),
            Who::Xdelta3 => self.xdelta3(pair, place),
            Who::Casync => self.casync(pair, place),
            Who::Zstd => self.zstd(pair, place),
        };
        parts.with_context(|| format!("by {}", self.who.name()))
    }

    fn invocation(&self) -> Invocation {
        Invocation::of(&self.program)
    }

    /// Both ends run here, and a pipe is between them. Two files here would be copied whole unless told otherwise.
    fn rsync(&self, pair: &Pair, place: &Path) -> Result<Vec<Done>> {
        let far = place.join("far");
        fs::copy(&pair.old, &far)?;
        let words = ["-a", "--ignore-times", "--no-whole-file", "--no-human-readable", "--stats"];
        let (measure, said) = measured(&self.invocation().args(words).arg(&pair.new).arg(&far), place)?;
        let stats = Stats::of(&said).with_context(|| format!("what rsync says of it: {said}"))?;
        let blocks = fs::metadata(&pair.old)?.len() / BLOCK;
        ensure!(stats.received >= blocks * SUM, "rsync did not compare: {said}");
        same(&pair.new, &far)?;
        Ok(vec![Done { step: Step::Make, bytes: stats.sent + stats.received, measure }])
    }

    fn xdelta3(&self, pair: &Pair, place: &Path) -> Result<Vec<Done>> {
        let (delta, back) = (place.join("delta"), place.join("back"));
        let (old, new) = (&pair.old, &pair.new);
        let make = self.invocation().args(["-9", "-e", "-s"]).arg(old).arg(new).arg(&delta);
        let unmake = self.invocation().args(["-d", "-s"]).arg(old).arg(&delta).arg(&back);
        both(&make, &unmake, new, &back, place, || Ok(fs::metadata(&delta)?.len()))
    }

    fn zstd(&self, pair: &Pair, place: &Path) -> Result<Vec<Done>> {
        let (patch, back) = (place.join("patch"), place.join("back"));
        let from = format!("--patch-from={}", pair.old.display());
        let fixed = || self.invocation().args(["-q", "--long=27"]).arg(&from);
        let make = fixed().arg("-19").arg(&pair.new).arg("-o").arg(&patch);
        let unmake = fixed().arg("-d").arg(&patch).arg("-o").arg(&back);
        both(&make, &unmake, &pair.new, &back, place, || Ok(fs::metadata(&patch)?.len()))
    }

    /// A store that has the old archive: what comes to it, and the index of the new one.
    fn casync(&self, pair: &Pair, place: &Path) -> Result<Vec<Done>> {
        let (store, back) = (place.join("store.castr"), place.join("back"));
        let [old, new] = ["old.caibx", "new.caibx"].map(|name| place.join(name));
        let to = format!("--store={}", store.display());
        let fixed = |verb: &str| self.invocation().arg(verb).arg(&to);
        measured(&fixed("make").arg(&old).arg(&pair.old), place)?;
        let before = Snapshot::of(&store)?;
        ensure!(before.size() > 0, "no chunks in {}", store.display());
        let make = fixed("make").arg(&new).arg(&pair.new);
        let unmake = fixed("extract").arg(&new).arg(&back);
        both(&make, &unmake, &pair.new, &back, place, || {
            Ok(Snapshot::of(&store)?.written_since(&before) + fs::metadata(&new)?.len())
        })
    }
}

/// Makes something of `bytes` and the new archive of that again.
fn both(
    make: &Invocation,
    unmake: &Invocation,
    new: &Path,
    back: &Path,
    place: &Path,
    bytes: impl Fn() -> Result<u64>,
) -> Result<Vec<Done>> {
    let (making, _) = measured(make, place)?;
    let bytes = bytes()?;
    let (unmaking, _) = measured(unmake, place)?;
    same(new, back)?;
    Ok(vec![Done { step: Step::Make, bytes, measure: making }, Done { step: Step::Unmake, bytes, measure: unmaking }])
}

/// Fails unless two files have the same bytes.
pub(super) fn same(wanted: &Path, got: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    ensure!(read(wanted)? == read(got)?, "{} has other bytes than {}", got.display(), wanted.display());
    Ok(())
}

/// What rsync says that it has sent and received.
#[derive(Debug, PartialEq)]
struct Stats {
    sent: u64,
    received: u64,
}

impl Stats {
    fn of(said: &str) -> Option<Self> {
        let number = |head: &str| said.lines().find_map(|line| line.strip_prefix(head))?.parse().ok();
        Some(Self { sent: number("Total bytes sent: ")?, received: number("Total bytes received: ")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rsync_says_is_read() {
        let said =
            "Literal data: 6733207 bytes\nTotal bytes sent: 6753194\nTotal bytes received: 34199\n\nsent 6 bytes";
        assert_eq!(Stats::of(said), Some(Stats { sent: 6_753_194, received: 34_199 }));
        assert_eq!(Stats::of("Total bytes sent: 6,753,194\nTotal bytes received: 34,199\n"), None);
        assert_eq!(Stats::of("Total bytes sent: 1\n"), None);
    }

    #[test]
    fn files_are_compared() {
        let place = tempfile::tempdir().expect("a directory");
        let at = |name: &str| place.path().join(name);
        fs::write(at("a"), "same").expect("writes");
        fs::write(at("b"), "same").expect("writes");
        fs::write(at("c"), "sane").expect("writes");
        same(&at("a"), &at("b")).expect("equal");
        let error = same(&at("a"), &at("c")).expect_err("another byte");
        assert!(error.to_string().contains("other bytes than"), "{error}");
        same(&at("a"), &at("d")).expect_err("nothing there");
    }
}
