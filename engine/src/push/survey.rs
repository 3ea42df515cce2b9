//! From what a destination says to the tree that stands there. Pure.
//!
//! Three trees may have left their entries there: the *base*, which was confirmed last, the *doubtful* ones of pushes that
//! were broken off, and the *wanted* one. A file there is known by its SHA-256; it has the content of one of them, or one
//! that nobody of us knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use itertools::Itertools;

use super::{Found, Sum};
use crate::error::Result;
use crate::hash::Digest;
use crate::path::RelPath;
use crate::tree::{self, Change, Entry, PageSink, Tree};

/// The trees whose entries may be there.
#[derive(Clone, Copy)]
pub struct Tracked<'a> {
    /// What was confirmed last.
    pub base: Tree<'a>,
    /// What pushes that were broken off were bringing.
    pub doubtful: &'a [Tree<'a>],
    /// What is to be there.
    pub wanted: Tree<'a>,
}

/// A path, what stands there and what may.
#[derive(Clone, Debug)]
struct Question {
    path: RelPath,
    found: Option<Found>,
    base: Option<Entry>,
    /// By each of the doubtful trees.
    doubtful: Vec<Option<Entry>>,
    wanted: Option<Entry>,
}

/// What was found of a destination.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// In path order.
    questions: Vec<Question>,
    /// Directories above them that nobody changes, in path order.
    above: Vec<RelPath>,
    /// Whether all of those are directories.
    stands: bool,
    /// What stands there and is in none of the trees, in path order.
    pub untracked: Vec<(RelPath, Found)>,
}

impl Survey {
    /// The questions of a push from the base: the paths that change or are in doubt. Nothing was found yet.
    pub fn of_changes(tracked: Tracked<'_>) -> Result<Self> {
        let mut questions: BTreeMap<RelPath, Question> = BTreeMap::new();
        for change in tracked.base.diff(&tracked.wanted) {
            let Change { path, before, after } = change?;
            let question = Question { wanted: after, ..Question::unchanged(path.clone(), before, tracked) };
            questions.insert(path, question);
        }
        for (number, doubtful) in tracked.doubtful.iter().enumerate() {
            for change in tracked.base.diff(doubtful) {
                let Change { path, before, after } = change?;
                let question = questions.entry(path);
                let question = question.or_insert_with_key(|path| Question::unchanged(path.clone(), before, tracked));
                question.doubtful[number] = after;
            }
        }
        let above: BTreeSet<RelPath> =
            questions.keys().flat_map(RelPath::ancestors).filter(|above| !questions.contains_key(above)).collect();
        let (questions, above) = (questions.into_values().collect(), above.into_iter().collect());
        Ok(Self { questions, above, ..Self::default() })
    }

    /// The paths that must be looked at: those in question, and the directories above them.
    pub fn paths(&self) -> Vec<RelPath> {
        self.questions.iter().map(|question| &question.path).chain(&self.above).cloned().collect()
    }

    /// What was found at [`Survey::paths`].
    pub fn answer(&mut self, found: Vec<(RelPath, Found)>) {
        let mut found: HashMap<RelPath, Found> = found.into_iter().collect();
        for question in &mut self.questions {
            question.found = found.remove(&question.path);
        }
        self.stands = self.above.iter().all(|path| matches!(found.get(path), Some(Found::Directory { .. })));
    }

    /// What was found everywhere.
    pub fn of_everything(tracked: Tracked<'_>, mut found: Vec<(RelPath, Found)>) -> Result<Self> {
        found.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let mut survey = Self { stands: true, ..Self::default() };
        let mut found = found.into_iter().peekable();
        let trees = [(Place::Base, tracked.base), (Place::Wanted, tracked.wanted)];
        let doubtful = tracked.doubtful.iter().enumerate();
        let trees = trees.into_iter().chain(doubtful.map(|(number, doubtful)| (Place::Doubtful(number), *doubtful)));
        let entries = trees.map(|(place, tree)| tree.iter().map_ok(move |(path, entry)| (path, place, entry)));
        let mut entries = entries.kmerge_by(in_order).peekable();
        while let Some((path, place, entry)) = entries.next().transpose()? {
            while let Some(other) = found.next_if(|(there, _)| *there < path) {
                survey.untracked.push(other);
            }
            let there = found.next_if(|(there, _)| *there == path).map(|(_, found)| found);
            let mut question =
                Question { path, found: there, base: None, doubtful: vec![None; tracked.doubtful.len()], wanted: None };
            question.put(place, entry);
            while let Some((_, place, entry)) =
                entries.next_if(|next| next.as_ref().map_or(true, |(next, ..)| *next == question.path)).transpose()?
            {
                question.put(place, entry);
            }
            survey.questions.push(question);
        }
        survey.untracked.extend(found);
        Ok(survey)
    }

    /// Whether a directory that was confirmed is one no more: what was beneath it has not been looked at.
    pub fn lacks_a_directory(&self) -> bool {
        !self.stands
            || self.questions.iter().any(|question| {
                question.base.as_ref().is_some_and(Entry::is_directory)
                    && !matches!(question.found, Some(Found::Directory { .. }))
            })
    }

    /// How many entries of the base stand there in some form, and how many were looked for.
    pub fn remaining(&self) -> (u64, u64) {
        let of_base = || self.questions.iter().filter(|question| question.base.is_some());
        (of_base().filter(|question| question.found.is_some()).count() as u64, of_base().count() as u64)
    }

    /// The files whose sum decides what they are: some tree has a file of that size there.
    pub fn to_be_summed(&self) -> Vec<RelPath> {
        let undecided = self.questions.iter().filter(|question| match question.found {
            Some(Found::File { size, .. }) => {
                size > 0 && question.candidates().any(|entry| entry.is_file() && entry.size() == size)
            }
            _ => false,
        });
        undecided.map(|question| question.path.clone()).collect()
    }

    /// The contents whose sums are needed to tell: of the candidates of what [`Survey::to_be_summed`] names.
    pub fn candidates(&self) -> Vec<(RelPath, Digest, u64)> {
        let mut contents = Vec::new();
        for question in &self.questions {
            let Some(Found::File { size, .. }) = question.found else { continue };
            for (hash, wanted) in question.candidates().filter_map(Entry::content) {
                if wanted == size && size > 0 {
                    contents.push((question.path.clone(), hash, size));
                }
            }
        }
        contents
    }

    /// Where something stands that is neither file nor directory nor link, though something of ours belongs there.
    pub fn strange(&self) -> impl Iterator<Item = &RelPath> {
        self.questions.iter().filter(|question| question.found == Some(Found::Other)).map(|question| &question.path)
    }

    /// The roots of two trees: what is there, at the paths that were looked at and as the base says elsewhere; and the
    /// base with what is there by the doubtful push. New pages go to `sink`.
    pub fn trees(
        &self,
        tracked: Tracked<'_>,
        sums: &HashMap<RelPath, Sum>,
        sum_of: &dyn Fn(&Digest) -> Option<Sum>,
        sink: &mut dyn PageSink,
    ) -> Result<(Digest, Digest)> {
        let (mut there, mut ours) = (Vec::new(), Vec::new());
        for question in &self.questions {
            let entry = question.entry(sums.get(&question.path), sum_of);
            if entry == question.base {
                continue;
            }
            if question.is_by_a_doubtful_push(entry.as_ref()) {
                ours.push(Ok((question.path.clone(), entry.clone())));
            }
            there.push(Ok((question.path.clone(), entry)));
        }
        Ok((tree::edit(tracked.base, there, sink)?, tree::edit(tracked.base, ours, sink)?))
    }
}

/// Which tree an entry is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Base,
    Doubtful(usize),
    Wanted,
}

fn in_order(left: &Result<(RelPath, Place, Entry)>, right: &Result<(RelPath, Place, Entry)>) -> bool {
    match (left, right) {
        (Ok((left, ..)), Ok((right, ..))) => left <= right,
        // An error comes first: it ends everything.
        (left, _) => left.is_err(),
    }
}

impl Question {
    /// A path that has `base` in all the trees, until somebody says otherwise.
    fn unchanged(path: RelPath, base: Option<Entry>, tracked: Tracked<'_>) -> Self {
        let doubtful = vec![base.clone(); tracked.doubtful.len()];
        Self { path, found: None, wanted: base.clone(), doubtful, base }
    }

    fn put(&mut self, place: Place, entry: Entry) {
        match place {
            Place::Base => self.base = Some(entry),
            Place::Doubtful(number) => self.doubtful[number] = Some(entry),
            Place::Wanted => self.wanted = Some(entry),
        }
    }

    fn candidates(&self) -> impl Iterator<Item = &Entry> {
        self.wanted.iter().chain(&self.base).chain(self.doubtful.iter().flatten())
    }

    /// Whether a push that was broken off may have left `entry` there: what it was bringing, or something on the way to
    /// that.
    fn is_by_a_doubtful_push(&self, entry: Option<&Entry>) -> bool {
        let brought = self.doubtful.iter().any(|doubtful| doubtful.as_ref() == entry);
        match entry {
            // A directory goes before a file takes its place.
            None => self.doubtful.iter().any(|doubtful| *doubtful != self.base),
            // A directory gets its permissions after it was made; one that may not be written to is opened for a while.
            Some(entry) if entry.is_directory() && !self.doubtful.is_empty() => {
                let mut known = self.doubtful.iter().chain([&self.base]).flatten();
                brought || known.any(|known| known.differs_in_mode_only(entry))
            }
            Some(_) => brought,
        }
    }

    /// What stands there, as an entry.
    fn entry(&self, sum: Option<&Sum>, sum_of: &dyn Fn(&Digest) -> Option<Sum>) -> Option<Entry> {
        Some(match self.found.as_ref()? {
            Found::Directory { mode } => Entry::Directory { mode: *mode },
            Found::Symlink { target } => Entry::Symlink { target: target.clone() },
            Found::Other => return None,
            Found::File { mode, size } => {
                let known = self.candidates().filter_map(Entry::content).find(|(hash, wanted)| {
                    wanted == size && (*size == 0 || (sum.is_some() && sum_of(hash).as_ref() == sum))
                });
                // A content that is none of ours needs a name that is nobody's.
                let foreign =
                    || Digest::of(&[&b"foreign"[..], sum.map_or(&[][..], |sum| &sum.as_bytes()[..])].concat());
                let empty = (*size == 0).then(|| Digest::of(b""));
                let hash = empty.or(known.map(|(hash, _)| hash)).unwrap_or_else(foreign);
                Entry::File { mode: *mode, size: *size, hash }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{LinkTarget, MemoryPages, Mode, Overlay};

    fn path(text: &str) -> RelPath {
        RelPath::try_from(text).expect("path")
    }

    fn file(content: &str) -> Entry {
        Entry::File { mode: Mode::new(0o644), size: content.len() as u64, hash: Digest::of(content.as_bytes()) }
    }

    fn directory() -> Entry {
        Entry::Directory { mode: Mode::new(0o755) }
    }

    fn there(content: &str) -> Found {
        Found::File { mode: Mode::new(0o644), size: content.len() as u64 }
    }

    fn tree(pages: &mut MemoryPages, entries: &[(&str, Entry)]) -> Digest {
        tree::build(entries.iter().map(|(name, entry)| Ok((path(name), entry.clone()))), pages).expect("builds")
    }

    /// Sums of the contents that a test uses.
    fn sum_of(hash: &Digest) -> Option<Sum> {
        ["old", "new", "mid"]
            .iter()
            .find(|text| Digest::of(text.as_bytes()) == *hash)
            .map(|text| Sum::of(text.as_bytes()))
    }

    #[test]
    fn what_is_there_is_told_by_its_sum() {
        let mut pages = MemoryPages::default();
        let base =
            tree(&mut pages, &[("a", file("old")), ("d", directory()), ("d/f", file("old")), ("x", file("old"))]);
        let doubtful =
            tree(&mut pages, &[("a", file("mid")), ("d", directory()), ("d/f", file("mid")), ("x", file("old"))]);
        let wanted =
            tree(&mut pages, &[("a", file("new")), ("d", directory()), ("d/f", file("new")), ("n", file("new"))]);
        let at = |root| Tree::new(&pages, root);
        let doubtful = [at(doubtful)];
        let tracked = Tracked { base: at(base), doubtful: &doubtful, wanted: at(wanted) };
        let mut by_paths = Survey::of_changes(tracked).expect("reads");
        assert_eq!(by_paths.paths(), ["a", "d/f", "n", "x", "d"].map(path));
        let found = vec![
            (path("d"), Found::Directory { mode: Mode::new(0o755) }),
            (path("a"), there("mid")),
            (path("d/f"), there("bad")),
            (path("x"), Found::Symlink { target: LinkTarget::new(&b"y"[..]).expect("a target") }),
        ];
        let sums = [("a", "mid"), ("d/f", "bad")].map(|(name, text)| (path(name), Sum::of(text.as_bytes())));
        let everything = Survey::of_everything(tracked, [found.clone(), vec![(path("log"), there("z"))]].concat());
        let everything = everything.expect("reads");
        assert_eq!(everything.untracked, [(path("log"), there("z"))]);
        by_paths.answer(found);
        for (survey, count) in [(everything, 4), (by_paths, 3)] {
            assert_eq!(survey.to_be_summed(), [path("a"), path("d/f")]);
            assert!(!survey.lacks_a_directory());
            assert_eq!(survey.remaining(), (count, count));
            let mut fresh = MemoryPages::default();
            let roots = survey.trees(tracked, &sums.clone().into_iter().collect(), &sum_of, &mut fresh).expect("trees");
            let all = Overlay::with(fresh, &pages);
            let here: Vec<_> = Tree::new(&all, roots.0).iter().collect::<Result<_>>().expect("reads");
            assert_eq!(here[0], (path("a"), file("mid")));
            assert!(matches!(&here[2].1, Entry::File { hash, .. } if sum_of(hash).is_none()), "{here:?}");
            assert!(matches!(&here[3].1, Entry::Symlink { .. }) && here.len() == 4);
            assert_eq!(Tree::new(&all, roots.1).get(&path("a")).expect("reads"), Some(file("mid")));
            assert_eq!(Tree::new(&all, roots.1).get(&path("d/f")).expect("reads"), Some(file("old")));
        }
    }

    #[test]
    fn a_directory_that_is_gone_is_noticed() {
        let mut pages = MemoryPages::default();
        let base = tree(&mut pages, &[("d", directory()), ("d/f", file("old"))]);
        let wanted = tree(&mut pages, &[("d", directory()), ("d/f", file("new"))]);
        let tracked = Tracked { base: Tree::new(&pages, base), doubtful: &[], wanted: Tree::new(&pages, wanted) };
        let mut survey = Survey::of_changes(tracked).expect("reads");
        survey.answer(vec![(path("d"), there("old"))]);
        assert!(survey.lacks_a_directory());
        assert_eq!(survey.remaining(), (0, 1));
        let found = vec![(path("d"), Found::Directory { mode: Mode::new(0o755) }), (path("d/f"), there("old"))];
        survey.answer(found);
        assert!(!survey.lacks_a_directory());
    }
}
