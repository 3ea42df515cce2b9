//! rsync's exclude patterns in gitignore syntax, where both mean the same.
//!
//! Both match a pattern without a slash against every name, and with a slash at its end only directories. They differ in
//! what a slash within means (rsync looks for such a pattern at the end of any path, gitignore from the top), in `**`, in
//! what a backslash does, and in the braces and classes that only one of them knows.

/// The pattern, or nothing if gitignore has no equal. `name` is that of the source where the source itself is sent: what is
/// in it then stands beneath that name for rsync.
pub(super) fn to_gitignore(exclude: &str, name: Option<&str>) -> Option<String> {
    let special = exclude.contains(['\\', '{', '}', '\n']) || exclude.contains("[[") || exclude.contains("[:");
    let unclosed = exclude.matches('[').count() != exclude.matches(']').count();
    let rule = exclude.starts_with("+ ") || exclude.starts_with("- ") || exclude.starts_with(['!', '#']);
    if special || unclosed || rule || exclude.trim() != exclude || !exclude.contains(|c| c != '/') {
        return None;
    }
    // `dir/***` is the directory and all in it.
    let pattern = match exclude.strip_suffix("/***") {
        Some(directory) => format!("{directory}/"),
        None => exclude.to_owned(),
    };
    if pattern.contains("//") || pattern.split('/').any(|part| part == "." || part == "..") {
        return None;
    }
    let stars = pattern.strip_suffix("/**").unwrap_or(&pattern);
    if stars.contains("**") {
        return None;
    }
    let within = pattern.trim_start_matches('/').trim_end_matches('/').contains('/');
    match (pattern.strip_prefix('/'), name) {
        (Some(_), None) => Some(pattern),
        (Some(beneath), Some(name)) => beneath.strip_prefix(name)?.strip_prefix('/').map(|rest| format!("/{rest}")),
        // A pattern that could begin with the name of the source itself would match at another place.
        (None, Some(_)) if within => None,
        (None, None) if within => Some(format!("**/{pattern}")),
        (None, Some(name)) if matches_name(&pattern, name) => None,
        (None, _) => Some(pattern),
    }
}

/// Whether the pattern may match the name of the source: rsync would then send nothing at all.
fn matches_name(pattern: &str, name: &str) -> bool {
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], _) => name.is_empty(),
            ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
            ([b'[', ..], _) => true,
            ([first, rest @ ..], [letter, others @ ..]) => (*first == b'?' || first == letter) && matches(rest, others),
            (_, []) => false,
        }
    }
    // Many stars would take long to try.
    pattern.matches('*').count() > 3 || matches(pattern.trim_end_matches('/').as_bytes(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_translated_and_the_rest_is_not() {
        for (exclude, contents, itself) in [
            ("*.log", Some("*.log"), Some("*.log")),
            ("work/", Some("work/"), Some("work/")),
            ("/work", Some("/work"), None),
            ("/server/work", Some("/server/work"), Some("/work")),
            ("/serverwork/x", Some("/serverwork/x"), None),
            ("a/b", Some("**/a/b"), None),
            ("a/***", Some("a/"), Some("a/")),
            ("/a/**", Some("/a/**"), None),
            ("a/**", Some("**/a/**"), None),
            ("[a-c].xml", Some("[a-c].xml"), None),
            ("server", Some("server"), None),
            ("s*r", Some("s*r"), None),
            ("?erver/", Some("?erver/"), None),
            ("?erve", Some("?erve"), Some("?erve")),
            ("é?", Some("é?"), Some("é?")),
            ("**/a", None, None),
            ("a**b", None, None),
            ("{a,b}", None, None),
            ("a\\*", None, None),
            ("[[:alpha:]]", None, None),
            ("[a", None, None),
            ("#a", None, None),
            ("!a", None, None),
            ("- a", None, None),
            (" a", None, None),
            ("/", None, None),
            ("", None, None),
            ("a//b", None, None),
        ] {
            assert_eq!(to_gitignore(exclude, None).as_deref(), contents, "{exclude}");
            assert_eq!(to_gitignore(exclude, Some("server")).as_deref(), itself, "{exclude}, itself");
        }
    }
}
