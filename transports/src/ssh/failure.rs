//! What ssh, rsync and the far side's programs say when something fails, as errors. They speak English under
//! `LC_ALL=C`, and the words of system errors are the C library's.

use depsync_engine::error::{Error, ErrorKind};

/// What ssh said when it could not connect, or lost the connection.
pub(crate) fn of_ssh(said: &str, shown: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let (kind, what, hint) = if says(&["REMOTE HOST IDENTIFICATION HAS CHANGED"]) {
        (
            ErrorKind::Refused,
            "the host has another key than before",
            "if the host was set up anew, remove its old key with `ssh-keygen -R HOST` and accept the new one by connecting once by hand; otherwise somebody is in between",
        )
    } else if says(&["Host key verification failed", "No ED25519 host key is known", "host key is known for"]) {
        (
            ErrorKind::Refused,
            "the host's key is not known",
            "connect once by hand with `ssh` and compare the fingerprint, or name a file that has the key with `known-hosts`",
        )
    } else if says(&["Permission denied", "Too many authentication failures", "no such identity", "bad permissions"]) {
        (
            ErrorKind::PermissionDenied,
            "the account does not let us in",
            "check the user, and the key (`identity`, or what ssh's agent holds) in its authorized_keys",
        )
    } else if says(&["Could not resolve hostname", "Name or service not known"]) {
        (ErrorKind::Unreachable, "the host's name is not known", "check the address, and the name service")
    } else {
        (
            ErrorKind::Unreachable,
            "the connection failed",
            "check the host, the port and the network; `ssh` by hand tells more",
        )
    };
    let said = last_lines(said);
    let message = if said.is_empty() { what.to_owned() } else { format!("{what} ({said})") };
    Error::new(kind, message).op("connect").at(shown).hint(hint)
}

/// What a program on the far side said.
pub(crate) fn of_far_side(said: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let kind = if says(&["No space left on device", "Disk quota exceeded"]) {
        ErrorKind::NoSpace
    } else if says(&["Permission denied", "Operation not permitted", "Read-only file system"]) {
        ErrorKind::PermissionDenied
    } else if says(&["No such file or directory"]) {
        ErrorKind::NotFound
    } else if says(&["symbolic link stands", "directory stands"]) {
        ErrorKind::Refused
    } else {
        ErrorKind::Io
    };
    let said = last_lines(said);
    Error::new(kind, if said.is_empty() { "it fails there without a word".to_owned() } else { said })
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// What rsync said when it failed.
pub(crate) fn of_rsync(status: Option<i32>, said: &str) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["rsync: not found", "rsync: command not found", "rsync: No such file"]) || status == Some(127) {
        return Error::new(ErrorKind::Unsupported, "there is no `rsync` on the far side")
            .op("run rsync")
            .hint("install the package rsync there");
    }
    if says(&["unknown option", "invalid rsync-command", "protocol version mismatch", "protocol incompatibility"]) {
        return Error::new(
            ErrorKind::Unsupported,
            format!("the far side's `rsync` is too old, or something else ({})", last_lines(said)),
        )
        .op("run rsync")
        .hint("a newer rsync is needed there; the account's start-up files must print nothing");
    }
    if says(&["Another instance of rrsync"]) {
        return Error::new(ErrorKind::Locked, "somebody else uses a key that runs one rsync at a time")
            .op("run rsync")
            .hint("`rrsync -no-lock` in authorized_keys lets several in");
    }
    if says(&["read-only server is not allowed"]) {
        return Error::new(ErrorKind::PermissionDenied, "the key may only read").op("run rsync");
    }
    let far = of_far_side(said);
    let kind = match far.kind() {
        kind @ (ErrorKind::NoSpace | ErrorKind::PermissionDenied) => kind,
        _ => ErrorKind::Unreachable,
    };
    Error::new(kind, far.to_string()).op("run rsync")
}
