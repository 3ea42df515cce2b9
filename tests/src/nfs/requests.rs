//! What calls on a hub are on a mount: requests to the server, which are round trips one after the other.
//!
//! Counted on a real mount, by `/proc/self/mountstats`, in calls as a hub makes them: files that another client has
//! replaced, names that are new. Kernel client and server, NFS 4.2, Linux 6.1. The test `nfs` counts each call again and
//! says it, and holds what the table foretells of a whole publish and a whole update to be right within [`LEEWAY`].

use std::collections::BTreeMap;
use std::path::Path;

/// Requests of each call.
pub const REQUESTS: [(&str, f64); 15] = [
    ("commit", 8.0),
    // Of a name that is not there, or whose directory nobody has changed, fewer: most are.
    ("find", 6.0),
    ("flush", 0.0),
    ("get", 8.0),
    ("list", 4.0),
    ("make", 4.0),
    ("modified", 8.0),
    ("prefetch", 0.0),
    ("probe", 13.0),
    ("put", 15.0),
    ("range", 6.0),
    ("remove", 6.0),
    ("replace", 14.0),
    ("set-line", 19.0),
    ("stage", 9.0),
];

/// What a request and its answer are besides content, in bytes, headers of TCP and IP not included.
pub const REQUEST_BYTES: f64 = 400.0;

/// How far off what is foretold may be.
pub const LEEWAY: f64 = 0.3;

/// How many requests these calls are. One that is not in the table is as many as most.
pub fn of<'a>(calls: impl IntoIterator<Item = (&'a str, f64)>) -> f64 {
    let each = |call: &str| REQUESTS.iter().find(|(known, _)| *known == call).map_or(8.0, |(_, requests)| *requests);
    calls.into_iter().map(|(call, count)| count * each(call)).sum()
}

/// What the kernel has counted of a mount: requests by name, and bytes there and back, headers of RPC included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Requests by name.
    pub requests: BTreeMap<String, u64>,
    /// Bytes sent and received.
    pub bytes: u64,
}

impl Counted {
    /// Of the mount at `path`, by now.
    ///
    /// # Panics
    /// If nothing is mounted there.
    pub fn of(path: &Path) -> Self {
        let text = std::fs::read_to_string("/proc/self/mountstats").expect("mountstats");
        Self::parse(&text, path).unwrap_or_else(|| panic!("{} is no mount of NFS: {text}", path.display()))
    }

    fn parse(text: &str, path: &Path) -> Option<Self> {
        let own = format!(" mounted on {} with fstype nfs", path.display());
        let mut lines = text.lines().skip_while(|line| !(line.starts_with("device ") && line.contains(&own)));
        lines.next()?;
        let mut counted = Self::default();
        let counts = lines.take_while(|line| !line.starts_with("device ")).skip_while(|line| !line.contains("per-op"));
        for line in counts.skip(1) {
            let Some((name, numbers)) = line.trim().split_once(": ") else { continue };
            let numbers: Vec<u64> = numbers.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            if let [operations, _, _, sent, received, ..] = numbers[..]
                && operations > 0
            {
                counted.requests.insert(name.to_owned(), operations);
                counted.bytes += sent + received;
            }
        }
        Some(counted)
    }

    /// How many requests, all together.
    pub fn total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// What has come since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let more = |(name, count): (&String, &u64)| {
            let more = count - before.requests.get(name).copied().unwrap_or(0);
            (more > 0).then(|| (name.clone(), more))
        };
        Self { requests: self.requests.iter().filter_map(more).collect(), bytes: self.bytes - before.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_mount_is_read() {
        let text = "device a:/ mounted on /run/one with fstype nfs4 statvers=1.1\n\tper-op statistics\n\t        READ: 3 3 0 300 900 0 0 0 0\n\
                    device b:/ mounted on /run/two with fstype nfs4 statvers=1.1\n\tage: 5\n\tper-op statistics\n\t        NULL: 0 0 0 0 0 0 0 0 0\n\
                    \t        OPEN: 2 2 0 400 500 0 0 0 0\n\t       CLOSE: 1 1 0 100 100 0 0 0 0\n\n";
        let two = Counted::parse(text, Path::new("/run/two")).expect("a mount");
        assert_eq!((two.total(), two.bytes), (3, 1100));
        assert_eq!(Counted::parse(text, Path::new("/run/one")).expect("a mount").since(&Counted::default()).total(), 3);
        assert_eq!(Counted::parse(text, Path::new("/run")), None);
    }

    #[test]
    fn calls_are_added_up() {
        let each = |name: &str| REQUESTS.iter().find(|(known, _)| *known == name).expect("known").1;
        assert!((of([("get", 2.0), ("put", 1.0), ("flush", 9.0)]) - 2.0 * each("get") - each("put")).abs() < 1e-9);
        assert!(of([("what comes later", 2.0)]) > 10.0);
    }
}
