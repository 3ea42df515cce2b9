//! Somebody who watches a node's directory, so that its commands look at what has changed only.

use std::path::Path;
use std::time::{Duration, Instant};

use depsync_engine::beneath::Root;
use depsync_engine::context::Context;
use depsync_engine::engine::Scope;
use depsync_engine::scan::Ignore;
use depsync_engine::watch::{Hint, Settling, Waited, Watch, Why};

/// See the module.
#[derive(Default)]
pub(crate) struct Sentry {
    watch: Option<Watch>,
    /// What has changed since the last look.
    hint: Hint,
}

impl Sentry {
    /// What the next command has to look at.
    pub(crate) fn scope(&mut self, dir: &Path) -> Scope {
        let cx = Context::new();
        let at_once = Settling { quiet: Duration::ZERO, at_most: Duration::ZERO };
        if let Some(watch) = &mut self.watch {
            while let Waited::Changed(hint) = watch.wait(&cx, at_once, Instant::now()).expect("waits") {
                self.hint.add_all(hint);
            }
        }
        let is_blind = self.watch.is_none() || matches!(&self.hint, Hint::Everything(why) if why.lasts());
        if is_blind {
            self.watch = None;
            if let Ok(root) = Root::open(dir) {
                let ignore = Ignore::load(&root).expect("patterns");
                self.watch = Some(Watch::open(&cx, root, ignore).expect("watches"));
                self.hint = Hint::Everything(Why::New);
            }
            return Scope::Whole;
        }
        match &self.hint {
            Hint::Paths(part) => Scope::Part(part.clone()),
            Hint::Everything(_) => Scope::Whole,
        }
    }

    /// The command has looked.
    pub(crate) fn looked(&mut self) {
        self.hint = Hint::default();
    }
}
