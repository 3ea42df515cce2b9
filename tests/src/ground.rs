//! What a transport is tried on: an empty place for a hub of whatever kind, with any number of clients.

use std::sync::Arc;

use depsync_engine::transport::{Ledger, MemoryLedger, Transport};

use crate::place::{Hub, Place};

/// An empty place.
pub trait Ground: Sync + Sized {
    /// What its clients are.
    type Client: Transport;

    /// A client that shares nothing with others but the place and, perhaps, `ledger`.
    fn over(&self, deployment: &str, ledger: Arc<dyn Ledger>) -> Self::Client;

    /// A client without memory.
    fn client_of(&self, deployment: &str) -> Self::Client {
        self.over(deployment, Arc::new(MemoryLedger::default()))
    }

    /// Another place of the same kind.
    fn elsewhere(&self) -> Self;

    /// Whether nothing was ever left there.
    fn is_untouched(&self) -> bool;

    /// Whether it takes reports.
    fn takes_reports(&self) -> bool;

    /// Whether content that it holds anywhere is never sent again.
    fn holds_content(&self) -> bool;
}

impl Ground for Place {
    type Client = Hub;

    fn over(&self, deployment: &str, ledger: Arc<dyn Ledger>) -> Hub {
        self.transport_with(deployment, ledger)
    }

    fn elsewhere(&self) -> Self {
        self.another()
    }

    fn is_untouched(&self) -> bool {
        self.client().list(&depsync_engine::context::Context::new(), None, 10).is_ok_and(|names| names.is_empty())
    }

    fn takes_reports(&self) -> bool {
        true
    }

    fn holds_content(&self) -> bool {
        true
    }
}
