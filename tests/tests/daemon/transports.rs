use std::fs;

use depsync_tests::cluster::Site;
use depsync_tests::daemon::{Daemon, Post};
use depsync_tests::snapshot::{check_same, snapshot, write_tree};
use depsync_tests::sshd::Sshd;
use depsync_tests::svn::{READER, Repository, Svnserve, WRITER};

use super::{hub, wait_for_equality};

/// A manager and two workers on one hub: changes of every kind arrive, also after the manager was killed.
fn end_to_end(site: &Site, post: impl Fn(&str, &[&str]) -> Post) {
    let dirs = ["m", "w1", "w2"].map(|name| site.dir(name));
    write_tree(&dirs[0], &[("conf/a@1.xml", "<a/>"), ("lib/x y", "x"), ("l", "->lib")]);
    let boss = post("m", &["--role", "manager", "--period", "500ms"]);
    let mut daemons = vec![boss.start()];
    daemons.extend(["w1", "w2"].map(|name| post(name, &["--period", "500ms"]).start()));
    wait_for_equality(&dirs);
    write_tree(&dirs[0], &[("conf/a@1.xml", "<b/>"), ("new/deep/er", "1")]);
    fs::remove_file(dirs[0].join("l")).expect("remove");
    wait_for_equality(&dirs);
    daemons.remove(0).kill();
    write_tree(&dirs[0], &[("conf/a@1.xml", "<c/>")]);
    fs::rename(dirs[0].join("lib"), dirs[0].join("moved")).expect("rename");
    daemons.push(boss.start());
    wait_for_equality(&dirs);
    for told in daemons.into_iter().map(Daemon::stop) {
        let failed: Vec<_> =
            told.iter().filter(|event| event["event"] == "failed" && event["kind"] != "unreachable").collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

#[test]
fn a_directory() {
    let site = Site::new();
    let hub = hub(&site);
    end_to_end(&site, |name, args| Post::new(&site.dir(name), &hub, args));
}

#[test]
fn a_directory_behind_ssh() {
    let (site, sshd) = (Site::new(), Sshd::start());
    let hub = sshd.url(&site.hub(), sshd.port());
    let config = site.path().join("depsync.toml");
    fs::write(&config, sshd.config(sshd.identity())).expect("a configuration");
    end_to_end(&site, |name, args| {
        Post::new(&site.dir(name), &hub, &[&["--config", config.to_str().expect("UTF-8")], args].concat())
    });
}

#[test]
fn a_subversion_repository() {
    let site = Site::new();
    let repository = Repository::create();
    let server = Svnserve::start(&repository);
    let hub = format!("{}/shop", server.url());
    end_to_end(&site, |name, args| {
        let account = if name == "m" { WRITER } else { READER };
        Post::new(&site.dir(name), &hub, args)
            .variable("DEPSYNC_SVN_USERNAME", account.name)
            .variable("DEPSYNC_SVN_PASSWORD", account.password)
    });
    check_same(&repository.tree("shop", repository.youngest()), &snapshot(&site.dir("w1")), "what people see");
}
