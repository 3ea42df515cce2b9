//! A publish as one commit, whatever the number of changes: the steps of it, and those as a script for `svnmucc`.
//!
//! One argument a line, so no name may hold a line feed; names that svn cannot hold were refused before. Law: done on
//! the parent revision, the steps give exactly the tree that is published. It also sets a property of the deployment's
//! own directory, whose value never was there before: so anything that anybody commits below it meanwhile makes the
//! commit fail, where svn alone looks at the touched paths only.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use depsync_engine::hash::Digest;
use depsync_engine::packed::Packed;
use depsync_engine::path::RelPath;
use depsync_engine::tree::{Change, Entry, LinkTarget};

use super::moves::Moves;
use super::properties::Properties;
use super::url::SvnUrl;

/// The property of the deployment's directory.
pub(super) const ROOT: &str = "depsync:root";

/// What a script is made of.
pub(super) struct Publish<'a> {
    /// The deployment's place.
    pub(super) url: &'a SvnUrl,
    /// The parent revision.
    pub(super) base: u64,
    /// The root of the new tree.
    pub(super) root: Digest,
    /// What changes.
    pub(super) changes: &'a Packed<Change>,
    /// What is copied.
    pub(super) moves: &'a Moves,
    /// The properties that a path has in the parent revision.
    pub(super) properties: &'a dyn Fn(&RelPath, &Entry) -> Properties,
    /// Where the new content of a path lies, as svn stores it.
    pub(super) content: &'a dyn Fn(&RelPath) -> PathBuf,
}

/// One thing that a commit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A path goes, with all that is beneath it.
    Remove(&'a RelPath),
    MakeDirectory(&'a RelPath),
    /// A file gets its content, or comes with it.
    Put {
        path: &'a RelPath,
        is_new: bool,
    },
    /// A path comes with what `from` was in a revision.
    Copy {
        revision: u64,
        from: &'a RelPath,
        to: &'a RelPath,
    },
    /// A property is set, or goes if there is no value; of the deployment's directory if there is no path.
    Property {
        path: Option<&'a RelPath>,
        name: &'a str,
        value: Option<&'a str>,
    },
}

impl Publish<'_> {
    /// The script.
    pub(super) fn script(&self) -> Vec<u8> {
        let mut script = Vec::new();
        self.steps(&mut |step| self.write(&mut script, step));
        script
    }

    /// All that the commit does, in an order in which it can be done.
    pub(super) fn steps(&self, take: &mut dyn FnMut(Step<'_>)) {
        // Beneath these everything went, or came, with them.
        let (mut gone, mut copied): (Option<RelPath>, Option<RelPath>) = (None, None);
        for change in self.changes.iter() {
            let path = &change.path;
            let before = change.before.as_ref().filter(|_| !is_beneath(path, gone.as_ref()));
            let after = change.after.as_ref();
            // A link is a file to svn. What is restored takes the place of what stands there.
            let stays = before
                .filter(|before| after.is_some_and(|after| after.is_directory() == before.is_directory()))
                .filter(|_| self.moves.source(path).is_none());
            if let (Some(entry), None) = (before, stays) {
                take(Step::Remove(path));
                if entry.is_directory() {
                    gone = Some(path.clone());
                }
            }
            let Some(after) = after.filter(|_| !is_beneath(path, copied.as_ref())) else { continue };
            let has = match (stays, self.moves.source(path)) {
                (Some(before), _) => {
                    if !before.is_directory() && (before.content(), link(before)) != (after.content(), link(after)) {
                        take(Step::Put { path, is_new: false });
                    }
                    (self.properties)(path, before)
                }
                (None, Some((source, entry))) => {
                    let revision = self.moves.restored().unwrap_or(self.base);
                    take(Step::Copy { revision, from: source, to: path });
                    if after.is_directory() {
                        copied = Some(path.clone());
                        continue;
                    }
                    // It comes back with all that it had.
                    if self.moves.restored().is_some() {
                        continue;
                    }
                    // It had the same content, and perhaps another mode.
                    (self.properties)(source, entry)
                }
                (None, None) => {
                    take(if after.is_directory() {
                        Step::MakeDirectory(path)
                    } else {
                        Step::Put { path, is_new: true }
                    });
                    Properties::default()
                }
            };
            let mut wanted = Properties::of(after);
            wanted.externals = has.externals;
            for (name, value) in has.steps_to(&wanted) {
                take(Step::Property { path: Some(path), name, value: value.as_deref() });
            }
        }
        let value = format!("{} r{}", self.root, self.base);
        take(Step::Property { path: None, name: ROOT, value: Some(&value) });
    }

    fn write(&self, script: &mut Vec<u8>, step: Step<'_>) {
        let url = |path| self.url.plain(Some(path));
        match step {
            Step::Remove(path) => line(script, &["rm", &url(path)]),
            Step::MakeDirectory(path) => line(script, &["mkdir", &url(path)]),
            Step::Put { path, .. } => {
                line(script, &["put"]);
                script.extend_from_slice((self.content)(path).as_os_str().as_bytes());
                line(script, &["", &url(path)]);
            }
            Step::Copy { revision, from, to } => line(script, &["cp", &revision.to_string(), &url(from), &url(to)]),
            Step::Property { path, name, value: Some(value) } => {
                line(script, &["propset", name, value, &self.url.plain(path)]);
            }
            Step::Property { path, name, value: None } => line(script, &["propdel", name, &self.url.plain(path)]),
        }
    }
}

fn is_beneath(path: &RelPath, above: Option<&RelPath>) -> bool {
    above.is_some_and(|above| path.is_beneath(above))
}

fn link(entry: &Entry) -> Option<&LinkTarget> {
    if let Entry::Symlink { target } = entry { Some(target) } else { None }
}

fn line(script: &mut Vec<u8>, words: &[&str]) {
    for word in words {
        script.extend_from_slice(word.as_bytes());
        script.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use depsync_engine::name::DeploymentName;
    use depsync_engine::tree::Mode;
    use proptest::prelude::*;

    use super::*;
    use crate::svn::SvnAddress;
    use crate::svn::testing::{changes, directory, file, path};
    use crate::svn::url::undo_escapes;

    const BASE: &str = "http://h/r/main";

    /// What a repository holds at a path: what was put there, or nothing for a directory; and properties.
    type Held = BTreeMap<RelPath, (Option<String>, Properties)>;
    type Entries = BTreeMap<RelPath, Entry>;

    /// What stands for the content of a file in these tests.
    fn text(entry: &Entry) -> Option<String> {
        match entry {
            Entry::Directory { .. } => None,
            Entry::File { hash, .. } => Some(hash.short()),
            Entry::Symlink { target } => Some(format!("link {}", String::from_utf8_lossy(target.as_bytes()))),
        }
    }

    fn held(entries: &Entries, notable: &BTreeMap<RelPath, Properties>) -> Held {
        let properties = |path: &RelPath, entry: &Entry| notable.get(path).cloned().unwrap_or(Properties::of(entry));
        entries.iter().map(|(path, entry)| (path.clone(), (text(entry), properties(path, entry)))).collect()
    }

    fn script_of(
        before: &Entries,
        after: &Entries,
        notable: &BTreeMap<RelPath, Properties>,
        restores: Option<u64>,
    ) -> Vec<u8> {
        let list = |entries: &Entries| -> Vec<(String, Entry)> {
            entries.iter().map(|(path, entry)| (path.to_string(), entry.clone())).collect()
        };
        let (before, new) = (list(before), list(after));
        let borrowed = |list: &[(String, Entry)]| -> Vec<(&'static str, Entry)> {
            list.iter().map(|(name, entry)| (&*String::leak(name.clone()), entry.clone())).collect()
        };
        let changes = changes(&borrowed(&before), &borrowed(&new));
        let url = SvnAddress::parse("svn+http://h/r/main").expect("an address").url(&DeploymentName::default());
        let publish = Publish {
            url: &url,
            base: 7,
            root: Digest::of(b"root"),
            changes: &changes,
            moves: &restores.map_or_else(|| Moves::of(&changes), |old| Moves::back_to(&changes, old)),
            properties: &|path, entry| notable.get(path).cloned().unwrap_or(Properties::of(entry)),
            content: &|path| PathBuf::from(text(&after[path]).expect("a file")),
        };
        publish.script()
    }

    /// Plays a script as svnmucc does.
    fn play(script: &[u8], base: &Held, old: &Held) -> Held {
        let place = |word: &str| -> Option<RelPath> {
            let rest = word.strip_prefix(BASE).expect("below the deployment");
            let rest = rest.strip_prefix('/')?;
            Some(RelPath::new(undo_escapes(rest)).expect("a path"))
        };
        let mut now = base.clone();
        let script = String::from_utf8(script.to_vec()).expect("text");
        let mut words = script.lines();
        let mut sealed = false;
        while let Some(word) = words.next() {
            assert!(!sealed, "the root comes last");
            let mut next = || words.next().expect("an argument");
            match word {
                "rm" => {
                    let path = place(next()).expect("not everything");
                    assert!(now.remove(&path).is_some(), "{path} is removed and is not there");
                    now.retain(|other, _| !other.is_beneath(&path));
                }
                "mkdir" => {
                    let path = place(next()).expect("a path");
                    assert!(now.insert(path.clone(), (None, Properties::default())).is_none(), "{path} is there");
                }
                "put" => {
                    let (content, path) = (next().to_owned(), place(next()).expect("a path"));
                    let properties = now.get(&path).map(|(_, properties)| properties.clone()).unwrap_or_default();
                    now.insert(path, (Some(content), properties));
                }
                "cp" => {
                    let held = match next() {
                        "7" => base,
                        "3" => old,
                        other => panic!("from {other}"),
                    };
                    let (from, to) = (place(next()).expect("a path"), place(next()).expect("a path"));
                    assert!(!now.contains_key(&to), "{to} is there");
                    for (path, value) in held {
                        if path.is_within(&from) {
                            let rest = &path.as_bytes()[from.as_bytes().len()..];
                            now.insert(RelPath::new([to.as_bytes(), rest].concat()).expect("a path"), value.clone());
                        }
                    }
                }
                "propset" | "propdel" => {
                    let name = next().to_owned();
                    let value = (word == "propset").then(|| next().to_owned());
                    match place(next()) {
                        Some(path) => {
                            let properties = &mut now.get_mut(&path).expect("is there").1;
                            properties.take(name.as_bytes(), value.as_deref().map(str::as_bytes));
                        }
                        None => sealed = name == ROOT,
                    }
                }
                other => panic!("{other}"),
            }
            for path in now.keys() {
                assert!(path.parent().is_none_or(|parent| now.contains_key(&parent)), "{path} hangs in the air");
            }
        }
        assert!(sealed);
        now
    }

    #[test]
    fn a_script_reads_naturally() {
        let entries = |list: &[(&str, Entry)]| list.iter().map(|(name, entry)| (path(name), entry.clone())).collect();
        let exec = |number| match file(number) {
            Entry::File { size, hash, .. } => Entry::File { mode: Mode::new(0o755), size, hash },
            other => other,
        };
        let before = entries(&[
            ("app", directory()),
            ("app/a", file(1)),
            ("app/b", file(2)),
            ("gone", directory()),
            ("gone/x", file(3)),
            ("swap", directory()),
            ("swap/y", file(4)),
        ]);
        let after = entries(&[
            ("app", directory()),
            ("app/a", exec(5)),
            ("app/b", file(2)),
            ("new 100%", directory()),
            ("new 100%/x", file(3)),
            ("swap", file(6)),
        ]);
        let script = String::from_utf8(script_of(&before, &after, &BTreeMap::new(), None)).expect("text");
        let a = text(&file(5)).expect("a file");
        let swap = text(&file(6)).expect("a file");
        let root = Digest::of(b"root");
        let expected = format!(
            "put\n{a}\n{BASE}/app/a\npropset\nsvn:executable\n*\n{BASE}/app/a\nrm\n{BASE}/gone\n\
             cp\n7\n{BASE}/gone\n{BASE}/new%20100%25\nrm\n{BASE}/swap\nput\n{swap}\n{BASE}/swap\n\
             propset\ndepsync:root\n{root} r7\n{BASE}\n"
        );
        assert_eq!(script, expected);
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let mode = prop_oneof![Just(0o644), Just(0o755), 0..=0o777_u32].prop_map(Mode::new);
        let small = (mode.clone(), 0..6_u64).prop_map(|(mode, number)| match file(number) {
            Entry::File { hash, .. } => Entry::File { mode, size: number.min(1), hash },
            other => other,
        });
        let link =
            (0..3_u8).prop_map(|number| Entry::Symlink { target: LinkTarget::new([b'a' + number]).expect("a target") });
        prop_oneof![4 => small, 1 => link, 3 => mode.prop_map(|mode| Entry::Directory { mode })]
    }

    /// A tree: everything that is beneath something that is no directory is left out.
    fn tree() -> impl Strategy<Value = Entries> {
        let name = prop_oneof![Just("a"), Just("b@1"), Just("-c"), Just("d %41")];
        let named = proptest::collection::vec(name, 1..4).prop_map(|names| path(&names.join("/")));
        proptest::collection::btree_map(named, entry(), 0..24).prop_map(|all: Entries| {
            let mut tree = Entries::new();
            for (path, entry) in all {
                for above in path.ancestors().collect::<Vec<_>>().into_iter().rev() {
                    tree.entry(above).or_insert_with(directory);
                }
                tree.insert(path, entry);
            }
            let flat: Vec<RelPath> =
                tree.iter().filter(|(_, entry)| !entry.is_directory()).map(|(path, _)| path.clone()).collect();
            tree.retain(|path, _| !flat.iter().any(|above| path.is_beneath(above)));
            tree
        })
    }

    proptest! {
        #[test]
        fn played_on_the_parent_it_gives_the_tree(before in tree(), after in tree(), odd in any::<u64>()) {
            // Some paths are notable: they have properties that their entries do not tell.
            let notable: BTreeMap<RelPath, Properties> = before.iter().enumerate()
                .filter(|(index, _)| odd >> (index % 64) & 1 == 1)
                .map(|(index, (path, entry))| {
                    let mut properties = Properties::of(entry);
                    properties.keywords = entry.is_file() && index % 2 == 0;
                    properties.mode = properties.mode.or(entry.mode().filter(|_| index % 3 == 0));
                    (path.clone(), properties)
                })
                .collect();
            let script = script_of(&before, &after, &notable, None);
            let got = play(&script, &held(&before, &notable), &Held::new());
            for (path, entry) in &after {
                let Some((content, properties)) = got.get(path) else { panic!("{path} is missing") };
                prop_assert_eq!(content, &text(entry), "{}", path);
                match entry {
                    Entry::File { mode, .. } => prop_assert_eq!((properties.of_file(), properties.special), (*mode, false), "{}", path),
                    Entry::Directory { mode } => prop_assert_eq!(properties.of_directory(), *mode, "{}", path),
                    Entry::Symlink { .. } => prop_assert!(properties.special, "{}", path),
                }
            }
            prop_assert_eq!(got.len(), after.len());
        }

        #[test]
        fn what_is_restored_comes_from_the_old_revision(before in tree(), after in tree()) {
            let nothing = BTreeMap::new();
            let script = script_of(&before, &after, &nothing, Some(3));
            prop_assert!(!script.split(|byte| *byte == b'\n').any(|word| word == b"put"), "{}", String::from_utf8_lossy(&script));
            prop_assert_eq!(play(&script, &held(&before, &nothing), &held(&after, &nothing)), held(&after, &nothing));
        }
    }
}
