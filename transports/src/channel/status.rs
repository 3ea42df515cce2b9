//! What others may know of a process that runs: `GET /metrics` for Prometheus, and `GET /healthz`.
//!
//! Metrics are for who knows the token, where there is one. Whether it is well everybody may ask, and hears no more than
//! that: 200, or 503.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use depsync_engine::error::{Error, ErrorKind, Result};

use super::door::Door;
use super::server::guarded;
use super::settings::{Carrier, ChannelSettings};

/// The form of the metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Somebody who knows how it is. Must be quick.
pub trait Status: Send + Sync {
    /// What can be measured, as OpenMetrics text.
    fn metrics(&self) -> String;

    /// Whether all is well.
    fn is_well(&self) -> bool;
}

/// Serves it. Dropped, it hangs up.
pub struct StatusServer {
    serves: SocketAddr,
    _door: Door,
}

impl StatusServer {
    /// Serves what `status` says at `settings.serve`, by the rules of a channel: beyond this machine only with a token and a
    /// certificate.
    ///
    /// # Errors
    /// When it cannot serve there, or the settings make no sense.
    pub fn start(settings: &ChannelSettings, status: Arc<dyn Status>) -> Result<Self> {
        settings.check_for(Carrier::Http)?;
        let door = Door::new("status")?;
        let metrics = Router::new().route("/metrics", get(metrics)).with_state(Arc::clone(&status));
        let health = Router::new().route("/healthz", get(health)).with_state(status);
        let serves = door.open(settings, guarded(metrics, settings.token.clone()).merge(health))?;
        let serves = serves.ok_or_else(|| Error::new(ErrorKind::Usage, "no place to serve the status at"))?;
        Ok(Self { serves, _door: door })
    }

    /// Where it serves.
    pub fn serves(&self) -> SocketAddr {
        self.serves
    }
}

async fn metrics(State(status): State<Arc<dyn Status>>) -> Response {
    ([(header::CONTENT_TYPE, OPEN_METRICS)], status.metrics()).into_response()
}

async fn health(State(status): State<Arc<dyn Status>>) -> Response {
    if status.is_well() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not well\n").into_response()
}
