//! How both do each step: depsync by its own commands, with configuration files; `svn` by scripts as people write them.
//!
//! Scripts have no more than such a script needs: what came and went is found by `svn status`, added and deleted, and all
//! is committed. Where a directory went, `svn` refuses the commit until the working copy was updated: the script does
//! that only then. Both give the account's name and password to the programs, and both let nothing be kept of them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use depsync_tests::svn::WRITER;

use super::access::Shelf;
use super::{Step, Task, Who};
use crate::kit::measured::Invocation;
use crate::kit::tree::{equal, equal_beside};

/// The directory in the repository.
const DEPLOYMENT: &str = "main";

/// What a working copy has besides the tree.
const BESIDES: &str = ".svn";

/// The first time: the tree is put into a working copy of an empty directory.
const IMPORT: &str = r#"svn mkdir -q -m "a place" $OPTIONS "$URL"
svn checkout -q $OPTIONS "$URL" committing
cp -a source/. committing
cd committing
svn add -q --force .
svn commit -q -m "first" $OPTIONS
"#;

const COMMIT: &str = r#"cd committing
svn status >../status
sed -n 's/^?  *//p' ../status >../came
sed -n 's/^!  *//p' ../status >../gone
[ ! -s ../came ] || svn add -q --targets ../came
if [ -s ../gone ]; then
    svn delete -q --targets ../gone
    svn update -q $OPTIONS
fi
svn commit -q -m "changed" $OPTIONS
"#;

const CHECKOUT: &str = "svn checkout -q $OPTIONS \"$URL\" following\n";

const UPDATE: &str = "svn update -q $OPTIONS following\n";

/// The trees, and how they are brought in line.
pub(super) struct Contest {
    /// What depsync publishes.
    pub(super) source: PathBuf,
    /// The working copy that commits.
    pub(super) committing: PathBuf,
    /// What depsync updates.
    worker: PathBuf,
    /// The working copy that is updated.
    following: PathBuf,
    depsync: [Invocation; 2],
    first: [Invocation; 2],
    later: [Invocation; 2],
}

impl Contest {
    /// Writes down configurations and scripts: the first shelf is depsync's.
    pub(super) fn write_down(place: &Path, depsync: &Path, [ours, theirs]: &[Shelf; 2]) -> Result<Self> {
        let at = |name: &str| place.join(name);
        fs::write(at("password"), WRITER.password)?;
        fs::create_dir(at("svn-config"))?;
        let command = |node: &str, dir: &str, verb: &str| -> Result<Invocation> {
            let config = format!(
                "node = '{node}'\ndir = '{dir}'\nhub = '{}/{DEPLOYMENT}'\nstate = 'state-{node}'\n\
                 [svn]\nusername = '{}'\npassword-file = 'password'\n",
                ours.address(),
                WRITER.name
            );
            let file = at(&format!("{node}.toml"));
            fs::write(&file, config)?;
            Ok(Invocation::of(depsync).args(["--json", "--no-progress"]).arg("--config").arg(file).arg(verb))
        };
        let script = |name: &str, text: &str| -> Result<Invocation> {
            let file = at(name);
            let head = format!(
                "#!/bin/sh\nset -ef\ncd '{}'\nURL='{}/{DEPLOYMENT}'\nIFS='\n'\nOPTIONS='--non-interactive\n\
                 --no-auth-cache\n--config-dir\n{}\n--username\n{}\n--password\n{}'\n",
                place.display(),
                theirs.url(),
                at("svn-config").display(),
                WRITER.name,
                WRITER.password
            );
            fs::write(&file, head + text)?;
            Ok(Invocation::of("sh").arg(file))
        };
        Ok(Self {
            source: at("source"),
            committing: at("committing"),
            worker: at("worker"),
            following: at("following"),
            depsync: [command("manager", "source", "publish")?, command("follower", "worker", "update")?],
            first: [script("import.sh", IMPORT)?, script("checkout.sh", CHECKOUT)?],
            later: [script("commit.sh", COMMIT)?, script("update.sh", UPDATE)?],
        })
    }

    /// How one of them does a step.
    pub(super) fn invocation(&self, who: Who, task: Task, step: Step) -> &Invocation {
        let both = match (who, task) {
            (Who::Depsync, _) => &self.depsync,
            (Who::Svn, Task::First) => &self.first,
            (Who::Svn, _) => &self.later,
        };
        &both[step as usize]
    }

    /// Fails unless all trees are equal.
    pub(super) fn check(&self) -> Result<()> {
        equal(&self.source, &self.worker).context("depsync")?;
        equal_beside(&self.source, &self.committing, Some(BESIDES)).context("svn, what was committed")?;
        equal_beside(&self.source, &self.following, Some(BESIDES)).context("svn")
    }
}
