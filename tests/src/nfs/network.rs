//! Namespaces and cables: `ip` of the package iproute2.
//!
//! Cables are pulled and plugged without a child process: one closes, as it starts, its copies of what its parent has
//! open, and that waits until written bytes are flushed. A test with such a file on a share could not plug in any more.

use std::fs::File;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The flag of an interface that is up.
const UP: u32 = 1;

/// A client's network: its namespace and the cable to the server.
#[derive(Debug)]
pub struct Cable {
    number: u8,
}

impl Cable {
    /// Lays cable `number`.
    pub fn lay(number: u8) -> Self {
        let cable = Self { number };
        let (near, far, space) = (cable.near(), cable.far(), cable.space());
        ip(&["link", "set", "lo", "up"]);
        ip(&["netns", "add", &space]);
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &space]);
        ip(&["addr", "add", &format!("{}/24", cable.server()), "dev", &near]);
        ip(&["link", "set", &near, "up"]);
        ip(&["-n", &space, "link", "set", "lo", "up"]);
        ip(&["-n", &space, "addr", "add", &format!("{}/24", cable.client()), "dev", &far]);
        ip(&["-n", &space, "link", "set", &far, "up"]);
        cable
    }

    /// Pulls the cable.
    pub fn pull(&self) {
        self.set(false).expect("the cable's end");
    }

    /// Plugs it in again.
    pub fn plug(&self) {
        self.set(true).expect("the cable's end");
    }

    /// Lets each packet of the client's be under way for so many milliseconds more; 0 for none.
    pub fn delay(&self, milliseconds: u32) {
        let (far, space) = (self.far(), self.space());
        // What was there before, if anything was.
        let tc = |arguments: &[&str]| {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &space, "tc", "qdisc"]).args(arguments);
            command.output().expect("`ip` (package iproute2) is there")
        };
        let _ = tc(&["del", "dev", &far, "root"]);
        if milliseconds > 0 {
            let done =
                tc(&["add", "dev", &far, "root", "netem", "limit", "10000", "delay", &format!("{milliseconds}ms")]);
            assert!(done.status.success(), "tc: {}", String::from_utf8_lossy(&done.stderr));
        }
    }

    fn set(&self, up: bool) -> std::io::Result<()> {
        let control = format!("/sys/class/net/{}/flags", self.near());
        let flags = std::fs::read_to_string(&control)?;
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).map_err(std::io::Error::other)?;
        std::fs::write(control, format!("{:#x}", if up { flags | UP } else { flags & !UP }))
    }

    /// The server's address on this cable.
    pub fn server(&self) -> String {
        format!("10.77.{}.1", self.number)
    }

    /// The client's.
    pub fn client(&self) -> String {
        format!("10.77.{}.2", self.number)
    }

    /// Does something on a thread that is in the client's network.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let space = File::open(format!("/run/netns/{}", self.space())).expect("the namespace");
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                move_into_link_name_space(std::os::fd::AsFd::as_fd(&space), Some(LinkNameSpaceType::Network))
                    .expect("setns");
                work()
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn space(&self) -> String {
        format!("client{}", self.number)
    }

    fn near(&self) -> String {
        format!("near{}", self.number)
    }

    fn far(&self) -> String {
        format!("far{}", self.number)
    }
}

/// A process that has files open on a share cannot end while its server is out of reach; nor could a test that failed.
impl Drop for Cable {
    fn drop(&mut self) {
        let _ = self.set(true);
    }
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).output().expect("`ip` (package iproute2) is there");
    assert!(done.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr));
}
