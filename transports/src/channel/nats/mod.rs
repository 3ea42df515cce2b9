//! A channel over NATS, for clusters that outgrow a manager who serves.
//!
//! What is said is kept by nobody: it reaches those who are connected at that moment. So
//! - whoever has connected is told so before anything else, and looks at the hub ([`Listener::connected`]), and counts as
//!   asked: somebody may have been while he was away;
//! - whoever has connected says again what he said last, of each thing;
//! - who keeps the list asks when he has connected, and whenever he could not take in all reports. All nodes hear that in the
//!   same instant, and come back in the same instant when a server does: each is told so at once ([`Listener::asked`]), and
//!   its report goes out some time within [`voice::SPREAD`];
//! - what was said counts as said when the server has answered behind it.
//!
//! A message is what its subject says, or it is passed over: so what a user of the server may say of which node is a matter
//! of the server's permissions. There is one connection at a time, to one of the servers named; where a server refers to
//! others, nobody goes.
//!
//! It has a thread of its own for everything. Dropped, it hangs up.
//!
//! | file | is |
//! |---|---|
//! | `session` | a connection, from its beginning to its end, and what is heard |
//! | `voice` | what is said |
//! | `subject` | the subjects: pure |
//! | `scope` | the deployments and hubs that a node cares for |
//! | `complaints` | what does not work, told once |

mod complaints;
mod scope;
mod session;
mod subject;
mod voice;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_nats::ServerAddr;
use depsync_engine::channel::{Announcement, Channel, Listener, Report};
use depsync_engine::error::{Error, ErrorKind, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::runtime::Builder;
use tokio::sync::watch;

use self::complaints::Complaints;
use self::scope::Scope;
use super::board::Board;
use super::pause::{Pause, chance};
use super::settings::{Carrier, ChannelSettings, Token};

/// See the module.
pub struct NatsChannel {
    announcements: Board<Announcement>,
    reports: Board<Report>,
    scope: Arc<Scope>,
    /// When it goes, the thread ends.
    _stop: watch::Sender<()>,
}

/// What the thread has.
struct Link {
    servers: Vec<ServerAddr>,
    token: Option<Token>,
    user: Option<String>,
    authorities: Option<PathBuf>,
    /// Whether this node keeps the list.
    keeps: bool,
    scope: Arc<Scope>,
    announcements: Board<Announcement>,
    reports: Board<Report>,
    listener: Arc<dyn Listener>,
    was_connected: AtomicBool,
    complaints: Arc<Complaints>,
}

impl NatsChannel {
    /// Starts to connect, as `settings` say.
    ///
    /// # Errors
    /// When the settings make no sense. A server that cannot be reached, or lets nobody in, is none: it is tried again and
    /// again.
    pub fn start(settings: &ChannelSettings, listener: &Arc<dyn Listener>) -> Result<Self> {
        settings.check_for(Carrier::Nats)?;
        // Somebody else in this process may have chosen one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let servers = settings.listen.iter().map(|url| server(url)).collect::<Result<Vec<_>>>()?;
        settings.authorities.as_deref().map(check_authorities).transpose()?;
        let (announcements, reports) = (Board::new(), Board::new());
        let scope = Arc::new(Scope::new(settings.deployments.clone()));
        let link = Link {
            servers,
            token: settings.token.clone(),
            user: settings.user.clone(),
            authorities: settings.authorities.clone(),
            keeps: settings.keeps,
            scope: Arc::clone(&scope),
            announcements: announcements.clone(),
            reports: reports.clone(),
            listener: Arc::clone(listener),
            was_connected: AtomicBool::new(false),
            complaints: Arc::new(Complaints::new()),
        };
        let (stop, stopped) = watch::channel(());
        let thread = std::thread::Builder::new().name("channel".to_owned());
        let spawned = thread.spawn(move || Complaints::silently(|| link.keep(&stopped)));
        spawned.map_err(|source| Error::io("start", "a thread for the channel", source))?;
        Ok(Self { announcements, reports, scope, _stop: stop })
    }
}

impl Channel for NatsChannel {
    fn announce(&self, announcement: &Announcement) {
        self.scope.learn(announcement.hub, &announcement.deployment);
        self.announcements.post(announcement);
    }

    fn report(&self, report: &Report) {
        self.scope.learn(report.hub, &report.deployment);
        self.reports.post(report);
    }
}

impl Link {
    /// Stays connected until it is stopped.
    fn keep(&self, stopped: &watch::Receiver<()>) {
        let mut pause = Pause::new();
        let mut wait = Duration::ZERO;
        // Not all nodes begin with the same server.
        let first = usize::from(chance()) % self.servers.len();
        for server in self.servers.iter().cycle().skip(first) {
            let mut stopped = stopped.clone();
            // The library has tasks for each connection, which try on their own when it is lost. They end with their runtime.
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(source) => {
                    self.complaints.tell(&Error::io("start", "the channel", source), server.as_url_str());
                    std::thread::sleep(pause.draw());
                    if stopped.has_changed().is_err() {
                        return;
                    }
                    continue;
                }
            };
            let is_over = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = stopped.changed() => true,
                    () = self.connect_once(server, wait, &mut pause) => false,
                }
            });
            runtime.shutdown_background();
            if is_over {
                return;
            }
            wait = pause.draw();
        }
    }

    /// Waits, connects, and stays until the connection has ended.
    async fn connect_once(&self, server: &ServerAddr, wait: Duration, pause: &mut Pause) {
        tokio::time::sleep(wait).await;
        let ended = match self.enter(server).await {
            Ok(session) => {
                pause.reset();
                self.complaints.settled();
                session.stay().await
            }
            Err(error) => error,
        };
        self.complaints.tell(&ended, server.as_url_str());
    }
}

fn server(url: &str) -> Result<ServerAddr> {
    url.parse().map_err(|source: std::io::Error| {
        Error::new(ErrorKind::Usage, "no address of a NATS server").at(url).because(source)
    })
}

/// Says at once what the library would find out with every connection.
fn check_authorities(path: &Path) -> Result<()> {
    let unusable = || Error::new(ErrorKind::Usage, "no PEM file with certificates").at(path.display());
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    if found.map_err(|source| unusable().because(source))?.is_empty() {
        return Err(unusable());
    }
    Ok(())
}
