//! One line of a nodes list: its words, and what they mean.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use depsync_engine::error::Result;

use super::{Addressee, EXAMPLE, id_of, wrong};
use crate::ssh::SshAddress;

/// Reads a line; nothing if it is blank or a comment. Errors have no place yet, and never repeat what stands in the
/// line: somebody may have written a password there.
pub(super) fn read(line: &str, number: usize, base: &Path, home: Option<&Path>) -> Result<Option<Addressee>> {
    let words = split(line)?;
    if words.iter().flat_map(|word| word.chars()).any(char::is_control) {
        return Err(wrong("a control character"));
    }
    let mut words = words.into_iter();
    let Some(destination) = words.next() else { return Ok(None) };
    let mut address = destination_of(&destination)?;
    let (mut name, mut identity, mut staging, mut labels) = (None, None, None, BTreeMap::new());
    for word in words {
        let (key, value) = option_of(&word)?;
        if value.is_empty() {
            return Err(wrong(format!("`{key}=` without a value")));
        }
        let again = match key {
            "port" => address.port.replace(port_of(value)?).is_some(),
            "key" => identity.replace(key_of(value, base, home)?).is_some(),
            "name" => name.replace(value.parse()?).is_some(),
            "staging" => staging.replace(path_of(value)?).is_some(),
            _ => labels.insert(key.to_owned(), value.to_owned()).is_some(),
        };
        if again {
            return Err(wrong(format!("`{key}=` twice")));
        }
    }
    if staging.as_deref().is_some_and(|staging| Path::new(staging).starts_with(&address.path)) {
        return Err(wrong("the staging directory lies in the directory that is pushed to").hint("put it beside"));
    }
    let id = name.unwrap_or_else(|| id_of(&address));
    Ok(Some(Addressee { id, address, identity, staging, labels, line: number }))
}

/// The words of a line, up to a comment. White space separates; within double quotes it does not.
fn split(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (mut word, mut quoted, mut end) = (String::new(), false, rest.len());
        for (at, character) in rest.char_indices() {
            match character {
                // A quote opens at the beginning of a word or of a value, and closes at the end of the word.
                '"' if quoted => {
                    quoted = false;
                    end = at + 1;
                    break;
                }
                '"' if word.is_empty() || word.ends_with('=') => quoted = true,
                '"' => return Err(wrong("a quote within a word").hint(QUOTES)),
                _ if blank(character) && !quoted => {
                    end = at;
                    break;
                }
                _ => word.push(character),
            }
        }
        if quoted {
            return Err(wrong("a quote that is not closed").hint(QUOTES));
        }
        rest = &rest[end..];
        if rest.starts_with(|character| !blank(character)) {
            return Err(wrong("a quote that is closed within a word").hint(QUOTES));
        }
        rest = rest.trim_start_matches(blank);
        words.push(word);
    }
    Ok(words)
}

/// What separates words. Other white space is a control character, and refused.
fn blank(character: char) -> bool {
    character == '\t' || (character.is_whitespace() && !character.is_control())
}

const QUOTES: &str = "put the whole in quotes: \"user@host:/a b\" or key=\"/a b\"";

/// A word as [`split`] reads it back.
pub(super) fn word(text: &str) -> String {
    if text.starts_with('#') || text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() }
}

/// `[user@]host:path`.
fn destination_of(text: &str) -> Result<SshAddress> {
    let scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    if text.split_once("://").is_some_and(|(before, _)| scheme(before)) {
        return Err(wrong("an address with `://`").hint("write user@host:/path, and the port behind it as port=2222"));
    }
    let nowhere = || wrong("no host and no directory").hint(EXAMPLE);
    // The host ends at the first colon outside of brackets, and rsync would take what has a slash before it for local.
    let bracket = text.find('[').filter(|&at| at == 0 || text[..at].ends_with('@'));
    let from = match bracket {
        Some(open) => open + text[open..].find(']').ok_or_else(|| wrong("a `[` without `]`").hint(EXAMPLE))?,
        None => 0,
    };
    let colon = from + text[from..].find(':').ok_or_else(nowhere)?;
    let (authority, path) = (&text[..colon], &text[colon + 1..]);
    if authority.contains('/') {
        return Err(nowhere());
    }
    if path.starts_with(':') {
        return Err(wrong("a module of an rsync daemon").hint("only directories behind ssh: user@host:/path"));
    }
    let first = path.split('/').next().unwrap_or_default();
    if first.contains('@') {
        return Err(wrong("a password has no place in a list, and a path does not begin with `…@`")
            .hint("use a key: key=FILE, `identity`, or ssh's agent; a directory called that is ~/…@…"));
    }
    if first.split_once(':').is_some_and(|(port, _)| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(wrong("a port within the address").hint("write it behind: user@host:/path port=2222"));
    }
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user.to_owned()), host),
        None => (None, authority),
    };
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').ok_or_else(|| wrong("letters behind `]`").hint(EXAMPLE))?,
        None => host,
    };
    let address = SshAddress { user, host: host.to_owned(), port: None, path: path_of(path)? };
    address.flaw().map_or(Ok(address), |flaw| Err(wrong(flaw).hint(EXAMPLE)))
}

/// A directory on the far side, one spelling for one place: relative to the home without `~/`, no doubled slashes, no
/// `.`, no slash at the end.
fn path_of(text: &str) -> Result<String> {
    if text.is_empty() {
        return Err(wrong("no directory behind the colon").hint(EXAMPLE));
    }
    let beneath = match text.strip_prefix('~') {
        None => text,
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
        Some(_) => return Err(wrong("the home of another user").hint("write its path out: host:/home/user/…")),
    };
    if beneath.contains(['$', '`', '\\', '"']) {
        return Err(wrong("`$`, a backtick, a backslash or a quote in a path")
            .hint("nothing is replaced in a path: write it out; with blanks put the whole in quotes"));
    }
    let parts: Vec<&str> = beneath.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(wrong("a path with `..`").hint("write it out"));
    }
    let root = beneath.starts_with('/');
    match parts.first() {
        None if root => Err(wrong("the root of a host cannot be pushed to").hint("name a directory")),
        None => Err(wrong("a whole home cannot be pushed to").hint("name a directory in it: host:~/deploy")),
        // The far side's programs would take it for an option, or its shell for a home.
        Some(first) if !root && first.starts_with(['-', '~']) => {
            Err(wrong("a path that begins with `-` or `~`").hint("write it from the root: host:/home/user/-…"))
        }
        Some(_) => Ok(format!("{}{}", if root { "/" } else { "" }, parts.join("/"))),
    }
}

/// `key=value`.
fn option_of(word: &str) -> Result<(&str, &str)> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    if key.contains([':', '@']) {
        return Err(wrong("several nodes in one line").hint("put each on a line of its own"));
    }
    if key.len() == word.len() {
        return Err(wrong("a word that is no `word=value`").hint(EXAMPLE));
    }
    let letters = key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if !letters || !key.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(wrong("an option or label has a name of a-z, 0-9, `.`, `_` and `-`, with a letter first"));
    }
    Ok((key, value))
}

fn port_of(text: &str) -> Result<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or_else(|| wrong("a port that is none").hint("port=2222"))
}

fn key_of(text: &str, base: &Path, home: Option<&Path>) -> Result<PathBuf> {
    match text.strip_prefix('~') {
        None => Ok(base.join(text)),
        Some(rest) => match (rest.strip_prefix('/'), home) {
            (Some(rest), Some(home)) => Ok(home.join(rest.trim_start_matches('/'))),
            (Some(_), None) => Err(wrong("a key beneath `~/`, and no home is known").hint("write the path out")),
            (None, _) => Err(wrong("a key is a file: ~/… is beneath your home, ~user/… is not known")),
        },
    }
}
