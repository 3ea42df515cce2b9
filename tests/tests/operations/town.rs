//! Machines to type commands on: each has a directory of its own for what is `/srv` and `/etc` in the page.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use depsync_tests::cli::program;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::page;

/// What stands in for the service manager: it runs what the unit says, with the variable that tells where `/etc` is.
const SYSTEMCTL: &str = r#"#!/bin/bash
set -eu
verb=$1
for unit; do :; done
name=${unit#depsync@}
pid=$MACHINE/run-$name
stop() {
    [ -e "$pid" ] || return 0
    kill "$(cat "$pid")"
    while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.02; done
    rm "$pid"
}
start() {
    command=$(sed -n 's/^ExecStart=//p' "$UNIT")
    command=${command//%i/$name}
    command=${command//\/etc\//$MACHINE/etc/}
    ${command#/usr/bin/} >>"$MACHINE/journal" 2>&1 </dev/null &
    echo $! >"$pid"
}
case $verb in
enable | start) start ;;
restart) stop; start ;;
stop) stop ;;
*) echo "systemctl: not understood: $verb" >&2; exit 1 ;;
esac
"#;

/// Where a command that does not end is given up.
const PATIENCE: &str = "120";

/// The machines.
pub(crate) struct Town {
    top: tempfile::TempDir,
    /// What is written in the page, and what it is here.
    names: Vec<(String, String)>,
    said: RefCell<String>,
}

impl Town {
    /// A town in which these names of the page are others.
    pub(crate) fn new(names: &[(&str, String)]) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let top = tempfile::tempdir().expect("a directory");
        let bin = top.path().join("bin");
        std::fs::create_dir_all(&bin).expect("mkdir");
        std::fs::write(bin.join("systemctl"), SYSTEMCTL).expect("a file");
        std::fs::set_permissions(bin.join("systemctl"), PermissionsExt::from_mode(0o755)).expect("chmod");
        let names = names.iter().map(|(written, here)| ((*written).to_owned(), here.clone())).collect();
        Self { top, names, said: RefCell::default() }
    }

    /// The directory of a machine.
    pub(crate) fn machine(&self, name: &str) -> PathBuf {
        let place = self.top.path().join("machines").join(name);
        std::fs::create_dir_all(place.join("srv")).expect("mkdir");
        std::fs::create_dir_all(place.join("usr/local/share")).expect("mkdir");
        place
    }

    /// The text of a command with the names that things have here.
    fn here(&self, text: &str, machine: &Path) -> String {
        let mut text = text.to_owned();
        let top = self.top.path().display();
        let own = ["/srv/", "/etc/", "/usr/local/share/"];
        let others = [
            ("/machines/", format!("{top}/ALL/")),
            ("/mnt/hub", format!("{top}/hub")),
            ("/backup/", format!("{top}/backup/")),
        ];
        for (written, here) in self.names.iter().map(|(written, here)| (written.as_str(), here)) {
            text = text.replace(written, here);
        }
        for (written, here) in others {
            text = text.replace(written, &here);
        }
        // What is a path of its own, and not the end of another one.
        for path in own {
            for before in [" ", "\"", "'", ">", "(", "\n"] {
                text = text.replace(&format!("{before}{path}"), &format!("{before}{}{path}", machine.display()));
            }
        }
        text.replace("/ALL/", "/machines/")
    }

    /// Types a command of the page.
    pub(crate) fn types(&self, command: &page::Command) {
        let machine = self.machine(&command.machine);
        std::fs::create_dir_all(self.top.path().join("backup")).expect("mkdir");
        let text = self.here(&command.text, &machine);
        let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/systemd/depsync@.service");
        let programs = program().parent().expect("a directory").display().to_string();
        let path = format!("{}/bin:{programs}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", self.top.path().display());
        let output = Command::new("timeout")
            .args([PATIENCE, "bash", "-eu", "-o", "pipefail", "-c", &text])
            .current_dir(machine.join("srv"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", machine.join("home"))
            .env("USER", "root")
            .env("MACHINE", &machine)
            .env("UNIT", unit)
            .stdin(Stdio::null())
            .output()
            .expect("bash is there");
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words);
        let line = format!("line {}: {}# {}\n{words}", command.line, command.machine, command.text);
        let mut said = self.said.borrow_mut();
        said.push_str(&line);
        let journal = std::fs::read_to_string(machine.join("journal")).unwrap_or_default();
        assert_eq!(output.status.code(), Some(command.status), "\n{text}\n{said}\nits daemon:\n{journal}");
    }

    /// What a file of a machine holds.
    pub(crate) fn read(&self, machine: &str, path: &str) -> String {
        let path = self.machine(machine).join(path.trim_start_matches('/'));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// What all commands have said so far.
    pub(crate) fn said(&self) -> String {
        self.said.borrow().clone()
    }
}

impl Drop for Town {
    /// No daemon is left behind.
    fn drop(&mut self) {
        let machines = std::fs::read_dir(self.top.path().join("machines")).into_iter().flatten().flatten();
        let pids = machines.filter_map(|machine| std::fs::read_to_string(machine.path().join("run-shop")).ok());
        for pid in pids.filter_map(|pid| Pid::from_raw(pid.trim().parse().ok()?)) {
            let _ = kill_process(pid, Signal::KILL);
            let until = Instant::now() + Duration::from_secs(10);
            while test_kill_process(pid).is_ok() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
