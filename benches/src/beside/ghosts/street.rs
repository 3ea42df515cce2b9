//! The artifacts of many tenants: at a manager, in a hub, and in a repository behind svnserve: as depsync publishes them, and as
//! `svn import` does.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use depsync_tests::jar;
use depsync_tests::node::noise;
use depsync_tests::svn::WRITER;

use crate::beside::svn::access::{Access, Shelf};
use crate::kit::measured::{Invocation, Measure, run as measure};
use crate::kit::setting::Setting;

/// Tenants from this on are never fetched.
const FETCHED: u32 = 200;

/// The manager who publishes to the repository: what he has are the manager's own files.
pub(super) const SVN_MANAGER: &str = "svn-manager";

/// See the module.
pub(super) struct Street {
    place: PathBuf,
    tenants: u32,
    artifacts: u32,
    /// Bytes of all files.
    pub(super) bytes: u64,
    shelf: Shelf,
}

impl Street {
    /// Makes the manager's directory, an empty repository, and the configurations of `manager`, `full` and `lazy`, and of the same
    /// over Subversion, `svn-manager`, `svn-full` and `svn-lazy`.
    ///
    /// Of each tenant's artifacts two are archives: one that all tenants have alike, as an application that everybody uses,
    /// and one of its own. The others are of 2 to 24 KiB and do not compress.
    pub(super) fn build(setting: &Setting, tenants: u32, artifacts: u32) -> Result<Self> {
        let place = setting.place().join("street");
        let shelf = Shelf::open(Access::Svn, setting.place())?;
        let mut street = Self { place, tenants, artifacts, bytes: 0, shelf };
        let common = jar::release(1);
        for tenant in 0..tenants {
            let own = jar::jar(
                &[
                    jar::deflated("WEB-INF/web.xml", format!("<web-app><!-- {tenant} --></web-app>")),
                    jar::stored("x.bin", noise(u64::from(tenant), 8 << 10)),
                ],
                0,
            );
            for artifact in 0..artifacts {
                let path = street.dir("manager").join(street.artifact(tenant, artifact));
                fs::create_dir_all(path.parent().context("a parent")?)?;
                let content = match artifact {
                    0 => common.clone(),
                    1 => own.clone(),
                    _ => {
                        let seed = u64::from(tenant) << 32 | u64::from(artifact);
                        noise(
                            seed,
                            2048 + usize::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50)? % (22 << 10),
                        )
                    }
                };
                street.bytes += content.len() as u64;
                fs::write(path, content)?;
            }
        }
        fs::write(street.place.join("password"), WRITER.password)?;
        let account = format!(
            "[svn]\nusername = '{}'\npassword-file = '{}'\n",
            WRITER.name,
            street.place.join("password").display()
        );
        let hubs =
            [("", street.hub().display().to_string(), ""), ("svn-", street.shelf.address() + "/depsync", &*account)];
        for (over, hub, account) in hubs {
            let nodes = [
                ("manager", "role = 'manager'"),
                ("full", "role = 'worker'"),
                ("lazy", "role = 'worker'\nlazy = ['*']"),
            ];
            for (node, rest) in nodes {
                let node = format!("{over}{node}");
                let dir = street.dir(&node);
                let text = format!("dir = '{}'\nhub = '{hub}'\nnode = '{node}'\n{rest}\n{account}", dir.display());
                fs::write(street.config(&node), text)?;
            }
        }
        Ok(street)
    }

    /// A worker's or the manager's directory.
    pub(super) fn dir(&self, node: &str) -> PathBuf {
        self.place.join(node)
    }

    fn config(&self, node: &str) -> PathBuf {
        self.place.join(format!("{node}.toml"))
    }

    /// The hub.
    pub(super) fn hub(&self) -> PathBuf {
        self.place.join("hub")
    }

    /// Where an artifact lies, below the deployment.
    pub(super) fn artifact(&self, tenant: u32, artifact: u32) -> String {
        let name = match artifact {
            0 => "webapps/common.war".to_owned(),
            1 => "webapps/own.war".to_owned(),
            number => format!("carbonapps/a{number}.bin"),
        };
        format!("tenants/{tenant}/{name}")
    }

    /// How many tenants.
    pub(super) fn tenants(&self) -> u32 {
        self.tenants
    }

    /// How many files.
    pub(super) fn files(&self) -> u64 {
        u64::from(self.tenants) * u64::from(self.artifacts)
    }

    /// depsync, for one of them.
    pub(super) fn depsync(&self, setting: &Setting, node: &str, words: &[&str]) -> Invocation {
        let depsync = Invocation::of(&setting.programs.depsync).args(["--json", "--no-progress", "--config"]);
        depsync.arg(self.config(node)).args(words.iter().copied())
    }

    /// The address of what `svn import` has brought, or of a path in it.
    pub(super) fn svn_url(&self, path: &str) -> String {
        format!("{}/plain/{path}", self.shelf.url()).trim_end_matches('/').to_owned()
    }

    /// `svn`, for somebody with an account.
    pub(super) fn svn(&self, words: &[&str]) -> Invocation {
        let svn =
            Invocation::of("svn").args(words.iter().copied()).args(["-q", "--non-interactive", "--no-auth-cache"]);
        svn.args(["--username", WRITER.name, "--password", WRITER.password])
    }

    /// Runs it measured; and what the repository's server has sent meanwhile.
    pub(super) fn run(&self, setting: &Setting, invocation: &Invocation) -> Result<(Measure, String, u64)> {
        let (_, _, before) = self.shelf.passed();
        let (took, said) = measure(invocation, setting.place())?;
        let (_, _, after) = self.shelf.passed();
        Ok((took, said, after - before))
    }

    /// Brings some tenants to the manager who publishes to the repository.
    pub(super) fn move_in(&self, tenants: Range<u32>) -> Result<()> {
        for path in tenants.flat_map(|tenant| (0..self.artifacts).map(move |artifact| (tenant, artifact))) {
            let path = self.artifact(path.0, path.1);
            let to = self.dir(SVN_MANAGER).join(&path);
            fs::create_dir_all(to.parent().context("a parent")?)?;
            fs::hard_link(self.dir("manager").join(&path), to)?;
        }
        Ok(())
    }

    /// The bytes of the files in a directory, without what Subversion keeps for itself.
    pub(super) fn on_disk(&self, node: &str) -> Result<u64> {
        fn sum(directory: &Path) -> Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() && entry.file_name() != ".svn" {
                    bytes += sum(&entry.path())?;
                } else if kind.is_file() {
                    bytes += entry.metadata()?.len();
                }
            }
            Ok(bytes)
        }
        sum(&self.dir(node))
    }

    /// Fails unless a node has an artifact as the manager has it.
    pub(super) fn same(&self, node: &str, path: &str) -> Result<()> {
        let read = |node: &str| fs::read(self.dir(node).join(path)).with_context(|| format!("{node}: {path}"));
        ensure!(read(node)? == read("manager")?, "{path} is another one at {node}");
        Ok(())
    }

    /// How many files are ghosts at a worker.
    pub(super) fn ghosts(&self, setting: &Setting, node: &str) -> Result<usize> {
        let (_, said) = measure(&self.depsync(setting, node, &["ls", "--ghosts"]), setting.place())?;
        let said = super::json(&said)?;
        let entries = said["entries"].as_array().context("a list")?;
        Ok(entries.iter().filter(|entry| entry["type"] == "file").count())
    }

    /// Changes two artifacts of a tenant that nobody has fetched, at the manager: one is built again.
    pub(super) fn release(&self, number: u32) -> Result<()> {
        let tenant = FETCHED + number % (self.tenants - FETCHED);
        let entries = [
            jar::deflated("WEB-INF/web.xml", format!("<web-app><!-- release {number} --></web-app>")),
            jar::stored("x.bin", noise(u64::from(number), 9 << 10)),
        ];
        fs::write(self.dir("manager").join(self.artifact(tenant, 1)), jar::jar(&entries, number))?;
        fs::write(self.dir("manager").join(self.artifact(tenant, 2)), noise(u64::from(number) | 1 << 60, 5000))?;
        Ok(())
    }
}
