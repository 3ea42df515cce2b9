use depsync_tests::daemon::wait_until;

use crate::town::Town;

#[test]
fn a_tenant_is_loaded_by_its_first_use_and_let_go_when_nobody_uses_it() {
    let town = Town::new("lazy = ['*.bin']\n[tenants]\neager = '*,!2,!3'\nidle = '3s'\nevict = true\n");
    for tenant in ["1", "2", "3"] {
        town.write("m", tenant, &[("a", tenant), ("x.bin", "lazy")]);
        town.must("m", &format!("publish --tenant {tenant}"));
    }
    let mut worker = town.daemon("w", &[]);
    let ready = worker.wait_for_event("ready");
    assert_eq!((&ready["loaded"], &ready["tenants"]), (&1.into(), &3.into()), "{ready}");
    assert!(town.path("w/1/a").exists() && !town.path("w/2").exists());
    let said = town.must("w", "fetch --tenant 2 x.bin");
    assert_eq!(said["fetched"], 1);
    worker.wait_for("it is loaded", |event| event["event"] == "loaded" && event["deployment"] == "2");
    town.write("m", "2", &[("a", "2, changed")]);
    town.must("m", "publish --tenant 2");
    wait_until("it is kept in step", || std::fs::read(town.path("w/2/a")).is_ok_and(|text| text == b"2, changed"));
    worker.wait_for("it is let go", |event| event["event"] == "unloaded" && event["deployment"] == "2");
    wait_until("what is lazy is evicted", || !town.path("w/2/x.bin").exists());
    assert!(town.path("w/2/a").exists(), "the rest stays as it is");
    town.write("m", "2", &[("a", "2, once more")]);
    town.must("m", "publish --tenant 2");
    town.write("m", "1", &[("a", "1, changed")]);
    town.must("m", "publish --tenant 1");
    town.wait_for_eager();
    assert_eq!(std::fs::read(town.path("w/2/a")).expect("there"), b"2, changed");
    assert_eq!(town.row("w", "2")["state"], "unloaded");
    assert!(!town.path("w/3").exists());
    worker.stop();
}

impl Town {
    /// Waits until the eager tenant has what was published last.
    fn wait_for_eager(&self) {
        wait_until("the eager one", || std::fs::read(self.path("w/1/a")).is_ok_and(|text| text == b"1, changed"));
    }
}

#[test]
fn those_that_are_not_included_are_nobodys_business() {
    let town = Town::new("[tenants]\ninclude = ['*', '!9']\n");
    for tenant in ["1", "9"] {
        town.write("m", tenant, &[("a", tenant)]);
        town.must("m", &format!("publish --tenant {tenant}"));
    }
    let mut worker = town.daemon("w", &[]);
    let ready = worker.wait_for_event("ready");
    assert_eq!(ready["tenants"], 1, "{ready}");
    assert!(!town.path("w/9").exists() && town.row("w", "9").is_null());
    worker.stop();
}
