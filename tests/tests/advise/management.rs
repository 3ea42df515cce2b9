//! What is printed for Ansible and Puppet, run by those.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use depsync_tests::cli::{Bench, program as depsync};
use depsync_tests::debian::unpacked;
use depsync_tests::sshd::program;

use super::MODEL;

/// What is printed under a heading, with the places of this bench in it.
fn snippet(bench: &Bench, heading: &str, end: &str) -> String {
    let line = format!("advise --rate 1/day --bytes 2K --tree 100 --nodes 2 --model {MODEL}");
    let text = bench.run(&line);
    let (_, behind) = text.split_once(&format!("\n{heading}:\n\n")).unwrap_or_else(|| panic!("no {heading}: {text}"));
    let (snippet, _) = behind.split_once(end).unwrap_or_else(|| panic!("no end: {text}"));
    let at = |name: &str| bench.path(name).display().to_string();
    snippet.replace("/srv/deploy", &at("w")).replace("/mnt/hub", &at("hub"))
}

/// The directory of the program, in front of the usual ones.
fn path() -> String {
    let here = depsync().parent().expect("a directory").display().to_string();
    format!("{here}:/usr/local/bin:/usr/bin:/bin")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn published(bench: &Bench, content: &str) {
    bench.write("m/file", content);
    let (answer, exit) = bench.json("publish m hub --node m");
    assert_eq!(exit, Some(0), "{answer}");
}

fn content(bench: &Bench) -> String {
    fs::read_to_string(bench.path("w/file")).unwrap_or_default()
}

#[test]
fn ansible_runs_what_is_printed_and_knows_what_has_changed() {
    let bench = Bench::in_memory();
    published(&bench, "1");
    let task = snippet(&bench, "Ansible", "\nPuppet:");
    let task: String = task.lines().map(|line| format!("    {line}\n")).collect();
    bench
        .write("book.yml", format!("- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n{task}"));
    let play = || {
        let mut ansible = Command::new(program("ansible-playbook", "ansible-core"));
        ansible.args(["-i", "localhost,"]).arg(bench.path("book.yml")).current_dir(bench.path("."));
        let home = bench.path("home");
        ansible
            .env_clear()
            .env("PATH", path())
            .env("HOME", &home)
            .env("LC_ALL", "C.UTF-8")
            .env("ANSIBLE_LOCAL_TEMP", &home);
        let output = ansible.output().expect("it runs");
        (output.status.code(), said(&output))
    };
    let (exit, text) = play();
    assert!(exit == Some(0) && text.contains("changed=1 "), "{text}");
    assert_eq!(content(&bench), "1");
    let (exit, text) = play();
    assert!(exit == Some(0) && text.contains("ok=1 ") && text.contains("changed=0 "), "{text}");
    published(&bench, "2");
    assert!(play().1.contains("changed=1 "));
    assert_eq!(content(&bench), "2");
    fs::rename(bench.path("hub"), bench.path("gone")).expect("the hub goes");
    let (exit, text) = play();
    assert!(exit != Some(0) && text.contains("failed=1 "), "{text}");
    assert_eq!(content(&bench), "2");
}

#[test]
fn puppet_runs_what_is_printed_and_knows_what_has_changed() {
    let bench = Bench::in_memory();
    published(&bench, "1");
    let here = depsync().parent().expect("a directory").display().to_string();
    let manifest = snippet(&bench, "Puppet", "\na model of").replace("/usr/local/bin", &here);
    bench.write("site.pp", manifest);
    let puppet = unpacked("puppet-agent");
    for name in ["state", "public", "ssl"] {
        fs::create_dir_all(bench.path("puppet").join(name)).expect("a directory");
    }
    let apply = || {
        let mut ruby = Command::new(program("ruby", "ruby"));
        ruby.arg(puppet.join("usr/bin/puppet")).args(["apply", "--detailed-exitcodes", "--color=false"]);
        let at = |option: &str, name: &str| format!("--{option}={}", bench.path(name).display());
        ruby.args([
            at("vardir", "puppet"),
            at("ssldir", "puppet/ssl"),
            at("publicdir", "puppet/public"),
            at("statedir", "puppet/state"),
            at("confdir", "puppet"),
            at("rundir", "puppet"),
            at("logdir", "puppet"),
        ]);
        ruby.arg(bench.path("site.pp")).current_dir(bench.path("."));
        ruby.env_clear().env("PATH", path()).env("HOME", bench.path("home")).env("LC_ALL", "C.UTF-8");
        ruby.env("RUBYLIB", Path::new(&puppet).join("usr/lib/ruby/vendor_ruby"));
        let output = ruby.output().expect("it runs");
        (output.status.code(), said(&output))
    };
    let (exit, text) = apply();
    assert_eq!(exit, Some(2), "it has changed something: {text}");
    assert_eq!(content(&bench), "1");
    let (exit, text) = apply();
    assert_eq!(exit, Some(0), "nothing was to be done: {text}");
    published(&bench, "2");
    assert_eq!(apply().0, Some(2));
    assert_eq!(content(&bench), "2");
    fs::rename(bench.path("hub"), bench.path("gone")).expect("the hub goes");
    let (exit, text) = apply();
    assert!(matches!(exit, Some(4 | 6)), "it fails: {exit:?}: {text}");
    assert_eq!(content(&bench), "2");
}
