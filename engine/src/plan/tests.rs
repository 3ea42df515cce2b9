//! The plan against a naive reading of its table, over random trees.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::hash::Digest;
use crate::tree::{self, MemoryPages, Mode};

type Model = BTreeMap<RelPath, Entry>;

fn path(text: &str) -> RelPath {
    RelPath::try_from(text).expect(text)
}

fn file(content: u8) -> Entry {
    Entry::File { mode: Mode::new(0o644), size: 1, hash: Digest::of(&[content]) }
}

fn directory() -> Entry {
    Entry::Directory { mode: Mode::new(0o755) }
}

/// A well-formed tree: every entry's parent is a directory.
fn model(leaves: &[(&str, u8)]) -> Model {
    let mut model = Model::new();
    for (text, content) in leaves {
        let path = path(text);
        if path.ancestors().any(|above| model.get(&above).is_some_and(|entry| !entry.is_directory()))
            || model.contains_key(&path)
        {
            continue;
        }
        for above in path.ancestors() {
            model.insert(above, directory());
        }
        model.insert(path, if *content == 0 { directory() } else { file(*content) });
    }
    model
}

fn any_model() -> impl Strategy<Value = Model> {
    const NAMES: &[&str] = &["a", "a/b", "a/b/c", "a/d", "e", "e/f", "g"];
    proptest::collection::vec((proptest::sample::select(NAMES), 0u8..3), 0..8).prop_map(|leaves| model(&leaves))
}

fn build(model: &Model, pages: &mut MemoryPages) -> Digest {
    let entries = model.iter().map(|(path, entry)| Ok((path.clone(), entry.clone())));
    tree::build(entries, pages).expect("builds")
}

fn planned(agreement: &Model, local: &Model, wanted: &Model, policy: Policy, listed: Vec<RelPath>) -> Plan {
    let mut pages = MemoryPages::default();
    let roots = [agreement, local, wanted].map(|model| build(model, &mut pages));
    let [agreement, local, wanted] = roots.map(|root| Tree::new(&pages, root));
    let nothing = |_: &RelPath, _: bool| false;
    let nowhere = |_: &RelPath| false;
    let trees = Trees { agreement, known: agreement, local, wanted };
    plan(trees, policy, &Unsettled::new(listed, &nothing, &nowhere), &Lazy::nothing()).expect("plans")
}

fn put(model: &mut Model, path: &RelPath, entry: Option<&Entry>) {
    match entry {
        Some(entry) => model.insert(path.clone(), entry.clone()),
        None => model.remove(path),
    };
}

fn is_well_formed(model: &Model) -> bool {
    model.keys().filter_map(RelPath::parent).all(|parent| model.get(&parent).is_some_and(Entry::is_directory))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_published_and_what_is_applied_is_well_formed(a in any_model(), l in any_model(), w in any_model()) {
        let plan = planned(&a, &l, &w, Policy::ThreeWay, vec![]);
        let mut merged = w.clone();
        for change in plan.publish.iter() {
            put(&mut merged, &change.path, change.after.as_ref());
        }
        prop_assert!(is_well_formed(&merged), "hub: {merged:?} by {plan:?}");
        let mut disk = l.clone();
        for application in plan.apply.iter() {
            put(&mut disk, &application.path, application.want.as_ref());
        }
        prop_assert!(is_well_formed(&disk), "disk: {disk:?} by {plan:?}");
    }

    #[test]
    fn every_difference_is_in_exactly_one_list(a in any_model(), l in any_model(), w in any_model()) {
        let plan = planned(&a, &l, &w, Policy::ThreeWay, vec![]);
        let listed: Vec<RelPath> = plan.publish.iter().map(|one| one.path)
            .chain(plan.apply.iter().map(|one| one.path))
            .chain(plan.agree.iter().map(|one| one.0))
            .chain(plan.conflicts.iter().map(|one| one.path.clone()))
            .collect();
        let all: BTreeSet<RelPath> = a.keys().chain(l.keys()).chain(w.keys())
            .filter(|path| a.get(*path) != l.get(*path) || a.get(*path) != w.get(*path)).cloned().collect();
        prop_assert_eq!(listed.len(), all.len());
        prop_assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn one_sided_changes_go_through_and_never_conflict(a in any_model(), b in any_model()) {
        let publish = planned(&a, &b, &a, Policy::ThreeWay, vec![]);
        prop_assert!(publish.apply.is_empty() && publish.agree.is_empty() && publish.conflicts.is_empty());
        let apply = planned(&a, &a, &b, Policy::ThreeWay, vec![]);
        prop_assert!(apply.publish.is_empty() && apply.agree.is_empty() && apply.conflicts.is_empty());
        let agree = planned(&a, &b, &b, Policy::ThreeWay, vec![]);
        prop_assert!(agree.publish.is_empty() && agree.apply.is_empty() && agree.conflicts.is_empty());
    }

    #[test]
    fn a_path_changed_differently_on_both_sides_is_left_alone(a in any_model(), l in any_model(), w in any_model()) {
        let plan = planned(&a, &l, &w, Policy::ThreeWay, vec![]);
        for path in a.keys().chain(l.keys()).chain(w.keys()) {
            let (agreed, mine, theirs) = (a.get(path), l.get(path), w.get(path));
            if agreed != mine && agreed != theirs && mine != theirs {
                prop_assert!(plan.conflicts.iter().any(|clash| clash.path == *path));
            }
        }
    }

    #[test]
    fn a_worker_ends_with_the_hubs_tree_and_loses_nothing(a in any_model(), l in any_model(), w in any_model()) {
        let plan = planned(&a, &l, &w, Policy::HubWins, vec![]);
        prop_assert!(plan.publish.is_empty() && plan.conflicts.is_empty());
        let mut disk = l.clone();
        for application in plan.apply.iter() {
            prop_assert_eq!(application.have.as_ref(), l.get(&application.path));
            let unknown = l.get(&application.path).filter(|have| Some(*have) != a.get(&application.path));
            let mode_only = |have: &&Entry| application.want.as_ref().is_some_and(|want| have.differs_in_mode_only(want));
            let lost = unknown.filter(|have| !have.is_directory() && !mode_only(have));
            prop_assert!(lost.is_none() || application.keep, "{application:?} loses content");
            put(&mut disk, &application.path, application.want.as_ref());
        }
        for (path, entry) in &w {
            prop_assert_eq!(disk.get(path), Some(entry));
        }
        // What is left beside the hub's tree was never tracked.
        prop_assert!(disk.keys().all(|path| w.contains_key(path) || !a.contains_key(path)));
    }

    #[test]
    fn what_was_not_measured_keeps_its_old_entry(a in any_model(), l in any_model(), w in any_model()) {
        let unknown = path("a");
        let plan = planned(&a, &l, &w, Policy::ThreeWay, vec![unknown.clone()]);
        let covered = |path: &RelPath| path.is_within(&unknown);
        prop_assert!(!plan.publish.iter().any(|one| covered(&one.path)));
        prop_assert!(!plan.apply.iter().any(|one| covered(&one.path)));
        prop_assert!(!plan.agree.iter().any(|one| covered(&one.0)));
        prop_assert!(plan.blocked.iter().all(|path| covered(path) && a.get(path) != w.get(path)));
    }
}

#[test]
fn removing_a_directory_against_adding_into_it_is_a_conflict_of_both() {
    let agreement = model(&[("a/b", 1), ("c", 1)]);
    let local = model(&[("c", 1)]);
    let wanted = model(&[("a/b", 1), ("a/new", 1), ("c", 1)]);
    let plan = planned(&agreement, &local, &wanted, Policy::ThreeWay, vec![]);
    let conflicts: Vec<String> = plan.conflicts.iter().map(|clash| clash.path.to_string()).collect();
    assert_eq!(conflicts, ["a", "a/new"]);
    assert_eq!(plan.publish.iter().map(|one| one.path.to_string()).collect::<Vec<_>>(), ["a/b"]);
}

#[test]
fn an_ignored_path_looks_removed_and_is_not() {
    let mut pages = MemoryPages::default();
    let agreement = build(&model(&[("a", 1), ("b", 1), ("d/x", 1)]), &mut pages);
    let local = build(&model(&[]), &mut pages);
    let tree = |root| Tree::new(&pages, root);
    let hidden = |path: &RelPath, _: bool| path.as_bytes() == b"a" || path.as_bytes() == b"d/x";
    let trees =
        Trees { agreement: tree(agreement), known: tree(agreement), local: tree(local), wanted: tree(agreement) };
    let plan =
        plan(trees, Policy::ThreeWay, &Unsettled::new(vec![], &hidden, &|_| false), &Lazy::nothing()).expect("plans");
    // What was in a directory that is gone is gone, ignored or not.
    assert_eq!(plan.publish.iter().map(|one| one.path.to_string()).collect::<Vec<_>>(), ["b", "d", "d/x"]);
}

#[test]
fn an_ignored_path_that_left_the_hub_leaves_the_agreement_and_stays_here() {
    let mut pages = MemoryPages::default();
    let agreement = build(&model(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]), &mut pages);
    let local = build(&model(&[("c", 1), ("d", 1)]), &mut pages);
    let wanted = build(&model(&[("b", 2), ("d", 1)]), &mut pages);
    let tree = |root| Tree::new(&pages, root);
    let hidden = |path: &RelPath, _: bool| path.as_bytes() == b"a" || path.as_bytes() == b"b";
    let trees = Trees { agreement: tree(agreement), known: tree(agreement), local: tree(local), wanted: tree(wanted) };
    for policy in [Policy::ThreeWay, Policy::HubWins] {
        let plan = plan(trees, policy, &Unsettled::new(vec![], &hidden, &|_| false), &Lazy::nothing()).expect("plans");
        assert_eq!(plan.agree.iter().collect::<Vec<_>>(), [(path("a"), None)]);
        assert_eq!(plan.blocked, [path("b")]);
        assert_eq!(plan.apply.iter().map(|one| one.path.to_string()).collect::<Vec<_>>(), ["c"]);
        assert!(plan.publish.is_empty() && plan.conflicts.is_empty());
    }
}

#[test]
fn removing_a_directory_against_a_change_of_an_ignored_file_in_it_is_a_conflict() {
    let mut pages = MemoryPages::default();
    let agreement = build(&model(&[("d/x", 1), ("e", 1)]), &mut pages);
    let local = build(&model(&[("e", 1)]), &mut pages);
    let wanted = build(&model(&[("d/x", 2), ("e", 1)]), &mut pages);
    let tree = |root| Tree::new(&pages, root);
    let hidden = |path: &RelPath, _: bool| path.as_bytes() == b"d/x";
    let trees = Trees { agreement: tree(agreement), known: tree(agreement), local: tree(local), wanted: tree(wanted) };
    let plan =
        plan(trees, Policy::ThreeWay, &Unsettled::new(vec![], &hidden, &|_| false), &Lazy::nothing()).expect("plans");
    assert_eq!(plan.conflicts.iter().map(|clash| clash.path.to_string()).collect::<Vec<_>>(), ["d", "d/x"]);
    assert!(plan.publish.is_empty() && plan.blocked.is_empty());
}

/// What a plan comes to: published, brought, removed, agreed, conflicts, blocked. `standing` is what the disk has there.
fn with_patterns(sides: [&Model; 3], policy: Policy, patterns: &str, standing: &[(&str, bool)]) -> [Vec<String>; 6] {
    let mut pages = MemoryPages::default();
    let [agreement, local, wanted] = sides.map(|model| build(model, &mut pages));
    let tree = |root| Tree::new(&pages, root);
    let ignore = crate::scan::Ignore::parse(patterns.as_bytes()).expect("parses");
    let hidden = |path: &RelPath, directory: bool| ignore.matches(path, directory);
    let occupied = |at: &RelPath| standing.iter().any(|(name, directory)| *at == path(name) && hidden(at, *directory));
    let trees = Trees { agreement: tree(agreement), known: tree(agreement), local: tree(local), wanted: tree(wanted) };
    let plan = plan(trees, policy, &Unsettled::new(vec![], &hidden, &occupied), &Lazy::nothing()).expect("plans");
    let text = |paths: &mut dyn Iterator<Item = RelPath>| paths.map(|path| path.to_string()).collect::<Vec<_>>();
    [
        text(&mut plan.publish.iter().map(|one| one.path)),
        text(&mut plan.apply.iter().filter(|one| one.want.is_some()).map(|one| one.path)),
        text(&mut plan.apply.iter().filter(|one| one.want.is_none()).map(|one| one.path)),
        text(&mut plan.agree.iter().map(|one| one.0)),
        text(&mut plan.conflicts.iter().map(|clash| clash.path.clone())),
        text(&mut plan.blocked.into_iter()),
    ]
}

const POLICIES: [Policy; 3] = [Policy::ThreeWay, Policy::HubWins, Policy::Adopt];

#[test]
fn a_pattern_for_directories_holds_up_directories_and_no_file() {
    let agreement = model(&[("changed", 1), ("removed", 1)]);
    let wanted = model(&[("changed", 2), ("file", 1), ("folder/x", 1)]);
    for policy in POLICIES {
        let [publish, bring, remove, agree, conflicts, blocked] =
            with_patterns([&agreement, &agreement, &wanted], policy, "/*/", &[("changed", false), ("removed", false)]);
        assert_eq!((bring, remove), (vec!["changed".into(), "file".into()], vec!["removed".to_owned()]), "{policy:?}");
        assert_eq!(blocked, ["folder", "folder/x"], "{policy:?}");
        assert!(publish.is_empty() && agree.is_empty() && conflicts.is_empty(), "{policy:?}");
    }
}

#[test]
fn a_pattern_that_takes_directories_back_holds_up_files_alone() {
    let agreement = model(&[("d/x", 1), ("gone/x", 1)]);
    let wanted = model(&[("d/x", 2), ("d/y", 1), ("f", 1), ("new", 0)]);
    for policy in POLICIES {
        let [publish, bring, remove, agree, conflicts, blocked] =
            with_patterns([&agreement, &agreement, &wanted], policy, "/*\n!/*/", &[("d", true), ("gone", true)]);
        assert_eq!(bring, ["d/x", "d/y", "new"], "{policy:?}");
        assert_eq!((remove, blocked), (vec!["gone".into(), "gone/x".into()], vec!["f".to_owned()]), "{policy:?}");
        assert!(publish.is_empty() && agree.is_empty() && conflicts.is_empty(), "{policy:?}");
    }
}

#[test]
fn an_ignored_directory_in_the_place_of_a_new_file_stays() {
    let (nothing, wanted) = (model(&[]), model(&[("work", 1), ("a", 1)]));
    for policy in POLICIES {
        let [publish, bring, remove, _, conflicts, blocked] =
            with_patterns([&nothing, &nothing, &wanted], policy, "work/", &[("work", true)]);
        assert_eq!((bring, blocked), (vec!["a".to_owned()], vec!["work".to_owned()]), "{policy:?}");
        assert!(publish.is_empty() && remove.is_empty() && conflicts.is_empty(), "{policy:?}");
    }
}

#[test]
fn an_ignored_directory_in_the_place_of_a_tracked_file_is_a_removal_for_a_manager_and_stays_on_a_worker() {
    let (tracked, gone, newer) = (model(&[("work", 1)]), model(&[]), model(&[("work", 2)]));
    let planned = |wanted, policy| with_patterns([&tracked, &gone, wanted], policy, "work/", &[("work", true)]);
    let [publish, .., conflicts, blocked] = planned(&tracked, Policy::ThreeWay);
    assert_eq!((publish, conflicts, blocked), (vec!["work".to_owned()], vec![], vec![]));
    let [publish, .., conflicts, blocked] = planned(&newer, Policy::ThreeWay);
    assert_eq!((publish, conflicts, blocked), (vec![], vec!["work".to_owned()], vec![]));
    for wanted in [&tracked, &newer] {
        let [_, bring, remove, agree, _, blocked] = planned(wanted, Policy::HubWins);
        assert_eq!((bring, remove, agree, blocked), (vec![], vec![], vec![], vec!["work".to_owned()]));
    }
    for policy in POLICIES {
        let [publish, bring, remove, agree, conflicts, blocked] = planned(&gone, policy);
        assert_eq!(agree, ["work"], "{policy:?}");
        assert!([publish, bring, remove, conflicts, blocked].iter().all(Vec::is_empty), "{policy:?}");
    }
}

#[test]
fn an_ignored_file_in_the_place_of_a_directory_stays_and_nothing_is_brought_beneath_it() {
    let (nothing, agreed) = (model(&[]), model(&[("d/x", 1)]));
    let newer = model(&[("d/x", 2), ("d/y/z", 1)]);
    for policy in POLICIES {
        let [publish, bring, .., blocked] =
            with_patterns([&nothing, &nothing, &newer], policy, "/*\n!/*/", &[("d", false)]);
        assert_eq!(blocked, ["d", "d/x", "d/y", "d/y/z"], "{policy:?}");
        assert!(publish.is_empty() && bring.is_empty(), "{policy:?}");
    }
    let [_, bring, remove, .., blocked] =
        with_patterns([&agreed, &nothing, &newer], Policy::HubWins, "/*\n!/*/", &[("d", false)]);
    assert_eq!(blocked, ["d", "d/x", "d/y", "d/y/z"]);
    assert!(bring.is_empty() && remove.is_empty());
}

#[test]
fn a_file_that_becomes_an_ignored_directory_waits_and_is_never_published_over_it() {
    let (agreed, edited) = (model(&[("work", 1)]), model(&[("work", 3)]));
    for wanted in [model(&[("work", 0)]), model(&[("work/x", 1)])] {
        let names: Vec<String> = wanted.keys().map(ToString::to_string).collect();
        for policy in POLICIES {
            let [publish, bring, remove, _, conflicts, blocked] =
                with_patterns([&agreed, &agreed, &wanted], policy, "work/", &[("work", false)]);
            assert_eq!(blocked, names, "{policy:?}");
            assert!([publish, bring, remove, conflicts].iter().all(Vec::is_empty), "{policy:?}");
        }
        let [publish, bring, _, _, conflicts, blocked] =
            with_patterns([&agreed, &edited, &wanted], Policy::ThreeWay, "work/", &[("work", false)]);
        assert_eq!(conflicts, names);
        assert!(publish.is_empty() && bring.is_empty() && blocked.is_empty());
    }
}

#[test]
fn an_ignored_directory_that_becomes_a_file_waits() {
    let (agreed, hidden, wanted) = (model(&[("work/x", 1)]), model(&[]), model(&[("work", 1)]));
    for policy in POLICIES {
        let [publish, bring, remove, agree, conflicts, blocked] =
            with_patterns([&agreed, &hidden, &wanted], policy, "work/", &[("work", true)]);
        assert_eq!((agree, blocked), (vec!["work/x".to_owned()], vec!["work".to_owned()]), "{policy:?}");
        assert!([publish, bring, remove, conflicts].iter().all(Vec::is_empty), "{policy:?}");
    }
}

/// What is to become of ghosts, by the sides: brought, moved as ghosts, agreed, published, conflicts.
fn with_ghosts(
    [agreement, known, local, wanted]: [&Model; 4],
    policy: Policy,
    lazy: &str,
    summoned: &[&str],
) -> [Vec<String>; 5] {
    let mut pages = MemoryPages::default();
    let [agreement, known, local, wanted] =
        [agreement, known, local, wanted].map(|model| build(model, &mut pages)).map(|root| Tree::new(&pages, root));
    let (eager, lazy): (Vec<&str>, Vec<&str>) = lazy.split_whitespace().partition(|line| line.starts_with('!'));
    let patterns = |lines: Vec<String>| crate::patterns::Patterns::new(&lines).expect("parses");
    let lazy = patterns(lazy.into_iter().map(str::to_owned).collect());
    let eager = patterns(eager.into_iter().map(|line| line[1..].to_owned()).collect());
    let covers = |path: &RelPath, directory: bool| {
        lazy.cover(path.as_bytes(), directory) && !eager.cover(path.as_bytes(), directory)
    };
    let lazy = Lazy::new(&covers, summoned.iter().map(|name| path(name)).collect());
    let trees = Trees { agreement, known, local, wanted };
    let plan = plan(trees, policy, &Unsettled::new(vec![], &|_, _| false, &|_| false), &lazy).expect("plans");
    let text = |paths: &mut dyn Iterator<Item = RelPath>| paths.map(|path| path.to_string()).collect::<Vec<_>>();
    [
        text(&mut plan.apply.iter().map(|one| one.path)),
        text(&mut plan.ghosts.iter().map(|one| one.0)),
        text(&mut plan.agree.iter().map(|one| one.0)),
        text(&mut plan.publish.iter().map(|one| one.path)),
        text(&mut plan.conflicts.iter().map(|clash| clash.path.clone())),
    ]
}

fn lists<const COUNT: usize>(texts: [&str; COUNT]) -> [Vec<String>; COUNT] {
    texts.map(|text| text.split_whitespace().map(str::to_owned).collect())
}

#[test]
fn ghosts_move_and_nothing_is_brought() {
    let nothing = model(&[]);
    let known = model(&[("w/a", 1), ("w/b", 1), ("w/c", 1), ("x", 1)]);
    let here = model(&[("w/c", 1), ("x", 1)]);
    let wanted = model(&[("w/a", 2), ("w/c", 2), ("w/d", 1), ("x", 2)]);
    for policy in POLICIES {
        let first = with_ghosts([&nothing, &nothing, &nothing, &known], policy, "/w/", &[]);
        assert_eq!(first, lists(["x", "w w/a w/b w/c", "", "", ""]), "{policy:?}");
        let next = with_ghosts([&here, &known, &here, &wanted], policy, "/w/", &[]);
        assert_eq!(next, lists(["w/c x", "w/a w/b w/d", "", "", ""]), "{policy:?}");
        let summoned = with_ghosts([&here, &known, &here, &known], policy, "/w !/w/a", &["w/a", "w/b"]);
        assert_eq!(summoned, lists(["w/a", "w/b", "", "", ""]), "{policy:?}");
        // What is here stays here.
        assert_eq!(with_ghosts([&known, &known, &known, &known], policy, "/w/", &[]), lists([""; 5]), "{policy:?}");
    }
}

#[test]
fn what_is_brought_brings_the_directories_that_it_is_in() {
    let nothing = model(&[]);
    let wanted = model(&[("w/app/conf/x.xml", 1), ("w/app/y", 1), ("w/z", 1)]);
    for policy in POLICIES {
        let brought = with_ghosts([&nothing, &nothing, &nothing, &wanted], policy, "* !*.xml", &[]);
        assert_eq!(brought, lists(["w w/app w/app/conf w/app/conf/x.xml", "w/app/y w/z", "", "", ""]), "{policy:?}");
        let summoned = with_ghosts([&nothing, &wanted, &nothing, &wanted], policy, "* !y", &["w/app/y"]);
        assert_eq!(summoned, lists(["w w/app w/app/y", "", "", "", ""]), "{policy:?}");
    }
}

#[test]
fn a_file_in_the_place_of_a_ghost_is_the_ghost_or_a_change_of_it() {
    let nothing = model(&[]);
    let known = model(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    let local = model(&[("a", 1), ("b", 2), ("c", 1), ("d", 2)]);
    let wanted = model(&[("a", 1), ("b", 1), ("c", 3), ("d", 3)]);
    let sides = [&nothing, &known, &local, &wanted];
    assert_eq!(with_ghosts(sides, Policy::ThreeWay, "*", &[]), lists(["c", "", "a", "b", "d"]));
    assert_eq!(with_ghosts(sides, Policy::HubWins, "*", &[]), lists(["b c d", "", "a", "", ""]));
}

#[test]
fn a_directory_that_a_manager_removed_went_with_the_ghosts_in_it() {
    let known = model(&[("w/a", 1), ("w/v/b", 1), ("x", 1)]);
    let (here, local) = (model(&[("w/a", 1), ("x", 1)]), model(&[("x", 1)]));
    let sides = [&here, &known, &local, &known];
    assert_eq!(with_ghosts(sides, Policy::ThreeWay, "/w/", &[]), lists(["", "", "", "w w/a w/v w/v/b", ""]));
    // A worker brings back what was here, and no more.
    assert_eq!(with_ghosts(sides, Policy::HubWins, "/w/", &[]), lists(["w w/a", "", "", "", ""]));
    let wanted = model(&[("w/a", 1), ("w/v/b", 2), ("x", 1)]);
    let against = with_ghosts([&here, &known, &local, &wanted], Policy::ThreeWay, "/w/", &[]);
    assert_eq!(against, lists(["", "", "", "w/a", "w w/v w/v/b"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn after_any_plan_of_a_worker_all_of_the_hub_is_known_and_what_is_agreed_is_here(
        k in any_model(), w in any_model(), l in any_model(), evicted in 0u8..=255, lazy in 0u8..=255,
    ) {
        const NAMES: &[&str] = &["a", "a/b", "a/b/c", "a/d", "e", "e/f", "g"];
        let bit = |bits: u8, path: &RelPath| {
            NAMES.iter().position(|name| name.as_bytes() == path.as_bytes()).is_some_and(|at| bits & (1 << at) != 0)
        };
        let covers = |path: &RelPath, _: bool| bit(lazy, path) || path.ancestors().any(|above| bit(lazy, &above));
        // What is a ghost before: lazy, and nothing beneath it is here.
        let mut agreed = k.clone();
        for path in k.keys().rev() {
            let is_last = !agreed.keys().any(|other| other.is_beneath(path));
            if is_last && bit(evicted, path) && covers(path, false) {
                agreed.remove(path);
            }
        }
        let mut pages = MemoryPages::default();
        let roots = [&agreed, &k, &l, &w].map(|model| build(model, &mut pages));
        let [agreement, known, local, wanted] = roots.map(|root| Tree::new(&pages, root));
        let trees = Trees { agreement, known, local, wanted };
        let unsettled = Unsettled::new(vec![], &|_, _| false, &|_| false);
        let plan = plan(trees, Policy::HubWins, &unsettled, &Lazy::new(&covers, vec![])).expect("plans");
        let (mut here, mut agreed_after, mut known_after) = (l.clone(), agreed.clone(), k.clone());
        for application in plan.apply.iter() {
            prop_assert_eq!(here.get(&application.path), application.have.as_ref());
            put(&mut here, &application.path, application.want.as_ref());
            put(&mut agreed_after, &application.path, application.want.as_ref());
            put(&mut known_after, &application.path, application.want.as_ref());
        }
        for (path, entry) in plan.agree.iter() {
            put(&mut agreed_after, &path, entry.as_ref());
            put(&mut known_after, &path, entry.as_ref());
        }
        for (path, entry) in plan.ghosts.iter() {
            prop_assert!(!agreed_after.contains_key(&path) && !here.contains_key(&path));
            prop_assert!(entry.as_ref().is_none_or(|_| covers(&path, false)));
            put(&mut known_after, &path, entry.as_ref());
        }
        prop_assert_eq!(&known_after, &w);
        prop_assert!(is_well_formed(&agreed_after));
        for (path, entry) in &agreed_after {
            prop_assert_eq!(here.get(path), Some(entry));
            prop_assert_eq!(w.get(path), Some(entry));
        }
        for path in w.keys().filter(|path| !covers(path, false)) {
            prop_assert!(agreed_after.contains_key(path));
        }
    }
}
