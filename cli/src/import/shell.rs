//! The little of a shell's grammar that a cron script needs: statements, words, quotes, redirections. Nothing is run.
//!
//! What a shell would replace (`$x`, `$(…)`) stays a part of its word; what it means is found out elsewhere. Text that no
//! shell would take is read as far as it goes.

use std::collections::BTreeSet;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Letters as they are. In quotes blanks do not separate, and `~` is a letter.
    Text { text: String, quoted: bool },
    /// `$name` or `${name}`.
    Variable { name: String, quoted: bool },
    /// What stands between backticks or in `$(…)`.
    Command { text: String, quoted: bool },
    /// What else begins with a dollar, such as `${name:-x}`; as it stands there.
    Other(String),
}

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    /// Its line, from 1.
    pub(super) line: usize,
}

impl Word {
    /// The word, if it is nothing but unquoted letters: only such a one can be a keyword.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text { text, quoted: false }] => Some(text),
            _ => None,
        }
    }

    /// `name=value`: the name, and the word that is the value.
    pub(super) fn assignment(&self) -> Option<(&str, Self)> {
        let Some(Part::Text { text, quoted: false }) = self.parts.first() else { return None };
        let (name, value) = text.split_once('=')?;
        let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_name);
        let mut parts = self.parts.clone();
        parts[0] = Part::Text { text: value.to_owned(), quoted: false };
        fits.then_some((name, Self { parts, line: self.line }))
    }

    fn push(&mut self, character: char, is_quoted: bool) {
        match self.parts.last_mut() {
            Some(Part::Text { text, quoted }) if *quoted == is_quoted => text.push(character),
            _ => self.parts.push(Part::Text { text: character.into(), quoted: is_quoted }),
        }
    }
}

/// `2>> word`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    /// The number before it, if there is one.
    pub(super) from: Option<u32>,
    pub(super) operator: String,
    pub(super) target: Word,
}

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
    /// Whether its output goes to the next one.
    pub(super) piped: bool,
}

/// A script, in the order of its text.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) statements: Vec<Statement>,
    /// The names of functions. Their commands are among the statements.
    pub(super) functions: BTreeSet<String>,
    /// The line of a quote that is not closed.
    pub(super) unclosed: Option<usize>,
}

/// Reads `text`, whose first line is line `line`.
pub(super) fn read(text: &str, line: usize) -> Script {
    let mut reader = Reader { rest: text.chars().collect(), at: 0, line, script: Script::default() };
    reader.statements();
    reader.script
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    line: usize,
    script: Script,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let found = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(found == '\n');
        Some(found)
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, wanted)| self.peek(ahead) == Some(wanted))
    }

    fn statements(&mut self) {
        let mut statement = Statement::default();
        let mut documents: Vec<String> = Vec::new();
        while let Some(character) = self.peek(0) {
            match character {
                '\n' => {
                    self.next();
                    self.end(&mut statement, false);
                    for end in documents.drain(..) {
                        self.skip_document(&end);
                    }
                }
                '#' => self.skip_line(),
                '&' if self.peek(1) == Some('>') => self.redirect(None, &mut statement, &mut documents),
                '(' if self.peek(1) == Some(')') => {
                    self.at += 2;
                    let words = std::mem::take(&mut statement).words;
                    self.script.functions.extend(words.first().and_then(Word::plain).map(str::to_owned));
                }
                ';' | '&' | '|' | '(' | ')' => {
                    self.next();
                    let twice = self.peek(0) == Some(character);
                    self.at += usize::from(twice);
                    self.end(&mut statement, character == '|' && !twice);
                }
                '<' | '>' => self.redirect(None, &mut statement, &mut documents),
                '\\' if self.peek(1) == Some('\n') => {
                    self.next();
                    self.next();
                }
                _ if character.is_whitespace() => _ = self.next(),
                _ => {
                    let word = self.word();
                    let number = word.plain().and_then(|text| text.parse().ok());
                    if number.is_some() && matches!(self.peek(0), Some('<' | '>')) {
                        self.redirect(number, &mut statement, &mut documents);
                    } else {
                        statement.words.push(word);
                    }
                }
            }
        }
        self.end(&mut statement, false);
    }

    fn end(&mut self, statement: &mut Statement, piped: bool) {
        let mut ended = std::mem::take(statement);
        ended.piped = piped;
        if !ended.words.is_empty() || !ended.redirects.is_empty() {
            self.script.statements.push(ended);
        }
    }

    fn redirect(&mut self, from: Option<u32>, statement: &mut Statement, documents: &mut Vec<String>) {
        let operators = ["&>>", "<<<", "<<-", "&>", ">>", ">|", ">&", "<<", "<&", "<>", ">", "<"];
        let operator = operators.into_iter().find(|operator| self.starts_with(operator)).unwrap_or("<");
        self.at += operator.len();
        while self.peek(0).is_some_and(|character| character == ' ' || character == '\t') {
            self.next();
        }
        let target = self.word();
        if matches!(operator, "<<" | "<<-") {
            let letters =
                target.parts.iter().map(|part| if let Part::Text { text, .. } = part { text.as_str() } else { "" });
            documents.push(letters.collect());
        }
        statement.redirects.push(Redirect { from, operator: operator.to_owned(), target });
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|character| character != '\n') {
            self.next();
        }
    }

    /// Skips the lines of a here-document up to the one that says `end`.
    fn skip_document(&mut self, end: &str) {
        while self.at < self.rest.len() {
            let start = self.at;
            self.skip_line();
            let line: String = self.rest[start..self.at].iter().collect();
            self.next();
            if line.trim_start_matches('\t') == end {
                break;
            }
        }
    }

    fn word(&mut self) -> Word {
        let mut word = Word { parts: Vec::new(), line: self.line };
        while let Some(character) = self.peek(0) {
            match character {
                _ if character.is_whitespace() || ";&|()<>".contains(character) => break,
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(escaped) => word.push(escaped, true),
                    }
                }
                '\'' => {
                    let line = self.line;
                    self.next();
                    // An empty pair of quotes makes a word, too.
                    word.parts.push(Part::Text { text: String::new(), quoted: true });
                    loop {
                        match self.next() {
                            Some('\'') => break,
                            Some(letter) => word.push(letter, true),
                            None => {
                                self.script.unclosed.get_or_insert(line);
                                break;
                            }
                        }
                    }
                }
                '"' => self.double_quoted(&mut word),
                '$' | '`' => self.replaced(&mut word, false),
                _ => {
                    self.next();
                    word.push(character, false);
                }
            }
        }
        word
    }

    fn double_quoted(&mut self, word: &mut Word) {
        let line = self.line;
        self.next();
        word.parts.push(Part::Text { text: String::new(), quoted: true });
        loop {
            match self.peek(0) {
                Some('"') => {
                    self.next();
                    break;
                }
                Some('\\') => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(escaped) => {
                            if !"$`\"\\".contains(escaped) {
                                word.push('\\', true);
                            }
                            word.push(escaped, true);
                        }
                    }
                }
                Some('$' | '`') => self.replaced(word, true),
                Some(letter) => {
                    self.next();
                    word.push(letter, true);
                }
                None => {
                    self.script.unclosed.get_or_insert(line);
                    break;
                }
            }
        }
    }

    /// What begins with a dollar or a backtick.
    fn replaced(&mut self, word: &mut Word, quoted: bool) {
        if self.next() == Some('`') {
            let text = self.until_backtick();
            word.parts.push(Part::Command { text, quoted });
            return;
        }
        match self.peek(0) {
            Some('(') => {
                self.next();
                let text = self.until_closed('(', ')');
                word.parts.push(match text.strip_prefix('(') {
                    Some(_) => Part::Other(format!("$({text})")),
                    None => Part::Command { text, quoted },
                });
            }
            Some('{') => {
                self.next();
                let text = self.until_closed('{', '}');
                let name = !text.is_empty() && text.chars().all(is_name);
                word.parts.push(if name {
                    Part::Variable { name: text, quoted }
                } else {
                    Part::Other(format!("${{{text}}}"))
                });
            }
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let mut name = String::new();
                while let Some(letter) = self.peek(0).filter(|letter| is_name(*letter)) {
                    name.push(letter);
                    self.next();
                }
                word.parts.push(Part::Variable { name, quoted });
            }
            Some(special) if special.is_ascii_digit() || "@*#?$!-".contains(special) => {
                self.next();
                word.parts.push(Part::Variable { name: special.into(), quoted });
            }
            _ => word.push('$', quoted),
        }
    }

    fn until_backtick(&mut self) -> String {
        let (line, mut text) = (self.line, String::new());
        loop {
            match self.next() {
                Some('`') => return text,
                Some('\\') if self.peek(0).is_some_and(|next| "`$\\".contains(next)) => text.extend(self.next()),
                Some(letter) => text.push(letter),
                None => {
                    self.script.unclosed.get_or_insert(line);
                    return text;
                }
            }
        }
    }

    fn until_closed(&mut self, open: char, close: char) -> String {
        let (line, mut depth, mut text, mut quote) = (self.line, 1, String::new(), None);
        loop {
            let Some(letter) = self.next() else {
                self.script.unclosed.get_or_insert(line);
                return text;
            };
            match quote {
                Some(open_quote) if letter == open_quote => quote = None,
                Some(_) => {}
                None if letter == '\'' || letter == '"' => quote = Some(letter),
                None => depth += i32::from(letter == open) - i32::from(letter == close),
            }
            if depth == 0 {
                return text;
            }
            text.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statements as texts: words apart by `|`, quoted letters in quotes.
    fn shown(text: &str) -> Vec<String> {
        let part = |part: &Part| match part {
            Part::Text { text, quoted: true } => format!("'{text}'"),
            Part::Text { text, .. } => text.clone(),
            Part::Variable { name, .. } => format!("${{{name}}}"),
            Part::Command { text, .. } => format!("$({text})"),
            Part::Other(text) => format!("?{text}"),
        };
        let word = |word: &Word| word.parts.iter().map(part).collect::<String>();
        let statement = |statement: &Statement| {
            let mut words: Vec<String> = statement.words.iter().map(word).collect();
            for Redirect { from, operator, target } in &statement.redirects {
                words.push(format!(
                    "{}{operator}{}",
                    from.map_or(String::new(), |from| from.to_string()),
                    word(target)
                ));
            }
            format!("{}{}", words.join("|"), if statement.piped { " |" } else { "" })
        };
        read(text, 1).statements.iter().map(statement).collect()
    }

    #[test]
    fn a_script_is_read_as_a_shell_would_read_it() {
        for (text, wanted) in [
            ("a=1 b c#d # e\n\n f", vec!["a=1|b|c#d", "f"]),
            ("a; b && c || d & e | f", vec!["a", "b", "c", "d", "e |", "f"]),
            ("a 'b c' \"d $e\" f\\ g", vec!["a|'b c'|'d '${e}|f' 'g"]),
            ("a \\\n  b\\\nc", vec!["a|bc"]),
            ("x=`pwd`/y z=$(cat \"a)b\" $(c))", vec!["x=$(pwd)/y|z=$(cat \"a)b\" $(c))"]),
            ("${a}b $1$? ${c:-d} $((1+2)) $", vec!["${a}b|${1}${?}|?${c:-d}|?$((1+2))|$"]),
            ("a>b 2>>c >&2 &>d <e 2f >> \"g\"", vec!["a|2f|>b|2>>c|>&2|&>d|<e|>>'g'"]),
            ("a <<E b\nnot a word\nE\nc", vec!["a|b|<<E", "c"]),
            ("for x in `cat l`; do\nr \"$x\"; done", vec!["for|x|in|$(cat l)", "do", "r|''${x}", "done"]),
            ("(a; b) ''", vec!["a", "b", "''"]),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
        }
    }

    #[test]
    fn lines_are_counted_and_an_open_quote_is_known() {
        let script = read("a\nb \"c\nd\" e\n f 'g", 1);
        let lines: Vec<usize> =
            script.statements.iter().flat_map(|one| one.words.iter().map(|word| word.line)).collect();
        assert_eq!((lines, script.unclosed), (vec![1, 2, 2, 3, 4, 4], Some(4)));
        assert_eq!(read("a `b", 7).unclosed, Some(7));
        assert_eq!(read("a $(b", 7).unclosed, Some(7));
        assert_eq!(read("a b", 7).unclosed, None);
    }

    #[test]
    fn an_assignment_has_a_name() {
        let first = |text: &str| read(text, 1).statements[0].words[0].clone();
        let word = first("a_1=~/b\"c\"");
        let (name, value) = word.assignment().expect("an assignment");
        assert_eq!((name, value.parts.len()), ("a_1", 2));
        for none in ["1a=b", "a-b=c", "=b", "'a=b'", "$a=b", "ab"] {
            assert_eq!(first(none).assignment(), None, "{none}");
        }
    }
}
