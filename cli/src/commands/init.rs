//! `init`: make this node's state, and the hub if its place is empty; and a configuration, if a preset is named.

use depsync_engine::error::{Error, ErrorKind, Result};

use crate::args::{Init, RoleName};
use crate::config;
use crate::exit::Exit;
use crate::import::carbon::create;
use crate::import::preset::Preset;
use crate::output::Answer;
use crate::session::Session;
use crate::text::clean;

/// Writes a configuration with what is usual for a server, unless there is one.
fn write_preset(session: &Session<'_>, args: &Init, preset: Preset) -> Result<()> {
    let global = session.global;
    let file = session.environment.cwd.join(config::NAME);
    if global.config.is_some() || file.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorKind::Usage, "there is a configuration already; nothing was written")
            .at(global.config.as_ref().unwrap_or(&file).display())
            .hint("move it away, or write into it what `depsync init --preset` of an empty directory writes"));
    }
    let settings = session.settings(&args.operands)?;
    let set = |key: &str, value: &str| format!("{key} = {}", toml::Value::from(value));
    let mut text = vec![set("dir", &settings.options.dir.to_string_lossy())];
    if settings.hub_named {
        text.push(set("hub", &settings.options.hub));
    }
    if let Some(role) = args.role {
        text.push(set("role", if role == RoleName::Manager { "manager" } else { "worker" }));
    }
    let (top, tables) = preset.lines();
    text.extend(top);
    text.extend(tables);
    create(&file, 0o644, &(text.join("\n") + "\n"))
}

/// Runs the command.
pub(super) fn run(session: &Session<'_>, args: &Init) -> Result<Answer> {
    if let Some(preset) = args.preset {
        write_preset(session, args, preset)?;
    }
    let open = session.open(&args.operands)?;
    let outcome = open.node.init(&open.cx, args.role.map(Into::into).or(open.options.role))?;
    let hub = if outcome.created { "made the hub" } else { "found the hub" };
    let text = format!(
        "{hub} {} ({})\nnode {}, state in {}\n",
        clean(&open.hub.transport().endpoint().to_string()),
        outcome.hub_id,
        outcome.node,
        clean(&outcome.state)
    );
    Ok(Answer::deed(&outcome, text, Exit::of_deed(false, false, outcome.created)))
}
