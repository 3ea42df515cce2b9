//! A program at work: what it prints, what it is told, and its end.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use depsync_engine::context::Context;
use depsync_engine::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use super::output::Tail;

/// How many bytes are read from a program at a time, and how many such reads may wait to be taken.
const CHUNK: usize = 64 << 10;
const WAITING: usize = 16;
/// How long a program may take to end after its stdin was closed, and again after TERM, and after KILL.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often we look whether a program has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// How often a deadline is looked at, if nothing else happens.
const SLICE: Duration = Duration::from_secs(1);

/// What whoever reads stdout hears.
#[derive(Debug)]
enum Heard {
    Bytes(Vec<u8>),
    End,
    /// The context was cancelled: look at it.
    Wake,
}

/// A program at work. Dropped, it is stopped.
#[derive(Debug)]
pub(crate) struct Running {
    name: Cow<'static, str>,
    child: Child,
    stdin: Option<Sender<Vec<u8>>>,
    stdout: Receiver<Heard>,
    wake: SyncSender<Heard>,
    stderr: Tail,
    silent: bool,
    ended: Option<ExitStatus>,
}

impl Running {
    pub(super) fn new(name: Cow<'static, str>, mut child: Child) -> Result<Self> {
        let (wake, stdout) = mpsc::sync_channel(WAITING);
        let (stdin, told) = mpsc::channel();
        let stderr = Tail::default();
        let (to, from, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let running = Self { name, child, stdin: Some(stdin), stdout, wake, stderr, silent: false, ended: None };
        let (heard, tail) = (running.wake.clone(), running.stderr.clone());
        // The threads end with the pipes. Whoever has inherited a pipe may keep it: nobody waits for them.
        running.thread(to, move |to| write_all(to, &told))?;
        running.thread(from, move |from| read_all(from, &heard))?;
        running.thread(errors, move |errors| tail.drain(errors))?;
        Ok(running)
    }

    fn thread<T: Send + 'static>(&self, pipe: Option<T>, work: impl FnOnce(T) + Send + 'static) -> Result<()> {
        let Some(pipe) = pipe else { return Ok(()) };
        let builder = std::thread::Builder::new().name(format!("depsync-{}", self.name));
        let started = builder.spawn(move || work(pipe));
        started.map(drop).map_err(|source| Error::io("start a thread for", &self.name, source))
    }

    /// What it prints on stderr.
    pub(crate) fn stderr(&self) -> &Tail {
        &self.stderr
    }

    /// Writes to its stdin; does not wait until it reads. One that does not read any more shows in how it ends.
    pub(crate) fn tell(&self, bytes: Vec<u8>) {
        if let Some(stdin) = &self.stdin {
            let _ = stdin.send(bytes);
        }
    }

    /// Ends its stdin, behind what it was told.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// The next bytes that it prints on stdout; none at the end. On an error it is stopped.
    pub(crate) fn read(&mut self, cx: &Context) -> Result<Option<Vec<u8>>> {
        let wake = self.wake.clone();
        let _hook = cx.cancel().on_cancel(move || drop(wake.try_send(Heard::Wake)));
        while !self.silent {
            if let Err(error) = cx.check() {
                self.stop();
                return Err(error);
            }
            let slice = cx.time_left().unwrap_or(SLICE).min(SLICE).max(PAUSE);
            match self.stdout.recv_timeout(slice) {
                Ok(Heard::Bytes(bytes)) => return Ok(Some(bytes)),
                Ok(Heard::End) | Err(RecvTimeoutError::Disconnected) => self.silent = true,
                Ok(Heard::Wake) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(None)
    }

    /// Waits for its end: its status, and what it printed last on stderr. On an error it is stopped.
    pub(crate) fn wait(&mut self, cx: &Context) -> Result<(ExitStatus, String)> {
        self.hang_up();
        loop {
            if let Some(status) = self.status()? {
                // Its last words may still be on their way. Whoever has inherited its stderr is not waited for.
                let began = Instant::now();
                while !self.stderr.has_ended() && began.elapsed() < PATIENCE {
                    std::thread::sleep(PAUSE);
                }
                return Ok((status, self.stderr.text()));
            }
            if let Err(error) = cx.check() {
                self.stop();
                return Err(error);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How it has ended, if it has.
    pub(crate) fn status(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(|source| Error::io("wait for", &self.name, source))?;
        }
        Ok(self.ended)
    }

    /// Stops it: its stdin is closed, then TERM, then KILL, to the whole group.
    pub(crate) fn stop(&mut self) {
        self.stop_by(&[None, Some(Signal::TERM), Some(Signal::KILL)]);
    }

    /// The same for one that does not end with its stdin.
    pub(crate) fn terminate(&mut self) {
        self.stop_by(&[Some(Signal::TERM), Some(Signal::KILL)]);
    }

    fn stop_by(&mut self, signals: &[Option<Signal>]) {
        self.hang_up();
        for &signal in signals {
            if let Some(signal) = signal {
                // The group lives as long as its head is not buried, so the number is nobody else's.
                let group = Pid::from_raw(self.child.id().cast_signed());
                let _ = group.map(|group| kill_process_group(group, signal));
            }
            let began = Instant::now();
            while began.elapsed() < PATIENCE {
                match self.status() {
                    Ok(None) => std::thread::sleep(PAUSE),
                    Ok(Some(_)) | Err(_) => return,
                }
            }
        }
        tracing::warn!(program = %self.name, "it does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.stop();
        }
    }
}

/// Writes what is told, until nobody tells any more.
fn write_all(mut to: ChildStdin, told: &Receiver<Vec<u8>>) {
    for bytes in told {
        if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}

/// Reads to the end and hands over what was read.
fn read_all(mut from: impl Read, heard: &SyncSender<Heard>) {
    loop {
        let mut bytes = vec![0; CHUNK];
        match from.read(&mut bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(count) => {
                bytes.truncate(count);
                if heard.send(Heard::Bytes(bytes)).is_err() {
                    return;
                }
            }
        }
    }
    let _ = heard.send(Heard::End);
}
