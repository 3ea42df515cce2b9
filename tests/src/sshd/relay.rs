//! A relay in front of a server, with a port of its own: the network that tests can do things to.
//!
//! A connection has two threads a direction: one reads and notes the time, the other hands on when it is time for it,
//! so that what is delayed does not hold up what follows.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::HOST;
use super::lane::{Lane, Line, Turn, Way};
use super::server::free_port;

/// A relay. When it is dropped, its connections are cut and its threads have ended.
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What its threads share.
struct Shared {
    /// The server's port.
    server: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lanes: [Lane; 2],
    refusing: bool,
    listening: bool,
    ended: bool,
    /// The connections, by number: the client's end and the server's.
    open: Vec<(u64, [TcpStream; 2])>,
    numbers: u64,
}

impl State {
    fn is_open(&self, number: u64) -> bool {
        self.open.iter().any(|(other, _)| *other == number)
    }
}

impl Relay {
    /// A relay in front of the server at the port `server`, on loopback too.
    pub fn to(server: u16) -> Self {
        let port = free_port();
        let listener = TcpListener::bind((HOST, port)).expect("a free port");
        let state = Mutex::new(State { listening: true, ..State::default() });
        let shared = Arc::new(Shared { server, state, changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let acceptor = Some(std::thread::spawn(move || of_thread.accept(listener, port)));
        Self { port, shared, acceptor }
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many bytes have been handed on in a direction so far.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.state().lanes[way as usize].passed
    }

    /// How many connections there are now.
    pub fn connections(&self) -> usize {
        self.shared.state().open.len()
    }

    /// Cuts all connections. New ones are taken.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Cuts all connections behind `count` more bytes in a direction, all connections counted together.
    pub fn cut_after(&self, way: Way, count: u64) {
        self.shared.change(|state| state.lanes[way as usize].left = Some(count));
        if count == 0 {
            self.shared.cut();
        }
    }

    /// Hands nothing on in a direction. Connections stay, new ones too.
    pub fn stall(&self, way: Way) {
        self.shared.change(|state| state.lanes[way as usize].stalled = true);
    }

    /// Lets each byte of a direction be under way for this long.
    pub fn delay(&self, way: Way, delay: Duration) {
        self.shared.change(|state| state.lanes[way as usize].delay = delay);
    }

    /// Makes it such a line, for what comes from now on.
    pub fn lay(&self, line: Line) {
        self.shared.change(|state| {
            for (number, lane) in state.lanes.iter_mut().enumerate() {
                lane.lay(Line { seed: line.seed.wrapping_add(number as u64), ..line });
            }
        });
    }

    /// Listens no more: whoever connects is refused. Connections stay.
    pub fn refuse(&self) {
        self.shared.change(|state| state.refusing = true);
        self.wake();
        self.shared.wait_until(|state| !state.listening);
    }

    /// Goes on as in the beginning: no stall, no delay, no cut to come, not refusing.
    pub fn go_on(&self) {
        self.shared.change(|state| {
            state.lanes.iter_mut().for_each(Lane::clear);
            state.refusing = false;
        });
        self.shared.wait_until(|state| state.listening);
    }

    /// Lets the acceptor look.
    fn wake(&self) {
        let _ = TcpStream::connect((HOST, self.port));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.change(|state| state.ended = true);
        self.shared.cut();
        self.wake();
        // A thread that broke has said so.
        let _ = self.acceptor.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changed.notify_all();
        done
    }

    fn wait_until(&self, mut is_so: impl FnMut(&State) -> bool) {
        let waited = self.changed.wait_timeout_while(self.state(), Duration::from_secs(10), |state| !is_so(state));
        assert!(!waited.unwrap_or_else(PoisonError::into_inner).1.timed_out(), "the relay's acceptor is stuck");
    }

    fn cut(&self) {
        let cut = self.change(|state| {
            state.lanes.iter_mut().for_each(|lane| lane.left = lane.left.filter(|left| *left > 0));
            std::mem::take(&mut state.open)
        });
        cut.iter().flat_map(|(_, ends)| ends).for_each(hang_up);
    }

    /// The acceptor: takes connections until the relay ends. Then all of them have ended.
    fn accept(&self, listener: TcpListener, port: u16) {
        let mut listener = Some(listener);
        std::thread::scope(|scope| {
            while !self.state().ended {
                let Some(open) = &listener else {
                    let state = self.state();
                    let waits = |state: &mut State| state.refusing && !state.ended;
                    drop(self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner));
                    listener = Some(TcpListener::bind((HOST, port)).expect("the relay's port is still free"));
                    self.change(|state| state.listening = true);
                    continue;
                };
                let client = open.accept();
                if self.state().refusing {
                    listener = None;
                    self.change(|state| state.listening = false);
                } else if let Ok((client, _)) = client {
                    scope.spawn(move || self.connect(&client));
                }
            }
        });
    }

    /// One connection, from beginning to end.
    fn connect(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect((HOST, self.server)) else { return };
        let copy = |end: &TcpStream| end.try_clone().expect("a handle");
        let _ = client.set_nodelay(true).and(server.set_nodelay(true));
        let number = self.change(|state| {
            state.numbers += 1;
            state.open.push((state.numbers, [copy(client), copy(&server)]));
            state.numbers
        });
        if self.state().ended {
            self.cut();
        }
        std::thread::scope(|scope| {
            for (way, from, to) in [(Way::Up, client, &server), (Way::Down, &server, client)] {
                let (sender, receiver) = sync_channel(64);
                scope.spawn(move || self.read(way, from, &sender));
                scope.spawn(move || self.write(number, way, &receiver, to));
            }
        });
        self.change(|state| state.open.retain(|(other, _)| *other != number));
    }

    /// Reads, and notes when that would be on the line.
    fn read(&self, way: Way, mut from: &TcpStream, to: &SyncSender<(Instant, Vec<u8>)>) {
        let (begun, mut buffer) = (Instant::now(), vec![0; 16 << 10]);
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let since = self.state().lanes[way as usize].send(count, way, begun);
            if to.send((since, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    }

    fn write(&self, number: u64, way: Way, from: &Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream) {
        while let Ok((since, bytes)) = from.recv() {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let Some((count, is_last)) = self.turn(number, way, rest.len(), since) else { return };
                let written = to.write_all(&rest[..count]);
                if is_last || written.is_err() {
                    // A direction that breaks takes the other with it.
                    if is_last {
                        self.cut();
                    } else {
                        self.hang_up(number);
                    }
                    return;
                }
                rest = &rest[count..];
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Waits until some bytes may pass. None if the connection is no more.
    fn turn(&self, number: u64, way: Way, count: usize, since: Instant) -> Option<(usize, bool)> {
        let mut state = self.state();
        while state.is_open(number) {
            let patience = match state.lanes[way as usize].turn(count, since) {
                Turn::Pass { count, is_last } => return Some((count, is_last)),
                Turn::WaitFor(time) => time,
                Turn::Wait => Duration::from_secs(3600),
            };
            state = self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn hang_up(&self, number: u64) {
        let state = self.state();
        let ends = state.open.iter().filter(|(other, _)| *other == number).flat_map(|(_, ends)| ends);
        ends.for_each(hang_up);
    }
}

fn hang_up(end: &TcpStream) {
    let _ = end.shutdown(Shutdown::Both);
}
