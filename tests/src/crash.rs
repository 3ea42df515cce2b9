//! Processes that die at a durable step.
//!
//! A test binary runs itself again as a child ([`run`]) that does one operation of one node, and is killed with SIGKILL
//! right before its Nth durable step ([`depsync_engine::context::Observer::step`]): no destructor runs, no buffer is
//! flushed, no lock is given back by hand. The child's side is [`child`], which a test named `child` of the same
//! binary calls; in an ordinary run it does nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use depsync_engine::context::{Context, Observer};
use depsync_engine::engine::{EvictOptions, PublishOptions, Role, Side, UpdateOptions};
use depsync_engine::error::{Error, ErrorKind, Result};
use rustix::process::{Signal, getpid, kill_process};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::cluster::Site;

/// The variables that tell a child what to do.
const SITE: &str = "DEPSYNC_CRASH_SITE";
const NODE: &str = "DEPSYNC_CRASH_NODE";
const WORK: &str = "DEPSYNC_CRASH_WORK";
const AT: &str = "DEPSYNC_CRASH_AT";
const POOR: &str = "DEPSYNC_CRASH_POOR";

/// What a child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `init`, as a manager.
    Init,
    /// `publish`.
    Publish,
    /// `update`.
    Update,
    /// `rollback` to this revision.
    Rollback(u64),
    /// `resolve PATH --theirs`, with the path given.
    Theirs(&'static str),
    /// `resolve PATH --mine`.
    Mine(&'static str),
    /// `verify --repair`.
    Repair,
    /// `fetch PATH`.
    Fetch(&'static str),
    /// `evict PATH`.
    Evict(&'static str),
}

/// A child to be.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// The node it works for.
    pub node: &'a str,
    /// What it does.
    pub work: Work,
    /// Whether it finds a file system that can neither exchange two names nor rename without replacing, as NFS.
    pub poor: bool,
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was killed right before this step.
    Killed(String),
    /// It came to its end; the steps it took.
    Finished(Vec<String>),
    /// It gave up with this error.
    Failed(String),
}

/// Runs a child in `site`, killed before step `at` (counted from 0) if it gets there.
pub fn run(site: &Site, child: Child<'_>, at: Option<usize>) -> End {
    run_with(site, child, at, &mut Command::new(std::env::current_exe().expect("this binary")))
}

/// Runs a child through `command`, which ends in the path of this binary.
pub fn run_with(site: &Site, child: Child<'_>, at: Option<usize>, command: &mut Command) -> End {
    let log = log(site.path());
    let _ = std::fs::remove_file(&log);
    let _ = std::fs::remove_file(failure(site.path()));
    let output = command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(SITE, site.path())
        .env(NODE, child.node)
        .env(WORK, words(child.work))
        .env(AT, at.unwrap_or(usize::MAX).to_string())
        .env(POOR, if child.poor { "1" } else { "" })
        .output()
        .expect("the child starts");
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let mut steps: Vec<String> = said.lines().map(str::to_owned).collect();
    if output.status.signal() == Some(Signal::KILL.as_raw()) {
        return End::Killed(steps.pop().expect("it was killed at a step"));
    }
    if let Ok(error) = std::fs::read_to_string(failure(site.path())) {
        return End::Failed(error);
    }
    assert!(output.status.success(), "the child broke: {}", String::from_utf8_lossy(&output.stderr));
    End::Finished(steps)
}

/// The child's side. Does nothing in a process that is no child.
pub fn child() {
    let Ok(top) = std::env::var(SITE) else { return };
    let of = |name| std::env::var(name).expect(name);
    if !of(POOR).is_empty() {
        make_poor();
    }
    let site = Site::at(PathBuf::from(&top));
    let log = File::create(log(site.path())).expect("log");
    let killer = Killer { at: of(AT).parse().expect("a number"), seen: AtomicUsize::new(0), log };
    let cx = site.context().with_observer(Arc::new(killer));
    if let Err(error) = perform(&site, &cx, &of(NODE), &of(WORK)) {
        std::fs::write(failure(site.path()), format!("{}: {error}", error.kind().name())).expect("write");
    }
}

fn perform(site: &Site, cx: &Context, node: &str, work: &str) -> Result<()> {
    let (verb, rest) = work.split_once(' ').unwrap_or((work, ""));
    let node = site.node_under(cx, node)?;
    match verb {
        "init" => node.init(cx, Some(Role::ReadWrite)).map(drop),
        "publish" => node.publish(cx, &PublishOptions::default()).map(drop),
        "update" => node.update(cx, &UpdateOptions::default()).map(drop),
        "rollback" => node.rollback(cx, rest.parse().unwrap_or(0), "").map(drop),
        "theirs" => node.resolve(cx, &rest.try_into()?, Side::Theirs),
        "mine" => node.resolve(cx, &rest.try_into()?, Side::Mine),
        "repair" => node.verify(cx, true).map(drop),
        "fetch" => node.fetch(cx, &[rest.try_into()?]).map(drop),
        "evict" => {
            let options = EvictOptions { paths: vec![rest.try_into()?], ..EvictOptions::default() };
            node.evict(cx, &options).map(drop)
        }
        other => Err(Error::new(ErrorKind::Usage, format!("a child cannot {other}"))),
    }
}

fn words(work: Work) -> String {
    match work {
        Work::Init => "init".to_owned(),
        Work::Publish => "publish".to_owned(),
        Work::Update => "update".to_owned(),
        Work::Rollback(revision) => format!("rollback {revision}"),
        Work::Theirs(path) => format!("theirs {path}"),
        Work::Mine(path) => format!("mine {path}"),
        Work::Repair => "repair".to_owned(),
        Work::Fetch(path) => format!("fetch {path}"),
        Work::Evict(path) => format!("evict {path}"),
    }
}

fn log(site: &Path) -> PathBuf {
    site.join("steps.log")
}

fn failure(site: &Path) -> PathBuf {
    site.join("failure.log")
}

/// Kills its own process at a step, having written down which.
struct Killer {
    at: usize,
    seen: AtomicUsize,
    log: File,
}

impl Observer for Killer {
    fn step(&self, name: &'static str) {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        (&self.log).write_all(format!("{name}\n").as_bytes()).expect("log");
        if number == self.at {
            kill_process(getpid(), Signal::KILL).expect("kill");
            loop {
                std::thread::park();
            }
        }
    }
}

/// Copies a site at every step: what SIGKILL would leave there, for the cost of a copy.
pub struct Copier {
    top: PathBuf,
    copies: Mutex<Vec<(String, Site)>>,
}

impl Copier {
    /// An observer that copies `site`.
    pub fn of(site: &Site) -> Self {
        Self { top: site.path().to_owned(), copies: Mutex::default() }
    }

    /// The copies, each with the step that was about to be taken.
    pub fn take(&self) -> Vec<(String, Site)> {
        std::mem::take(&mut *self.copies.lock().expect("no panic"))
    }
}

impl Observer for Copier {
    fn step(&self, name: &'static str) {
        let mut copies = self.copies.lock().expect("no panic");
        copies.push((name.to_owned(), Site::at(&self.top).copy()));
    }
}

/// From here on `renameat2` with flags is `EINVAL` in this thread and those that it starts, as it is on NFS.
pub fn make_poor() {
    /// `renameat2` on the architectures that tests run on.
    const RENAMEAT2: i64 = if cfg!(target_arch = "x86_64") { 316 } else { 276 };
    const EINVAL: u32 = 22;
    let flagged = SeccompCondition::new(4, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0).expect("a condition");
    refuse(RENAMEAT2, vec![SeccompRule::new(vec![flagged]).expect("a rule")], EINVAL);
}

/// From here on there is no `openat2` in this thread and those that it starts, as in a kernel before 5.6.
pub fn make_old() {
    /// The same number on every architecture.
    const OPENAT2: i64 = 437;
    const ENOSYS: u32 = 38;
    refuse(OPENAT2, Vec::new(), ENOSYS);
    let how = rustix::fs::ResolveFlags::empty();
    let flags = rustix::fs::OFlags::PATH;
    let opened = rustix::fs::openat2(rustix::fs::CWD, "/", flags, rustix::fs::Mode::empty(), how);
    assert_eq!(opened.err(), Some(rustix::io::Errno::NOSYS), "openat2 still works");
}

/// Answers `call` with `errno` where one of `rules` holds, or always.
fn refuse(call: i64, rules: Vec<SeccompRule>, errno: u32) {
    let rules: BTreeMap<i64, Vec<SeccompRule>> = [(call, rules)].into();
    let arch = std::env::consts::ARCH.try_into().expect("a known architecture");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("the filter is taken");
}
