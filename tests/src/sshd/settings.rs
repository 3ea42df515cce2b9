//! How a server is to run: its `sshd_config` and its command line.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::HOST;
use super::programs::program;
use super::session::MARK;
use crate::debian::unpacked;

/// What is particular about a server.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// The `PATH` of its sessions, if not the machine's: [`super::Programs`].
    pub path: Option<String>,
    /// Whether it writes down the commands that clients ask for: [`super::Sshd::commands`].
    pub recording: bool,
}

/// The files of a server in its directory `place`.
pub(super) const CONFIG: &str = "sshd_config";
pub(super) const HOST_KEY: &str = "host_key";
pub(super) const AUTHORIZED: &str = "authorized_keys";
pub(super) const LOG: &str = "log";
pub(super) const COMPLAINTS: &str = "complaints";
const HOME: &str = "home";
const ACCOUNTS: &str = "passwd";

/// Writes `sshd_config` and what it names.
pub(super) fn write(place: &Path, port: u16, manner: &Manner) {
    std::fs::create_dir_all(place.join(HOME)).expect("a home");
    let file = |name: &str| place.join(name).display().to_string();
    let mut variables = format!("\"{MARK}={}\" \"HOME={}\"", place.display(), file(HOME));
    if let Some(path) = &manner.path {
        variables.push_str(&format!(" \"PATH={path}\""));
    }
    // Not strict about modes, for the directory lies beneath a world-writable one. Many tests log in at once.
    let text = format!(
        "ListenAddress {HOST}\nPort {port}\nHostKey \"{}\"\nAuthorizedKeysFile \"{}\"\nPidFile none\n\
         StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPermitUserRC no\nUseDNS no\nMaxStartups 100:30:200\nMaxSessions 64\n\
         LogLevel VERBOSE\nSetEnv {variables}\n",
        file(HOST_KEY),
        file(AUTHORIZED),
    );
    std::fs::write(place.join(CONFIG), text).expect("sshd_config is written");
}

/// What starts the server in the foreground. Its process is the listener.
pub(super) fn command(place: &Path) -> Command {
    let sshd = unpacked("openssh-server").join("usr/sbin/sshd");
    // It starts itself again for each connection, and wants to know where it is.
    let sshd = sshd.canonicalize().expect("the package openssh-server has sshd");
    let mut command = if rustix::process::geteuid().is_root() { as_root(place, &sshd) } else { Command::new(sshd) };
    command.args(["-D", "-E"]).arg(place.join(LOG)).arg("-f").arg(place.join(CONFIG));
    command
}

/// A server of root's gives up its rights in a directory and to an account, which an installed package would have made.
fn as_root(place: &Path, sshd: &Path) -> Command {
    let confined = Path::new("/run/sshd");
    std::fs::create_dir_all(confined).expect("/run/sshd");
    std::fs::set_permissions(confined, Permissions::from_mode(0o755)).expect("its mode");
    let mut accounts = std::fs::read_to_string("/etc/passwd").expect("accounts");
    if accounts.lines().any(|line| line.starts_with("sshd:")) {
        return Command::new(sshd);
    }
    accounts.push_str("sshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n");
    std::fs::write(place.join(ACCOUNTS), accounts).expect("accounts are written");
    let mut command = Command::new(program("unshare", "util-linux"));
    command.args(["--mount", "--propagation", "slave", "sh", "-c"]);
    command.arg(r#"mount --bind "$1" /etc/passwd && shift && exec "$@""#).arg("sh").arg(place.join(ACCOUNTS)).arg(sshd);
    command
}

/// The user who runs the tests, whom the server lets in.
pub(super) fn user() -> String {
    let output = Command::new(program("id", "coreutils")).arg("-un").output().expect("`id` starts");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}
