//! `run`: the daemon. Says what it does as it goes.

use std::sync::Arc;

use depsync_engine::channel::Listener;
use depsync_engine::context::Context;
use depsync_engine::daemon::{Daemon, Duties, Event};
use depsync_engine::engine::Role;
use depsync_engine::error::{Error, ErrorKind, Result};
use depsync_engine::name::DeploymentName;
use depsync_transports::channel::{ChannelSettings, HttpChannel, Token};
use serde::Serialize;

use super::{publish, update};
use crate::args::{HealName, Run};
use crate::config;
use crate::output::{Printer, Told};
use crate::service::Service;
use crate::session::{Open, Session};
use crate::settings::Settings;
use crate::text::{self, BAD, GOOD, Length, STRONG, WARN, clean, styled};
use crate::units::{Span, milliseconds};

/// Runs until a signal comes.
pub(super) fn run(session: &Session<'_>, args: &Run) -> Result<()> {
    let mut settings = session.settings(&args.operands)?;
    if let Some(role) = args.role {
        settings.options.role = Some(role.into());
    }
    let mut duties = duties(args, &settings);
    // The time is that of one turn.
    duties.timeout = settings.timeout.take();
    if duties.commit && settings.options.role.is_none() {
        settings.options.role = Some(Role::ReadWrite);
    }
    let deployment = settings.options.deployment.clone();
    let open = match session.open_settled(&settings) {
        // A signal that comes so early ends it as well as any other.
        Err(error) if error.kind() == ErrorKind::Cancelled => return Ok(()),
        open => open?,
    };
    let Open { node, cx, .. } = &open;
    let printer = Printer { json: session.global.json, quiet: session.global.quiet };
    let length = session.length();
    let service = session.watch.service();
    duties.beat = service.beat();
    let mut tell = |event: &Event| {
        printer.told(&told(event, cx, &deployment, length));
        notify(service, event);
    };
    let mut daemon = Daemon::new(node, duties, &mut tell)?;
    let channel = channel(session, args, &settings.channel)?;
    if channel.serve.is_some() || !channel.listen.is_empty() {
        let mailbox: Arc<dyn Listener> = daemon.mailbox();
        daemon = daemon.with_channel(Arc::new(HttpChannel::start(&channel, &mailbox)?));
    }
    daemon.run(cx)
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
        certificate,
        authorities: config.ca_file.clone(),
    })
}

/// What the command line and the configuration say.
fn duties(args: &Run, settings: &Settings) -> Duties {
    let config::Run { auto_commit, auto_checkout, period, scan_period, debounce, heartbeat, heal, message } =
        &settings.run;
    let usual = Duties::default();
    let span = |given: Option<Span>, config: Option<Span>| given.or(config).map(|span| span.0);
    let mut settling = usual.settling;
    settling.quiet = span(args.debounce, *debounce).unwrap_or(settling.quiet);
    settling.at_most = settling.at_most.max(settling.quiet);
    let is_manager = settings.options.role == Some(Role::ReadWrite);
    Duties {
        commit: args.auto_commit.or(*auto_commit).unwrap_or(is_manager),
        checkout: args.auto_checkout.or(*auto_checkout).unwrap_or(usual.checkout),
        period: span(args.period, *period).unwrap_or(usual.period),
        scan: span(args.scan_period, *scan_period).unwrap_or(usual.scan),
        settling,
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

fn told(event: &Event, cx: &Context, deployment: &DeploymentName, length: Length) -> Told {
    let time = cx.now().to_string();
    let (text, matters) = say(event, deployment, length);
    let text = if text.is_empty() { text } else { format!("{} {text}", time.split('.').next().unwrap_or(&time)) };
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
            (format!("{what}: {}; everything is scanned in every period\n", clean(why)), true)
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
