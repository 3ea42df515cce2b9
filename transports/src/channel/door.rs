//! Where something is served: a thread for it, a socket, TLS where there is a certificate. Dropped, it hangs up.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use depsync_engine::error::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use super::server;
use super::settings::ChannelSettings;

/// See the module.
pub(super) struct Door {
    name: &'static str,
    /// None only while it is dropped.
    runtime: Option<Runtime>,
}

impl Door {
    /// Starts a thread of this name.
    pub(super) fn new(name: &'static str) -> Result<Self> {
        // Both sides speak TLS by the same code. Somebody else in this process may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
        let runtime = runtime.map_err(|source| Error::io("start a thread for the", name, source))?;
        Ok(Self { name, runtime: Some(runtime) })
    }

    /// Serves `routes` where `settings` say, if they do. Gives the place.
    pub(super) fn open(&self, settings: &ChannelSettings, routes: Router) -> Result<Option<SocketAddr>> {
        let (Some(place), Some(runtime)) = (settings.serve, &self.runtime) else { return Ok(None) };
        let failed = |source| Error::io(&format!("serve the {} at", self.name), place, source);
        let tls = settings.certificate.as_ref().map(|(certificate, key)| acceptor(certificate, key)).transpose()?;
        let socket = runtime.block_on(TcpListener::bind(place)).map_err(failed)?;
        let serves = socket.local_addr().map_err(failed)?;
        runtime.spawn(server::serve(socket, tls, routes));
        Ok(Some(serves))
    }

    /// Does this beside, until it hangs up.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
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
