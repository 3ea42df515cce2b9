//! Pages by HTTP, over a connection that is kept.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::sshd::HOST;

/// Longer than a server takes that starts an application while it is asked.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who asks a server on this machine.
pub struct Http {
    port: u16,
    connection: Option<BufReader<TcpStream>>,
}

impl Http {
    /// Asks the server at `port`.
    pub fn to(port: u16) -> Self {
        Self { port, connection: None }
    }

    /// What it answers for `path`: status and content.
    ///
    /// # Errors
    /// If it does not answer, or stops in the middle of what it says.
    pub fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        write!(connection.get_mut(), "GET {path} HTTP/1.1\r\nHost: {HOST}:{}\r\n\r\n", self.port)?;
        let status = line(&mut connection)?.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| malformed("no status"))?;
        let (mut length, mut stays) = (None, true);
        loop {
            let line = line(&mut connection)?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            match line.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => length = value.parse().ok(),
                Some(("connection", "close")) => stays = false,
                _ => {}
            }
        }
        let mut content = vec![0; length.ok_or_else(|| malformed("no length"))?];
        connection.read_exact(&mut content)?;
        self.connection = stays.then_some(connection);
        Ok((status, content))
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect((HOST, self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(BufReader::new(stream))
    }
}

/// The next line of a head.
fn line(connection: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if connection.take(64 << 10).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
