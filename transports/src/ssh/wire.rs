//! What is said on a connection: requests to the far side's shell, and its answers. See `shell.sh`.
//!
//! A request is written as lines; whatever could mean something to a shell is quoted or escaped here. An answer is
//! what the far side prints up to a line with the request's nonce: sixteen random bytes that no content can know. So
//! content of any bytes is passed as it is, and an answer is read to its end whatever it holds.

use std::fmt::Write as _;

use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::random_bytes;

/// What reads requests on the far side.
const SHELL: &str = include_str!("shell.sh");

/// The longest line with status and message that is read.
const MAX_TRAILER: usize = 8 << 10;

/// Something for the far side to do.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    call: String,
    bytes: Option<Vec<u8>>,
    text: Option<Vec<u8>>,
    /// Whether it is left out when the request before it did not succeed.
    gated: bool,
    /// The most bytes that the answer may have.
    limit: usize,
}

impl Request {
    /// Calls the far side's function `function`.
    pub(crate) fn call(function: &'static str) -> Self {
        Self { call: function.to_owned(), bytes: None, text: None, gated: false, limit: 1 << 10 }
    }

    /// An argument, quoted.
    pub(crate) fn arg(mut self, argument: impl AsRef<[u8]>) -> Result<Self> {
        self.call.push(' ');
        quote(&mut self.call, argument.as_ref())?;
        Ok(self)
    }

    /// A word of the shell's, as it is.
    pub(crate) fn word(mut self, word: &'static str) -> Self {
        self.call.push(' ');
        self.call.push_str(word);
        self
    }

    /// Calls another function, if the one before it succeeds: one request, one answer.
    pub(crate) fn then(mut self, function: &'static str) -> Self {
        self.call.push_str(" && ");
        self.call.push_str(function);
        self
    }

    /// A number as an argument.
    pub(crate) fn number(mut self, number: u64) -> Self {
        let _ = write!(self.call, " {number}");
        self
    }

    /// What is to be written.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes = Some(bytes.to_vec());
        self
    }

    /// What goes to the file that the far side's functions name `text`. Only in a request that is asked alone.
    pub(crate) fn text(mut self, mut text: Vec<u8>) -> Self {
        // A count of 1 means something else.
        text.resize(text.len().max(2), b'\n');
        self.text = Some(text);
        self
    }

    /// Left out when the request before it did not succeed.
    pub(crate) fn gated(mut self) -> Self {
        self.gate();
        self
    }

    /// The same, in place.
    pub(crate) fn gate(&mut self) {
        self.gated = true;
    }

    /// The most bytes that the answer may have.
    pub(crate) fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u8,
    /// What was printed.
    pub(crate) bytes: Vec<u8>,
    /// What went wrong, in the far side's words.
    pub(crate) message: String,
}

/// What the far side is to be able to do, and what it must know for that.
#[derive(Clone, Debug)]
pub(crate) struct FarShell {
    /// The functions that are called, for a POSIX shell.
    pub(crate) functions: &'static str,
    /// What the functions find in which variables.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// The first line: the far side's program, for a shell that reads one line and evaluates it.
pub(crate) fn greeting(far: &FarShell) -> Result<Vec<u8>> {
    let mut program = String::from("LC_ALL=C\nexport LC_ALL\n");
    for (name, value) in &far.variables {
        program.push_str(name);
        program.push('=');
        quote(&mut program, value.as_bytes())?;
        program.push('\n');
    }
    program.push_str(far.functions);
    program.push_str(SHELL);
    let mut line = escaped(program.as_bytes());
    line.push(b'\n');
    Ok(line)
}

/// What the far side's account runs. Any login shell reads it, also those that are no POSIX shells.
pub(crate) const START: &str = r#"exec /bin/sh -c 'IFS= read -r x && eval "$(printf %b "$x")"'"#;

/// The line that the far side prints when it is ready.
pub(crate) const READY: &[u8] = b"ready\n";

/// A request on its way: its lines, and how its answer is known.
#[derive(Debug)]
pub(crate) struct Sent {
    nonce: String,
    limit: usize,
}

/// Writes `request` behind `lines`.
pub(crate) fn write(lines: &mut Vec<u8>, request: &Request) -> Result<Sent> {
    let nonce = data_encoding::HEXLOWER.encode(&random_bytes()?);
    let gate = if request.gated { 'g' } else { '-' };
    let count = request.text.as_ref().map_or_else(|| usize::from(request.bytes.is_some()), Vec::len);
    lines.extend_from_slice(format!("{nonce} {gate} {count}\n{}\n", request.call).as_bytes());
    if let Some(text) = &request.text {
        lines.extend_from_slice(text);
    }
    if let Some(bytes) = &request.bytes {
        lines.extend_from_slice(&escaped(bytes));
        lines.push(b'\n');
    }
    Ok(Sent { nonce, limit: request.limit })
}

/// What has arrived and was not read yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// How far it was searched for the end of an answer.
    searched: usize,
}

impl Inbox {
    /// Takes what has arrived.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes a line that must come now; `None` while it is not whole.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<Option<()>> {
        let common = self.bytes.len().min(line.len());
        if self.bytes[..common] != line[..common] {
            let said = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(80)]).escape_debug().to_string();
            return Err(Error::new(ErrorKind::Unsupported, format!("the far side says {said:?} before anything else"))
                .hint("the account's start-up files must print nothing when no terminal is there"));
        }
        Ok((common == line.len()).then(|| drop(self.bytes.drain(..common))))
    }

    /// Takes the answer to `sent`; `None` while it is not whole.
    pub(crate) fn answer(&mut self, sent: &Sent) -> Result<Option<Reply>> {
        let mark = format!("\n{} ", sent.nonce);
        let from = self.searched.saturating_sub(mark.len());
        let Some(found) = find(&self.bytes[from..], mark.as_bytes()) else {
            self.searched = self.bytes.len();
            if self.bytes.len() > sent.limit.saturating_add(MAX_TRAILER) {
                return Err(Error::new(ErrorKind::Damaged, format!("there are more than {} bytes", sent.limit)));
            }
            return Ok(None);
        };
        let end = from + found;
        let after = end + mark.len();
        let rest = &self.bytes[after..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            self.searched = end;
            if rest.len() > MAX_TRAILER {
                return Err(garbled());
            }
            return Ok(None);
        };
        let trailer = String::from_utf8_lossy(&rest[..length]).into_owned();
        let (status, message) = trailer.split_once(' ').ok_or_else(garbled)?;
        let status = status.parse().map_err(|_| garbled())?;
        let message = message.trim().chars().flat_map(char::escape_debug).collect();
        if end > sent.limit {
            return Err(Error::new(ErrorKind::Damaged, format!("there are more than {} bytes", sent.limit)));
        }
        let bytes = self.bytes[..end].to_vec();
        self.bytes.drain(..after + length + 1);
        self.searched = 0;
        Ok(Some(Reply { status, bytes, message }))
    }
}

fn garbled() -> Error {
    Error::new(ErrorKind::Unreachable, "the far side's answer is garbled")
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// `text` as one word of a shell.
fn quote(out: &mut String, text: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.contains(char::is_control));
    let text = text.ok_or_else(|| {
        Error::new(ErrorKind::Usage, "a name in a hub behind ssh must be UTF-8, without control characters")
    })?;
    out.push('\'');
    for character in text.chars() {
        if character == '\'' { out.push_str(r"'\''") } else { out.push(character) }
    }
    out.push('\'');
    Ok(())
}

/// `bytes` for `printf %b`, on one line.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\0{byte:03o}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_ends_where_its_nonce_stands() {
        let mut lines = Vec::new();
        let sent = write(&mut lines, &Request::call("get").arg("a'b c").expect("a name").limit(20)).expect("writes");
        assert_eq!(lines, format!("{} - 0\nget 'a'\\''b c'\n", sent.nonce).into_bytes());
        let mut inbox = Inbox::default();
        let whole = format!("one\ntwo\0\n\n{} 44 it is gone \nrest", sent.nonce);
        for byte in &whole.as_bytes()[..whole.len() - 5] {
            assert_eq!(inbox.answer(&sent).expect("reads"), None);
            inbox.put(&[*byte]);
        }
        inbox.put(b"\nrest");
        let answer = inbox.answer(&sent).expect("reads").expect("whole");
        assert_eq!((answer.status, &answer.bytes[..], &answer.message[..]), (44, &b"one\ntwo\0\n"[..], "it is gone"));
        assert_eq!(inbox.bytes, b"rest");
    }

    #[test]
    fn an_answer_without_end_is_refused() {
        let mut lines = Vec::new();
        let sent = write(&mut lines, &Request::call("get").limit(20)).expect("writes");
        let mut inbox = Inbox::default();
        let mut refused = false;
        for _ in 0..20 {
            inbox.put(&[b'x'; 1 << 10]);
            refused |= inbox.answer(&sent).is_err();
        }
        assert!(refused);
        let mut inbox = Inbox::default();
        inbox.put(format!("{}\n{} 0 \n", "x".repeat(21), sent.nonce).as_bytes());
        assert_eq!(inbox.answer(&sent).expect_err("too long").kind(), ErrorKind::Damaged);
    }

    #[test]
    fn a_chatty_account_is_named() {
        let mut inbox = Inbox::default();
        inbox.put(b"rea");
        assert_eq!(inbox.line(READY).expect("so far"), None);
        inbox.put(b"dy\nmore");
        assert_eq!(inbox.line(READY).expect("ready"), Some(()));
        inbox.put(b"");
        assert!(inbox.line(READY).expect_err("chatty").to_string().contains("more"));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_one_line_of_plain_characters(bytes: Vec<u8>) {
            prop_assert!(escaped(&bytes).iter().all(|byte| (b' '..=b'~').contains(byte)));
        }
    }
}
