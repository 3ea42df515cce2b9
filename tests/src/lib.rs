//! What tests are made of: the program as a person meets it, nodes, strict and faulty storages, and the suite that every
//! transport must pass.

pub mod cli;
pub mod cluster;
pub mod conformance;
pub mod crash;
pub mod daemon;
pub mod debian;
pub mod dice;
pub mod faults;
pub mod forge;
pub mod fuzz;
pub mod ground;
pub mod guarded;
pub mod jar;
mod listener;
pub mod mounted;
pub mod nats;
pub mod nfs;
pub mod node;
pub mod place;
pub mod process;
pub mod processes;
pub mod recipes;
pub mod recording;
pub mod snapshot;
pub mod sshd;
pub mod storage_memory;
pub mod svn;
pub mod tomcat;
pub mod uml;
