//! One server and two clients, each on a cable of its own.

use std::path::{Path, PathBuf};

use crate::place::{Place, Wrapper};
use crate::uml::{self, Machine};

use super::{Cable, Client, MODULES, Manners, Server};

/// Where the server's disk is mounted, and the directory of it that is exported.
const DISK: &str = "/srv";

/// A server, two cables, two clients. Only inside a machine that [`Scene::machine`] made.
#[derive(Debug)]
pub struct Scene {
    /// The cables, in the order of the clients.
    pub cables: [Cable; 2],
    /// The server.
    pub server: Server,
    /// The clients, with hard mounts.
    pub clients: [Client; 2],
}

impl Scene {
    /// A machine for it; its first disk is to be an ext4.
    pub fn machine() -> Machine {
        Machine::new().modules(&MODULES)
    }

    /// Starts the server on the machine's first disk and mounts both clients.
    pub fn set_up(manners: Manners) -> Self {
        uml::mount(0, Path::new(DISK), "ext4", "");
        let cables = [Cable::lay(1), Cable::lay(2)];
        let server = Server::start(Path::new(DISK), &cables, manners);
        let clients = [0, 1].map(|number| {
            let at = PathBuf::from(format!("/run/client{number}"));
            Client::mount(&cables[number], &at, "hard,timeo=20,retrans=2")
        });
        Self { cables, server, clients }
    }

    /// A new place for a hub, whose clients take the two mounts in turn.
    pub fn place(&self) -> Place {
        let mounts = self.clients.each_ref().map(|client| client.path().to_owned());
        Place::shared(&mounts, self.server.exported(), Wrapper::Bare)
    }
}
