//! A real NFS 4.2 server and its clients, inside a machine ([`crate::uml`]).
//!
//! One kernel plays all of them: the server in the first network namespace, each client in one of its own, behind a
//! cable of its own (a veth pair) that can be pulled. What makes two mounts two *clients*, and not one client that
//! shares caches and delegations with itself, is that they have different host names, addresses and connections
//! (`nosharecache`), as two computers would.
//!
//! No daemon runs. What `exportfs` and `rpc.mountd` tell the kernel when it asks is told beforehand ([`Server`]): who
//! the clients are, what they may mount, which directory it is.
//!
//! | file | is |
//! |---|---|
//! | `network` | namespaces and cables |
//! | `server` | what is exported; stopped and started again |
//! | `client` | mounts |
//! | `requests` | what calls on a hub are in requests, and what the kernel has counted |
//! | `scene` | all of it: one server, two cables, two clients |
//!
//! Seen there, and why the tests are as they are:
//! - a server that starts again waits 10 s for clients that come back (it cannot be told less), so few tests stop it, and
//!   most pull the cable;
//! - a name that was missing is missing for the client until it opens the directory, up to a minute;
//! - a file that another client has replaced is opened as the file that it was: old bytes, or ESTALE, until the client
//!   opens the directory;
//! - replacing a file that another client has a delegation for takes 0.1 s and more.

mod client;
mod network;
pub mod requests;
mod scene;
mod server;

pub use client::Client;
pub use network::Cable;
pub use scene::Scene;
pub use server::{Manners, Server};

/// The kernel modules that all of this needs.
pub const MODULES: [&str; 4] = ["nfsd", "nfsv4", "veth", "sch_netem"];
