//! The server: `GET /v1/announcements`, as server-sent events that do not end, `POST /v1/reports`, and `GET /healthz`.
//!
//! Nobody gets a word in or out without the token. Whoever sends no request is cut off, and whoever does not read what is
//! sent is told the newest when he does: for each there is a place on the board and no queue.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use depsync_engine::channel::{Announcement, Listener, MAX_REPORTED, Report};
use depsync_engine::error::{Error, Result};
use futures_util::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::board::{Board, Reader};
use super::settings::Token;

/// How long somebody may take for his request, or for the beginning of TLS.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a word is sent where there is nothing to say: who hears nothing for longer knows that the connection is gone.
pub(super) const BEAT: Duration = Duration::from_secs(15);
/// How long to rest when no connection can be accepted: there may be too many open files.
const REST: Duration = Duration::from_millis(100);

/// The paths that are served.
pub(super) fn routes(board: Board<Announcement>, listener: Arc<dyn Listener>, token: Option<Token>) -> Router {
    let reports = Router::new().route("/v1/reports", post(reported)).with_state(listener);
    let announcements = Router::new().route("/v1/announcements", get(announcements)).with_state(board);
    let both = announcements.merge(reports.layer(DefaultBodyLimit::max(MAX_REPORTED)));
    guarded(both, token).route("/healthz", get(async || "ok\n"))
}

/// These paths, for whoever knows the token, if there is one.
pub(super) fn guarded(routes: Router, token: Option<Token>) -> Router {
    match token {
        Some(token) => routes.layer(from_fn_with_state(Arc::new(token), check)),
        None => routes,
    }
}

/// Lets nobody in who does not know the token.
async fn check(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes);
    if token.is_in(given) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "the token is missing or wrong\n")
        .into_response()
}

/// Takes a report.
async fn reported(State(listener): State<Arc<dyn Listener>>, body: Bytes) -> Response {
    match Report::parse(&body) {
        Ok(report) => {
            listener.reported(report);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}

async fn announcements(State(board): State<Board<Announcement>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures_util::stream::unfold((board.reader(), Vec::new()), next);
    Sse::new(stream).keep_alive(KeepAlive::new().interval(BEAT))
}

/// What somebody has not been told yet.
type Unsaid = (Reader<Announcement>, Vec<Arc<Announcement>>);

/// The next event, and what comes after.
async fn next((mut reader, mut waiting): Unsaid) -> Option<(Result<Event, Infallible>, Unsaid)> {
    loop {
        while let Some(announcement) = waiting.pop() {
            if let Ok(text) = announcement.to_text() {
                return Some((Ok(Event::default().event("announcement").data(text)), (reader, waiting)));
            }
        }
        waiting = reader.next().await?;
    }
}

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, routes: Router) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the channel cannot accept a connection");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let (tls, routes) = (tls.clone(), routes.clone());
        tokio::spawn(async move {
            if let Err(error) = serve_one(stream, tls, routes).await {
                tracing::debug!(%error, "a connection of the channel has ended");
            }
        });
    }
}

async fn serve_one(stream: TcpStream, tls: Option<TlsAcceptor>, routes: Router) -> Result<()> {
    let failed = |what: &str| Error::new(depsync_engine::error::ErrorKind::Io, what.to_owned());
    stream.set_nodelay(true).map_err(|source| failed("no connection").because(source))?;
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let service = TowerToHyperService::new(routes);
    let ended = match tls {
        None => server.serve_connection(TokioIo::new(stream), service).await,
        Some(tls) => {
            let shaken = tokio::time::timeout(PATIENCE, tls.accept(stream)).await;
            let stream = shaken.map_err(|_| failed("no TLS in time"))?;
            let stream = stream.map_err(|source| failed("no TLS").because(source))?;
            server.serve_connection(TokioIo::new(stream), service).await
        }
    };
    ended.map_err(|source| failed("HTTP").because(source))
}
