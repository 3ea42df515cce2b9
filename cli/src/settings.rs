//! What a command works on: the command line over the configuration file over the defaults.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use depsync_engine::engine::{Hooks, Options, RecoveryBounds, StatePlace, UnitRule};
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;
use depsync_transports::svn::{Secret, SvnSsh};
use depsync_transports::{Access, HookPrograms, SshSettings, SvnSettings};

use crate::args::{Global, Operands};
use crate::config::{self, Config, StubsName};
use crate::environment::Environment;
use crate::stubs::Wso2Stubs;
use crate::tenancy::{self, Tenancy, Written};

/// What a command works on.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The configuration file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// Files that nobody else may read.
    pub(crate) secrets: Vec<PathBuf>,
    /// The programs that are run around updates, each with its moment's name.
    pub(crate) programs: Vec<(&'static str, String)>,
    /// How the node is opened. The hub is the empty text where none was named.
    pub(crate) options: Options,
    /// Whether a hub was named; see [`Settings::unnamed_hub`].
    pub(crate) hub_named: bool,
    /// The list of the nodes that a push goes to.
    pub(crate) nodes: Option<PathBuf>,
    /// How many nodes are pushed to at once.
    pub(crate) parallel: Option<u32>,
    /// How its hub is reached.
    pub(crate) access: Access,
    /// How long the command may take.
    pub(crate) timeout: Option<Duration>,
    /// What the daemon does.
    pub(crate) run: config::Run,
    /// How it hears of a new revision.
    pub(crate) channel: config::Channel,
    /// The tenants, where there are many, and the one that was named.
    pub(crate) tenancy: Option<Tenancy>,
    pub(crate) tenant: Option<DeploymentName>,
}

impl Settings {
    /// What a command says that needs a hub where none is named.
    pub(crate) fn unnamed_hub(&self) -> Error {
        unnamed("hub", "HUB", "--hub", "hub")
    }

    /// Merges the three. A command without operands passes the empty ones. Where there are many tenants, one has to be named.
    pub(crate) fn merge(global: &Global, operands: &Operands, environment: &Environment) -> Result<Self> {
        let settings = Self::merge_all(global, operands, environment)?;
        if settings.tenancy.is_some() && settings.tenant.is_none() { Err(tenancy::unnamed()) } else { Ok(settings) }
    }

    /// The same for a command that is about all tenants.
    pub(crate) fn merge_all(global: &Global, operands: &Operands, environment: &Environment) -> Result<Self> {
        let config = Config::load(global.config.as_deref(), &environment.cwd)?;
        let file = Config::find(global.config.as_deref(), &environment.cwd);
        let cwd = &environment.cwd;
        let given = operands.dir_operand.as_ref().or(global.dir.as_ref());
        let dir = given.or(config.dir.as_ref()).ok_or_else(|| unnamed("directory", "DIR", "--dir", "dir"))?;
        let given = operands.hub_operand.as_ref().or(global.hub.as_ref());
        let hub = given.or(config.hub.as_ref());
        if hub.is_some_and(String::is_empty) || dir.as_os_str().is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the directory and the hub cannot be empty texts"));
        }
        let state = match global.state.as_ref().or(config.state.as_ref()) {
            Some(place) => StatePlace::At(tidy(cwd, place)),
            None => StatePlace::BesideOr(environment.state_home()),
        };
        let hub_named = hub.is_some();
        let hub = hub.map(|hub| tidy_hub(cwd, hub)).transpose()?.unwrap_or_default();
        let (dir, staging) = (tidy(cwd, dir), config.staging.map(|place| tidy(cwd, &place)));
        let place = global.state.as_ref().or(config.state.as_ref()).map(|place| tidy(cwd, place));
        let written = Written { dir: &dir, hub: &hub, state: place.as_deref(), staging: staging.as_deref() };
        let tenancy = Tenancy::new(&written, &config.tenants, environment)?;
        let mut options = Options::new(dir, hub, state);
        options.deployment = global.deployment.clone().or(config.deployment).unwrap_or_default();
        options.staging = staging;
        options.role = config.role.map(Into::into);
        options.node = global.node.clone().or(config.node);
        options.author = config.author.unwrap_or_else(|| environment.author());
        options.effort = config.effort.map(Into::into).unwrap_or_default();
        options.ignore = config.ignore;
        options.exploded = config.exploded;
        options.lazy = config.lazy;
        options.eager = config.eager;
        options.stubs = config.stubs.map(|StubsName::Wso2| Arc::new(Wso2Stubs) as _);
        if let Some(archives) = config.archives {
            options.archives = archives;
        }
        let bounds = RecoveryBounds::default();
        options.recovery = RecoveryBounds {
            age: config.recovery.max_age.map_or(bounds.age, |span| span.0),
            bytes: config.recovery.max_bytes.map_or(bounds.bytes, |size| size.0),
        };
        let programs = programs(&config.hooks);
        options.hooks = hooks(config.hooks);
        let unit = |unit: config::Unit| {
            let config::Unit { directory, carry, keep } = unit;
            UnitRule { directory, carry, keep: keep.map_or(UnitRule::KEEP, |span| span.0) }
        };
        options.units = config.unit.into_iter().map(unit).collect();
        let timeout = global.timeout.map(Duration::from_secs).or(config.timeout.map(|span| span.0));
        if let Some(timeout) = timeout {
            options.lock_wait = options.lock_wait.min(timeout);
        }
        let secrets =
            [&config.channel.token_file, &config.channel.key, &config.svn.password_file, &config.ssh.identity];
        let secrets = secrets.into_iter().flatten().cloned().collect();
        let config::Ssh { identity, known_hosts, port, bandwidth_limit, compress } = config.ssh;
        let ssh = SshSettings { identity, known_hosts, port, bandwidth_limit, compress };
        let svn = svn(config.svn, &ssh, environment)?;
        let mut tenant = None;
        if let Some(tenancy) = &tenancy {
            tenancy.check(&options)?;
            if let Some(name) = &global.tenant {
                let name = tenancy.domains.find(name)?;
                options = tenancy.options(&options, &name);
                tenant = Some(name);
            }
        } else if let Some(name) = &global.tenant {
            let error =
                Error::new(ErrorKind::Usage, format!("there is no tenant `{name}`: this is a single deployment"));
            return Err(error.hint("`{tenant}` in `dir` makes many of it"));
        }
        let nodes = config.nodes.map(|list| tidy(cwd, &list));
        let (parallel, access, run, channel) = (config.push.parallel, Access { ssh, svn }, config.run, config.channel);
        Ok(Self {
            file,
            secrets,
            programs,
            options,
            hub_named,
            nodes,
            parallel,
            access,
            timeout,
            run,
            channel,
            tenancy,
            tenant,
        })
    }
}

/// The names of the programs in the configuration's `hooks`.
fn programs(hooks: &config::Hooks) -> Vec<(&'static str, String)> {
    let all =
        [("before-update", &hooks.before_update), ("after-update", &hooks.after_update), ("health", &hooks.health)];
    let named = all.into_iter().filter_map(|(moment, words)| Some((moment, words.as_ref()?.0.first()?.clone())));
    named.collect()
}

/// What is run around updates, if anything is.
fn hooks(config: config::Hooks) -> Option<Arc<dyn Hooks>> {
    let config::Hooks { before_update, after_update, health, timeout } = config;
    let words = |words: Option<config::Words>| words.map(|words| words.0.into_iter().map(Into::into).collect());
    let programs = HookPrograms {
        before_update: words(before_update),
        after_update: words(after_update),
        health: words(health),
        timeout: timeout.map(|span| span.0),
    };
    (!programs.is_empty()).then(|| Arc::new(programs) as _)
}

/// How a repository is reached. What the environment says goes before what the file says.
fn svn(config: config::Svn, over: &SshSettings, environment: &Environment) -> Result<SvnSettings> {
    let config::Svn { username, password_file, config_dir, ca_file, ssh } = config;
    let password = match (&environment.svn_password, password_file) {
        (Some(password), _) => Some(Secret::new(password.0.as_str())?),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(&file)
                .map_err(|source| Error::io("read the password", file.display(), source).with_kind(ErrorKind::Usage))?;
            Some(Secret::new(text).map_err(|error| error.at(file.display()))?)
        }
        (None, None) => None,
    };
    let strict = || {
        let SshSettings { identity, known_hosts, port, .. } = over.clone();
        SvnSsh::Strict { identity, known_hosts, port }
    };
    Ok(SvnSettings {
        username: environment.svn_username.clone().or(username),
        password,
        config: config_dir,
        authorities: ca_file,
        ssh: ssh.map_or_else(strict, SvnSsh::Command),
    })
}

fn unnamed(what: &str, operand: &str, option: &str, key: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("which {what}? None was named")).hint(format!(
        "give DIR HUB or {option} {operand}, or write `{key} = \"…\"` into {} here or in a directory above",
        config::NAME
    ))
}

/// An absolute path without `.` and doubled slashes. `..` stays: what it means is for the file system to say.
fn tidy(cwd: &Path, path: &Path) -> PathBuf {
    cwd.join(path).components().collect()
}

/// A hub is remembered by its address, so one place has one spelling wherever the command is run.
pub(crate) fn tidy_hub(base: &Path, hub: &str) -> Result<String> {
    if hub.contains("://") {
        return Ok(hub.to_owned());
    }
    tidy(base, Path::new(hub)).into_os_string().into_string().map_err(|path| {
        Error::new(ErrorKind::Usage, "a hub's address has to be UTF-8").at(crate::text::clean(&path.to_string_lossy()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::engine::Role;

    fn environment(cwd: &Path) -> Environment {
        Environment { cwd: cwd.to_owned(), home: Some("/home/u".into()), ..Environment::default() }
    }

    #[test]
    fn the_command_line_beats_the_file_and_the_file_beats_the_defaults() {
        let cwd = tempfile::tempdir().expect("a directory");
        let text = "dir = 'd'\nhub = 'h'\nnode = 'file'\nrole = 'worker'\nauthor = 'a'\nrecovery.max-bytes = 7\n\
                    timeout = 5\nnodes = './n'\npush.parallel = 3\n[[unit]]\ndirectory = 'a'\n[[unit]]\n\
                    directory = 'b'\ncarry = ['*.log']\nkeep = '0s'";
        std::fs::write(cwd.path().join("depsync.toml"), text).expect("a file");
        let global = Global { node: Some("line".parse().expect("id")), timeout: Some(3), ..Global::default() };
        let settings = Settings::merge(&global, &Operands::default(), &environment(cwd.path())).expect("merges");
        assert!(settings.hub_named);
        assert_eq!((settings.nodes, settings.parallel), (Some(cwd.path().join("n")), Some(3)));
        let options = settings.options;
        assert_eq!(options.dir, cwd.path().join("d"));
        assert_eq!(options.hub, cwd.path().join("h").to_string_lossy());
        assert_eq!(options.node.expect("an id").as_str(), "line");
        assert_eq!((options.role, options.author.as_str()), (Some(Role::ReadOnly), "a"));
        assert_eq!(options.recovery, RecoveryBounds { bytes: 7, ..RecoveryBounds::default() });
        let unit = |directory: &str, carry: &[String], keep| UnitRule {
            directory: directory.to_owned(),
            carry: carry.to_vec(),
            keep,
        };
        let second = unit("b", &["*.log".to_owned()], Duration::ZERO);
        assert_eq!(options.units, [unit("a", &[], UnitRule::KEEP), second]);
        assert_eq!(settings.timeout, Some(Duration::from_secs(3)));
        assert_eq!(options.lock_wait, Duration::from_secs(3));
        assert_eq!(options.state, StatePlace::BesideOr("/home/u/.local/state/depsync".into()));
    }

    #[test]
    fn operands_need_no_file_and_one_place_has_one_spelling() {
        let operands = |dir: &str, hub: &str| Operands { dir_operand: Some(dir.into()), hub_operand: Some(hub.into()) };
        let merged = |operands| {
            Settings::merge(&Global::default(), &operands, &environment(Path::new("/w"))).expect("merges").options
        };
        assert_eq!(merged(operands("./a//b/", "hub/.")).dir, Path::new("/w/a/b"));
        assert_eq!(merged(operands("a", "hub/.")).hub, "/w/hub");
        assert_eq!(merged(operands("a", "/w//hub/")).hub, "/w/hub");
        assert_eq!(merged(operands("a", "nfs:///m/hub")).hub, "nfs:///m/hub");
    }

    #[test]
    fn what_is_missing_is_a_usage_error_with_advice() {
        let error = Settings::merge(&Global::default(), &Operands::default(), &environment(Path::new("/nonexistent")));
        let error = error.expect_err("nothing named");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.advice().expect("advice").contains("depsync.toml"));
        assert!(error.to_string().contains("which directory"), "{error}");
    }

    #[test]
    fn without_a_hub_there_are_settings_but_nothing_that_asks_one() {
        let global = Global { dir: Some("d".into()), ..Global::default() };
        let settings = Settings::merge(&global, &Operands::default(), &environment(Path::new("/nonexistent")));
        let settings = settings.expect("merges");
        assert_eq!((settings.hub_named, settings.options.hub.as_str(), &settings.nodes), (false, "", &None));
        let error = settings.unnamed_hub();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("which hub"), "{error}");
        assert!(error.advice().expect("advice").contains("--hub"), "{error}");
        let empty = Global { hub: Some(String::new()), ..global };
        let settings = Settings::merge(&empty, &Operands::default(), &environment(Path::new("/nonexistent")));
        assert_eq!(settings.expect_err("an empty hub").kind(), ErrorKind::Usage);
    }
}
