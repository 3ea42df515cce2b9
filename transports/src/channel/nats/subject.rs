//! The subjects that things are said on. A name is one word of a subject: its dots are written as `:`, which no name has.
//!
//! | subject | is said by | to |
//! |---|---|---|
//! | `depsync.announce.DEPLOYMENT.HUB` | who publishes | all |
//! | `depsync.report.DEPLOYMENT.HUB.NODE` | that node | those who keep the list |
//! | `depsync.ask.DEPLOYMENT`, `depsync.ask` | who keeps the list, of one deployment or of all | all |
//! | `depsync.inbox.…` | everybody | nobody: the server's answer shows that it has taken what came before |

use depsync_engine::channel::{Announcement, Report};
use depsync_engine::name::DeploymentName;

/// Where answers go.
pub(super) const INBOX: &str = "depsync.inbox";

/// A word of a subject.
fn word(name: &str) -> String {
    name.replace('.', ":")
}

/// A deployment, or all of them.
fn of(deployment: Option<&DeploymentName>) -> String {
    deployment.map_or_else(|| "*".to_owned(), |name| word(name.as_str()))
}

/// Where this is announced.
pub(super) fn announced(one: &Announcement) -> String {
    format!("depsync.announce.{}.{}", word(one.deployment.as_str()), one.hub)
}

/// Where this is reported.
pub(super) fn reported(one: &Report) -> String {
    let (deployment, node) = (word(one.deployment.as_str()), word(one.report.node.as_str()));
    format!("depsync.report.{deployment}.{}.{node}", one.hub)
}

/// All announcements. Which hub a node follows it may not know yet.
pub(super) fn announcements(deployment: Option<&DeploymentName>) -> String {
    format!("depsync.announce.{}.*", of(deployment))
}

/// All reports.
pub(super) fn reports(deployment: Option<&DeploymentName>) -> String {
    format!("depsync.report.{}.*.*", of(deployment))
}

/// Where the nodes are asked.
pub(super) fn ask(deployment: Option<&DeploymentName>) -> String {
    deployment.map_or_else(|| "depsync.ask".to_owned(), |name| format!("depsync.ask.{}", word(name.as_str())))
}

/// Where the nodes of a deployment are asked, or of any.
pub(super) fn asks(deployment: Option<&DeploymentName>) -> String {
    format!("depsync.ask.{}", of(deployment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use depsync_engine::hash::Digest;
    use depsync_engine::name::Revision;

    #[test]
    fn every_name_is_one_word() {
        let name: DeploymentName = "shop.example-1_b".parse().expect("a name");
        let hub = "000102030405060708090a0b0c0d0e0f".parse().expect("an id");
        let revision = Revision { number: 1, record: Digest::of(b"") };
        let one = Announcement::new(hub, name.clone(), revision, Digest::of(b""));
        assert_eq!(announced(&one), "depsync.announce.shop:example-1_b.000102030405060708090a0b0c0d0e0f");
        assert_eq!(announcements(Some(&name)), "depsync.announce.shop:example-1_b.*");
        assert_eq!(announcements(None), "depsync.announce.*.*");
        assert_eq!(reports(Some(&name)), "depsync.report.shop:example-1_b.*.*");
        assert_eq!(reports(None), "depsync.report.*.*.*");
        assert_eq!((ask(Some(&name)), asks(Some(&name))), (asks(Some(&name)), "depsync.ask.shop:example-1_b".into()));
        assert_eq!((ask(None), asks(None)), ("depsync.ask".into(), "depsync.ask.*".into()));
    }
}
