//! The program in a process of its own, and its death.
//!
//! Swarms and villages of nodes are made of it: each command says in JSON what it did, and is killed where it is to die.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use crate::cli::program;
use crate::dice::Dice;

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(program);

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// Never.
    Never,
    /// Before its Nth durable step, if it gets there.
    AtStep(usize),
    /// Whatever it is doing by then.
    After(Duration),
}

impl Death {
    /// Never, or `percent` times in a hundred somewhere.
    pub fn draw(dice: &mut Dice, percent: usize) -> Self {
        match (dice.chance(percent), dice.chance(50)) {
            (false, _) => Self::Never,
            (_, true) => Self::AtStep(1 + dice.below(60)),
            _ => Self::After(Duration::from_millis(5 + dice.below(300) as u64)),
        }
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; none if it was killed.
    pub code: Option<i32>,
    /// What it said.
    pub json: Value,
    /// All of that, for messages.
    pub told: String,
}

impl Ended {
    /// Refuses every exit status but `allowed`. A process that was to die may also have been killed.
    pub fn expect(self, allowed: &[i32], death: Death) -> Self {
        let fine = match self.code {
            Some(code) => allowed.contains(&code),
            None => !matches!(death, Death::Never),
        };
        assert!(fine, "{}", self.told);
        self
    }

    /// The paths under `list`.
    pub fn paths(&self, list: &str) -> Vec<String> {
        let remarks = self.json[list].as_array().map(Vec::as_slice).unwrap_or_default();
        remarks.iter().map(|remark| remark["path"].as_str().expect("a path").to_owned()).collect()
    }

    /// The number under `name`.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.json[name].as_u64()
    }
}

/// Runs `depsync --json` for the directory `dir`, and kills it as `death` says.
///
/// # Panics
/// If it does not start, or says anything but one object.
pub fn run(dir: &Path, hub: &(impl AsRef<OsStr> + ?Sized), args: &[impl AsRef<OsStr>], death: Death) -> Ended {
    run_with(dir, hub, args, death, &[])
}

/// The same with these variables in its environment.
///
/// # Panics
/// If it does not start, or says anything but one object.
pub fn run_with(
    dir: &Path,
    hub: &(impl AsRef<OsStr> + ?Sized),
    args: &[impl AsRef<OsStr>],
    death: Death,
    variables: &[(&str, &OsStr)],
) -> Ended {
    let mut command = Command::new(&*PROGRAM);
    let name = dir.file_name().expect("a directory has a name");
    command.args(["--json", "--no-progress", "--node"]).arg(name).arg("--dir").arg(dir).arg("--hub").arg(hub);
    if let Death::AtStep(step) = death {
        command.args(["--die-at-step", &step.to_string()]);
    }
    command.args(args).current_dir(dir.parent().expect("a parent")).env_clear().env("USER", "swarm");
    command.envs(variables.iter().copied());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the program starts");
    if let Death::After(moment) = death {
        std::thread::sleep(moment);
        child.kill().expect("it was ours to kill");
    }
    ended(&command, &child.wait_with_output().expect("it ends"))
}

fn ended(command: &Command, output: &Output) -> Ended {
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let line = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let told = format!("depsync {line}\n  {}\n  said: {said}\n  and: {complained}", output.status);
    let killed = output.status.signal();
    assert!(matches!(killed, None | Some(9)), "{told}");
    let json = match killed {
        Some(_) => Value::Null,
        None => serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {told}")),
    };
    Ended { code: output.status.code(), json, told }
}
