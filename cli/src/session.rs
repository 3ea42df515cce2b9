//! One command's working things: settings, context, node and hub.

use std::sync::Arc;
use std::time::Instant;

use depsync_engine::context::{Cancel, Context};
use depsync_engine::engine::{Node, Options};
use depsync_engine::error::Result;
use depsync_transports::{Access, HubTransport, Storage};

use crate::args::{Global, Operands};
use crate::environment::Environment;
use crate::envoy;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::text::Length;
use crate::watch::Watch;

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
    pub(crate) hub: Arc<HubTransport<Arc<dyn Storage>>>,
    /// What every call carries.
    pub(crate) cx: Context,
    /// What the node was opened with.
    pub(crate) options: Options,
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

    fn open_where(&self, operands: &Operands, must_exist: bool) -> Result<Open> {
        let mut settings = Settings::merge(self.global, operands, self.environment)?;
        settings.needs_hub()?;
        if !self.global.envoy && depsync_transports::may_hang(&settings.options.hub) {
            match envoy::send(&self.cancel, self.signals)? {}
        }
        settings.options.must_exist = must_exist;
        let mut cx = Context::new().with_cancel(self.cancel.clone()).with_observer(Arc::clone(&self.watch) as _);
        // A timeout beyond what the clock can say is none.
        if let Some(deadline) = settings.timeout.and_then(|timeout| Instant::now().checked_add(timeout)) {
            cx = cx.with_deadline(deadline);
        }
        Open::new(cx, settings.options, &settings.access)
    }

    /// How long lists are to be.
    pub(crate) fn length(&self) -> Length {
        if self.global.verbose > 0 { Length::Full } else { Length::Short }
    }
}

impl Open {
    /// Opens a node.
    pub(crate) fn new(cx: Context, options: Options, access: &Access) -> Result<Self> {
        let mut hub = None;
        let node = Node::open(&cx, options.clone(), |ledger| {
            let opened = Arc::new(depsync_transports::open(&options.hub, access, options.deployment.clone(), ledger)?);
            hub = Some(Arc::clone(&opened));
            Ok(opened)
        })?;
        let hub = hub.expect("an open node has asked for its transport");
        Ok(Self { node, hub, cx, options })
    }
}
