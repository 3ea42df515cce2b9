//! What an estate must be given: what its hub says of all deployments, and where these lie.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::context::Context;
use crate::engine::Node;
use crate::error::Result;
use crate::name::{DeploymentName, Revision};
use crate::path::RelPath;

/// What a hub says of all its deployments at once.
pub trait Registry: Send + Sync {
    /// The mark of each: something that is another one when there is another revision. None: nothing is another one than
    /// when it was asked last.
    fn marks(&self, cx: &Context) -> Result<Option<BTreeMap<DeploymentName, String>>>;

    /// The mark of a deployment whose newest revision is this.
    fn mark(&self, revision: Revision) -> String;

    /// Puts right what the hub says of one whose newest revision is this, where that can have been lost.
    fn mend(&self, cx: &Context, name: &DeploymentName, revision: Revision) -> Result<()>;
}

/// Where the deployments lie, and how each is opened.
pub trait Household: Send + Sync {
    /// Opens one. What must be there above its directory is made where that is safe.
    fn open(&self, cx: &Context, name: &DeploymentName) -> Result<Node>;

    /// Those that have a directory here.
    fn here(&self) -> Result<Vec<DeploymentName>>;

    /// All names that somebody may call it by, its own among them.
    fn names(&self, name: &DeploymentName) -> Vec<String>;

    /// The directory in which theirs are, to watch them all, if there is one; without it, everything is scanned.
    fn grounds(&self) -> Option<PathBuf>;

    /// Those that do not lie there, each with its directory.
    fn apart(&self) -> Vec<(DeploymentName, PathBuf)>;

    /// Whose a path beneath that directory is, and what it is in his own: none if it is his directory itself.
    fn owner(&self, path: &RelPath) -> Option<(DeploymentName, Option<RelPath>)>;
}
