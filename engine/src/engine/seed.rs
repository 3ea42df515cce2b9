//! Who may make the first revision of a deployment, or the hub: a command that a person types, and a daemon that was told to.
//!
//! An empty share that was mounted by mistake must not become the truth because a node with its shipped files saw it first.

use super::{Founding, Node, PublishOptions};
use crate::error::{Error, ErrorKind};

impl Node {
    /// Says of a hub that is not there what to do if there never was one.
    pub(super) fn unseeded(&self, options: &PublishOptions, error: Error) -> Error {
        if options.founds == Founding::Hub || error.kind() != ErrorKind::Unreachable || self.identity().hub_id.is_some()
        {
            return error;
        }
        error.hint_instead(
            "mount the hub that belongs there, or see whether the address is right; where there is none yet, `depsync publish` \
             makes it, or the daemon once with --seed",
        )
    }

    /// A directory with something in it, and a hub with nothing.
    pub(super) fn not_seeded(&self) -> Error {
        Error::new(ErrorKind::Refused, "the hub has no revision of this deployment yet, and this directory is not empty")
            .at(self.places.dir.display())
            .hint(
                "if all nodes are to get what is here, publish it: `depsync publish`, or start the daemon once with --seed; \
                 if not, see whether it is the right hub and deployment",
            )
    }
}
