//! Somebody who watches a node's directory, so that its commands look at what has changed only.

use std::path::Path;

use depsync_engine::beneath::Root;
use depsync_engine::context::Context;
use depsync_engine::engine::Scope;
use depsync_engine::scan::Ignore;
use depsync_engine::watch::{Hint, Lookout};

/// See the module.
pub(crate) struct Sentry(Lookout);

impl Sentry {
    pub(crate) fn new() -> Self {
        Self(Lookout::new().expect("a lookout"))
    }

    /// What the next command has to look at.
    pub(crate) fn scope(&mut self, dir: &Path) -> Scope {
        let cx = Context::new();
        self.0.take_in(&cx).expect("takes in");
        if let (Some(_), Ok(root)) = (self.0.blind(), Root::open(dir)) {
            let ignore = Ignore::load(&root).expect("patterns");
            self.0.open(&cx, root, ignore).expect("watches");
        }
        match self.0.unseen() {
            Hint::Paths(part) => Scope::Part(part.clone()),
            Hint::Everything(_) => Scope::Whole,
        }
    }

    /// The command has looked.
    pub(crate) fn looked(&mut self) {
        self.0.seen([]);
    }
}
