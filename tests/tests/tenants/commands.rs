use depsync_tests::cli::Bench;

use crate::town::Town;

#[test]
fn a_command_is_for_one_tenant_by_its_name_or_domain() {
    let town = Town::new("[tenants]\ndomains = 'domains.txt'\nmain = 'server'\n");
    town.bench.write("domains.txt", "1 foo.com\n2 bar.com\n");
    town.write("m", "1", &[("a.txt", "one")]);
    town.write("m", "2", &[("a.txt", "two")]);
    town.write("m", "-1234", &[("a.txt", "main")]);
    for tenant in ["1", "2", "-1234"] {
        let said = town.must("m", &format!("publish --tenant {tenant}"));
        assert_eq!(said["revision"], 1);
    }
    town.must("w", "update --tenant foo.com");
    assert_eq!(std::fs::read(town.path("w/1/a.txt")).expect("there"), b"one");
    assert!(!town.path("w/2").exists(), "nobody asked for it");
    town.must("w", "update --tenant -1234");
    assert_eq!(std::fs::read(town.path("server/a.txt")).expect("there"), b"main");
    let status = town.must("w", "status --tenant 1");
    assert_eq!((&status["deployment"], &status["applied"]), (&"1".into(), &1.into()));
    let (one, two) = (town.row("w", "1"), town.row("w", "2"));
    assert_eq!((&one["domain"], &one["loaded"]), (&"foo.com".into(), &true.into()));
    assert_eq!(two["head"], 1);
}

#[test]
fn what_is_meant_has_to_be_said() {
    let town = Town::new("");
    town.write("m", "1", &[("a.txt", "one")]);
    let line = |line: &str| {
        let (said, code) = town.bench.json(line);
        let text = |key: &str| said["error"][key].as_str().unwrap_or_default().to_owned();
        (code, text("message"), text("hint"))
    };
    let (code, message, hint) = line("--config m.toml publish");
    assert_eq!(code, Some(2));
    assert!(message.contains("which tenant") && hint.contains("--tenant"), "{message}, {hint}");
    let (code, message, _) = line("--config m.toml publish --tenant 'No Name'");
    assert_eq!((code, message.contains("not a deployment name")), (Some(2), true), "{message}");
    let single = Bench::new();
    single.write("d/x", "x");
    let (said, code) = single.json("publish d hub --tenant 7");
    assert_eq!(code, Some(2), "{said}");
    let (said, code) = single.json("tenants --dir d --hub hub");
    assert_eq!(code, Some(2), "{said}");
    for (config, word) in [
        ("dir = 'w/{tenant}'\nhub = 'hub/{tenant}'", "holds all tenants"),
        ("dir = 'w/{tenant}'\nhub = 'svn://host/repos'", "one address"),
        ("dir = 'w/{tenant}/{tenant}'\nhub = 'hub'", "exactly one part"),
        ("dir = 'w/{tenant}'\nhub = 'hub'\nstate = 's'", "`{tenant}` is not in"),
        ("dir = 'w'\nhub = 'hub'\n[tenants]\neager = '*'", "one directory for all"),
        ("dir = 'w/{tenant}'\nhub = 'hub'\n[tenants]\neager = 'a b'", "names nobody"),
    ] {
        single.write("t.toml", config);
        let (said, code) = single.json("--config t.toml tenants");
        assert_eq!(code, Some(2), "{said}");
        assert!(said["error"]["message"].as_str().is_some_and(|text| text.contains(word)), "{config}: {said}");
    }
}

#[test]
fn a_fetch_from_a_tenant_that_never_was_here_brings_it_first() {
    let town = Town::new("lazy = ['*.bin']\n[tenants]\neager = '!*'\n");
    town.write("m", "7", &[("conf/a.xml", "a"), ("big.bin", "big")]);
    town.must("m", "publish --tenant 7");
    assert_eq!(town.row("w", "7")["state"], "unloaded");
    let said = town.must("w", "fetch --tenant 7 big.bin");
    assert_eq!(said["fetched"], 1);
    assert_eq!(std::fs::read(town.path("w/7/big.bin")).expect("there"), b"big");
    assert!(town.path("w/7/conf/a.xml").exists());
    assert_eq!(town.row("w", "7")["loaded"], true);
}
