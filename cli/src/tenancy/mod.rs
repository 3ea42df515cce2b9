//! Many tenants by one configuration: `{tenant}` in `dir`, and in the address of a hub in a repository.
//!
//! Each tenant is a deployment of its own, called as the tenant is. Where the hub is a directory of ours, the deployments
//! are told apart by that name; in a repository each has the address with its name in it. The tenant `-1234`, which is
//! the server itself, has a directory of its own (`main`).
//!
//! | file | is |
//! |---|---|
//! | `template` | a path with `{tenant}` in it |
//! | `domains` | under which domain each is known |
//! | `household` | where they lie, and how each is opened |

mod domains;
mod household;
mod template;

use std::path::{Path, PathBuf};
use std::time::Duration;

use depsync_engine::engine::{Options, StatePlace};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::estate::Selection;
use depsync_engine::hash::Digest;
use depsync_engine::name::DeploymentName;
use depsync_engine::revdb::Register;

pub(crate) use self::domains::{Domains, MAIN};
pub(crate) use self::household::{House, unnamed};
pub(crate) use self::template::Template;
use crate::config;
use crate::environment::Environment;

/// What the configuration says of its tenants.
#[derive(Clone, Debug)]
pub(crate) struct Tenancy {
    /// Where each has its directory.
    pub(crate) dir: Template,
    /// Where the tenant `-1234` has his.
    pub(crate) main: Option<PathBuf>,
    /// Where the state of each is, if that was said.
    state: Option<Template>,
    /// Where what is staged for each is, if that was said.
    staging: Option<Template>,
    /// Under which domain each is known.
    pub(crate) domains: Domains,
    /// Which are ours at all.
    pub(crate) include: Selection,
    /// Which are kept in step from the first.
    pub(crate) eager: Selection,
    /// After how long without use the others are left alone.
    pub(crate) idle: Option<Duration>,
    /// Whether what is lazy of them is evicted then.
    pub(crate) evict: bool,
    /// How often everything of each is looked at.
    pub(crate) check: Option<Duration>,
    /// How many are worked on at once.
    pub(crate) parallel: Option<usize>,
    /// Where the register lies.
    register: PathBuf,
}

/// The places of a configuration as they were written, absolute.
pub(crate) struct Written<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) hub: &'a str,
    pub(crate) state: Option<&'a Path>,
    pub(crate) staging: Option<&'a Path>,
}

impl Tenancy {
    /// What is said, if `{tenant}` is in it.
    pub(crate) fn new(
        written: &Written<'_>,
        config: &config::Tenants,
        environment: &Environment,
    ) -> Result<Option<Self>> {
        let usage = |why: &str, hint: &str| Err(Error::new(ErrorKind::Usage, why.to_owned()).hint(hint.to_owned()));
        if !Template::is_in(&written.dir.to_string_lossy()) {
            if Template::is_in(written.hub) {
                return Ok(None);
            }
            if *config != config::Tenants::default() {
                return usage("there are tenants, and one directory for all of them", "write `{tenant}` into `dir`");
            }
            return Ok(None);
        }
        let is_repository = written.hub.starts_with("svn");
        if is_repository && !Template::is_in(written.hub) {
            return usage(
                "each tenant has a directory of its own here, and all have one address in the repository",
                "write `{tenant}` into the path of `hub`, as in svn://host/repos/{tenant}",
            );
        }
        if !is_repository && Template::is_in(written.hub) {
            return usage(
                "`{tenant}` in the address of a hub that holds all tenants",
                "leave it out: they are deployments of that hub, called by their names",
            );
        }
        let template = |path: Option<&Path>| path.map(Template::new).transpose();
        let place = Digest::of(format!("{}\0{}", written.dir.display(), written.hub).as_bytes()).to_string();
        Ok(Some(Self {
            dir: Template::new(written.dir)?,
            main: config.main.clone(),
            state: template(written.state)?,
            staging: template(written.staging)?,
            domains: config.domains.as_deref().map(Domains::read).transpose()?.unwrap_or_default(),
            include: selection(config.include.as_ref(), "include")?,
            eager: selection(config.eager.as_ref(), "eager")?,
            idle: config.idle.map(|span| span.0),
            evict: config.evict.unwrap_or(false),
            check: config.check_period.map(|span| span.0),
            parallel: config.parallel,
            register: environment.state_home().join(format!("tenants-{}", &place[..16])),
        }))
    }

    /// The options of one, made from those of all.
    pub(crate) fn options(&self, all: &Options, name: &DeploymentName) -> Options {
        let mut options = all.clone();
        options.deployment = name.clone();
        options.dir = self.place(name);
        if let (StatePlace::At(_), Some(state)) = (&all.state, &self.state) {
            options.state = StatePlace::At(state.path(name));
        }
        if let Some(staging) = &self.staging {
            options.staging = Some(staging.path(name));
        }
        options
    }

    /// Where one lies.
    pub(crate) fn place(&self, name: &DeploymentName) -> PathBuf {
        match &self.main {
            Some(main) if name.as_str() == MAIN => main.clone(),
            _ => self.dir.path(name),
        }
    }

    /// The register of all of them.
    pub(crate) fn register(&self) -> Result<Register> {
        Register::open(&self.register)
    }

    /// Whether they share places that belong to one of them alone.
    pub(crate) fn check(&self, all: &Options) -> Result<()> {
        if matches!(all.state, StatePlace::At(_)) && self.state.is_none() {
            return Err(Error::new(ErrorKind::Usage, "all tenants cannot have one state")
                .hint("write `{tenant}` into `state`, or leave it out"));
        }
        Ok(())
    }

    /// Makes what is above the directory of one, where that is a place of ours: `{tenant}` itself, and what is below it.
    pub(crate) fn make_room(&self, name: &DeploymentName) -> Result<()> {
        let place = self.place(name);
        let Some(above) = place.parent().filter(|above| above.starts_with(&self.dir.above) && *above != self.dir.above)
        else {
            return Ok(());
        };
        if self.dir.above.is_dir() {
            std::fs::create_dir_all(above).map_err(|source| Error::io("make", above.display(), source))?;
        }
        Ok(())
    }
}

/// Which tenants a list means; all without one.
fn selection(list: Option<&config::Names>, key: &str) -> Result<Selection> {
    let Some(list) = list else { return Ok(Selection::everything()) };
    let read = Selection::new(list.0.iter().map(String::as_str));
    read.map_err(|error| error.op(format!("read `{key}` of `tenants`")))
}
