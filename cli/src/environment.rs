//! What the process was given by its surroundings: the only place of the program that reads environment variables.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use depsync_engine::error::{Error, Result};

/// The surroundings, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// The working directory.
    pub(crate) cwd: PathBuf,
    /// `$XDG_STATE_HOME`.
    pub(crate) xdg_state_home: Option<OsString>,
    /// `$HOME`.
    pub(crate) home: Option<OsString>,
    /// `$USER`, else `$LOGNAME`.
    pub(crate) user: Option<String>,
    /// The machine's name.
    pub(crate) hostname: Option<String>,
    /// Whether the effective user is root.
    pub(crate) root: bool,
    /// `$DEPSYNC_LOG`, the exact log filter.
    pub(crate) log: Option<String>,
    /// `$DEPSYNC_SVN_USERNAME`.
    pub(crate) svn_username: Option<String>,
    /// `$DEPSYNC_SVN_PASSWORD`.
    pub(crate) svn_password: Option<Password>,
    /// `$WATCHDOG_USEC`: how often the service manager wants to hear of us, or of the process that we are the envoy of.
    pub(crate) watchdog: Option<Duration>,
}

/// A password, which is not shown.
#[derive(Clone, Default)]
pub(crate) struct Password(pub(crate) String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Environment {
    /// Reads the surroundings of this process.
    pub(crate) fn of_process() -> Result<Self> {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        Ok(Self {
            cwd: std::env::current_dir().map_err(|source| Error::io("find the working directory", ".", source))?,
            xdg_state_home: std::env::var_os("XDG_STATE_HOME"),
            home: std::env::var_os("HOME"),
            user: text("USER").or_else(|| text("LOGNAME")),
            hostname: hostname.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
            root: rustix::process::geteuid().is_root(),
            log: text("DEPSYNC_LOG"),
            svn_username: text("DEPSYNC_SVN_USERNAME"),
            svn_password: text("DEPSYNC_SVN_PASSWORD").map(Password),
            watchdog: watchdog(text("WATCHDOG_USEC").as_deref(), text("WATCHDOG_PID").as_deref()),
        })
    }

    /// Where state goes when it cannot lie beside the deployment directory.
    pub(crate) fn state_home(&self) -> PathBuf {
        let absolute = |path: &Option<OsString>| path.clone().map(PathBuf::from).filter(|path| path.is_absolute());
        match (absolute(&self.xdg_state_home), absolute(&self.home)) {
            (Some(state), _) => state.join("depsync"),
            (None, Some(home)) if !self.root => home.join(".local/state/depsync"),
            _ => PathBuf::from("/var/lib/depsync"),
        }
    }

    /// Who publishes, if nobody says: `user@host`, at most 255 bytes.
    pub(crate) fn author(&self) -> String {
        let user = self.user.as_deref().unwrap_or(if self.root { "root" } else { "unknown" });
        let mut author = match &self.hostname {
            Some(host) => format!("{user}@{host}"),
            None => user.to_owned(),
        };
        author.truncate(author.floor_char_boundary(depsync_engine::record::MAX_AUTHOR));
        author
    }
}

/// The watchdog's time, if it is meant for this process or its parent.
fn watchdog(microseconds: Option<&str>, pid: Option<&str>) -> Option<Duration> {
    let is_ours = |pid: &str| {
        let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
        pid.is_some() && (pid == Some(rustix::process::getpid()) || pid == rustix::process::getppid())
    };
    let microseconds = microseconds?.parse().ok().filter(|microseconds| *microseconds > 0)?;
    pid.is_none_or(is_ours).then_some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_follows_xdg_then_root_then_home() {
        let user = Environment { home: Some("/home/u".into()), ..Environment::default() };
        assert_eq!(user.state_home(), PathBuf::from("/home/u/.local/state/depsync"));
        let root = Environment { root: true, ..user.clone() };
        assert_eq!(root.state_home(), PathBuf::from("/var/lib/depsync"));
        let xdg = Environment { xdg_state_home: Some("/s".into()), ..root };
        assert_eq!(xdg.state_home(), PathBuf::from("/s/depsync"));
        let relative = Environment { xdg_state_home: Some("s".into()), ..user };
        assert_eq!(relative.state_home(), PathBuf::from("/home/u/.local/state/depsync"));
    }

    #[test]
    fn a_watchdog_is_heeded_that_is_ours() {
        let ours = std::process::id().to_string();
        let second = Some(Duration::from_secs(1));
        for (microseconds, pid, wanted) in [
            (Some("1000000"), None, second),
            (Some("1000000"), Some(&*ours), second),
            (Some("1000000"), Some("1"), None),
            (Some("1000000"), Some("x"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, None, None),
        ] {
            // The parent of a test may be anybody.
            if pid != Some("1") || rustix::process::getppid().is_none_or(|parent| !parent.is_init()) {
                assert_eq!(watchdog(microseconds, pid), wanted, "{microseconds:?} {pid:?}");
            }
        }
    }

    #[test]
    fn an_author_fits_a_record() {
        let mut environment = Environment { hostname: Some("web-1".into()), ..Environment::default() };
        assert_eq!(environment.author(), "unknown@web-1");
        environment.user = Some("ops".into());
        assert_eq!(environment.author(), "ops@web-1");
        environment.user = Some("ä".repeat(200));
        assert!(environment.author().len() <= 255);
    }
}
