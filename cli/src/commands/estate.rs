//! `run` for many tenants: one process keeps all of them in step.

use std::sync::{Arc, Mutex, PoisonError};

use depsync_engine::channel::{Channel, Listener};
use depsync_engine::context::Context;
use depsync_engine::daemon::Event;
use depsync_engine::engine::Role;
use depsync_engine::error::{Error, Result};
use depsync_engine::estate::{Estate, EstateDuties, EstateEvent, EstateTold};
use depsync_engine::name::DeploymentName;
use depsync_transports::channel::{ChannelSettings, StatusServer};
use serde::Serialize;

use super::run::told;
use crate::args::Run;
use crate::metrics::EstateMetrics;
use crate::output::{ErrorFacts, Printer, Told};
use crate::session::Session;
use crate::settings::Settings;
use crate::tenancy::{House, Tenancy};
use crate::text::{BAD, GOOD, STRONG, clean, styled};
use crate::units::counted;

/// Runs until a signal comes.
pub(super) fn run(
    session: &Session<'_>,
    args: &Run,
    mut settings: Settings,
    tenancy: Tenancy,
    (channel, status): (ChannelSettings, ChannelSettings),
) -> Result<()> {
    if !settings.hub_named {
        return Err(settings.unnamed_hub());
    }
    if let Some(role) = args.role {
        settings.options.role = Some(role.into());
    }
    let usual = EstateDuties::default();
    let duties = super::run::duties(args, &settings);
    let duties = EstateDuties {
        commit: duties.commit,
        checkout: duties.checkout,
        seed: args.seed,
        period: duties.period,
        check: tenancy.check.unwrap_or(usual.check),
        settling: duties.settling,
        heal: duties.heal,
        include: tenancy.include.clone(),
        eager: tenancy.eager.clone(),
        idle: tenancy.idle,
        evict: tenancy.evict,
        timeout: settings.timeout.take(),
        beat: session.watch.service().beat(),
        message: duties.message,
        parallel: tenancy.parallel.unwrap_or(usual.parallel),
        open: usual.open,
    };
    if duties.commit && settings.options.role.is_none() {
        settings.options.role = Some(Role::ReadWrite);
    }
    let is_lazy = !settings.options.lazy.is_empty();
    let cx = session.context(&settings)?;
    let register = tenancy.register()?;
    let hub = depsync_transports::House::new(&settings.options.hub, &settings.access)?;
    let house = House { tenancy, options: settings.options.clone(), hub };
    let printer = Mutex::new(Printer { json: session.global.json, quiet: session.global.quiet });
    let tell = |event: EstateTold<'_>| {
        let told = say(session, &cx, &event);
        if let Some(told) = told {
            printer.lock().unwrap_or_else(PoisonError::into_inner).told(&told);
        }
        notify(session, &event);
    };
    let mut estate = Estate::new(&register, &house.hub, &house, duties, is_lazy, &tell)?;
    if channel.serve.is_some() || !channel.listen.is_empty() {
        let ear: Arc<dyn Listener> = estate.ear();
        let channel = ChannelSettings { keeps: false, ..channel };
        let channel: Arc<dyn Channel> = depsync_transports::channel::start(&channel, &ear)?;
        estate = estate.with_channel(channel);
    }
    let mut server = None;
    if status.serve.is_some() {
        let metrics = EstateMetrics::new(estate.gauge(), house.hub.tally());
        server = Some(StatusServer::start(&status, Arc::new(metrics))?);
    }
    let ended = estate.run(&cx);
    drop(server);
    ended
}

/// What the service manager is told of it.
fn notify(session: &Session<'_>, event: &EstateTold<'_>) {
    let service = session.watch.service();
    match event {
        EstateTold::Ready(loaded, all) => {
            service.ready();
            service.says(&format!("{loaded} of {} in step", counted(*all, "tenant")));
        }
        EstateTold::Deaf(error, _) => service.says(&clean(&error.to_string())),
        EstateTold::Hears => service.says("it works again"),
        EstateTold::Stopped => service.stopping(),
        EstateTold::Daemon(..) | EstateTold::One(..) => {}
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum All {
    Ready { loaded: usize, tenants: usize },
    Deaf { failures: u32, error: ErrorFacts },
    Hears,
    Stopped,
}

/// An event of all, or one that daemons do not have, with its time.
#[derive(Serialize)]
struct Line<'a, T> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a DeploymentName>,
    #[serde(flatten)]
    event: T,
}

/// The event for people and machines.
fn say(session: &Session<'_>, cx: &Context, event: &EstateTold<'_>) -> Option<Told> {
    let time = cx.now().to_string();
    let second = time.split('.').next().unwrap_or(&time).to_owned();
    let of_all = |all: All, text: String, matters| {
        let line = Line { time: time.clone(), deployment: None, event: all };
        Told::new(&line, format!("{second} {text}\n"), matters)
    };
    Some(match event {
        // One turn after the other: what is watched and when it is ready is not told of each.
        EstateTold::Daemon(_, Event::Watching { .. } | Event::Ready | Event::Stopped) => return None,
        EstateTold::Daemon(name, event) => told(event, cx, name, session.length(), true),
        EstateTold::One(name, event) => {
            let text = match event {
                EstateEvent::Loaded => "somebody uses it: it is kept in step from now on",
                EstateEvent::Unloaded => "nobody has used it for long: it is left alone",
            };
            let line = Line { time: time.clone(), deployment: Some(name), event };
            Told::new(&line, format!("{second} {name}: {text}\n"), false)
        }
        EstateTold::Ready(loaded, tenants) => {
            let text = format!("{} of {} in step", loaded, counted(*tenants, "tenant"));
            of_all(All::Ready { loaded: *loaded, tenants: *tenants }, styled(STRONG, text), false)
        }
        EstateTold::Deaf(error, failures) => {
            let text = deaf(error);
            of_all(All::Deaf { failures: *failures, error: ErrorFacts::from(*error) }, text, true)
        }
        EstateTold::Hears => of_all(All::Hears, styled(GOOD, "the hub answers again"), true),
        EstateTold::Stopped => of_all(All::Stopped, styled(STRONG, "stopped"), false),
    })
}

fn deaf(error: &Error) -> String {
    let mut text = format!("{}: {}", styled(BAD, "the hub was not asked"), clean(&error.to_string()));
    if let Some(hint) = error.advice() {
        text.push_str(&format!("\n  {}: {}", styled(GOOD, "hint"), clean(hint)));
    }
    text
}
