//! A real sshd on loopback, and a relay in front of it that can be cut and stalled.
//!
//! Nothing of the machine's own ssh is used or changed: host key, client keys, `authorized_keys`, `known_hosts` and the
//! log lie in a temporary directory of each server. It runs as the user who runs the tests, and lets that user in. The
//! program comes from the unpacked package, so that no service has to be installed and none starts.
//!
//! | file | is |
//! |---|---|
//! | `server` | [`Sshd`]: started, stopped, cut; what it has let in and run |
//! | `settings` | how it is to run: its `sshd_config` and command line |
//! | `key` | key pairs, and lines of `authorized_keys` |
//! | `session` | the processes of its sessions |
//! | `client` | [`Client`]: the system's `ssh` and `rsync`, told about the server |
//! | `programs` | [`Programs`]: a `PATH` of the far side's, to hide programs and to put others in their place |
//! | `relay` | [`Relay`]: passes bytes, counts them, cuts, stalls, refuses, takes its time, or is a [`Line`] |
//! | `lane` | what a relay does to the bytes of one direction |
//!
//! What differs from a server out there:
//! - `HOME` of a session is an empty directory, so that no profile of the user's interferes; the working directory is
//!   still the user's home, so give absolute paths;
//! - root needs an account `sshd` for the server. Where there is none, the server and its sessions run in a mount
//!   namespace in which `/etc/passwd` has it: mount before the server starts what sessions are to see.

mod client;
mod key;
mod lane;
mod product;
mod programs;
mod relay;
mod server;
pub(crate) mod session;
mod settings;

pub use client::Client;
pub use key::Key;
pub use lane::{Line, Way};
pub use programs::{Programs, program};
pub use relay::Relay;
pub use server::{Sshd, free_port, free_ports};
pub use settings::Manner;

/// Where server and relays listen.
pub const HOST: &str = "127.0.0.1";
