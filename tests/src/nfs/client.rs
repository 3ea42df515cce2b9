//! A client: a mount of the export in a network of its own.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::system::sethostname;

use super::Cable;

/// A mount.
#[derive(Debug)]
pub struct Client {
    at: PathBuf,
    options: String,
}

impl Client {
    /// Mounts the export at `at` from the other end of `cable`, with options beside those that say where it is.
    pub fn mount(cable: &Cable, at: &Path, options: &str) -> Self {
        std::fs::create_dir_all(at).expect("a mount point");
        let (server, client) = (cable.server(), cable.client());
        let options = format!("vers=4.2,proto=tcp,addr={server},clientaddr={client},nosharecache,{options}");
        let data = CString::new(options.clone()).expect("no NUL");
        // The kernel takes a client's name from that of the computer at this moment.
        sethostname(client.as_bytes()).expect("sethostname");
        let source = format!("{server}:/");
        cable.inside(|| {
            mount(&source, at, "nfs4", MountFlags::empty(), data.as_c_str())
                .unwrap_or_else(|errno| panic!("mount {source} at {} with {options}: {errno}", at.display()));
        });
        Self { at: at.to_owned(), options }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// The options.
    pub fn options(&self) -> &str {
        &self.options
    }

    /// Unmounts it, also where the server does not answer.
    pub fn unmount(self) {
        unmount(&self.at, UnmountFlags::DETACH).expect("unmount");
    }
}
