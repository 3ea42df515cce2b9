//! One command's working things: settings, context, node and hub.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use depsync_engine::apply::Places;
use depsync_engine::context::{Cancel, Context};
use depsync_engine::engine::{Node, Options, UpdateOptions};
use depsync_engine::error::{ErrorKind, Result};
use depsync_engine::transport::{Ledger, OpenMode};
use depsync_transports::{Access, Hub};

use crate::args::{Global, Operands};
use crate::environment::Environment;
use crate::envoy;
use crate::settings::{Settings, tidy_hub};
use crate::signals::Signals;
use crate::tenancy::Tenancy;
use crate::text::Length;
use crate::watch::Watch;

/// Where in a state directory the hub of a node without any other is.
const OWN_HUB: &str = "hub";

/// What every command is handed.
pub(crate) struct Session<'a> {
    /// The options that stand on every command.
    pub(crate) global: &'a Global,
    /// The surroundings.
    pub(crate) environment: &'a Environment,
    /// The token that signals raise.
    pub(crate) cancel: Cancel,
    /// Which signal has raised it.
    pub(crate) signals: &'a Signals,
    /// The observer.
    pub(crate) watch: Arc<Watch>,
}

/// An open node and what it was opened with.
pub(crate) struct Open {
    /// The engine's face.
    pub(crate) node: Node,
    /// The hub, for what is not the node's business.
    pub(crate) hub: Hub,
    /// What every call carries.
    pub(crate) cx: Context,
    /// What the node was opened with.
    pub(crate) options: Options,
    /// Whose it is, where there are many tenants.
    tenancy: Option<Tenancy>,
}

impl Session<'_> {
    /// Opens the node that the command line and the configuration name.
    pub(crate) fn open(&self, operands: &Operands) -> Result<Open> {
        self.open_where(operands, false)
    }

    /// Opens a node that was there before: for commands that look, or go on from what is there.
    pub(crate) fn open_existing(&self, operands: &Operands) -> Result<Open> {
        self.open_where(operands, true)
    }

    /// The same, or a tenant that may never have been here.
    pub(crate) fn open_tenant(&self) -> Result<Open> {
        let is_tenant = self.global.tenant.is_some();
        self.open_where(&Operands::default(), !is_tenant)
    }

    /// What the command line and the configuration say.
    pub(crate) fn settings(&self, operands: &Operands) -> Result<Settings> {
        Settings::merge(self.global, operands, self.environment)
    }

    /// The same for a command that is about all tenants.
    pub(crate) fn settings_of_all(&self, operands: &Operands) -> Result<Settings> {
        Settings::merge_all(self.global, operands, self.environment)
    }

    /// What another configuration says, for the same command.
    pub(crate) fn other_settings(&self, config: &Path) -> Result<Settings> {
        let Global { node, timeout, .. } = self.global.clone();
        let global = Global { config: Some(config.to_owned()), node, timeout, ..Global::default() };
        Settings::merge(&global, &Operands::default(), self.environment)
    }

    /// Opens a node to push from: without a hub it gets one of its own.
    pub(crate) fn open_to_push(&self, settings: &Settings) -> Result<Open> {
        let open = self.open_as(settings)?;
        if !settings.hub_named && !open.has_own_hub() {
            open.hub.transport().open(&open.cx, OpenMode::Create)?;
        }
        Ok(open)
    }

    /// Opens a node as these settings say.
    pub(crate) fn open_settled(&self, settings: &Settings) -> Result<Open> {
        if settings.hub_named { self.open_as(settings) } else { Err(settings.unnamed_hub()) }
    }

    fn open_where(&self, operands: &Operands, must_exist: bool) -> Result<Open> {
        let mut settings = self.settings(operands)?;
        settings.options.must_exist = must_exist || !settings.hub_named;
        let open = self.open_as(&settings);
        // Without a hub only what was pushed from is at home here.
        match open {
            Ok(open) if settings.hub_named || open.has_own_hub() => Ok(open),
            Err(error) if settings.hub_named || error.kind() != ErrorKind::Usage => Err(error),
            _ => Err(settings.unnamed_hub()),
        }
    }

    fn open_as(&self, settings: &Settings) -> Result<Open> {
        let cx = self.context(settings)?;
        let tenancy = settings.tenancy.clone().filter(|_| settings.tenant.is_some());
        if let Some(tenancy) = tenancy.as_ref().filter(|_| !settings.options.must_exist) {
            tenancy.make_room(&settings.options.deployment)?;
        }
        let mut open = Open::new(cx, settings.options.clone(), &settings.access)?;
        open.tenancy = tenancy;
        Ok(open)
    }

    /// What every call carries. Where the hub could hold this process for ever, an envoy goes on from here.
    pub(crate) fn context(&self, settings: &Settings) -> Result<Context> {
        if !self.global.envoy && depsync_transports::may_hang(&settings.options.hub) {
            match envoy::send(&self.cancel, self.signals)? {}
        }
        let mut cx = Context::new().with_cancel(self.cancel.clone()).with_observer(Arc::clone(&self.watch) as _);
        // A timeout beyond what the clock can say is none.
        if let Some(deadline) = settings.timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            cx = cx.with_deadline(deadline);
        }
        Ok(cx)
    }

    /// How long lists are to be.
    pub(crate) fn length(&self) -> Length {
        if self.global.verbose > 0 { Length::Full } else { Length::Short }
    }
}

impl Open {
    /// Opens a node. Where no hub is named it is one of its own, in its state directory.
    pub(crate) fn new(cx: Context, options: Options, access: &Access) -> Result<Self> {
        let mut hub = None;
        let node = Node::open(&cx, options.clone(), |places, ledger| {
            let opened = connect(&options, access, places, ledger)?;
            let transport = opened.transport();
            hub = Some(opened);
            Ok(transport)
        })?;
        let hub = hub.expect("an open node has asked for its transport");
        Ok(Self { node, hub, cx, options, tenancy: None })
    }

    /// Takes note that somebody wants something of this tenant: a daemon of all of them keeps it in step from now on.
    pub(crate) fn is_used(&self) -> Result<()> {
        let Some(tenancy) = &self.tenancy else { return Ok(()) };
        tenancy.register()?.used(&self.options.deployment, self.cx.now())
    }

    /// Brings a tenant here that never was, as far as it comes without being asked for more.
    pub(crate) fn meet(&self) -> Result<()> {
        if self.tenancy.is_some() && !self.node.has_applied()? {
            self.node.update(&self.cx, &UpdateOptions::default())?;
        }
        Ok(())
    }

    fn has_own_hub(&self) -> bool {
        has_own_hub(self.node.places())
    }
}

/// Whether a node there has a hub of its own.
pub(crate) fn has_own_hub(places: &Places) -> bool {
    places.state.join(OWN_HUB).is_dir()
}

/// The hub that the options name, or the node's own. Touches nothing.
pub(crate) fn connect(options: &Options, access: &Access, places: &Places, ledger: Arc<dyn Ledger>) -> Result<Hub> {
    let own = places.state.join(OWN_HUB);
    let address = if options.hub.is_empty() { tidy_hub(&own, "")? } else { options.hub.clone() };
    let room = places.state.join("svn");
    depsync_transports::open(&address, access, options.deployment.clone(), ledger, &room)
}
