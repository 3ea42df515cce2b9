//! What is the same in the names of two versions of one thing.
//!
//! `foo-1.2.jar` is followed by `foo-1.3.jar`, and `main.4f2a9c1b.js` by `main.8b0d11c9.js`. Which of them is which is
//! only ever a guess, and a wrong one costs a few bytes.

/// The least length of a part of a name that may be a hash.
const HASH: usize = 6;

/// `name` without digits, dots and dashes, and without those parts between them that look like hashes.
pub(crate) fn stem(name: &[u8]) -> Vec<u8> {
    let mut stem = Vec::with_capacity(name.len());
    for part in name.split(|byte| matches!(byte, b'.' | b'-' | b'_')) {
        // The directories before it are no part of a hash.
        let start = part.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (before, word) = part.split_at(start);
        stem.extend_from_slice(before);
        let is_hash =
            word.len() >= HASH && word.iter().any(u8::is_ascii_digit) && word.iter().all(u8::is_ascii_alphanumeric);
        if !is_hash {
            stem.extend(word.iter().filter(|byte| !byte.is_ascii_digit()));
        }
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_one_stem() {
        for (old, new) in [
            ("foo-1.2.jar", "foo-1.3.jar"),
            ("WEB-INF/lib/spring-core-5.3.39.jar", "WEB-INF/lib/spring-core-6.0.0.jar"),
            ("static/main.4f2a9c1b.js", "static/main.8b0d11c9.js"),
            ("app##001.war", "app##002.war"),
        ] {
            assert_eq!(stem(old.as_bytes()), stem(new.as_bytes()), "{old}");
        }
        for (one, other) in [("a/foo-1.jar", "b/foo-1.jar"), ("foo.jar", "bar.jar"), ("foo.jar", "foo.war")] {
            assert_ne!(stem(one.as_bytes()), stem(other.as_bytes()), "{one}");
        }
    }
}
