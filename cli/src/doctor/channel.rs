//! The channel, and the secrets: who may read them, when certificates end, whether the servers answer.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use depsync_transports::channel::Token;
use depsync_transports::{certificate, healthz};

use super::{Check, Patient, judge};

/// The bits that let others read, or write.
const OTHERS: u32 = 0o077;

/// All of it.
pub(super) fn look(patient: &Patient<'_>) -> Vec<Check> {
    let channel = &patient.settings.channel;
    let mut checks: Vec<Check> = patient.settings.secrets.iter().map(|path| secret(path)).collect();
    if let Some(path) = &channel.token_file
        && let Err(error) = Token::read(path)
        && path.exists()
    {
        checks.push(Check::of("token", &error, "`head -c 32 /dev/urandom | base64` makes one"));
    }
    if channel.certificate.is_some() != channel.key.is_some() {
        let found = "a certificate and its key go together, and one of the two is not named";
        checks.push(Check::failed("certificate", found, "name both in the configuration's `channel`"));
    }
    for path in [&channel.certificate, &channel.ca_file, &patient.settings.access.svn.authorities].into_iter().flatten()
    {
        checks.push(match certificate::end(path) {
            Ok(end) => judge::certificate(&path.display().to_string(), patient.cx.now(), end),
            Err(error) => Check::of("certificate", &error, "see that the file holds certificates in PEM"),
        });
    }
    checks.extend(channel.listen.iter().map(|url| server(patient, url)));
    checks
}

/// A file that this user has to read, and nobody else.
fn secret(path: &Path) -> Check {
    const NAME: &str = "secret";
    let shown = path.display();
    let found = match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(found) => found,
        Err(source) => {
            let advice = "make the file, or give this user the right to read it";
            return Check::failed(NAME, format!("{shown} cannot be read: {source}"), advice);
        }
    };
    if found.mode() & OTHERS == 0 {
        return Check::ok(NAME, format!("{shown} is for this user alone"));
    }
    let mode = found.mode() & 0o777;
    // A group may have been made for it.
    let for_all = mode & 0o007 != 0;
    let found = format!("{shown} can be read or written by others (mode {mode:03o})");
    let advice =
        format!("`chmod 600 {shown}`; whoever reads it can be taken for a node, so draw a new one if others did");
    if for_all {
        Check::failed(NAME, found, advice)
    } else {
        Check::warning(NAME, found, format!("`chmod 600 {shown}`, unless that group is meant"))
    }
}

fn server(patient: &Patient<'_>, url: &str) -> Check {
    const NAME: &str = "channel";
    let channel = &patient.settings.channel;
    // One that cannot be read, or is none, has a check of its own.
    let token = channel.token_file.as_ref().and_then(|path| Token::read(path).ok());
    let asked = healthz::ask(&patient.cx, url, token.as_ref(), channel.ca_file.as_deref());
    match asked {
        Ok(()) => Check::ok(NAME, format!("{url} answers")),
        Err(error) => {
            let advice = "start what serves there, and see that its port is open and its certificate trusted; until then the hub is \
                          asked in every period";
            Check::of(NAME, &error, advice)
        }
    }
}
