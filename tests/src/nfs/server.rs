//! The kernel's NFS server, exporting one directory to everybody.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount};

use super::Cable;

/// Where the server is steered from.
const CONTROL: &str = "/proc/fs/nfsd";
/// Where it remembers its clients, so that they may come back after it was stopped.
const RECOVERY: &str = "/run/nfs-recovery";
/// Export flags: root of version 4 (`fsid=0`), any port, no check of subtrees. Writable, `sync`, `no_root_squash`.
const FLAGS: u32 = 0x2000 | 0x2 | 0x400;
/// Answers before it is on the disk: what is seen is the same, and comes sooner.
const ASYNC: u32 = 0x10;
/// Seconds since 1970 that no test lives to see.
const NEVER: &str = "4102444800";

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// As one that nobody has tuned: it answers when the disk has it, and hands out delegations. Taking one back costs
    /// the other client a tenth of a second or more.
    Real,
    /// Neither: for what is enumerated.
    Quick,
}

/// A server that exports one directory.
#[derive(Debug)]
pub struct Server {
    exported: PathBuf,
    clients: Vec<String>,
    flags: u32,
}

impl Server {
    /// Starts a server for the clients on `cables`.
    pub fn start(exported: &Path, cables: &[Cable], manners: Manners) -> Self {
        mount("nfsd", CONTROL, "nfsd", MountFlags::empty(), c"").expect("the nfsd file system");
        std::fs::create_dir(RECOVERY).expect("a directory");
        set("nfsv4recoverydir", RECOVERY);
        // The least that it takes.
        set("nfsv4leasetime", "10");
        set("nfsv4gracetime", "10");
        let clients = cables.iter().map(Cable::client).collect();
        // A delegation is a lease that the server takes on the file.
        std::fs::write("/proc/sys/fs/leases-enable", if manners == Manners::Real { "1" } else { "0" }).expect("leases");
        let flags = FLAGS | if manners == Manners::Quick { ASYNC } else { 0 };
        let server = Self { exported: exported.to_owned(), clients, flags };
        server.begin();
        // Nobody was here before who could come back.
        set("v4_end_grace", "Y");
        server
    }

    /// Stops it: clients find nobody at its address. What it knew of them it forgets, but for their names.
    pub fn stop(&self) {
        set("threads", "0");
    }

    /// Starts it again; for the next 10 s it lets only those work who have come back.
    pub fn start_again(&self) {
        self.begin();
    }

    /// What is exported, as the server sees it: a third place to look from, without a client's caches.
    pub fn exported(&self) -> &Path {
        &self.exported
    }

    fn begin(&self) {
        set("versions", "-2 -3 +4 -4.0 +4.1 +4.2");
        let socket = TcpListener::bind("0.0.0.0:2049").expect("the port of NFS is free");
        set("portlist", &socket.as_raw_fd().to_string());
        set("threads", "8");
        let path = self.exported.display();
        for client in &self.clients {
            tell("auth.unix.ip", &format!("nfsd {client} {NEVER} everybody"));
        }
        tell("nfsd.export", &format!("everybody {path} {NEVER} {} 65534 65534 0", self.flags));
        // By `fsid=0`, which is kind 1 of four bytes.
        tell("nfsd.fh", &format!("everybody 1 \\x00000000 {NEVER} {path}"));
    }
}

/// As the cables ([`Cable`]): clients that wait for it could not end.
impl Drop for Server {
    fn drop(&mut self) {
        if std::fs::read_to_string(Path::new(CONTROL).join("threads")).is_ok_and(|threads| threads.trim() == "0") {
            self.begin();
        }
    }
}

fn set(name: &str, value: &str) {
    write(&Path::new(CONTROL).join(name), value);
}

/// Answers a question of the kernel before it is asked.
fn tell(cache: &str, line: &str) {
    write(&Path::new("/proc/net/rpc").join(cache).join("channel"), line);
}

fn write(path: &Path, line: &str) {
    let mut file: File =
        OpenOptions::new().write(true).open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // In one call: the kernel reads a line at a time.
    file.write_all(format!("{line}\n").as_bytes()).unwrap_or_else(|e| panic!("{line} > {}: {e}", path.display()));
}
