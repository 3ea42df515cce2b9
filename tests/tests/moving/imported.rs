use depsync_tests::cli::{Bench, golden};
use depsync_tests::svn::Repository;

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

fn worker() -> String {
    let text = MANAGER.replace("<AutoCommit>true", "<AutoCommit>false");
    text.replace("<SvnUrlAppendTenantId>true", "<SvnUrlAppendTenantId>false")
}

#[test]
fn the_samples_of_the_documentation() {
    let bench = Bench::new();
    bench.write("manager.xml", MANAGER);
    bench.write("worker.xml", worker());
    let said = bench.run("import manager.xml worker.xml --carbon-home /opt/wso2 --into out");
    golden("import_carbon", &said);
    assert!(said.contains("contradict each other"), "{said}");
}

/// A server whose repository is populated, by the original's way of working: the repository's files are in the directory.
#[test]
fn a_populated_repository_is_adopted_in_place() {
    let repository = Repository::create();
    let bench = Bench::new();
    let person = repository.person();
    let files = [("-1234/carbonapps/a.txt", "a"), ("-1234/synapse-configs/x.xml", "x"), ("7/webapps/shop.txt", "shop")];
    for (path, text) in files {
        bench.write(&format!("import/{path}"), text);
        let (tenant, rest) = path.split_once('/').expect("a tenant");
        let dir = if tenant == "-1234" {
            "wso2/repository/deployment/server".to_owned()
        } else {
            format!("wso2/repository/tenants/{tenant}")
        };
        bench.write(&format!("{dir}/{rest}"), text);
    }
    let import = bench.path("import");
    person.does(&["import", "-q", "-m", "as the original did", import.to_str().expect("UTF-8"), &person.url("")]);
    let text = MANAGER
        .replace("file:///home/test/mylocalsvnrepo/", &repository.url())
        .replace("<SvnUser>username</SvnUser>\n    <SvnPassword>password</SvnPassword>\n", "");
    bench.write("wso2/repository/conf/carbon.xml", text);
    let (said, code) = bench.json("import wso2/repository/conf/carbon.xml --into conf");
    assert_eq!(code, Some(0), "{said}");
    let before = repository.youngest();
    for tenant in ["-1234", "7"] {
        let (said, code) = bench.json(&format!("--config conf/depsync.toml update --tenant {tenant}"));
        assert_eq!((code, &said["changed"]), (Some(0), &false.into()), "nothing moves: {said}");
        let (said, code) = bench.json(&format!("--config conf/depsync.toml publish --tenant {tenant}"));
        assert_eq!((code, &said["changed"]), (Some(0), &false.into()), "nothing is sent: {said}");
    }
    assert_eq!(repository.youngest(), before);
    bench.write("wso2/repository/tenants/7/webapps/shop.txt", "changed");
    let (said, code) = bench.json("--config conf/depsync.toml publish --tenant 7");
    assert_eq!((code, &said["modified"]), (Some(0), &1.into()), "{said}");
    assert_eq!(repository.cat("7/webapps/shop.txt", repository.youngest()), b"changed");
}
