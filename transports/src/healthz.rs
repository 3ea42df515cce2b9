//! Whether the server of a channel answers: `GET /healthz`, and whether it lets us in.

use std::path::Path;
use std::time::Duration;

use depsync_engine::context::Context;
use depsync_engine::error::{Error, ErrorKind, Result};
use reqwest::{Certificate, Client, StatusCode};

/// How long it may take, if the context has more time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the server at `url`, with the token if there is one; `authorities` are trusted beside the system's.
///
/// # Errors
/// [`ErrorKind::Unreachable`] if it does not answer, [`ErrorKind::Refused`] if it does not let us in.
pub fn ask(cx: &Context, url: &str, token: Option<&str>, authorities: Option<&Path>) -> Result<()> {
    cx.check()?;
    // Somebody else in this process may have chosen one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client(cx, authorities)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::io("start", "what asks the channel's server", source))?;
    runtime.block_on(asked(&client, url.trim_end_matches('/'), token))
}

fn client(cx: &Context, authorities: Option<&Path>) -> Result<Client> {
    let time = cx.time_left().map_or(PATIENCE, |left| left.min(PATIENCE));
    let mut builder = Client::builder().timeout(time).redirect(reqwest::redirect::Policy::none());
    if let Some(path) = authorities {
        let unreadable = |source| Error::io("read the authorities", path.display(), source).with_kind(ErrorKind::Usage);
        let pem = std::fs::read(path).map_err(unreadable)?;
        let unusable =
            |source| Error::new(ErrorKind::Usage, "no PEM file with certificates").at(path.display()).because(source);
        builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).map_err(unusable)?);
    }
    builder.build().map_err(|source| Error::new(ErrorKind::Usage, "no client for the channel").because(source))
}

async fn asked(client: &Client, url: &str, token: Option<&str>) -> Result<()> {
    let silent = |source: reqwest::Error| {
        let cause = innermost(&source);
        Error::new(ErrorKind::Unreachable, "the channel's server does not answer").at(url).because(cause)
    };
    let health = client.get(format!("{url}/healthz")).send().await.map_err(silent)?.status();
    if !health.is_success() {
        return Err(Error::new(ErrorKind::Unreachable, format!("it says {health}: no channel of ours")).at(url));
    }
    let mut request = client.get(format!("{url}/v1/announcements"));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    // The answer has no end: its beginning tells.
    match request.send().await.map_err(silent)?.status() {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED => {
            Err(Error::new(ErrorKind::Refused, "it does not let us in: the token is missing, or another one")
                .at(url)
                .hint("put the server's token into this node's `token-file`"))
        }
        status => Err(Error::new(ErrorKind::Refused, format!("it says {status}")).at(url)),
    }
}

/// What lies beneath: the layers above it only say that something was sent.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
