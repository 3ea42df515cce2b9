//! Who watches the engine at work: the progress bars, and for demonstrations and tests, death or a stop at a step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use depsync_engine::context::{Delivering, Observer, Progress};
use rustix::process::{Signal, getpid, kill_process};

use crate::deliveries::Deliveries;
use crate::progress::Bars;
use crate::service::Service;

/// The program's observer.
pub(crate) struct Watch {
    bars: Option<Bars>,
    deliveries: Option<Deliveries>,
    service: Service,
    steps: AtomicU64,
    die_at: Option<u64>,
    stop_at: Option<String>,
    stopped: AtomicBool,
}

impl Watch {
    /// Watches with or without bars; kills the process before durable step number `die_at`, from 1, and stops it before
    /// the first one whose name is `stop_at`.
    pub(crate) fn new(bars: Option<Bars>, service: Service, die_at: Option<u64>, stop_at: Option<String>) -> Arc<Self> {
        let deliveries = bars.is_some().then(Deliveries::on_stderr);
        let (steps, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { bars, deliveries, service, steps, die_at, stop_at, stopped })
    }

    /// The service manager.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// The work has ended: the screen belongs to the answer.
    pub(crate) fn finish(&self) {
        if let Some(bars) = &self.bars {
            bars.finish();
        }
        if let Some(deliveries) = &self.deliveries {
            deliveries.finish();
        }
    }
}

impl Observer for Watch {
    fn alive(&self) {
        self.service.alive();
    }

    fn progress(&self, progress: Progress) {
        self.service.alive();
        if let Some(bars) = &self.bars {
            bars.show(progress);
        }
    }

    fn delivering(&self, node: &str, how_far: Delivering) {
        if let Some(deliveries) = &self.deliveries {
            deliveries.show(node, how_far);
        }
        // Bars of what came before, and of files that are laid ready, would stand in the way.
        if let (Some(bars), Delivering::Waiting) = (&self.bars, how_far) {
            bars.finish();
        }
    }

    fn step(&self, name: &'static str) {
        self.service.alive();
        let number = 1 + self.steps.fetch_add(1, Ordering::SeqCst);
        tracing::debug!(number, name, "durable step");
        if self.die_at == Some(number) {
            // As a power failure would: no destructor, no flush, no handler.
            let _ = kill_process(getpid(), Signal::KILL);
            std::process::abort();
        }
        if self.stop_at.as_deref() == Some(name) && !self.stopped.swap(true, Ordering::SeqCst) {
            let _ = kill_process(getpid(), Signal::STOP);
            // Another thread may take the signal, and stop this one a little later.
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}
