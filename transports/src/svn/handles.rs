//! How many files `svnmucc` may open: it opens every content of a commit before it sends the first, so a publish of more
//! files than the usual 1,024 needs a higher limit. Up to what the system allows this process raises its own, which its
//! children inherit.

use depsync_engine::error::{Error, ErrorKind, Result};
use rustix::process::{Resource, getrlimit, setrlimit};

/// What a program opens beside contents: pipes, sockets, libraries, settings.
const OTHERS: u64 = 64;

/// Lets the programs that are started from here on open `contents` files at once.
pub(super) fn allow(contents: usize) -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = contents as u64 + OTHERS;
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if let Some(most) = limit.maximum.filter(|most| *most < wanted) {
        let what =
            format!("`svnmucc` opens all {contents} contents of a commit at once, and may open {most} files here");
        return Err(Error::new(ErrorKind::Unsupported, what)
            .hint("raise the hard limit (`ulimit -Hn`, `LimitNOFILE=` of a service), or publish in parts"));
    }
    limit.current = Some(wanted);
    setrlimit(Resource::Nofile, limit)
        .map_err(|source| Error::io("raise", "the limit of open files", std::io::Error::from(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_enough_is_left_as_it_is() {
        let before = getrlimit(Resource::Nofile);
        allow(1).expect("it is enough");
        assert_eq!(getrlimit(Resource::Nofile).current, before.current);
        let error = before.maximum.and_then(|most| allow(usize::try_from(most).ok()?).err());
        assert_eq!(error.map(|error| error.kind()), before.maximum.map(|_| ErrorKind::Unsupported));
    }
}
