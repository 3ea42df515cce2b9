use depsync_tests::daemon::wait_until;
use depsync_tests::svn::Repository;

use crate::town::Town;

#[test]
fn each_tenant_has_an_address_of_its_own() {
    let repository = Repository::create();
    let town = Town::new("");
    let hub = format!("svn+{}/tenants/{{tenant}}", repository.url());
    town.configure("m", &hub, "role = 'manager'\n");
    town.configure("w", &hub, "role = 'worker'\n");
    for tenant in ["1", "2"] {
        town.write("m", tenant, &[("a", tenant), ("conf/x", "x")]);
        town.must("m", &format!("publish --tenant {tenant}"));
    }
    let mut worker = town.daemon("w", &[]);
    worker.wait_for_event("ready");
    town.wait_for("1");
    town.wait_for("2");
    town.write("m", "2", &[("a", "2, changed")]);
    town.must("m", "publish --tenant 2");
    town.wait_for("2");
    wait_until("the list says so", || town.row("w", "2")["state"] == "current");
    assert_eq!(town.row("w", "1")["state"], "current");
    worker.stop();
}

/// A manager who meets a tenant and publishes in one turn goes by what the repository said before: that is no reason to call it
/// behind.
#[test]
fn what_has_the_newest_revision_is_not_called_behind() {
    let repository = Repository::create();
    let town = Town::new("");
    let hub = format!("svn+{}/tenants/{{tenant}}", repository.url());
    town.configure("m", &hub, "role = 'manager'\n[run]\nperiod = '1h'\n");
    town.configure("other", &hub, "role = 'manager'\n");
    town.write("other", "1", &[("a", "1")]);
    town.must("other", "publish --tenant 1");
    town.write("m", "1", &[("a", "1"), ("b", "new")]);
    let mut manager = town.daemon("m", &[]);
    manager.wait_for_event("ready");
    manager.stop();
    let row = town.row("m", "1");
    assert_eq!((&row["state"], &row["applied"]), (&"current".into(), &row["head"]), "{row}");
}
