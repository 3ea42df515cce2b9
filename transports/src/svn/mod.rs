//! A hub in a Subversion repository, reached by the installed programs `svn`, `svnmucc` and `svnrdump`, 1.10 or newer.
//! There is no working copy, but for one commit in a place of its own where that takes much less.
//!
//! | file | is |
//! |---|---|
//! | `address` | [`SvnAddress`]: what people write |
//! | `url` | [`SvnUrl`]: what the programs take |
//! | `settings` | [`SvnSettings`]: account, password ([`Secret`]), certificates, ssh |
//! | `client` | [`SvnClient`]: the programs, told that |
//! | `failure`, `realm` | what they say when they fail, as errors; whose accounts it is about |
//! | `xml` | what they print, read as it comes |
//! | `info`, `log` | what the repository says of itself, and its revisions |
//! | `dump` | what `svnrdump` writes, read |
//! | `measure` | the tree of a revision, from dumps |
//! | `told` | the same as its publisher tells it, for whoever does not want every content |
//! | `spool` | contents that were fetched for that |
//! | `properties` | what svn's properties say of a path |
//! | `moves` | what is copied: what moved, and what comes back |
//! | `staged` | what is to be published, where nobody changes it |
//! | `script`, `publish` | a publish: its steps, for `svnmucc`, and by it |
//! | `checkout` | the same by `svn commit`, where `svnmucc` is slow |
//! | `fetch` | what was read, handed over |
//! | `cat` | a few contents that were not read yet |
//! | `hidden` | what authorisation leaves out must not be taken for removed |
//! | `once` | what the repository once had, for a first contact |
//! | `known` | revisions as the log has them, and what was measured of them |
//! | `marks` | the newest change of each of many deployments |
//! | `trees` | the tree of a revision, in whichever of these ways is the least work |
//! | `transport` | [`SvnTransport`]: all of that as a transport |
//!
//! Numbers that were seen, from 1.14, under `E170013` if they come before the connection stands:
//!
//! | what | `svn://` | `http(s)://` | `file://` |
//! |---|---|---|---|
//! | no password, wrong user or password | 170001 | 215004 | |
//! | a path that may not be read: `info` | 170001 | 175013 | |
//! | the same: `log` | 220001 | 175013 | |
//! | the same: `svnrdump` | *none, and an empty dump* | 175013 | |
//! | a path that may not be written | 170001, 220004 | 175013 | |
//! | no such path: `info` | W170000, 200009 | the same | the same |
//! | no such path: `log`, `cat` | 160013 | 160013 | 160013 |
//! | not there yet in the revision where it is looked for: `log` | 195012 | 160013 | 195012 |
//! | no such path: `svnrdump` | *none, and an empty dump* | the same | the same |
//! | no such revision | 160006 | 160006 | 160006 |
//! | the same: `svnrdump` | 205000 | 205000 | 205000 |
//! | no repository there | 210005 | 175003, 160013 for a 404 | 180001 |
//! | the web server sends us elsewhere | | *followed*; `svnmucc`: 170011 | |
//! | changed meanwhile | 160028 | 170004 | 160028 |
//! | added meanwhile | 160020 | 160020 | 160020 |
//! | removed meanwhile | 160028, 160013 | 160013 | 160028, 160013 |
//! | no directory to put it in | 160016 | 160016 | 160016 |
//! | locked by somebody | 160039 | 160038 | 160039 |
//! | a hook says no | 165001 | 165001 | 165001 |
//! | a name that cannot be | 160005 | 160005, 175002 | 160005 |
//! | the disk there is full | 28 | | 28 |
//! | nobody listens; no such host | 111; 670002 | the same | |
//! | hung up, reset, nonsense | 210002, 104, 210004 | 120108, 104, 120105 | |
//! | the server has an error (5xx); is silent for 10 minutes | | 175002; 175012 | |
//! | a certificate that is not trusted, or for another name | | 230001 | |
//! | no TLS there, or another; certificates that cannot be read | | 120171; 125009 | |
//! | `svn+ssh`: no program; it ends | 2; 210002 | | |
//!
//! The realm is in none of them: it is asked for. 155011, 160024, 160042, 160035, 160037 and 122 were not seen: they are there because
//! other versions, or a working copy's commit, give them for the same.

mod address;
mod cat;
mod checkout;
mod client;
mod dump;
mod failure;
mod fetch;
mod hidden;
mod info;
mod known;
mod log;
mod marks;
mod measure;
mod moves;
mod once;
mod properties;
mod publish;
mod realm;
#[cfg(test)]
mod round_trip;
mod script;
mod settings;
mod spool;
mod staged;
#[cfg(test)]
mod testing;
mod told;
mod transport;
mod trees;
mod url;
mod xml;

pub use address::{Scheme, SvnAddress};
pub use client::SvnClient;
pub use info::{Info, NodeKind};
pub use log::{Action, ChangedPath, End, LogEntry, Range, Shown};
pub use marks::{Above, SvnMarks};
pub use settings::{Secret, SvnSettings, SvnSsh};
pub use transport::SvnTransport;
pub use url::SvnUrl;
