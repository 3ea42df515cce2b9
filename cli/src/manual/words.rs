//! What the manual says beside the help.

/// A name and its meaning.
type Row = (&'static str, &'static str);

/// The variables that are heeded.
pub(super) const ENVIRONMENT: [Row; 7] = [
    ("DEPSYNC_LOG", "The exact filter of the log, such as info or depsync_engine=debug. It goes before -v and -q."),
    ("DEPSYNC_SVN_USERNAME", "The account for a Subversion repository. It goes before the configuration."),
    ("DEPSYNC_SVN_PASSWORD", "Its password. It goes before password-file."),
    (
        "XDG_STATE_HOME",
        "Where a state lies that cannot be beside its directory: in depsync beneath it. Without it, \
                        ~/.local/state/depsync; for root, /var/lib/depsync.",
    ),
    ("HOME", "See XDG_STATE_HOME; and the home of ~ in a list of nodes."),
    ("USER, LOGNAME", "Who publishes, if nothing else is said."),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Where a service manager hears that a daemon is ready and alive, and how often it wants to.",
    ),
];

/// The files that are read and written.
pub(super) const FILES: [Row; 5] = [
    ("depsync.toml", "The configuration: the one that --config names, else the nearest, here or in a directory above."),
    (".depsyncignore", "In the deployment directory: patterns of what is left alone, in the syntax of gitignore."),
    (
        ".NAME.depsync",
        "Beside the deployment directory NAME: this node's state, what is staged, and in recovery what was kept \
                       aside. state.db cannot be made again; cache.db can be removed.",
    ),
    ("/etc/depsync/NAME.toml", "What the unit depsync@NAME reads."),
    ("/var/lib/depsync", "States that cannot lie beside their directory, of root."),
];

/// The keys of the configuration, table by table; those of no table first.
pub(super) const KEYS: [(&str, &[Row]); 10] = [
    (
        "",
        &[
            ("dir", "The deployment directory."),
            ("hub", "The hub: a path, or one of the addresses that --hub takes."),
            ("nodes", "The list of nodes that a push goes to."),
            ("deployment", "The deployment in the hub; main unless said otherwise."),
            ("role", "manager or worker. Without it the first publish makes a manager."),
            ("node", "This node's id."),
            ("state", "Where this node's state lies."),
            ("staging", "Where files are staged; on the directory's own file system."),
            ("ignore", "Patterns of what is left alone, in the syntax of gitignore."),
            ("archives", "Extensions of archives: they are held back while they have no valid end."),
            ("author", "Who publishes."),
            ("effort", "How much is done to make small what is published: `fast`, `balanced` or `small`."),
            (
                "exploded",
                "Patterns of directories that a manager leaves out where an archive of the same name lies beside.",
            ),
            ("lazy", "Patterns of what is fetched on demand only, in the syntax of gitignore."),
            ("eager", "Patterns of what of that is fetched at once all the same."),
            (
                "stubs",
                "Files that stand for what is not here: `wso2`, the ghost metafiles of its servers. Workers only.",
            ),
            ("timeout", "How long a command may take."),
            ("ssh, svn, push, recovery, unit, tenants, run, channel, hooks", "Tables, below."),
        ],
    ),
    (
        "ssh",
        &[
            ("identity", "The private key."),
            ("known-hosts", "The file that host keys are looked up in."),
            ("port", "The port, where the address names none."),
            ("bandwidth-limit", "The most KiB a second."),
            ("compress", "Whether ssh compresses."),
        ],
    ),
    (
        "svn",
        &[
            ("username", "The account."),
            ("password-file", "A file with its password."),
            ("config-dir", "Subversion's own configuration, if it is to be heeded."),
            ("ca-file", "Certificates that are trusted beside the system's."),
            ("ssh", "The program for svn+ssh, with its arguments."),
        ],
    ),
    ("push", &[("parallel", "How many nodes are pushed to at once.")]),
    (
        "recovery",
        &[
            ("max-age", "What was kept aside longer ago is removed."),
            ("max-bytes", "Of more than that the oldest is removed."),
        ],
    ),
    (
        "unit",
        &[
            ("directory", "A pattern of directories that are replaced as a whole."),
            ("carry", "Patterns of files within that go over into the new one."),
            ("keep", "How long the old one stays."),
        ],
    ),
    (
        "tenants",
        &[
            ("main", "The directory of the tenant -1234, which is the server itself."),
            ("domains", "A file with a tenant and its domain in each line."),
            ("include", "Which tenants are ours: `*`, names, domains, and `!` before those that are not."),
            ("eager", "Which of them are kept in step from the first; the others when they are first used."),
            ("idle", "After how long without use the others are left alone again."),
            ("evict", "Whether what is lazy of them is evicted then."),
            ("check-period", "How often everything of each is looked at."),
            ("parallel", "How many are worked on at once."),
        ],
    ),
    (
        "run",
        &[
            ("auto-commit", "Whether the daemon publishes what changes here."),
            ("auto-checkout", "Whether it applies what is new in the hub."),
            ("period", "How often it asks the hub."),
            ("scan-period", "How often it looks at every file."),
            ("debounce", "How long nothing has to change before it publishes."),
            ("max-debounce", "How long it waits for that at the most."),
            ("heartbeat", "How often it says that it is alive."),
            ("status", "Where it serves /metrics and /healthz."),
            ("heal", "auto brings back what somebody has changed on a worker; report only says so."),
            ("message", "What is written into the records."),
        ],
    ),
    (
        "channel",
        &[
            ("serve", "Where this node serves the channel."),
            ("listen", "Where it listens: http:// or https:// of who serves, nats:// or tls:// of NATS servers."),
            ("token-file", "A file with what all nodes have to know; over NATS, a token or the user's password."),
            ("username", "Over NATS, the user."),
            ("certificate", "The certificates of the server, its own first."),
            ("key", "Its key."),
            ("ca-file", "Certificates that are trusted beside the system's."),
        ],
    ),
    (
        "hooks",
        &[
            ("before-update", "The program that is run before anything live is changed."),
            ("after-update", "The one that is run when everything is in place."),
            ("health", "The one that says whether this node is well."),
            ("timeout", "How long each may take."),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// The keys that the configuration knows in a table, as its error for one that it does not know names them.
    fn known(table: &str) -> Vec<String> {
        let heading = match table {
            "" => String::new(),
            "unit" => "[[unit]]\n".to_owned(),
            table => format!("[{table}]\n"),
        };
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join("depsync.toml"), format!("{heading}no-such-key = 1\n")).expect("a file");
        let error = Config::load(None, place.path()).expect_err("unknown").to_string();
        let (_, expected) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_of_the_configuration_is_explained() {
        let mut tables = Vec::new();
        for (table, rows) in KEYS {
            let named: Vec<&str> = rows.iter().flat_map(|(name, _)| name.split(", ")).collect();
            assert_eq!(known(table), named, "[{table}]");
            tables.push(table);
        }
        let (last, _) = KEYS[0].1.last().expect("the tables");
        assert_eq!(last.split(", ").collect::<Vec<_>>(), tables[1..], "every table is explained");
    }
}
