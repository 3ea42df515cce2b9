//! A repository, as a place that transports are tried on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use depsync_engine::transport::Ledger;
use depsync_transports::svn::{Secret, SvnAddress, SvnClient, SvnSettings, SvnTransport};

use super::{Apache, Repository, Svnserve, WRITER};
use crate::ground::Ground;

/// How the repository is reached.
enum Way {
    File,
    Svnserve(Svnserve),
    Apache(Apache),
}

/// See the module. The server ends before the repository goes.
pub struct Shelf {
    way: Way,
    repository: Repository,
    clients: AtomicUsize,
}

impl Shelf {
    /// Without a server.
    pub fn file() -> Self {
        Self { way: Way::File, repository: Repository::create(), clients: AtomicUsize::default() }
    }

    /// Behind svnserve, with a password.
    pub fn svnserve() -> Self {
        let repository = Repository::create();
        Self { way: Way::Svnserve(Svnserve::start(&repository)), repository, clients: AtomicUsize::default() }
    }

    /// Behind Apache, with a password.
    pub fn apache() -> Self {
        let repository = Repository::create();
        Self { way: Way::Apache(Apache::start(&repository)), repository, clients: AtomicUsize::default() }
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }
}

impl Ground for Shelf {
    type Client = SvnTransport;

    fn over(&self, deployment: &str, ledger: Arc<dyn Ledger>) -> SvnTransport {
        let account = || SvnSettings {
            username: Some(WRITER.name.to_owned()),
            password: Some(Secret::new(WRITER.password).expect("a password")),
            ..SvnSettings::default()
        };
        let (url, settings) = match &self.way {
            Way::File => (format!("svn+{}", self.repository.url()), SvnSettings::default()),
            Way::Svnserve(server) => (server.url(), account()),
            Way::Apache(server) => (format!("svn+{}", server.url()), account()),
        };
        let address = SvnAddress::parse(&format!("{url}/deployments/{{deployment}}")).expect("an address");
        let client = SvnClient::new(address.url(&deployment.parse().expect("a name")), settings).expect("settings");
        let number = self.clients.fetch_add(1, Ordering::SeqCst);
        SvnTransport::new(client, ledger, self.repository.path().with_file_name(format!("room-{number}")))
    }

    fn elsewhere(&self) -> Self {
        match self.way {
            Way::File => Self::file(),
            Way::Svnserve(_) => Self::svnserve(),
            Way::Apache(_) => Self::apache(),
        }
    }

    fn is_untouched(&self) -> bool {
        self.repository.youngest() == 0
    }

    fn takes_reports(&self) -> bool {
        false
    }

    fn holds_content(&self) -> bool {
        false
    }
}
