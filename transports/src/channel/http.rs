//! A channel over HTTP, without a broker.
//!
//! It has a thread of its own for everything. Dropped, it hangs up.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use depsync_engine::channel::{Announcement, Channel, Listener, Report};
use depsync_engine::error::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use super::board::Board;
use super::client::Server;
use super::settings::{Carrier, ChannelSettings};
use super::{client, server};

/// See the module.
pub struct HttpChannel {
    announcements: Board<Announcement>,
    reports: Board<Report>,
    serves: Option<SocketAddr>,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
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
        let failed = |source| Error::io("start", "a thread for the channel", source);
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("channel")
            .enable_all()
            .build()
            .map_err(failed)?;
        let (announcements, reports) = (Board::new(), Board::new());
        let serve = |place| serve(&runtime, place, settings, announcements.clone(), Arc::clone(listener));
        let serves = settings.serve.map(serve).transpose()?;
        if !settings.listen.is_empty() {
            let authorities = settings.authorities.as_deref().map(authorities).transpose()?.unwrap_or_default();
            let client = client::client(authorities)?;
            for url in &settings.listen {
                let server = Server::new(client.clone(), url, settings.token.clone());
                runtime.spawn(server.clone().listen(Arc::clone(listener)));
                runtime.spawn(server.report(reports.reader()));
            }
        }
        Ok(Self { announcements, reports, serves, runtime: Some(runtime) })
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

impl Drop for HttpChannel {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn serve(
    runtime: &Runtime,
    place: SocketAddr,
    settings: &ChannelSettings,
    board: Board<Announcement>,
    listener: Arc<dyn Listener>,
) -> Result<SocketAddr> {
    let failed = |source| Error::io("serve the channel at", place, source);
    let tls = settings.certificate.as_ref().map(|(certificate, key)| acceptor(certificate, key)).transpose()?;
    let socket = runtime.block_on(TcpListener::bind(place)).map_err(failed)?;
    let serves = socket.local_addr().map_err(failed)?;
    runtime.spawn(server::serve(socket, tls, server::routes(board, listener, settings.token.clone())));
    Ok(serves)
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let unusable = |path: &Path, source: &dyn std::error::Error| {
        Error::new(ErrorKind::Usage, format!("no PEM file that can be used: {source}")).at(path.display())
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| unusable(certificate, &source))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| unusable(key, &source))?;
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    Ok(TlsAcceptor::from(Arc::new(config.map_err(|source| unusable(certificate, &source))?)))
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>> {
    let pem = std::fs::read(path)
        .map_err(|source| Error::io("read the authorities", path.display(), source).with_kind(ErrorKind::Usage))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|source| {
        Error::new(ErrorKind::Usage, "no PEM file with certificates").at(path.display()).because(source)
    })
}
