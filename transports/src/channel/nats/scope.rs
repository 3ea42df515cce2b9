//! What a node cares for: its deployments, and the hub of each, once it has spoken of it.
//!
//! Many hubs may share a server, and each has a deployment `main`: what strangers say must not push aside what is said to us.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use depsync_engine::name::{DeploymentName, HubId};

/// See the module.
#[derive(Debug)]
pub(super) struct Scope {
    deployments: Vec<DeploymentName>,
    hubs: Mutex<BTreeMap<DeploymentName, HubId>>,
}

impl Scope {
    /// These deployments; without any, everything.
    pub(super) fn new(deployments: Vec<DeploymentName>) -> Self {
        Self { deployments, hubs: Mutex::default() }
    }

    /// Each deployment; none for all of them.
    pub(super) fn each(&self) -> Vec<Option<&DeploymentName>> {
        if self.deployments.is_empty() { vec![None] } else { self.deployments.iter().map(Some).collect() }
    }

    /// The hub of a deployment, if it is known.
    pub(super) fn hub(&self, deployment: Option<&DeploymentName>) -> Option<HubId> {
        self.hubs().get(deployment?).copied()
    }

    /// This node has spoken of this hub.
    pub(super) fn learn(&self, hub: HubId, deployment: &DeploymentName) {
        if self.deployments.contains(deployment) {
            self.hubs().insert(deployment.clone(), hub);
        }
    }

    /// Whether something about this hub and deployment is for this node.
    pub(super) fn holds(&self, hub: HubId, deployment: &DeploymentName) -> bool {
        let is_one = self.deployments.is_empty() || self.deployments.contains(deployment);
        is_one && self.hub(Some(deployment)).is_none_or(|ours| ours == hub)
    }

    /// Whether this may be the hub of any of the deployments.
    pub(super) fn may_be_ours(&self, hub: HubId) -> bool {
        let hubs = self.hubs();
        let is_open = self.deployments.is_empty() || self.deployments.iter().any(|one| !hubs.contains_key(one));
        is_open || hubs.values().any(|ours| *ours == hub)
    }

    fn hubs(&self) -> MutexGuard<'_, BTreeMap<DeploymentName, HubId>> {
        self.hubs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_told_apart_once_the_hub_is_known() {
        let (ours, theirs) = (HubId::random().expect("random"), HubId::random().expect("random"));
        let [main, blog, other]: [DeploymentName; 3] =
            ["main", "blog", "other"].map(|name| name.parse().expect("a name"));
        let scope = Scope::new(vec![main.clone(), blog.clone()]);
        assert!(scope.holds(theirs, &main) && !scope.holds(ours, &other));
        scope.learn(ours, &main);
        assert!(scope.holds(ours, &main) && !scope.holds(theirs, &main) && scope.holds(theirs, &blog));
        assert!(scope.may_be_ours(theirs), "the other deployment may lie there");
        scope.learn(ours, &blog);
        scope.learn(theirs, &other);
        assert!(scope.may_be_ours(ours) && !scope.may_be_ours(theirs));
        assert_eq!((scope.hub(Some(&blog)), scope.hub(Some(&other)), scope.hub(None)), (Some(ours), None, None));
        let all = Scope::new(Vec::new());
        all.learn(ours, &main);
        assert!(all.holds(theirs, &main) && all.holds(ours, &other) && all.may_be_ours(theirs));
    }
}
