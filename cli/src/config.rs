//! `depsync.toml`: what a node's operator would otherwise repeat on every command line.
//!
//! The file is named by `--config`, or found in the working directory or the nearest one above it. Relative paths in
//! it are relative to the file. A key that is not known is an error with file and line: a misspelt `ignore` must not
//! publish what was to be left out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::{DeploymentName, NodeId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::args::{EffortName, HealName, RoleName};
use crate::units::{Size, Span};

/// The file's name where none is given.
pub(crate) const NAME: &str = "depsync.toml";
/// The most bytes of a configuration file: a hub given by mistake as `--config` is not read into memory.
const MAX_BYTES: u64 = 1 << 20;
/// The most nodes that are pushed to at once.
pub(crate) const MAX_PARALLEL: u32 = 256;

/// A configuration file. Paths are absolute once it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// The deployment directory.
    pub(crate) dir: Option<PathBuf>,
    /// The hub.
    pub(crate) hub: Option<String>,
    /// The list of the nodes that a push goes to.
    pub(crate) nodes: Option<PathBuf>,
    /// The deployment in the hub.
    pub(crate) deployment: Option<DeploymentName>,
    /// What this node may do.
    pub(crate) role: Option<RoleName>,
    /// This node's id.
    pub(crate) node: Option<NodeId>,
    /// Where the state lies.
    pub(crate) state: Option<PathBuf>,
    /// Where files are staged and kept aside.
    pub(crate) staging: Option<PathBuf>,
    /// Patterns in gitignore syntax.
    #[serde(default)]
    pub(crate) ignore: Vec<String>,
    /// Extensions of archives; the engine's list if absent.
    pub(crate) archives: Option<Vec<String>>,
    /// Who publishes.
    pub(crate) author: Option<String>,
    /// How much is done to make small what is published.
    pub(crate) effort: Option<EffortName>,
    /// Directories that are left out where an archive of the same name lies beside.
    #[serde(default)]
    pub(crate) exploded: Vec<String>,
    /// What is fetched on demand only.
    #[serde(default)]
    pub(crate) lazy: Vec<String>,
    /// What of that is fetched at once.
    #[serde(default)]
    pub(crate) eager: Vec<String>,
    /// The form of files that stand for what is not here.
    pub(crate) stubs: Option<StubsName>,
    /// How long a command may take.
    pub(crate) timeout: Option<Span>,
    /// How a hub behind ssh is reached.
    #[serde(default)]
    pub(crate) ssh: Ssh,
    /// How a hub in a Subversion repository is reached.
    #[serde(default)]
    pub(crate) svn: Svn,
    /// How a push goes about it.
    #[serde(default)]
    pub(crate) push: Push,
    /// What the recovery area may hold.
    #[serde(default)]
    pub(crate) recovery: Recovery,
    /// Directories that change as one.
    #[serde(default)]
    pub(crate) unit: Vec<Unit>,
    /// The tenants, where there are many.
    #[serde(default)]
    pub(crate) tenants: Tenants,
    /// What the daemon does.
    #[serde(default)]
    pub(crate) run: Run,
    /// How nodes hear of a new revision at once.
    #[serde(default)]
    pub(crate) channel: Channel,
    /// What is run around updates.
    #[serde(default)]
    pub(crate) hooks: Hooks,
}

/// A form of stub files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StubsName {
    /// The ghost metafiles of WSO2's servers.
    Wso2,
}

/// The table `tenants`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Tenants {
    /// Where the tenant -1234 has its directory.
    pub(crate) main: Option<PathBuf>,
    /// A file with the domain of each.
    pub(crate) domains: Option<PathBuf>,
    /// Which are ours at all.
    pub(crate) include: Option<Names>,
    /// Which are kept in step from the first.
    pub(crate) eager: Option<Names>,
    /// After how long without use the others are left alone.
    pub(crate) idle: Option<Span>,
    /// Whether what is lazy of them is evicted then.
    pub(crate) evict: Option<bool>,
    /// How often everything of each is looked at.
    pub(crate) check_period: Option<Span>,
    /// How many are worked on at once.
    pub(crate) parallel: Option<usize>,
}

/// Names: a list, or one text with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "names are a text or a list of texts")]
        enum Either {
            One(String),
            Several(Vec<String>),
        }
        Ok(Self(match Either::deserialize(deserializer)? {
            Either::One(names) => vec![names],
            Either::Several(names) => names,
        }))
    }
}

/// The table `hooks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Hooks {
    /// Before anything live is changed.
    pub(crate) before_update: Option<Words>,
    /// When everything is in place.
    pub(crate) after_update: Option<Words>,
    /// Whether this node is well with it.
    pub(crate) health: Option<Words>,
    /// How long each may take.
    pub(crate) timeout: Option<Span>,
}

/// A program, or one with its arguments. No shell looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a program is a text or a list of texts")]
        enum Either {
            One(String),
            Several(Vec<String>),
        }
        let words = match Either::deserialize(deserializer)? {
            Either::One(name) => vec![name],
            Either::Several(words) => words,
        };
        match words.first() {
            Some(name) if Path::new(name).is_absolute() => Ok(Self(words)),
            Some(name) => Err(D::Error::custom(format!("name the program by its whole path, not `{name}`"))),
            None => Err(D::Error::custom("a list without a program")),
        }
    }
}

/// The table `channel`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Channel {
    /// Where this node serves.
    pub(crate) serve: Option<SocketAddr>,
    /// Where it listens.
    #[serde(default)]
    pub(crate) listen: Vec<String>,
    /// A file with what everybody has to know.
    pub(crate) token_file: Option<PathBuf>,
    /// Over NATS, the user whose password that is.
    pub(crate) username: Option<String>,
    /// The server's certificates, and its key.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    /// A file with certificates that are trusted beside the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// The table `run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Run {
    /// Whether what changes here is published.
    pub(crate) auto_commit: Option<bool>,
    /// Whether what is new in the hub is applied.
    pub(crate) auto_checkout: Option<bool>,
    /// How often the hub is asked.
    pub(crate) period: Option<Span>,
    /// How often every file is looked at.
    pub(crate) scan_period: Option<Span>,
    /// How long nothing has to change before it is published.
    pub(crate) debounce: Option<Span>,
    /// How long it waits for that at the most.
    pub(crate) max_debounce: Option<Span>,
    /// How often it says that it is alive.
    pub(crate) heartbeat: Option<Span>,
    /// Where metrics are served.
    pub(crate) status: Option<SocketAddr>,
    /// What is done with drift.
    pub(crate) heal: Option<HealName>,
    /// What is written into the records.
    pub(crate) message: Option<String>,
}

/// The table `push`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Push {
    /// How many nodes are pushed to at once.
    #[serde(default, deserialize_with = "parallel")]
    pub(crate) parallel: Option<u32>,
}

fn parallel<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let number = i64::deserialize(deserializer)?;
    let fits = u32::try_from(number).ok().filter(|number| (1..=MAX_PARALLEL).contains(number));
    fits.map(Some).ok_or_else(|| D::Error::custom(format!("`parallel` is 1 to {MAX_PARALLEL}")))
}

/// The table `recovery`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Recovery {
    /// Older files are removed.
    pub(crate) max_age: Option<Span>,
    /// Beyond this the oldest are removed.
    pub(crate) max_bytes: Option<Size>,
}

/// A table `unit`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Unit {
    /// Which directories.
    pub(crate) directory: String,
    /// Which untracked files in them move along.
    #[serde(default)]
    pub(crate) carry: Vec<String>,
    /// How long what was replaced is kept.
    pub(crate) keep: Option<Span>,
}

/// The table `ssh`: what ssh's own configuration does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Ssh {
    /// The private key.
    pub(crate) identity: Option<PathBuf>,
    /// The file that host keys are looked up in.
    pub(crate) known_hosts: Option<PathBuf>,
    /// The port, where the address names none.
    pub(crate) port: Option<u16>,
    /// The most KiB a second.
    pub(crate) bandwidth_limit: Option<u32>,
    /// Whether ssh compresses.
    #[serde(default)]
    pub(crate) compress: bool,
}

/// The table `svn`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Svn {
    /// The name of the account.
    pub(crate) username: Option<String>,
    /// A file with its password.
    pub(crate) password_file: Option<PathBuf>,
    /// Subversion's own configuration directory, if it is to be heeded.
    pub(crate) config_dir: Option<PathBuf>,
    /// A file with certificates that are trusted beside the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// The program for svn+ssh, with its arguments.
    pub(crate) ssh: Option<Vec<String>>,
}

impl Config {
    /// Finds and reads the file; the empty configuration if none was named and none is found.
    pub(crate) fn load(named: Option<&Path>, cwd: &Path) -> Result<Self> {
        Self::find(named, cwd).map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    /// The file: the one that was named, or the nearest.
    pub(crate) fn find(named: Option<&Path>, cwd: &Path) -> Option<PathBuf> {
        let nearest = || cwd.ancestors().map(|above| above.join(NAME)).find(|path| path.is_file());
        named.map(|path| cwd.join(path)).or_else(nearest)
    }

    fn read(path: &Path) -> Result<Self> {
        let unreadable = |source: std::io::Error| {
            Error::io("read the configuration", path.display(), source).with_kind(ErrorKind::Usage)
        };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > MAX_BYTES {
            return Err(Error::new(ErrorKind::Usage, "longer than 1 MiB: not a configuration file").at(path.display()));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let base = path.parent().unwrap_or(Path::new("/"));
        Self::parse(&text, &path.display().to_string(), base)
    }

    /// Reads `text`, which stands in `file`; relative paths are below `base`.
    fn parse(text: &str, file: &str, base: &Path) -> Result<Self> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let place = match error.span() {
                Some(span) => format!("{file}:{}", line_of(text, span.start)),
                None => file.to_owned(),
            };
            Error::new(ErrorKind::Usage, error.message().trim_end()).op("read the configuration").at(place)
        })?;
        let (ssh, svn, channel) = (&mut config.ssh, &mut config.svn, &mut config.channel);
        let keys = [&mut ssh.identity, &mut ssh.known_hosts];
        let keys = keys.into_iter().chain([&mut svn.password_file, &mut svn.config_dir, &mut svn.ca_file]);
        let keys = keys.chain([&mut channel.token_file, &mut channel.certificate, &mut channel.key]);
        let keys = keys.chain([&mut channel.ca_file, &mut config.tenants.main, &mut config.tenants.domains]);
        let paths =
            [&mut config.dir, &mut config.nodes, &mut config.state, &mut config.staging].into_iter().chain(keys);
        for path in paths.flatten() {
            *path = base.join(&path);
        }
        config.hub = config.hub.map(|hub| crate::settings::tidy_hub(base, &hub)).transpose()?;
        Ok(config)
    }
}

/// The line, from 1, that holds byte `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, "/etc/d/depsync.toml", Path::new("/etc/d"))
    }

    #[test]
    fn every_key_is_read_and_relative_paths_are_below_the_file() {
        let config = parse(
            r#"
            dir = "deploy"
            hub = "../hub"
            nodes = "nodes-list.txt"
            deployment = "shop"
            role = "manager"
            node = "web-1"
            state = "/var/lib/x"
            staging = "stage"
            ignore = ["*.log", "/work/"]
            archives = ["war"]
            author = "ops"
            exploded = ["/webapps/*"]
            lazy = ["webapps/*.war"]
            eager = ["/webapps/home.war"]
            stubs = "wso2"
            timeout = 90
            [push]
            parallel = 256
            [hooks]
            before-update = "/usr/local/bin/drain"
            health = ["/usr/bin/curl", "-f", "http://127.0.0.1:8080/"]
            timeout = "90s"
            [recovery]
            max-age = "7d"
            max-bytes = "64M"
            [[unit]]
            directory = "webapps/*"
            carry = ["WEB-INF/upload/**"]
            [[unit]]
            directory = "shop"
            keep = "1h"
            "#,
        )
        .expect("reads");
        assert_eq!(config.dir.as_deref(), Some(Path::new("/etc/d/deploy")));
        assert_eq!(config.hub.as_deref(), Some("/etc/d/../hub"));
        assert_eq!(config.nodes.as_deref(), Some(Path::new("/etc/d/nodes-list.txt")));
        assert_eq!(config.hooks.before_update, Some(Words(vec!["/usr/local/bin/drain".into()])));
        assert_eq!(config.hooks.health.map(|words| words.0.len()), Some(3));
        assert_eq!((config.hooks.after_update, config.hooks.timeout), (None, Some(Span(Duration::from_secs(90)))));
        assert_eq!(
            (config.lazy, config.eager),
            (vec!["webapps/*.war".to_owned()], vec!["/webapps/home.war".to_owned()])
        );
        assert_eq!(config.stubs, Some(StubsName::Wso2));
        assert_eq!(config.exploded, ["/webapps/*"]);
        assert_eq!(config.push.parallel, Some(256));
        assert_eq!(config.state.as_deref(), Some(Path::new("/var/lib/x")));
        assert_eq!(config.staging.as_deref(), Some(Path::new("/etc/d/stage")));
        assert_eq!(config.role, Some(RoleName::Manager));
        assert_eq!(config.timeout, Some(Span(Duration::from_secs(90))));
        assert_eq!(config.recovery.max_age, Some(Span(Duration::from_secs(7 * 86_400))));
        assert_eq!(config.recovery.max_bytes, Some(Size(64 << 20)));
        let unit = |directory: &str, carry: &[&str], keep| Unit {
            directory: directory.to_owned(),
            carry: carry.iter().map(|&pattern| pattern.to_owned()).collect(),
            keep,
        };
        let hour = Some(Span(Duration::from_secs(3600)));
        assert_eq!(config.unit, [unit("webapps/*", &["WEB-INF/upload/**"], None), unit("shop", &[], hour)]);
        assert_eq!(parse("hub = \"nfs:///mnt/hub\"").expect("an address").hub.as_deref(), Some("nfs:///mnt/hub"));
    }

    #[test]
    fn an_error_names_key_file_and_line() {
        for (text, place, word) in [
            ("dir = \"x\"\nhbu = \"y\"\n", "depsync.toml:2", "hbu"),
            ("[recovery]\nmax-agee = 1\n", "depsync.toml:2", "max-agee"),
            ("\n\nrole = \"king\"\n", "depsync.toml:3", "king"),
            ("deployment = \"../x\"", "depsync.toml:1", "deployment name"),
            ("recovery.max-age = \"soon\"", "depsync.toml:1", "span of time"),
            ("timeout = -3", "depsync.toml:1", "span of time"),
            ("[push]\nparallel = 0", "depsync.toml:2", "1 to 256"),
            ("push.parallel = 257", "depsync.toml:1", "1 to 256"),
            ("push.parallel = -1", "depsync.toml:1", "1 to 256"),
            ("[push]\nparalel = 3", "depsync.toml:2", "paralel"),
            ("[hooks]\nhealth = \"curl -f x\"", "depsync.toml:2", "whole path"),
            ("[hooks]\nhealth = []", "depsync.toml:2", "without a program"),
            ("[hooks]\nbefore = \"/x\"", "depsync.toml:2", "before"),
            ("[[unit]]\ncarry = []", "depsync.toml:1", "directory"),
            ("[[unit]]\ndirectory = \"a\"\ncary = []", "depsync.toml:3", "cary"),
            ("[[unit]]\ndirectory = \"a\"\nkeep = \"soon\"", "depsync.toml:3", "span of time"),
            ("dir = ", "depsync.toml:1", ""),
            ("dir = \"a\"\ndir = \"b\"", "depsync.toml:2", "duplicate key"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
            assert!(error.place().expect("a place").ends_with(place), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn the_nearest_file_above_is_found_and_a_named_one_must_exist() {
        let top = tempfile::tempdir().expect("a directory");
        let below = top.path().join("a/b");
        std::fs::create_dir_all(&below).expect("directories");
        std::fs::write(top.path().join(NAME), "author = 'top'").expect("a file");
        assert_eq!(Config::load(None, &below).expect("found").author.as_deref(), Some("top"));
        std::fs::write(top.path().join("a").join(NAME), "author = 'near'").expect("a file");
        assert_eq!(Config::load(None, &below).expect("found").author.as_deref(), Some("near"));
        let named = Config::load(Some(Path::new("../../depsync.toml")), &below).expect("named");
        assert_eq!(named.author.as_deref(), Some("top"));
        let missing = Config::load(Some(Path::new("none.toml")), &below).expect_err("missing");
        assert_eq!(missing.kind(), ErrorKind::Usage);
    }
}
