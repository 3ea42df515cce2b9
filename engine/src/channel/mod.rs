//! The channel: how nodes hear of a new revision at once, and whoever keeps the list of nodes of what each has.
//!
//! Laws:
//! - what is announced is a hint. One that is lost, comes twice, too late, in another order, or from a stranger
//!   changes nothing but the time at which somebody looks at the hub: what is there is what counts;
//! - nothing is announced before it stands in the hub;
//! - what cannot be told now is not kept: only the newest announcement of a deployment is, and the newest report of a node;
//! - who was not there to hear looks when he comes back ([`Listener::connected`]), and in every period anyway;
//! - who keeps the list and was away asks, and every node answers ([`Listener::asked`]). A report changes the list, and
//!   nothing else.
//!
//! | file | is |
//! |---|---|
//! | `announcement` | what is told of a new revision |
//! | `report` | what a node tells of itself |
//! | `mailbox` | what has come, until somebody takes it |

mod announcement;
mod mailbox;
mod report;

pub use self::announcement::{Announcement, MAX_ANNOUNCEMENT};
pub use self::mailbox::{Mail, Mailbox};
pub use self::report::{MAX_REPORTED, Report};

/// Tells others. A transport of hints and reports.
pub trait Channel: Send + Sync {
    /// Tells everybody who listens, soon: does not block, and does not fail.
    fn announce(&self, announcement: &Announcement);

    /// Tells everybody who keeps a list of nodes, soon, and again until he has heard it or there is a newer one: does not
    /// block, and does not fail.
    fn report(&self, report: &Report);
}

/// Is told by others, on whatever thread a channel has. Must be quick.
pub trait Listener: Send + Sync {
    /// Somebody says that there is this revision.
    fn announced(&self, announcement: Announcement);

    /// Something may have been said while nobody could hear it.
    fn connected(&self);

    /// Somebody who keeps a list of nodes wants to know what this one has.
    fn asked(&self);

    /// A node says what it has, to one who keeps a list.
    fn reported(&self, report: Report);
}
