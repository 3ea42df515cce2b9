//! Names that an operator has listed: `*`, `acme`, `*.com`, and with `!` before it what is not meant after all. The last
//! that names it decides. Pure.

use crate::error::{Error, ErrorKind, Result};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Vec<(bool, String)>);

impl Selection {
    /// Everything.
    pub fn everything() -> Self {
        Self(vec![(true, "*".to_owned())])
    }

    /// Understands the words; a word may hold several, with commas between them.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut all = Vec::new();
        for word in words.into_iter().flat_map(|word| word.split(',')).map(str::trim) {
            let (wanted, name) = word.strip_prefix('!').map_or((true, word), |name| (false, name.trim()));
            if name.is_empty() || name.contains(|character: char| character.is_whitespace() || character == '/') {
                let error = Error::new(ErrorKind::Usage, format!("`{word}` names nobody"));
                return Err(error.hint("write `*` for all, a name, and `!name` for one that is not meant"));
            }
            all.push((wanted, name.to_lowercase()));
        }
        Ok(Self(all))
    }

    /// Whether it is meant, under whichever of its names.
    pub fn means(&self, names: &[impl AsRef<str>]) -> bool {
        let named = self.0.iter().rev().find(|(_, pattern)| names.iter().any(|name| fits(pattern, name.as_ref())));
        named.is_some_and(|(wanted, _)| *wanted)
    }
}

/// Whether `pattern`, in which `*` is anything, fits the whole of `name`.
fn fits(pattern: &str, name: &str) -> bool {
    let (name, mut parts) = (name.to_lowercase(), pattern.split('*'));
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_decides_under_any_name() {
        let means = |words: &str, names: &[&str]| Selection::new([words]).expect(words).means(names);
        assert!(means("*, !foo.com", &["1", "bar.com"]) && !means("*,!foo.com", &["2", "foo.com"]));
        assert!(!means("*,!2", &["2", "foo.com"]) && means("*,!2,FOO.com", &["2", "foo.com"]));
        assert!(means("a.com,b.com", &["b.com"]) && !means("a.com,b.com", &["c.com"]));
        assert!(means("*.com", &["x.com"]) && !means("*.com", &["x.org"]) && means("a*b*c", &["axxbyyc"]));
        assert!(!means("a*a", &["a"]) && !Selection::default().means(&["a"]));
        assert!(Selection::everything().means(&["-1234"]));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for bad in ["", "!", "a,,b", "a b", "a/b"] {
            assert_eq!(Selection::new([bad]).expect_err(bad).kind(), ErrorKind::Usage, "{bad}");
        }
    }
}
