//! The samples of the original's documentation, and what else people have.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use depsync_engine::error::{Error, ErrorKind};

use super::{Plan, Request};
use crate::config::Config;
use crate::import::preset::Preset;

/// The manager's sample.
const MANAGER: &str = "<DeploymentSynchronizer>
    <Enabled>true</Enabled>
    <AutoCommit>true</AutoCommit>
    <AutoCheckout>true</AutoCheckout>
    <RepositoryType>svn</RepositoryType>
    <SvnUrl>file:///home/test/mylocalsvnrepo/</SvnUrl>
    <SvnUser>username</SvnUser>
    <SvnPassword>password</SvnPassword>
    <SvnUrlAppendTenantId>true</SvnUrlAppendTenantId>
</DeploymentSynchronizer>
";

/// The worker's.
fn worker() -> String {
    MANAGER
        .replace("<AutoCommit>true", "<AutoCommit>false")
        .replace("<SvnUrlAppendTenantId>true", "<SvnUrlAppendTenantId>false")
}

struct Desk {
    place: tempfile::TempDir,
}

impl Desk {
    fn new(files: &[(&str, &str)]) -> Self {
        let desk = Self { place: tempfile::tempdir().expect("a directory") };
        for (name, text) in files {
            let path = desk.path(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
            std::fs::write(path, text).expect("a file");
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn request(&self, files: &[&str]) -> Request {
        Request {
            files: files.iter().map(|name| self.path(name)).collect(),
            home: Some(PathBuf::from("/opt/wso2")),
            hub: None,
            preset: None,
            into: self.path("out"),
        }
    }

    fn fails(&self, request: &Request) -> Error {
        let error = Plan::of(request).expect_err("it fails");
        assert!(error.advice().is_some() || error.kind() == ErrorKind::Usage, "{error}");
        error
    }
}

fn read(path: &Path) -> Config {
    Config::load(Some(path), Path::new("/")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_samples_of_the_documentation_contradict_each_other_and_that_is_said() {
    let desk = Desk::new(&[("manager.xml", MANAGER), ("worker.xml", &worker())]);
    let plan = Plan::of(&desk.request(&["manager.xml", "worker.xml"])).expect("a plan");
    assert_eq!(plan.contradictions.len(), 1, "{:?}", plan.contradictions);
    let said = &plan.contradictions[0];
    assert!(said.starts_with("SvnUrlAppendTenantId: ") && said.contains("never saw the same"), "{said}");
    plan.write().expect("writes");
    let (manager, worker) = (read(&desk.path("out/manager/depsync.toml")), read(&desk.path("out/worker/depsync.toml")));
    for config in [&manager, &worker] {
        assert_eq!(config.hub.as_deref(), Some("svn+file:///home/test/mylocalsvnrepo/{tenant}"));
        assert_eq!(config.dir.as_deref(), Some(Path::new("/opt/wso2/repository/tenants/{tenant}")));
        assert_eq!(config.tenants.main.as_deref(), Some(Path::new("/opt/wso2/repository/deployment/server")));
        assert_eq!(config.svn.username.as_deref(), Some("username"));
    }
    assert_eq!((manager.run.auto_commit, worker.run.auto_commit), (Some(true), Some(false)));
    let password = desk.path("out/worker/svn-password");
    assert_eq!(worker.svn.password_file.as_ref(), Some(&password));
    assert_eq!(std::fs::read_to_string(&password).expect("there"), "password");
    assert_eq!(std::fs::metadata(&password).expect("there").permissions().mode() & 0o777, 0o600);
    for node in &plan.nodes {
        assert!(!node.text.contains("SvnPassword") && !node.text.contains("= \"password\""), "{}", node.text);
        let dangers: Vec<&str> = node.dangers.iter().map(|said| said.key.as_str()).collect();
        assert_eq!(dangers, ["SvnForceUpdate", "SvnIgnoreExternals"]);
    }
    assert!(plan.write().expect_err("once").to_string().contains("there is one already"));
}

#[test]
fn every_element_becomes_something_or_is_named() {
    let text = "<Server xmlns='http://wso2.org/projects/carbon/carbon.xml'>
      <Axis2Config><DeploymentUpdateInterval>20</DeploymentUpdateInterval></Axis2Config>
      <GhostDeployment><Enabled>true</Enabled></GhostDeployment>
      <Tenant><LoadingPolicy><LazyLoading><IdleTime>30</IdleTime></LazyLoading>
        <EagerLoading><Include>*,!foo.com</Include></EagerLoading></LoadingPolicy></Tenant>
      <DeploymentSynchronizer>
        <Enabled>true</Enabled> <AutoCommit>false</AutoCommit> <AutoCheckout>true</AutoCheckout>
        <RepositoryType>svn</RepositoryType> <SvnUrl>https://svn.example.org/repos</SvnUrl>
        <SvnUser>u</SvnUser> <SvnPassword>p</SvnPassword> <SvnUrlAppendTenantId>true</SvnUrlAppendTenantId>
        <SvnIgnoreExternals>true</SvnIgnoreExternals> <SvnForceUpdate>false</SvnForceUpdate>
        <UseEventing>true</UseEventing> <AutoSyncPeriod>60</AutoSyncPeriod> <PoolSize>20</PoolSize>
        <MandatoryRepositoryUpdateInterval>100</MandatoryRepositoryUpdateInterval> <SvnClient>x</SvnClient>
        <StandardDeployment>x</StandardDeployment> <GitServer>x</GitServer> <Typo>x</Typo>
      </DeploymentSynchronizer></Server>";
    let desk = Desk::new(&[("wso2/repository/conf/carbon.xml", text)]);
    let mut request = desk.request(&["wso2/repository/conf/carbon.xml"]);
    request.home = None;
    let plan = Plan::of(&request).expect("a plan");
    let node = &plan.nodes[0];
    let mut named: Vec<&str> =
        [&node.taken, &node.dropped, &node.dangers].into_iter().flatten().map(|said| said.key.as_str()).collect();
    named.sort_unstable();
    let before = named.len();
    named.dedup();
    assert_eq!(named.len(), before, "each once: {named:?}");
    let elements = text.matches("</").count() - text.matches("</Server").count();
    // Those that only hold others are none: Axis2Config, GhostDeployment, Tenant, LoadingPolicy, LazyLoading, EagerLoading
    // and the block. DeploymentUpdateInterval is only quoted.
    assert_eq!(named.len(), elements - 8, "{named:?}");
    plan.write().expect("writes");
    let config = read(&desk.path("out/depsync.toml"));
    assert_eq!(config.dir, Some(desk.path("wso2/repository/tenants/{tenant}")));
    assert_eq!(config.hub.as_deref(), Some("svn+https://svn.example.org/repos/{tenant}"));
    assert_eq!(config.run.period.map(|span| span.0.as_secs()), Some(60));
    assert_eq!(config.tenants.check_period.map(|span| span.0.as_secs()), Some(300));
    assert_eq!(config.tenants.idle.map(|span| span.0.as_secs()), Some(1800));
    assert_eq!(config.lazy.len(), 4);
    assert_eq!(config.ignore, [".*", "!.depsyncignore"]);
    assert!(node.text.contains("never used") && node.text.contains("every 20 s"), "{}", node.text);
}

#[test]
fn what_was_off_or_is_no_hub_of_ours_is_said() {
    let with = |from: &str, to: &str| MANAGER.replace(from, to);
    for (text, word) in [
        ("<Server/>".to_owned(), "synchronized with nobody"),
        (with("<Enabled>true", "<Enabled>false"), "is false"),
        (with("<Enabled>true</Enabled>", ""), "which means false"),
        (with("<RepositoryType>svn", "<RepositoryType>git"), "git repository"),
        (with("<RepositoryType>svn</RepositoryType>", ""), "registry"),
        (with("file:///home/test/mylocalsvnrepo/", "ftp://h/x"), "scheme"),
        (with("file:///home/test/mylocalsvnrepo/", "http://u:p@h/x"), "password"),
        (with("file:///home/test/mylocalsvnrepo/", ""), "names no repository"),
    ] {
        let desk = Desk::new(&[("carbon.xml", &text)]);
        let error = desk.fails(&desk.request(&["carbon.xml"]));
        assert!(error.to_string().contains(word), "{word}: {error}");
        assert!(!error.to_string().contains("u:p@"), "{error}");
    }
    // Another hub can take its place.
    let desk = Desk::new(&[("carbon.xml", &with("<RepositoryType>svn", "<RepositoryType>git"))]);
    let request = Request { hub: Some("/mnt/hub".into()), ..desk.request(&["carbon.xml"]) };
    Plan::of(&request).expect("a plan").write().expect("writes");
    let config = read(&desk.path("out/depsync.toml"));
    assert_eq!((config.hub.as_deref(), config.svn.username), (Some("/mnt/hub"), None));
    let homeless = Request { home: None, ..desk.request(&["carbon.xml"]) };
    assert!(
        desk.fails(&Request { hub: Some("/mnt/hub".into()), ..homeless }).to_string().contains("where is the server")
    );
}

#[test]
fn a_preset_chooses_the_folders() {
    let desk = Desk::new(&[("carbon.xml", &worker())]);
    let request = Request { preset: Some(Preset::Wso2Apim), ..desk.request(&["carbon.xml"]) };
    let plan = Plan::of(&request).expect("a plan");
    plan.write().expect("writes");
    let config = read(&desk.path("out/depsync.toml"));
    assert!(config.ignore.contains(&"!/synapse-configs/".to_owned()) && config.ignore.contains(&"/*".to_owned()));
    assert_eq!(config.exploded, ["/webapps/*", "/jaggeryapps/*"]);
    assert_eq!(config.unit.len(), 2);
    assert_eq!(config.dir.as_deref(), Some(Path::new("/opt/wso2/repository/deployment/server")));
}
