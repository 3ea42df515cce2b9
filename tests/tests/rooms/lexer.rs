//! Rust sources as words: enough of the language to tell code from comments, texts and test modules.

/// A word or sign of the code, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A source file without comments.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// Words and signs; `::` is one sign. Literals are left out.
    pub(crate) tokens: Vec<Token>,
    /// Contents of string literals.
    pub(crate) texts: Vec<Token>,
    /// The modules in other files that are compiled for tests only.
    pub(crate) test_files: Vec<String>,
}

impl Source {
    /// Reads a file, test modules included.
    pub(crate) fn whole(text: &str) -> Self {
        let mut source = Self::default();
        let bytes = text.as_bytes();
        let (mut at, mut line) = (0, 1);
        while at < bytes.len() {
            let rest = &text[at..];
            let length = match bytes[at] {
                b'/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
                b'/' if rest.starts_with("/*") => block_comment(rest),
                b'"' => source.literal(rest, 0, line),
                b'r' | b'b' | b'c' if literal_prefix(rest).is_some() => {
                    let prefix = literal_prefix(rest).expect("the guard has looked");
                    source.literal(rest, prefix, line)
                }
                b'\'' => quote(rest),
                byte if byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii() => {
                    let word = |c: char| c.is_alphanumeric() || c == '_';
                    let length = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(1);
                    source.tokens.push(Token { text: rest[..length].to_owned(), line });
                    length
                }
                byte if byte.is_ascii_whitespace() => 1,
                _ => {
                    let length = if rest.starts_with("::") { 2 } else { 1 };
                    source.tokens.push(Token { text: rest[..length].to_owned(), line });
                    length
                }
            };
            line += rest[..length].matches('\n').count();
            at += length;
        }
        source
    }

    /// Reads a file without what only tests see.
    pub(crate) fn shipped(text: &str) -> Self {
        let mut source = Self::whole(text);
        let tokens = std::mem::take(&mut source.tokens);
        let mut hidden = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let words = |from: usize, wanted: &[&str]| {
                tokens.get(from..from + wanted.len()).is_some_and(|found| found.iter().map(|t| &t.text).eq(wanted))
            };
            if words(at, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
                return Self::default();
            }
            if words(at, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                let end = item_end(&tokens, at + 7);
                if let Some(module) = (at + 7..end).find(|&i| tokens[i].text == "mod")
                    && words(module + 2, &[";"])
                {
                    source.test_files.push(tokens[module + 1].text.clone());
                }
                hidden.push(tokens[at].line..=tokens[end - 1].line);
                at = end;
            } else {
                source.tokens.push(tokens[at].clone());
                at += 1;
            }
        }
        source.texts.retain(|text| !hidden.iter().any(|lines| lines.contains(&text.line)));
        source
    }

    /// Takes a string literal of which `prefix` bytes stand before the quote; answers its length.
    fn literal(&mut self, rest: &str, prefix: usize, line: usize) -> usize {
        let hashes = rest[..prefix].matches('#').count();
        let raw = rest[..prefix].contains('r');
        let body = &rest[prefix + 1..];
        let close = format!("\"{}", "#".repeat(hashes));
        let mut end = 0;
        while end < body.len() && !body[end..].starts_with(&close) {
            let skip_escape = !raw && body[end..].starts_with('\\');
            end += 1 + usize::from(skip_escape);
            while end < body.len() && !body.is_char_boundary(end) {
                end += 1;
            }
        }
        let end = end.min(body.len());
        self.texts.push(Token { text: body[..end].to_owned(), line });
        (prefix + 1 + end + close.len()).min(rest.len())
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at >= rest.len() {
            return at.min(rest.len());
        }
    }
}

/// The bytes before the quote of `r"`, `r#"`, `b"`, `br##"`, `c"`; none if it is a word.
fn literal_prefix(rest: &str) -> Option<usize> {
    let letters = rest.find(|c| !matches!(c, 'b' | 'r' | 'c')).filter(|&count| count <= 2)?;
    let hashes = rest[letters..].find(|c| c != '#')?;
    (rest[letters + hashes..].starts_with('"') && (hashes == 0 || rest[..letters].contains('r')))
        .then_some(letters + hashes)
}

/// The length of a character literal, or of a lifetime's tick.
fn quote(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(rest.len(), |end| 3 + end + 1),
        Some((_, _)) => match chars.next() {
            Some((end, '\'')) => end + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Where the item that begins at `at` ends: behind its `;` or its closing brace.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" if depth <= 1 => return index + 1,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[test]
fn words_are_told_from_comments_texts_and_characters() {
    let source = Source::whole(
        r##"// unsafe
        /* a /* nested */ unsafe */ fn f<'a>(x: &'a str) -> char { let y = b"un\"safe"; let _ = r#"raw " unsafe"#; '"' }
        const C: char = '\''; use a::b;"##,
    );
    let words: Vec<_> = source.tokens.iter().map(|token| token.text.as_str()).collect();
    assert!(!words.contains(&"unsafe"), "{words:?}");
    assert_eq!(words[words.len() - 5..], ["use", "a", "::", "b", ";"]);
    assert_eq!(source.tokens.last().expect("a token").line, 3);
    let texts: Vec<_> = source.texts.iter().map(|text| text.text.as_str()).collect();
    assert_eq!(texts, [r#"un\"safe"#, r#"raw " unsafe"#]);
}

#[test]
fn what_only_tests_see_is_left_out() {
    let source = Source::shipped(
        "use a; #[cfg(test)] #[allow(x)] mod tests { fn f() { g() } } #[cfg(test)] mod testing; \
         #[cfg(test)] use b; fn h() {}",
    );
    let words: Vec<_> = source.tokens.iter().map(|token| token.text.as_str()).collect();
    assert_eq!(words.join(" "), "use a ; fn h ( ) { }");
    assert_eq!(source.test_files, ["testing"]);
    assert!(Source::shipped("#![cfg(test)]\nfn f() {}").tokens.is_empty());
}
