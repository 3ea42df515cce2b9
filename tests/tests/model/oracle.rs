//! What the engine should do, said as simply as it can be said: maps of whole contents, no hashes, no order, no cost.
//!
//! Written from the table in design.md (sections 8 and 9), not from the engine's code.

use std::collections::{BTreeMap, BTreeSet};

use depsync_tests::snapshot::{Item, Snapshot};

/// A path.
pub(crate) type Name = Vec<u8>;
/// A tree: everything by path.
pub(crate) type Tree = Snapshot;

/// The file of patterns.
pub(crate) const PATTERNS: &[u8] = b".depsyncignore";

/// What is ignored: the default list and patterns of the kinds that the test writes (`*.suffix` and plain names).
pub(crate) struct Rules(Vec<Name>);

impl Rules {
    pub(crate) fn of(disk: &Tree) -> Self {
        match disk.get(PATTERNS) {
            Some(Item::File(_, bytes)) => {
                Self(bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect())
            }
            _ => Self(Vec::new()),
        }
    }

    /// Whether `path` is hidden, by itself or by a directory above it.
    pub(crate) fn hide(&self, path: &[u8]) -> bool {
        path.split(|&byte| byte == b'/').any(|name| {
            let ends = |suffix: &[u8]| name.ends_with(suffix);
            let by_default = name.starts_with(b"~")
                || name.starts_with(b".nfs")
                || name.starts_with(b".depsync-")
                || [&b"~"[..], b".bk", b".tmp", b".part", b".swp"].into_iter().any(ends)
                || name == b".svn";
            by_default || self.0.iter().any(|pattern| pattern.strip_prefix(b"*").map_or(name == pattern, ends))
        })
    }
}

/// What of a disk can be seen.
pub(crate) fn visible(disk: &Tree, rules: &Rules) -> Tree {
    disk.iter().filter(|(path, _)| !rules.hide(path)).map(|(path, item)| (path.clone(), item.clone())).collect()
}

pub(crate) fn is_directory(item: Option<&Item>) -> bool {
    matches!(item, Some(Item::Directory(_)))
}

/// Whether `path` lies below `above`.
pub(crate) fn is_beneath(path: &[u8], above: &[u8]) -> bool {
    path.len() > above.len() && path.starts_with(above) && path[above.len()] == b'/'
}

/// The directories above `path`.
pub(crate) fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(slash, _)| &path[..slash])
}

/// Whether an archive is not whole: by its name or its first bytes an archive, without an end record where it belongs.
fn is_flawed(path: &[u8], bytes: &[u8]) -> bool {
    let extensions = [&b".war"[..], b".jar", b".zip"];
    let called = extensions.into_iter().any(|extension| path.ends_with(extension));
    if bytes.is_empty() {
        return called;
    }
    let local = bytes.starts_with(b"PK\x03\x04");
    // Something behind the end record does no harm, as long as the record says truly where the directory stands.
    let whole = (22..=bytes.len()).map(|end| end - 22).any(|end| {
        let number = |at: usize| {
            let word = [bytes[end + at], bytes[end + at + 1], bytes[end + at + 2], bytes[end + at + 3]];
            usize::try_from(u32::from_le_bytes(word)).expect("because usize has 64 bits")
        };
        bytes[end..].starts_with(b"PK\x05\x06") && number(16) + number(12) == end
    });
    (called || local) && !(local && whole)
}

/// What a publish would hold back: new content that looks half-copied.
pub(crate) fn held(agreement: &Tree, disk: &Tree, rules: &Rules) -> BTreeSet<Name> {
    let content = |item: Option<&Item>| match item {
        Some(Item::File(_, bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let mut held = BTreeSet::new();
    for (path, item) in visible(disk, rules) {
        if let Item::File(_, bytes) = &item
            && is_flawed(&path, bytes)
            && content(agreement.get(&path)).as_ref() != Some(bytes)
        {
            held.insert(path);
        }
    }
    held
}

/// Who wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wins {
    Nobody,
    Hub,
}

/// A path to be changed on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Apply {
    pub(crate) have: Option<Item>,
    pub(crate) want: Option<Item>,
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) publish: BTreeMap<Name, Option<Item>>,
    pub(crate) apply: BTreeMap<Name, Apply>,
    pub(crate) agree: BTreeMap<Name, Option<Item>>,
    /// Mine and theirs.
    pub(crate) conflicts: BTreeMap<Name, (Option<Item>, Option<Item>)>,
    pub(crate) blocked: BTreeSet<Name>,
}

/// The three-way merge.
pub(crate) struct Merge<'a> {
    pub(crate) agreement: &'a Tree,
    pub(crate) disk: &'a Tree,
    pub(crate) wanted: &'a Tree,
    pub(crate) rules: &'a Rules,
    pub(crate) held: &'a BTreeSet<Name>,
    pub(crate) forget: &'a BTreeSet<Name>,
}

impl Merge<'_> {
    fn is_forgotten(&self, path: &[u8]) -> bool {
        self.forget.iter().any(|gone| gone == path || is_beneath(path, gone))
    }

    fn is_ignored(&self, path: &[u8]) -> bool {
        self.rules.hide(path) && !self.is_forgotten(path)
    }

    fn is_held(&self, path: &[u8]) -> bool {
        self.held.iter().any(|held| held == path || is_beneath(path, held))
    }

    /// Whether nothing can be at `path`, because a measured path above it is no directory (any more).
    fn is_gone(&self, local: &Tree, path: &[u8]) -> bool {
        above(path).any(|above| {
            !is_directory(local.get(above))
                && local.get(above) != self.agreement.get(above)
                && !self.is_ignored(above)
                && !self.is_held(above)
        })
    }

    pub(crate) fn plan(&self, wins: Wins) -> Plan {
        let local = visible(self.disk, self.rules);
        let (mut mine, mut theirs) = (BTreeMap::new(), BTreeMap::new());
        let mut plan = Plan::default();
        let every: BTreeSet<&Name> = self.agreement.keys().chain(local.keys()).chain(self.wanted.keys()).collect();
        for path in every {
            let (agreed, here, there) = (self.agreement.get(path), local.get(path), self.wanted.get(path));
            let gone = self.is_gone(&local, path);
            let (ignored, held) = (self.is_ignored(path) && !gone, self.is_held(path) && !gone);
            if here != agreed && !ignored && !held {
                mine.insert(path.clone(), here.cloned());
            }
            if there != agreed {
                if ignored && !held && there.is_none() {
                    // It left the deployment; what is here under its name is nobody's business.
                    plan.agree.insert(path.clone(), None);
                } else if ignored || held {
                    plan.blocked.insert(path.clone());
                } else {
                    theirs.insert(path.clone(), there.cloned());
                }
            }
        }
        let clashes = if wins == Wins::Nobody { clashes(&mine, &theirs) } else { BTreeSet::new() };
        let changed: BTreeSet<Name> = mine.keys().chain(theirs.keys()).cloned().collect();
        for path in changed {
            let agreed = self.agreement.get(&path).cloned();
            match (wins, mine.get(&path).cloned(), theirs.get(&path).cloned()) {
                (_, Some(here), Some(there)) if here == there => drop(plan.agree.insert(path, here)),
                (Wins::Nobody, here, there) if clashes.contains(&path) => {
                    let sides = (here.unwrap_or(agreed.clone()), there.unwrap_or(agreed));
                    plan.conflicts.insert(path, sides);
                }
                (Wins::Nobody, Some(here), _) => drop(plan.publish.insert(path, here)),
                (Wins::Hub, Some(have), Some(want)) => drop(plan.apply.insert(path, Apply { have, want })),
                // Untracked: left alone.
                (Wins::Hub, Some(_), None) if agreed.is_none() => {}
                (Wins::Hub, Some(have), None) => drop(plan.apply.insert(path, Apply { have, want: agreed })),
                (_, None, Some(want)) => drop(plan.apply.insert(path, Apply { have: agreed, want })),
                (_, None, None) => unreachable!("because one of the two changed it"),
            }
        }
        plan
    }

    /// What `--prune` adds: what neither the agreement nor the hub knows goes.
    pub(crate) fn prune(&self, plan: &mut Plan) {
        for (path, item) in visible(self.disk, self.rules) {
            if !self.agreement.contains_key(&path) && !self.wanted.contains_key(&path) {
                plan.apply.insert(path, Apply { have: Some(item), want: None });
            }
        }
    }
}

type Side = BTreeMap<Name, Option<Item>>;

/// Paths that both changed differently, and pairs of which one needs a directory where the other has none.
fn clashes(mine: &Side, theirs: &Side) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    for (path, here) in mine {
        if theirs.get(path).is_some_and(|there| there != here) {
            found.insert(path.clone());
        }
    }
    for (upper, lower) in [(mine, theirs), (theirs, mine)] {
        for (path, _) in upper.iter().filter(|(_, item)| !is_directory(item.as_ref())) {
            for (inner, _) in lower.iter().filter(|(inner, item)| item.is_some() && is_beneath(inner, path)) {
                found.insert(path.clone());
                found.insert(inner.clone());
            }
        }
    }
    found
}

/// Changes `disk` as the plan says; the paths that had to be left, because a directory was not empty.
pub(crate) fn carry_out(disk: &mut Tree, apply: &BTreeMap<Name, Apply>) -> BTreeSet<Name> {
    let mut left = BTreeSet::new();
    for (path, one) in apply {
        let Some(want) = &one.want else { continue };
        if is_directory(disk.get(path)) && !is_directory(Some(want)) {
            disk.retain(|other, _| !is_beneath(other, path));
        }
        disk.insert(path.clone(), want.clone());
    }
    for (path, _) in apply.iter().rev().filter(|(_, one)| one.want.is_none()) {
        if is_directory(disk.get(path)) && disk.keys().any(|other| is_beneath(other, path)) {
            left.insert(path.clone());
        } else {
            disk.remove(path);
        }
    }
    left
}

/// Sets or removes entries.
pub(crate) fn edit<'a>(tree: &mut Tree, changes: impl IntoIterator<Item = (&'a Name, &'a Option<Item>)>) {
    for (path, item) in changes {
        match item {
            Some(item) => drop(tree.insert(path.clone(), item.clone())),
            None => drop(tree.remove(path)),
        }
    }
}

/// Whether a guard lets a tree of `old` entries become one of `new`.
pub(crate) fn passes(old: usize, new: usize) -> bool {
    old == 0 || (new > 0 && new * 2 >= old)
}
