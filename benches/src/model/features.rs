//! What coefficients belong to.

use super::{Kind, Workload};

/// Values by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Features(Vec<(&'static str, f64)>);

impl Features {
    pub(super) fn of(values: &[(&'static str, f64)]) -> Self {
        Self(values.to_vec())
    }

    pub(super) fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(known, _)| *known == name).map_or(0.0, |(_, value)| *value)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|(name, _)| *name)
    }

    /// What bytes, requests and processor time are made of.
    pub(super) fn work(of: &Workload) -> Self {
        let (files, megabytes) = (f64::from(of.files), exact(of.bytes) / 1e6);
        let (changed, removed) = if of.kind == Kind::Delete { (0.0, files) } else { (files, 0.0) };
        let (plain, archive) = if of.kind == Kind::Archive { (0.0, megabytes) } else { (megabytes, 0.0) };
        let tree = exact(of.tree);
        Self::of(&[
            ("1", 1.0),
            ("file", changed),
            ("removed file", removed),
            ("MB", plain),
            ("MB of archive", archive),
            ("tree, doublings", tree.max(2.0).log2()),
            ("tree, 1000 files", tree / 1000.0),
        ])
    }

    /// What time is made of: see [`super::predict`].
    pub(super) fn time(of: &Workload, effort: &Effort) -> Self {
        let wire = effort.up + effort.down;
        Self::of(&[
            ("1", 1.0),
            ("round trip", of.link.rtt_s),
            ("carrying", of.link.carrying(wire)),
            ("repeating", of.link.repeating(wire)),
            ("computing", effort.cpu_manager + effort.cpu_worker),
            ("waiting for others", effort.contention),
        ])
    }
}

/// What a change takes, as far as time depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    /// Bytes on the wire, of the manager and of one worker.
    pub(super) up: f64,
    pub(super) down: f64,
    /// Processor seconds of the manager and of one worker.
    pub(super) cpu_manager: f64,
    pub(super) cpu_worker: f64,
    /// Processor seconds of all others who use the same processors, over their number.
    pub(super) contention: f64,
}

/// Precise enough: nothing here is near 2^53.
#[allow(clippy::cast_precision_loss)]
pub(super) fn exact(count: u64) -> f64 {
    count as f64
}
