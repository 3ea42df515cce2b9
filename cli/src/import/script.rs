//! What a cron script would do, found out without running it: which directory its rsync sends, to which nodes, how.
//!
//! Assignments are followed from the top to the bottom, whatever `if` they stand in. What a variable holds is a row of
//! [`Piece`]s: letters, the node of a loop, the words of a file, or something that is not understood. Only where that
//! reaches the directory or the nodes it is a failure; elsewhere it is a [`Remark`].

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Remark;
use super::shell::{self, Part, Redirect, Statement, Word};

/// What stands in the place of letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The node of the loop of this number.
    Each(usize),
    /// The words of a list.
    List(Source),
    /// Something that is not understood, as it stands in the script.
    Unknown(String),
}

/// Where the nodes of a loop come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file, word by word.
    File(PathBuf),
    /// A file, line by line.
    Lines(PathBuf),
    /// The script itself.
    Words(Vec<String>),
    /// Not understood, as it stands in the script.
    Unknown(String),
}

/// A loop over nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loop {
    pub(super) source: Source,
    pub(super) line: usize,
}

/// A word of a command, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) pieces: Vec<Piece>,
    pub(super) line: usize,
}

impl Field {
    /// The letters, if it is nothing else.
    pub(super) fn text(&self) -> Option<String> {
        self.pieces.iter().map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None }).collect()
    }

    /// As it stands in the script, more or less: for remarks.
    pub(super) fn shown(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) | Piece::Unknown(text) => text.clone(),
            Piece::Each(_) => "(each node)".to_owned(),
            Piece::List(_) => "(a list)".to_owned(),
        };
        self.pieces.iter().map(piece).collect()
    }
}

/// An rsync of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// What stands behind `rsync`.
    pub(super) arguments: Vec<Field>,
    pub(super) line: usize,
    /// Where its output goes.
    pub(super) log: Option<(PathBuf, usize)>,
    /// Where it was started, if that is known.
    pub(super) cwd: Option<PathBuf>,
}

/// What the script would do.
#[derive(Clone, Debug, Default)]
pub(super) struct Outline {
    pub(super) calls: Vec<Call>,
    pub(super) loops: Vec<Loop>,
    /// Where the rest of the output goes.
    pub(super) log: Option<(PathBuf, usize)>,
    pub(super) remarks: Vec<Remark>,
    pub(super) unclosed: Option<usize>,
}

/// Follows `text`, the script at `path`; `home` is that of the user who runs it.
pub(super) fn follow(text: &str, path: &Path, home: Option<&Path>) -> Outline {
    let script = shell::read(text, 1);
    let mut follower = Follower {
        path,
        home,
        // Where cron starts it.
        cwd: home.map(Path::to_owned),
        left: Vec::new(),
        variables: BTreeMap::new(),
        open: Vec::new(),
        piped: None,
        tee: false,
        functions: &script.functions,
        depth: Cell::new(0),
        outline: Outline { unclosed: script.unclosed, ..Outline::default() },
    };
    if let Some(home) = home.and_then(Path::to_str) {
        follower.variables.insert("HOME".to_owned(), vec![Piece::Text(home.to_owned())]);
    }
    for statement in &script.statements {
        follower.statement(statement);
    }
    follower.outline
}

/// Commands that a script needs for itself, and that mean nothing for what is deployed.
const SCAFFOLDING: [&str; 31] = [
    "echo", "printf", "mkdir", "rmdir", "rm", "trap", "pushd", "popd", "cd", "exit", "set", "date", "[", "[[", "test",
    "true", ":", "sleep", "touch", "flock", "logger", "done", "fi", "esac", "return", "shift", "wait", "tee", "cat",
    "read", "exec",
];
/// Words before the first command of a statement.
const KEYWORDS: [&str; 11] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "time"];
/// Commands that start the command behind them.
const STARTERS: [&str; 9] = ["sudo", "nice", "ionice", "timeout", "flock", "env", "exec", "nohup", "command"];

/// The most commands within one another that are followed.
const MAX_DEPTH: u32 = 6;
/// The longest value of a variable.
const MAX_VALUE: usize = 32 << 10;

struct Follower<'a> {
    path: &'a Path,
    home: Option<&'a Path>,
    cwd: Option<PathBuf>,
    /// Directories that `popd` goes back to.
    left: Vec<Option<PathBuf>>,
    variables: BTreeMap<String, Vec<Piece>>,
    /// The loops that are open: their numbers where they go over nodes.
    open: Vec<Option<usize>>,
    /// What the statement before passes on.
    piped: Option<Vec<Piece>>,
    /// Whether the statement before was an rsync that passes its output on.
    tee: bool,
    functions: &'a BTreeSet<String>,
    /// How deep in commands within commands.
    depth: Cell<u32>,
    outline: Outline,
}

impl Follower<'_> {
    fn statement(&mut self, statement: &Statement) {
        let piped = self.piped.take();
        let tee = std::mem::take(&mut self.tee);
        let mut words = statement.words.as_slice();
        let mut opens_loop = false;
        while let Some(word) = words.first().and_then(Word::plain).filter(|word| KEYWORDS.contains(word)) {
            opens_loop |= matches!(word, "while" | "until");
            words = &words[1..];
        }
        match words.first().and_then(Word::plain) {
            Some("for") => return self.begin_for(words),
            Some("case") => return,
            Some("done") => return self.end_loop(statement),
            Some("export" | "readonly" | "local" | "declare" | "typeset") => {
                let options =
                    words[1..].iter().take_while(|word| word.plain().is_some_and(|text| text.starts_with('-')));
                words = &words[1 + options.count()..];
            }
            _ => {}
        }
        while let Some((name, value)) = words.first().and_then(Word::assignment) {
            let pieces = self.pieces(&value);
            self.variables.insert(name.to_owned(), pieces);
            words = &words[1..];
        }
        if opens_loop {
            self.begin_while(words, piped.as_deref());
            return;
        }
        let fields: Vec<Field> = words.iter().flat_map(|word| self.fields(word)).collect();
        let line = words.first().map_or(0, |word| word.line);
        let Some(command) = fields.first() else { return };
        match command.text().as_deref().map(basename) {
            Some("tee") if tee => {
                let file = fields[1..].iter().find_map(|field| field.text().filter(|text| !text.starts_with('-')));
                if let (Some(file), Some(call)) =
                    (file.and_then(|file| self.resolve(&file)), self.outline.calls.last_mut())
                {
                    call.log.get_or_insert((file, line));
                }
            }
            Some("cd") => self.cwd = self.directory(fields.get(1)),
            Some("pushd") => {
                let target = self.directory(fields.get(1));
                self.left.push(std::mem::replace(&mut self.cwd, target));
            }
            Some("popd") => self.cwd = self.left.pop().flatten(),
            Some("exec") if fields.len() == 1 => self.outline.log = self.log(&statement.redirects),
            Some("cat" | "grep") if statement.piped && piped.is_none() => {
                self.piped = Some(self.output(std::slice::from_ref(statement)));
            }
            Some(_) if statement.piped && piped.is_some() && self.passes_on(statement) => self.piped = piped,
            Some("." | "source") => self.remark(line, "another file is read there, and what it sets is not known"),
            name => {
                if let Some(at) = call_of(&fields) {
                    let log = self.log(&statement.redirects);
                    let (arguments, cwd) = (fields[at + 1..].to_vec(), self.cwd.clone());
                    self.outline.calls.push(Call { arguments, line: fields[at].line, log, cwd });
                    self.tee = statement.piped;
                } else if !name.is_some_and(|name| SCAFFOLDING.contains(&name) || self.functions.contains(name)) {
                    let starts = |field: &&Field| field.text().is_some_and(|text| STARTERS.contains(&basename(&text)));
                    let started = fields.iter().find(|field| !starts(field)).unwrap_or(command).shown();
                    self.remark(line, format!("`{started}` is not taken over"));
                }
            }
        }
    }

    fn remark(&mut self, line: usize, what: impl Into<String>) {
        let remark = Remark { line, what: what.into() };
        if !self.outline.remarks.contains(&remark) {
            self.outline.remarks.push(remark);
        }
    }

    /// `for NAME in WORDS`.
    fn begin_for(&mut self, words: &[Word]) {
        let (Some(name), line) = (words.get(1).and_then(Word::plain), words[0].line) else {
            return self.open.push(None);
        };
        let fields: Vec<Field> = words.iter().skip(3).flat_map(|word| self.fields(word)).collect();
        let pieces: Vec<&Piece> = fields.iter().flat_map(|field| &field.pieces).collect();
        let source = match pieces.as_slice() {
            [Piece::List(source)] => source.clone(),
            _ => {
                let texts: Option<Vec<String>> = fields.iter().map(Field::text).collect();
                let shown = || fields.iter().map(Field::shown).collect::<Vec<_>>().join(" ");
                texts.map_or_else(|| Source::Unknown(shown()), Source::Words)
            }
        };
        self.begin(name, source, line);
    }

    /// `while read NAME`.
    fn begin_while(&mut self, words: &[Word], piped: Option<&[Piece]>) {
        let names: Vec<&str> = match words.first().and_then(Word::plain) {
            Some("read") => words[1..].iter().filter_map(Word::plain).filter(|word| !word.starts_with('-')).collect(),
            _ => Vec::new(),
        };
        let [name] = names.as_slice() else {
            return self.open.push(None);
        };
        let source = match piped {
            Some([Piece::List(Source::File(file))]) => Source::Lines(file.clone()),
            _ => Source::Unknown(format!("while read {name}")),
        };
        self.begin(name, source, words[0].line);
    }

    fn begin(&mut self, name: &str, source: Source, line: usize) {
        let number = self.outline.loops.len();
        self.outline.loops.push(Loop { source, line });
        self.variables.insert(name.to_owned(), vec![Piece::Each(number)]);
        self.open.push(Some(number));
    }

    /// `done < FILE >> LOG`.
    fn end_loop(&mut self, statement: &Statement) {
        let number = self.open.pop().flatten();
        let input = statement.redirects.iter().find(|redirect| redirect.operator == "<");
        let file = input.and_then(|redirect| self.text_of(&redirect.target)).and_then(|file| self.resolve(&file));
        if let (Some(number), Some(file)) = (number, file) {
            let source = &mut self.outline.loops[number].source;
            if matches!(source, Source::Unknown(_)) {
                *source = Source::Lines(file);
            }
        }
        if let Some(log) = self.log(&statement.redirects) {
            self.outline.log.get_or_insert(log);
        }
    }

    /// The file that what is printed goes to.
    fn log(&self, redirects: &[Redirect]) -> Option<(PathBuf, usize)> {
        let output = |redirect: &&Redirect| {
            matches!(redirect.operator.as_str(), ">" | ">>" | ">|" | "&>" | "&>>") && redirect.from != Some(2)
        };
        let found = redirects.iter().find(output)?;
        let file = self.resolve(&self.text_of(&found.target)?)?;
        (!file.starts_with("/dev")).then_some((file, found.target.line))
    }

    fn directory(&self, field: Option<&Field>) -> Option<PathBuf> {
        match field {
            None => self.home.map(Path::to_owned),
            Some(field) => self.resolve(&field.text()?),
        }
    }

    fn resolve(&self, path: &str) -> Option<PathBuf> {
        if path.starts_with('/') { Some(path.into()) } else { self.cwd.as_ref().map(|cwd| cwd.join(path)) }
    }

    fn text_of(&self, word: &Word) -> Option<String> {
        Field { pieces: self.pieces(word), line: word.line }.text()
    }

    /// A word as the value of an assignment: blanks stay.
    fn pieces(&self, word: &Word) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (at, part) in word.parts.iter().enumerate() {
            for piece in self.part(part, at == 0) {
                add(&mut pieces, piece);
            }
        }
        // A script that doubles a variable again and again means nothing here.
        let length = |piece: &Piece| if let Piece::Text(text) = piece { text.len() } else { 1 };
        if pieces.iter().map(length).sum::<usize>() > MAX_VALUE {
            return vec![Piece::Unknown("(a very long text)".to_owned())];
        }
        pieces
    }

    /// A word as words of a command: what an unquoted variable holds is separated at its blanks.
    fn fields(&self, word: &Word) -> Vec<Field> {
        let mut fields: Vec<Vec<Piece>> = vec![Vec::new()];
        for (at, part) in word.parts.iter().enumerate() {
            let splits = matches!(part, Part::Variable { quoted: false, .. } | Part::Command { quoted: false, .. });
            for piece in self.part(part, at == 0) {
                match piece {
                    Piece::Text(text) if splits => {
                        for (index, run) in text.split(char::is_whitespace).enumerate() {
                            if index > 0 && fields.last().is_some_and(|field| !field.is_empty()) {
                                fields.push(Vec::new());
                            }
                            if let (false, Some(field)) = (run.is_empty(), fields.last_mut()) {
                                add(field, Piece::Text(run.to_owned()));
                            }
                        }
                    }
                    piece => fields.last_mut().into_iter().for_each(|field| add(field, piece.clone())),
                }
            }
        }
        fields.retain(|field| !field.is_empty());
        fields.into_iter().map(|pieces| Field { pieces, line: word.line }).collect()
    }

    fn part(&self, part: &Part, first: bool) -> Vec<Piece> {
        let text = |text: &str| vec![Piece::Text(text.to_owned())];
        match part {
            Part::Text { text: letters, quoted: false } if first && letters.starts_with('~') => {
                let rest = &letters[1..];
                match self.home.and_then(Path::to_str) {
                    Some(home) if rest.is_empty() || rest.starts_with('/') => text(&format!("{home}{rest}")),
                    _ => vec![Piece::Unknown(letters.clone())],
                }
            }
            Part::Text { text: letters, .. } => text(letters),
            Part::Variable { name, .. } if name == "0" => text(&self.path.to_string_lossy()),
            Part::Variable { name, .. } if name == "PWD" => match &self.cwd {
                Some(cwd) => text(&cwd.to_string_lossy()),
                None => vec![Piece::Unknown("$PWD".to_owned())],
            },
            Part::Variable { name, .. } => {
                self.variables.get(name).cloned().unwrap_or_else(|| vec![Piece::Unknown(format!("${name}"))])
            }
            Part::Other(letters) if letters.starts_with("${BASH_SOURCE") => text(&self.path.to_string_lossy()),
            Part::Other(letters) => vec![Piece::Unknown(letters.clone())],
            Part::Command { text, .. } if self.depth.get() < MAX_DEPTH => {
                self.depth.set(self.depth.get() + 1);
                let printed = self.output(&shell::read(text, 1).statements);
                self.depth.set(self.depth.get() - 1);
                printed
            }
            Part::Command { .. } => vec![Piece::Unknown("$(…)".to_owned())],
        }
    }

    /// What a few commands print: those that find the script's own directory, and those that print a list.
    fn output(&self, statements: &[Statement]) -> Vec<Piece> {
        self.printed(statements).unwrap_or_else(|| {
            let words = statements.iter().flat_map(|statement| &statement.words);
            let shown: Vec<String> = words.map(|word| Field { pieces: self.pieces(word), line: 0 }.shown()).collect();
            vec![Piece::Unknown(format!("$({})", shown.join(" ")))]
        })
    }

    fn printed(&self, statements: &[Statement]) -> Option<Vec<Piece>> {
        let (first, rest) = statements.split_first()?;
        let fields: Vec<String> =
            first.words.iter().flat_map(|word| self.fields(word)).map(|field| field.text()).collect::<Option<_>>()?;
        let words: Vec<&str> = fields.iter().map(String::as_str).collect();
        let path = |text: &str| Some(vec![Piece::Text(self.resolve(text)?.to_str()?.to_owned())]);
        let list = |file: &str| Some(vec![Piece::List(Source::File(self.resolve(file)?))]);
        match (words.as_slice(), rest) {
            ([], []) => {
                let [Redirect { operator, target, .. }] = first.redirects.as_slice() else { return None };
                if operator == "<" { list(&self.text_of(target)?) } else { None }
            }
            (["cat", file], rest) | (["grep", "-v", _, file], rest) => {
                let harmless =
                    (words[0] == "cat" || drops_comments(words[2])) && rest.iter().all(|one| self.passes_on(one));
                if harmless { list(file) } else { None }
            }
            (["pwd"] | ["pwd", "-P" | "-L"], []) => Some(vec![Piece::Text(self.cwd.as_ref()?.to_str()?.to_owned())]),
            (["cd", "--", to] | ["cd", "-P", to] | ["cd", to], [then])
                if then.words.first()?.plain() == Some("pwd") =>
            {
                path(to)
            }
            (["dirname", "--", of] | ["dirname", of], []) => {
                let above = Path::new(of).parent()?.to_str()?;
                Some(vec![Piece::Text(if above.is_empty() { "." } else { above }.to_owned())])
            }
            (["basename", of], []) => Some(vec![Piece::Text(basename(of).to_owned())]),
            (["realpath", of] | ["readlink", "-f" | "-e" | "-m", of], []) => path(of),
            (["echo", words @ ..], []) => Some(vec![Piece::Text(words.join(" "))]),
            _ => None,
        }
    }

    /// Whether a filter behind a list passes on every node that depsync would read in it.
    fn passes_on(&self, statement: &Statement) -> bool {
        let words: Option<Vec<String>> = statement.words.iter().map(|word| self.text_of(word)).collect();
        match words.iter().flatten().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["sort" | "uniq"] | ["sort", "-u"] | ["tr", "-d", "\\r"] => true,
            ["grep", "-v", pattern] | ["grep", "-v", "-e" | "-E", pattern] | ["grep", "-Ev" | "-vE", pattern] => {
                drops_comments(pattern)
            }
            _ => false,
        }
    }
}

/// Whether what `grep -v` drops is nothing but comments and blank lines.
fn drops_comments(pattern: &str) -> bool {
    let one = |one: &str| {
        let bare = one.replace("\\s*", "").replace("[[:space:]]*", "").replace(" *", "");
        matches!(bare.trim_matches(['(', ')']), "^#" | "^$")
    };
    pattern.split('|').all(|part| one(part.trim_end_matches('\\')))
}

/// Where in a command `rsync` stands, if that is what it starts.
fn call_of(fields: &[Field]) -> Option<usize> {
    let name = |field: &Field| field.text().map(|text| basename(&text).to_owned());
    let at = fields.iter().position(|field| name(field).as_deref() == Some("rsync"))?;
    let started = at == 0 || fields.first().and_then(name).is_some_and(|first| STARTERS.contains(&first.as_str()));
    started.then_some(at)
}

fn basename(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// Adds a piece. Empty letters stand only where there is nothing else.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
        (Some(_), Piece::Text(text)) if text.is_empty() => {}
        (Some(before), piece) if *before == Piece::Text(String::new()) => *before = piece,
        (_, piece) => pieces.push(piece),
    }
}
