//! A process that can always end, in front of one that may not be able to.
//!
//! A file call that hangs on a hard mount whose server is gone is given up in time. But Linux lets a process go only when
//! all of its threads are gone, and some waits of an NFS client let nobody go until the server is back: for data that is
//! being flushed, and at the end of the process for the close of every file that was open. Whoever waits for the command
//! (cron, a shell, ssh) would wait as long. So where the hub is on a network mount the program starts itself a second
//! time: the *envoy* does what is wanted, and the first process passes signals on and ends when the envoy has said how
//! it went.
//!
//! They are connected by the envoy's stdin, a socket; nothing else is read from stdin. Laws:
//! - to the envoy goes one byte a signal: the exit status that belongs to it. Its own signals it does not heed, because
//!   those of a terminal come to both;
//! - when the first process is gone, however it ended, the envoy ends at once;
//! - from the envoy comes one byte, its exit status, when all is said and everything is given back. From then on it holds
//!   nothing that another process could wait for.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use depsync_engine::context::Cancel;
use depsync_engine::error::{Error, Result};
use rustix::process::{Signal, getpid, kill_process};

use crate::exit::Exit;
use crate::signals::Signals;

/// How long an envoy that has said how it went may take to be gone. One that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

/// In front: has the command done by an envoy and ends as it did.
pub(crate) fn send(cancel: &Cancel, signals: &Signals) -> Result<Infallible> {
    let failed = |source| Error::io("start", "this program a second time", source);
    let (near, far) = UnixStream::pair().map_err(failed)?;
    let mut arguments = std::env::args_os();
    // By this name it is found also when another version has been installed over it meanwhile.
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let child =
        command.arg("--envoy").args(arguments).stdin(Stdio::from(OwnedFd::from(far))).spawn().map_err(failed)?;
    // The other end must be the envoy's alone, or its end would not be seen.
    drop(command);
    let near = Arc::new(near);
    let (told, signals) = (Arc::clone(&near), signals.clone());
    let _hook = cancel.on_cancel(move || {
        let _ = (&*told).write_all(&[signals.exit().code()]);
    });
    end_as(&near, child)
}

fn end_as(mut near: &UnixStream, mut child: Child) -> Result<Infallible> {
    let failed = |source| Error::io("wait for", "the second process", source);
    let mut status = [0];
    if near.read_exact(&mut status).is_ok() {
        let began = Instant::now();
        while child.try_wait().map_err(failed)?.is_none() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::process::exit(i32::from(status[0]));
    }
    // It ended without a word: by a signal, or it broke.
    let status = child.wait().map_err(failed)?;
    std::process::exit(mirrored(status))
}

/// Ends by the signal that ended the envoy, or gives its status.
fn mirrored(status: ExitStatus) -> i32 {
    if let Some(number) = status.signal() {
        if let Some(signal) = Signal::from_named_raw(number) {
            let _ = kill_process(getpid(), signal);
        }
        return 128 + number;
    }
    status.code().unwrap_or(i32::from(Exit::Failed.code()))
}

/// In the envoy: what comes from the first process, until that is gone.
pub(crate) fn heed(signals: &Signals, cancel: &Cancel) -> Result<()> {
    let failed = |source| Error::io("listen to", "the first process", source);
    let mut front = front().map_err(failed)?;
    let signals = signals.clone();
    let cancel = cancel.clone();
    let listen = move || {
        let mut status = [0];
        while front.read_exact(&mut status).is_ok() {
            let terminated = status[0] == Exit::Terminated.code();
            signals.came(if terminated { Exit::Terminated } else { Exit::Interrupted }, &cancel);
        }
        std::process::exit(i32::from(Exit::Failed.code()));
    };
    std::thread::Builder::new().name("envoy".to_owned()).spawn(listen).map_err(failed)?;
    Ok(())
}

/// In the envoy: says how it went, and lets go of what others may wait for.
pub(crate) fn report(exit: Exit) {
    // Pipes that it holds do not end for those who read them.
    if let Ok(nothing) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(nothing.as_fd());
        let _ = rustix::stdio::dup2_stderr(nothing.as_fd());
    }
    if let Ok(mut front) = front() {
        let _ = front.write_all(&[exit.code()]);
    }
}

fn front() -> std::io::Result<UnixStream> {
    Ok(UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}
