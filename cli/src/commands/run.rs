//! `run`: the daemon, for one deployment or several. Says what it does as it goes.

use std::sync::{Arc, Mutex, PoisonError};

use depsync_engine::channel::{Channel, Listener};
use depsync_engine::context::Context;
use depsync_engine::daemon::{Daemon, Duties, Event};
use depsync_engine::engine::Role;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;
use depsync_transports::channel::{ChannelSettings, StatusServer, Token};
use serde::Serialize;

use super::{publish, update};
use crate::args::{HealName, Run};
use crate::config;
use crate::metrics::Metrics;
use crate::output::{Printer, Told};
use crate::service::Service;
use crate::session::{Open, Session};
use crate::settings::Settings;
use crate::text::{self, BAD, GOOD, Length, STRONG, WARN, clean, styled};
use crate::units::{Span, milliseconds};
use crate::watch::Watch;

/// One of the deployments.
struct Post {
    open: Open,
    duties: Duties,
    watch: Arc<Watch>,
}

/// Runs until a signal comes.
pub(super) fn run(session: &Session<'_>, args: &Run) -> Result<()> {
    let mut first = session.settings_of_all(&args.operands)?;
    let mut channel = channel(session, args, &first.channel)?;
    let status = args.status.or(first.run.status);
    let status = ChannelSettings { serve: status, listen: Vec::new(), user: None, ..channel.clone() };
    if let Some(tenancy) = first.tenancy.take().filter(|_| first.tenant.is_none()) {
        if !args.also.is_empty() {
            let error = Error::new(ErrorKind::Usage, "tenants, and other deployments beside them");
            return Err(error.hint("give the others a process of their own"));
        }
        return super::estate::run(session, args, first, tenancy, (channel, status));
    }
    let mut all = vec![first];
    for file in &args.also {
        all.push(session.other_settings(file)?);
    }
    let mut posts = Vec::new();
    for settings in all {
        match post(session, args, settings, posts.is_empty()) {
            // A signal that comes so early ends it as well as any other.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
            post => posts.push(post?),
        }
    }
    channel.keeps = posts.iter().any(|post| post.open.options.role == Some(Role::ReadWrite));
    channel.deployments = posts.iter().map(|post| post.open.options.deployment.clone()).collect();
    keep(session, &posts, &channel, &status)
}

/// Opens one deployment.
fn post(session: &Session<'_>, args: &Run, mut settings: Settings, is_first: bool) -> Result<Post> {
    if let Some(role) = args.role {
        settings.options.role = Some(role.into());
    }
    let mut duties = duties(args, &settings);
    // The time is that of one turn.
    duties.timeout = settings.timeout.take();
    if duties.commit && settings.options.role.is_none() {
        settings.options.role = Some(Role::ReadWrite);
    }
    let mut open = session.open_settled(&settings)?;
    let watch = if is_first {
        Arc::clone(&session.watch)
    } else {
        Watch::new(None, session.watch.service().part(), None, None)
    };
    open.cx = open.cx.with_observer(Arc::clone(&watch) as _);
    duties.beat = watch.service().beat();
    Ok(Post { open, duties, watch })
}

/// Keeps all of them in step, each on a thread of its own. What ends one of them ends all.
fn keep(session: &Session<'_>, posts: &[Post], channel: &ChannelSettings, status: &ChannelSettings) -> Result<()> {
    let printer = Mutex::new(Printer { json: session.global.json, quiet: session.global.quiet });
    let (length, several) = (session.length(), posts.len() > 1);
    let mut tells: Vec<_> = posts.iter().map(|post| teller(post, &printer, length, several)).collect();
    let mut daemons = Vec::new();
    for (post, tell) in posts.iter().zip(&mut tells) {
        daemons.push(Daemon::new(&post.open.node, post.duties.clone(), tell)?);
    }
    if channel.serve.is_some() || !channel.listen.is_empty() {
        let mailboxes: Arc<dyn Listener> = Arc::new(daemons.iter().map(Daemon::mailbox).collect::<Vec<_>>());
        let channel: Arc<dyn Channel> = depsync_transports::channel::start(channel, &mailboxes)?;
        daemons = daemons.into_iter().map(|daemon| daemon.with_channel(Arc::clone(&channel))).collect();
    }
    let mut server = None;
    if status.serve.is_some() {
        let metrics = Metrics::new(
            daemons.iter().map(Daemon::vitals).zip(posts.iter().map(|post| post.open.hub.tally())).collect(),
        );
        server = Some(StatusServer::start(status, Arc::new(metrics))?);
    }
    let ended = std::thread::scope(|scope| {
        let work = |(post, mut daemon): (&Post, Daemon<'_>)| {
            let ended = daemon.run(&post.open.cx);
            session.cancel.cancel();
            ended
        };
        let mut pairs = posts.iter().zip(daemons);
        let first = pairs.next();
        let others: Vec<_> = pairs.map(|pair| scope.spawn(move || work(pair))).collect();
        let ended = first.map_or(Ok(()), work);
        let join = |other: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        others.into_iter().map(join).fold(ended, Result::and)
    });
    drop(server);
    ended
}

/// Tells what one of them does.
fn teller<'a>(
    post: &'a Post,
    printer: &'a Mutex<Printer>,
    length: Length,
    several: bool,
) -> impl FnMut(&Event) + Send + 'a {
    let Post { open, watch, .. } = post;
    move |event: &Event| {
        let told = told(event, &open.cx, &open.options.deployment, length, several);
        printer.lock().unwrap_or_else(PoisonError::into_inner).told(&told);
        notify(watch.service(), event);
    }
}

fn channel(session: &Session<'_>, args: &Run, config: &config::Channel) -> Result<ChannelSettings> {
    let token = args.token_file.as_ref().map(|file| session.environment.cwd.join(file));
    let token = token.or_else(|| config.token_file.clone()).map(|file| Token::read(&file)).transpose()?;
    let certificate = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => return Err(Error::new(ErrorKind::Usage, "a certificate and its key go together")),
    };
    Ok(ChannelSettings {
        serve: args.serve.or(config.serve),
        listen: if args.listen.is_empty() { config.listen.clone() } else { args.listen.clone() },
        token,
        user: config.username.clone(),
        certificate,
        authorities: config.ca_file.clone(),
        ..ChannelSettings::default()
    })
}

/// What the command line and the configuration say.
pub(super) fn duties(args: &Run, settings: &Settings) -> Duties {
    let config::Run {
        auto_commit,
        auto_checkout,
        period,
        scan_period,
        debounce,
        max_debounce,
        heartbeat,
        heal,
        message,
        status: _,
    } = &settings.run;
    let usual = Duties::default();
    let span = |given: Option<Span>, config: Option<Span>| given.or(config).map(|span| span.0);
    let mut settling = usual.settling;
    settling.quiet = span(args.debounce, *debounce).unwrap_or(settling.quiet);
    // A longer debounce alone is not cut short.
    settling.at_most = span(args.max_debounce, *max_debounce).unwrap_or(settling.at_most.max(settling.quiet));
    let is_manager = settings.options.role == Some(Role::ReadWrite);
    Duties {
        commit: args.auto_commit.or(*auto_commit).unwrap_or(is_manager),
        checkout: args.auto_checkout.or(*auto_checkout).unwrap_or(usual.checkout),
        period: span(args.period, *period).unwrap_or(usual.period),
        scan: span(args.scan_period, *scan_period).unwrap_or(usual.scan),
        settling,
        seed: args.seed,
        heal: args.heal.or(*heal).unwrap_or(HealName::Auto) == HealName::Auto,
        timeout: None,
        beat: None,
        heartbeat: span(args.heartbeat, *heartbeat).unwrap_or(usual.heartbeat),
        message: args.message.clone().or_else(|| message.clone()).unwrap_or_default(),
    }
}

/// What the service manager is told of it.
fn notify(service: &Service, event: &Event) {
    match event {
        Event::Ready => service.ready(),
        Event::Stopped => service.stopping(),
        Event::Recovered => service.says("it works again"),
        Event::Failed { message, .. } => service.says(&clean(message)),
        Event::Published(outcome) => {
            service.says(&outcome.revision.map_or_else(String::new, |number| format!("published revision {number}")));
        }
        Event::Updated(outcome) => {
            service.says(&outcome.to.map_or_else(String::new, |number| format!("at revision {number}")));
        }
        _ => {}
    }
}

/// An event with its time, for machines.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    deployment: &'a DeploymentName,
    #[serde(flatten)]
    event: &'a Event,
}

pub(super) fn told(event: &Event, cx: &Context, deployment: &DeploymentName, length: Length, several: bool) -> Told {
    let time = cx.now().to_string();
    let (text, matters) = say(event, deployment, length);
    let second = time.split('.').next().unwrap_or(&time);
    let text = match (text.is_empty(), several) {
        (true, _) => text,
        (false, true) => format!("{second} {deployment}: {text}"),
        (false, false) => format!("{second} {text}"),
    };
    Told::new(&Line { time, deployment, event }, text, matters)
}

/// The event for people, and whether it needs attention.
fn say(event: &Event, deployment: &DeploymentName, length: Length) -> (String, bool) {
    match event {
        Event::Watching { directories } => {
            (format!("watching {}\n", crate::units::counted(*directories, "directory")), false)
        }
        Event::Scanning { why } => {
            let what = styled(WARN, "not watching");
            (format!("{what}: {}; everything is scanned\n", clean(why)), true)
        }
        Event::Published(outcome) => {
            let open = !outcome.conflicts.is_empty() || !outcome.problems.is_empty();
            (publish::say(outcome, deployment, false, length), open)
        }
        Event::Updated(outcome) => {
            let open = !outcome.conflicts.is_empty() || !outcome.problems.is_empty() || !outcome.drift.is_empty();
            let open = open || outcome.held.is_some();
            (update::say(outcome, deployment, false, length), open)
        }
        Event::Rewritten { paths } => {
            let mut out = format!("{}\n", styled(WARN, "something here rewrites what is deployed"));
            text::section(&mut out, "left as they are until the next revision", paths, length, ToString::to_string);
            out.push_str("  if the server writes them, add them to .depsyncignore\n");
            (out, true)
        }
        Event::Failed { message, hint, again_in_ms, .. } => {
            let again = milliseconds(*again_in_ms);
            let mut out = format!("{}: {}; again in {again}\n", styled(BAD, "failed"), clean(message));
            if let Some(hint) = hint {
                out.push_str(&format!("  {}: {}\n", styled(GOOD, "hint"), clean(hint)));
            }
            (out, true)
        }
        Event::Recovered => (format!("{}\n", styled(GOOD, "it works again")), true),
        Event::Stopped => (format!("{}\n", styled(STRONG, "stopped")), false),
        _ => (String::new(), false),
    }
}
