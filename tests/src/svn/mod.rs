//! A real Subversion repository, the servers in front of it, and the people who use it.
//!
//! Nothing of the machine's own configuration is read or changed: repository, settings, passwords and logs lie in
//! temporary directories, and each person has a `--config-dir` of their own. `svn` and its like and `svnserve` are
//! installed, which starts nothing; Apache and its modules come from unpacked packages, so that no service is there.
//!
//! | file | is |
//! |---|---|
//! | `repository` | [`Repository`]: made, looked at from behind, checked; its hooks |
//! | `access` | [`Access`]: who may do what in it, which both servers obey |
//! | `account` | [`Account`]: a name and a password |
//! | `dump` | [`Node`]: what a revision holds, byte by byte |
//! | `person` | [`Person`]: the system's `svn`, `svnmucc` and `svnrdump`, told where and as whom |
//! | `svnserve` | [`Svnserve`]: `svn://` |
//! | `apache` | [`Apache`]: `http://` and `https://` |
//! | `site` | its configuration |
//! | `ground` | [`Shelf`]: a repository as a place that transports are tried on |
//! | `certificate` | [`Certificate`]: what it shows for `https://` |
//!
//! A [`crate::sshd::Relay`] can stand in front of either: `url_at` gives the address with its port.
//!
//! What was seen of the programs, and is not what one expects:
//! - what is forbidden has several names: on `svn://` E170001, but E220004 where a writer commits beneath a hidden
//!   path; on `http://` all of it is E175013;
//! - over `http://` a client that loses its connection sends the request again, even the one that commits: it goes well
//!   though the server died in the middle of it. On `svn://` that commit fails;
//! - `svn` takes what follows the last `@` of an address for a revision, `svnmucc` does not;
//! - `svnserve` has one name for no password and a wrong one and a path that is forbidden, E170001; `http://` has two.
//!
//! What differs from a server out there:
//! - each serves one repository; its address ends in `/repository`;
//! - the passwords are known, and in the command line of the person who uses them;
//! - where root runs the tests, Apache runs as nobody, for it is not made to serve as root. It keeps the right to write
//!   into root's directories, and owns what it has committed;
//! - Apache keeps one process for up to 16 requests at once, to start soon; it adds more when they are wanted. Limits
//!   are Apache's own: 100 requests a connection, which is idle for at most 5 seconds.

mod access;
mod account;
mod apache;
mod certificate;
mod dump;
mod ground;
mod person;
mod repository;
mod site;
mod svnserve;

pub use access::Access;
pub use account::{Account, READER, WRITER};
pub use apache::Apache;
pub use certificate::Certificate;
pub use dump::Node;
pub use ground::Shelf;
pub use person::Person;
pub use repository::{Backup, Repository};
pub use svnserve::Svnserve;

/// Where servers listen.
pub const HOST: &str = "127.0.0.1";

/// What the servers call the repository.
const NAME: &str = "repository";

/// The Debian package with the programs.
const PACKAGE: &str = "subversion";
