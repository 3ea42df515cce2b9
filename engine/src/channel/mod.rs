//! The channel: how nodes hear of a new revision at once.
//!
//! Laws:
//! - what comes over a channel is a hint. One that is lost, comes twice, too late, in another order, or from a stranger
//!   changes nothing but the time at which somebody looks at the hub: what is there is what counts;
//! - nothing is announced before it stands in the hub;
//! - what cannot be told now is not kept: only the newest is, and only one of a deployment;
//! - who was not there to hear looks when he comes back ([`Listener::connected`]), and in every period anyway.
//!
//! | file | is |
//! |---|---|
//! | `announcement` | what is told |
//! | `mailbox` | what has come, until somebody takes it |

mod announcement;
mod mailbox;

pub use self::announcement::{Announcement, MAX_ANNOUNCEMENT};
pub use self::mailbox::{Mail, Mailbox};

/// Tells others. A transport of hints.
pub trait Channel: Send + Sync {
    /// Tells everybody who listens, soon: does not block, and does not fail.
    fn announce(&self, announcement: &Announcement);
}

/// Is told by others, on whatever thread a channel has. Must be quick.
pub trait Listener: Send + Sync {
    /// Somebody says that there is this revision.
    fn announced(&self, announcement: Announcement);

    /// Something may have been said while nobody could hear it.
    fn connected(&self);
}
