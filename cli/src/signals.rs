//! SIGINT and SIGTERM become a cancelled context; a second one ends the program at once.
//!
//! The engine is blocking, so the signals are awaited on a thread of their own with a small runtime. What the program
//! leaves behind is whole either way: an update cut short at any point is finished by the next command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use depsync_engine::context::Cancel;
use depsync_engine::error::{Error, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// Which signal has come, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals(Arc<AtomicU8>);

impl Signals {
    /// Starts to listen; the first signal cancels `cancel`.
    pub(crate) fn listen(cancel: Cancel) -> Result<Self> {
        let (runtime, interrupt, terminate) = register().map_err(failed)?;
        let signals = Self::default();
        let seen = signals.clone();
        let listener = move || runtime.block_on(seen.await_both(interrupt, terminate, &cancel));
        std::thread::Builder::new().name("signals".to_owned()).spawn(listener).map_err(failed)?;
        Ok(signals)
    }

    /// Takes no notice of them from now on: somebody else says when one has come ([`Signals::came`]).
    pub(crate) fn ignore() -> Result<Self> {
        // Handlers stay when those who listen are gone.
        drop(register().map_err(failed)?);
        Ok(Self::default())
    }

    /// What the signal with this exit status does: the first one cancels `cancel`, a second one ends the program.
    pub(crate) fn came(&self, exit: Exit, cancel: &Cancel) {
        if self.0.swap(exit.code(), Ordering::SeqCst) != 0 {
            std::process::exit(i32::from(exit.code()));
        }
        cancel.cancel();
    }

    async fn await_both(&self, mut interrupt: Signal, mut terminate: Signal, cancel: &Cancel) {
        loop {
            let exit = tokio::select! {
                Some(()) = interrupt.recv() => Exit::Interrupted,
                Some(()) = terminate.recv() => Exit::Terminated,
                else => return,
            };
            self.came(exit, cancel);
        }
    }

    /// The exit status of an interrupted command.
    pub(crate) fn exit(&self) -> Exit {
        if self.0.load(Ordering::SeqCst) == Exit::Terminated.code() { Exit::Terminated } else { Exit::Interrupted }
    }
}

fn register() -> std::io::Result<(Runtime, Signal, Signal)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let inside = runtime.enter();
    let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(inside);
    Ok((runtime, interrupt, terminate))
}

fn failed(source: std::io::Error) -> Error {
    Error::io("listen for signals", "this process", source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal as Number, getpid, kill_process};
    use std::time::{Duration, Instant};

    #[test]
    fn a_signal_cancels_and_is_remembered() {
        let cancel = Cancel::default();
        let signals = Signals::listen(cancel.clone()).expect("listens");
        assert_eq!(signals.exit(), Exit::Interrupted);
        kill_process(getpid(), Number::TERM).expect("signals itself");
        let start = Instant::now();
        while !cancel.is_cancelled() && start.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(cancel.is_cancelled());
        assert_eq!(signals.exit(), Exit::Terminated);
    }
}
