//! One block: what it says, and what becomes of each of its elements.

use std::path::{Path, PathBuf};

use depsync_engine::error::Result;
use depsync_transports::SvnAddress;

use super::read::{Carbon, Found};
use super::{PASSWORD, Request, Said, Taken, unsupported};
use crate::config;
use crate::import::usage;

/// How often a server looked for something new to deploy, in seconds, where nothing is said.
const TICK: &str = "15";
/// What a server keeps in the directory of each tenant, by the folders that ghosts were made of.
const GHOSTS: [&str; 4] = ["/axis2services/", "/dataservices/", "/jsservices/", "/webapps/"];

/// See the module.
pub(super) struct Block {
    carbon: Carbon,
    file: PathBuf,
    home: Option<PathBuf>,
    /// Whether it publishes.
    pub(super) is_manager: bool,
    /// Whether the tenant's id is appended to the URL.
    pub(super) appends: bool,
    /// The hub's address, without the tenant.
    pub(super) url: String,
    is_named: bool,
}

impl Block {
    pub(super) fn new(carbon: Carbon, file: &Path, request: &Request) -> Result<Self> {
        let place = |key: &str| {
            let line = carbon.keys.get(key).map(|found| format!(":{}", found.line)).unwrap_or_default();
            format!("{}{line}", file.display())
        };
        if !carbon.has_block {
            return Err(usage("there is no <DeploymentSynchronizer> in it: this server was synchronized with nobody")
                .at(file.display())
                .hint("give a carbon.xml in which it is not commented out; `depsync init --preset` begins anew"));
        }
        if !carbon.says("Enabled", false) {
            let why = if carbon.keys.contains_key("Enabled") { "is false" } else { "is not there, which means false" };
            return Err(usage(format!("its synchronizer is off: Enabled {why}"))
                .at(place("Enabled"))
                .hint("nothing was synchronized by it; `depsync init --preset` begins anew"));
        }
        let kind = carbon.keys.get("RepositoryType").map_or("registry", |found| found.text.as_str());
        let (url, is_named) = match (&request.hub, carbon.keys.get("SvnUrl")) {
            (Some(hub), _) => (hub.clone(), false),
            (None, _) if kind != "svn" => return Err(unsupported(kind, place("RepositoryType"))),
            (None, Some(found)) if !found.text.is_empty() => (address(&found.text, &place("SvnUrl"))?, true),
            (None, _) => return Err(usage("it names no repository: there is no SvnUrl").at(file.display())),
        };
        let home = request.home.clone().or_else(|| home_of(file));
        Ok(Self {
            is_manager: carbon.says("AutoCommit", false),
            appends: carbon.says("SvnUrlAppendTenantId", true),
            carbon,
            file: file.to_owned(),
            home,
            url,
            is_named,
        })
    }

    /// The file for people.
    pub(super) fn shown(&self) -> String {
        crate::text::clean(&self.file.to_string_lossy())
    }

    fn line(&self, key: &str) -> Option<usize> {
        self.carbon.keys.get(key).map(|found| found.line)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.carbon.keys.get(key).map(|found| found.text.as_str()).filter(|text| !text.is_empty())
    }

    /// What it becomes.
    pub(super) fn take(self, into: &Path, request: &Request) -> Result<Taken> {
        let Some(home) = self.home.clone() else {
            return Err(usage("where is the server? The file does not lie in one")
                .at(self.file.display())
                .hint("name its directory: --carbon-home DIR"));
        };
        let mut writing = Writing::new(&self);
        writing.say(&format!("# Taken from {} by `depsync import`.", self.shown()));
        writing.places(&home);
        writing.role();
        if let Some(preset) = request.preset {
            let (top, tables) = preset.lines();
            writing.top.extend(top);
            writing.last.extend(tables);
        } else {
            writing.say("# The original passed over names with a dot, and `~*` and `*.bk` as depsync always does.");
            writing.say("ignore = [\".*\", \"!.depsyncignore\"]");
        }
        let password = writing.account();
        writing.tenants(&home);
        writing.run();
        writing.ghosts();
        writing.dead();
        let Writing { top, tables, last, taken, mut dropped, dangers, .. } = writing;
        for key in self.carbon.keys.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
            let what = "the original had no such element".to_owned();
            dropped.push(Said { key: key.clone(), line: self.line(key), what });
        }
        let text = [top, tables, last].concat().join("\n") + "\n";
        Ok(Taken {
            is_manager: self.is_manager,
            config: into.join(config::NAME),
            text,
            password_file: password.as_ref().map(|_| into.join(PASSWORD)),
            password,
            taken,
            dropped,
            dangers,
            file: self.file,
        })
    }
}

/// The elements that the original knew.
const KNOWN: [&str; 21] = [
    "Enabled",
    "AutoCommit",
    "AutoCheckout",
    "RepositoryType",
    "SvnUrl",
    "SvnUser",
    "SvnPassword",
    "SvnUrlAppendTenantId",
    "SvnIgnoreExternals",
    "SvnForceUpdate",
    "UseEventing",
    "AutoSyncPeriod",
    "PoolSize",
    "MandatoryRepositoryUpdateInterval",
    "SvnClient",
    "StandardDeployment",
    "GitServer",
    "GitBaseUrl",
    "GitUserName",
    "GitPassword",
    "GitRepositoryUrl",
];

/// A configuration that is being written.
struct Writing<'a> {
    block: &'a Block,
    top: Vec<String>,
    tables: Vec<String>,
    last: Vec<String>,
    taken: Vec<Said>,
    dropped: Vec<Said>,
    dangers: Vec<Said>,
}

impl<'a> Writing<'a> {
    fn new(block: &'a Block) -> Self {
        let (top, tables, last) = (Vec::new(), Vec::new(), Vec::new());
        Self { block, top, tables, last, taken: Vec::new(), dropped: Vec::new(), dangers: Vec::new() }
    }

    fn say(&mut self, line: &str) {
        self.top.push(line.to_owned());
    }

    fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        self.top.push(format!("{key} = {}", value.into()));
    }

    fn take(&mut self, key: &str, what: &str) {
        self.taken.push(Said { key: key.to_owned(), line: self.block.line(key), what: what.to_owned() });
    }

    fn drop(&mut self, key: &str, what: &str) {
        if let Some(line) = self.block.line(key) {
            self.dropped.push(Said { key: key.to_owned(), line: Some(line), what: what.to_owned() });
        }
    }

    fn warn(&mut self, key: &str, what: &str) {
        self.dangers.push(Said { key: key.to_owned(), line: self.block.line(key), what: what.to_owned() });
    }

    fn places(&mut self, home: &Path) {
        let place = |path: &str| home.join(path).to_string_lossy().into_owned();
        let slash = self.block.url.trim_end_matches('/');
        let is_repository = self.block.url.starts_with("svn");
        if self.block.appends {
            self.set("dir", place("repository/tenants/{tenant}"));
            if is_repository {
                self.say("# SvnUrlAppendTenantId: each tenant has a directory of its own in the repository.");
                self.set("hub", format!("{slash}/{{tenant}}"));
            } else {
                self.set("hub", self.block.url.clone());
            }
            let absent = self.block.line("SvnUrlAppendTenantId").is_none();
            let what = if absent {
                "it is not there, which means true: `{tenant}` in the address"
            } else {
                "`{tenant}` in the address"
            };
            self.take("SvnUrlAppendTenantId", what);
        } else {
            self.say("# Without SvnUrlAppendTenantId there is one directory for the server itself, and no tenants.");
            self.set("dir", place("repository/deployment/server"));
            self.set("hub", self.block.url.clone());
            self.take("SvnUrlAppendTenantId", "one address, and no tenants");
        }
        if self.block.is_named {
            self.take("SvnUrl", "`hub`");
        } else {
            self.drop("SvnUrl", "you have named another hub");
            self.drop("RepositoryType", "you have named another hub");
        }
    }

    fn role(&mut self) {
        let role = if self.block.is_manager { "manager" } else { "worker" };
        self.set("role", role);
        self.take("AutoCommit", &format!("`role` is {role}"));
    }

    /// The account of the repository. Gives the password.
    fn account(&mut self) -> Option<String> {
        if !self.block.is_named {
            self.drop("SvnUser", "the hub is another one");
            self.drop("SvnPassword", "the hub is another one");
            return None;
        }
        let user = self.block.text("SvnUser")?.to_owned();
        self.tables.push("[svn]".to_owned());
        self.tables.push(format!("username = {}", toml::Value::from(user)));
        self.take("SvnUser", "`svn.username`");
        let password = self.block.text("SvnPassword").map(str::to_owned)?;
        self.tables
            .push("# The password stood in the file for everybody to read; it is in a file of its own now.".to_owned());
        self.tables.push(format!("password-file = {}", toml::Value::from(PASSWORD)));
        self.take("SvnPassword", &format!("it was in clear text; it goes into `{PASSWORD}`, which only you can read"));
        Some(password)
    }

    fn tenants(&mut self, home: &Path) {
        if !self.block.appends {
            return;
        }
        let main = home.join("repository/deployment/server").to_string_lossy().into_owned();
        self.tables.push("[tenants]".to_owned());
        self.tables.push("# The tenant -1234 is the server itself.".to_owned());
        self.tables.push(format!("main = {}", toml::Value::from(main)));
        let around = |key: &str| self.block.carbon.around.get(key);
        let (idle, eager) = (around("LazyLoading/IdleTime"), around("EagerLoading/Include"));
        if let Some(Found { text, line }) = eager.cloned() {
            self.tables.push(format!("eager = {}", toml::Value::from(text)));
            let what = "`tenants.eager`".to_owned();
            self.taken.push(Said { key: "EagerLoading/Include".to_owned(), line: Some(line), what });
        } else if idle.is_some() {
            self.tables
                .push("# Those that nobody uses are not kept in step; `eager = \"*\"` would keep all.".to_owned());
            self.tables.push("eager = \"-1234\"".to_owned());
        }
        if let Some(Found { text, line }) = idle.cloned() {
            let said = match text.parse::<u32>() {
                Ok(minutes) if minutes > 0 => {
                    self.tables.push(format!("idle = \"{minutes}m\""));
                    &mut self.taken
                }
                _ => &mut self.dropped,
            };
            said.push(Said {
                key: "LazyLoading/IdleTime".to_owned(),
                line: Some(line),
                what: "`tenants.idle`".to_owned(),
            });
        }
        self.full_check("check-period");
    }

    fn run(&mut self) {
        let checkout = self.block.carbon.says("AutoCheckout", false);
        self.tables.push("[run]".to_owned());
        self.tables.push(format!("auto-commit = {}", self.block.is_manager));
        self.tables.push(format!("auto-checkout = {checkout}"));
        self.take("AutoCheckout", "`run.auto-checkout`");
        if !checkout && !self.block.is_manager {
            self.warn("AutoCheckout", "neither AutoCommit nor AutoCheckout: this node was enabled, and did nothing");
        }
        let tick = self.block.carbon.around.get("Axis2Config/DeploymentUpdateInterval");
        let tick = tick.map_or(TICK, |found| found.text.as_str()).to_owned();
        if let Some(period) =
            self.block.text("AutoSyncPeriod").and_then(|text| text.parse::<u32>().ok()).filter(|period| *period > 0)
        {
            self.tables.push(format!(
                "# AutoSyncPeriod was never used: what was new came with the deployment tick, every {tick} s."
            ));
            self.tables.push(format!("period = \"{period}s\""));
            self.take(
                "AutoSyncPeriod",
                &format!("`run.period`; the original never used it here, but its tick of {tick} s"),
            );
        } else if let Some(tick) = tick.parse::<u32>().ok().filter(|tick| *tick > 0) {
            self.tables.push("# As often as the server looked for something new to deploy.".to_owned());
            self.tables.push(format!("period = \"{tick}s\""));
        }
        if !self.block.appends {
            self.full_check("scan-period");
        }
    }

    /// How often everything is looked at.
    fn full_check(&mut self, key: &str) {
        const INTERVAL: &str = "MandatoryRepositoryUpdateInterval";
        let Ok(seconds) = self.block.text(INTERVAL).unwrap_or("900").parse::<u32>() else {
            self.drop(INTERVAL, "it is no number");
            return;
        };
        self.tables.push("# Whatever was heard or missed: once in this time everything is looked at.".to_owned());
        self.tables.push(format!("{key} = \"{}s\"", seconds.max(300)));
        if self.block.line(INTERVAL).is_some() {
            self.take(INTERVAL, &format!("`{key}`, at least 300 s as in the original"));
        }
    }

    fn ghosts(&mut self) {
        let Some(found) = self.block.carbon.around.get("GhostDeployment/Enabled").cloned() else { return };
        if !found.is_true() || self.block.is_manager {
            return;
        }
        let lazy: Vec<String> = GHOSTS.iter().map(|folder| (*folder).to_owned()).collect();
        self.say("# GhostDeployment: known, and fetched when somebody asks (`depsync fetch`).");
        self.set("lazy", lazy);
        let what = "`lazy`: the original dropped it, because any commit fetched everything".to_owned();
        self.taken.push(Said { key: "GhostDeployment/Enabled".to_owned(), line: Some(found.line), what });
    }

    /// What did nothing, and what did harm.
    fn dead(&mut self) {
        self.take("Enabled", "this configuration");
        if self.block.is_named && self.block.line("RepositoryType").is_some() {
            self.take("RepositoryType", "the address of `hub` says it");
        }
        if self.block.carbon.says("UseEventing", false) {
            self.drop(
                "UseEventing",
                "it had no effect for a repository; a channel (`run --serve`, `--listen`) does what it promised",
            );
        } else {
            self.drop("UseEventing", "it had no effect");
        }
        self.drop("PoolSize", "it had no effect but in the console");
        self.drop("SvnClient", "there is one client: the programs `svn` and `svnmucc`");
        for key in ["StandardDeployment", "GitServer", "GitBaseUrl", "GitUserName", "GitPassword", "GitRepositoryUrl"] {
            self.drop(key, "it is for git, which is no hub of ours");
        }
        if self.block.is_named {
            if self.block.carbon.says("SvnForceUpdate", true) {
                let what = match self.block.line("SvnForceUpdate") {
                    Some(_) => "dropped: a local file won over the one that came; here it is kept aside",
                    None => {
                        "it is not there, which means true: a local file won over the one that came; here it is kept aside"
                    }
                };
                self.warn("SvnForceUpdate", what);
            } else {
                self.drop("SvnForceUpdate", "a file that stands in the way is kept aside");
            }
            if !self.block.carbon.says("SvnIgnoreExternals", false) {
                self.warn(
                    "SvnIgnoreExternals",
                    "externals were fetched; they are not followed here, and named by `status`",
                );
            } else {
                self.drop("SvnIgnoreExternals", "externals are never followed");
            }
        }
    }
}

/// The address of a hub for what the original was told.
fn address(url: &str, place: &str) -> Result<String> {
    let ours = match url.split_once("://") {
        Some(("http" | "https" | "file", _)) => format!("svn+{url}"),
        _ => url.to_owned(),
    };
    let wrong = |error: depsync_engine::error::Error| error.op(format!("read {place}"));
    SvnAddress::parse(&ours).map_err(wrong)?;
    Ok(ours)
}

/// The server that a file is in: `HOME/repository/conf/carbon.xml`.
fn home_of(file: &Path) -> Option<PathBuf> {
    let conf = file.parent().filter(|conf| conf.ends_with("repository/conf"))?;
    conf.parent()?.parent().map(Path::to_owned)
}
