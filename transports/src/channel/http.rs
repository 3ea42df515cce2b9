//! A channel over HTTP, without a broker.
//!
//! It has a thread of its own for everything. Dropped, it hangs up.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use depsync_engine::channel::{Announcement, Channel, Listener, Report};
use depsync_engine::error::{Error, ErrorKind, Result};

use super::board::Board;
use super::client::Server;
use super::door::Door;
use super::settings::{Carrier, ChannelSettings};
use super::{client, server};

/// See the module.
pub struct HttpChannel {
    announcements: Board<Announcement>,
    reports: Board<Report>,
    serves: Option<SocketAddr>,
    _door: Door,
}

impl HttpChannel {
    /// Starts to serve and to listen, as `settings` say.
    ///
    /// # Errors
    /// When it cannot serve there, or the settings make no sense. A server that cannot be reached is none: it is tried
    /// again and again.
    pub fn start(settings: &ChannelSettings, listener: &Arc<dyn Listener>) -> Result<Self> {
        settings.check_for(Carrier::Http)?;
        // Both sides speak TLS by the same code. Somebody else in this process may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let door = Door::new("channel")?;
        let (announcements, reports) = (Board::new(), Board::new());
        let routes = server::routes(announcements.clone(), Arc::clone(listener), settings.token.clone());
        let serves = door.open(settings, routes)?;
        if !settings.listen.is_empty() {
            let authorities = settings.authorities.as_deref().map(authorities).transpose()?.unwrap_or_default();
            let client = client(authorities)?;
            for url in &settings.listen {
                let server = Server::new(client.clone(), url, settings.token.clone());
                door.spawn(server.clone().listen(Arc::clone(listener)));
                door.spawn(server.report(reports.reader()));
            }
        }
        Ok(Self { announcements, reports, serves, _door: door })
    }

    /// Where it serves, if it does.
    pub fn serves(&self) -> Option<SocketAddr> {
        self.serves
    }
}

impl Channel for HttpChannel {
    fn announce(&self, announcement: &Announcement) {
        self.announcements.post(announcement);
    }

    fn report(&self, report: &Report) {
        self.reports.post(report);
    }
}

/// The certificates in a PEM file.
pub(crate) fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>> {
    let pem = std::fs::read(path)
        .map_err(|source| Error::io("read the authorities", path.display(), source).with_kind(ErrorKind::Usage))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|source| {
        Error::new(ErrorKind::Usage, "no PEM file with certificates").at(path.display()).because(source)
    })
}
