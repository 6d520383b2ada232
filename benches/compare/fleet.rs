//! Many client connections on one thread: connect, read, write.
//!
//! A turn reads every ready socket into one shared buffer, shows each packet to the caller, then writes each socket
//! that has something to say once. What packets mean is the caller's business.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::socket::Socket;
use crate::wire::{self, Packet, QoS};

/// Size of the buffer that all clients read into, and so the largest packet that can arrive, in bytes.
const READ_BUFFER: usize = 320 * 1024;
/// Readiness events taken in one turn.
const EVENTS_PER_TURN: usize = 1024;
/// Connections being opened at one time: well below the usual listen backlog of 100.
const OPENING_MAX: usize = 50;
/// How long a broker may be silent while an answer is due.
pub const STALL: Duration = Duration::from_secs(10);
/// The longest wait of a turn, so that an interruption is seen soon.
const WAIT_MAX: Duration = Duration::from_millis(100);

const TIMER: Token = Token(usize::MAX);

/// Sees each packet as it arrives.
pub trait Receiver {
    /// `packet` arrived for `client`; what is appended to `outbox` goes back to the broker in this turn.
    fn packet(&mut self, client: usize, packet: &Packet<'_>, outbox: &mut Vec<u8>) -> Result<(), Failure>;
}

/// How a client of the fleet introduces itself.
pub struct Introduction {
    /// Client identifier.
    pub client_id: String,
    /// Whether the broker forgets the session at the end.
    pub clean_session: bool,
    /// What the client subscribes to once accepted.
    pub filter: Option<(String, QoS)>,
}

impl Introduction {
    /// So many clients that only publish.
    pub fn publishers(count: usize) -> Vec<Self> {
        (0..count)
            .map(|publisher| Self { client_id: format!("publisher-{publisher}"), clean_session: true, filter: None })
            .collect()
    }
}

/// The connections, by index in order of opening.
pub struct Fleet<'a> {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    sockets: Vec<Socket>,
    ready: Vec<usize>,
    dirty: Vec<usize>,
    buffer: Vec<u8>,
    timer: Option<TimerFd>,
    interrupt: &'a Interrupt,
}

impl<'a> Fleet<'a> {
    /// A fleet without clients for the broker at `address`.
    pub fn new(address: SocketAddr, interrupt: &'a Interrupt) -> Result<Self, Failure> {
        Ok(Self {
            address,
            poll: Poll::new().map_err(Failure::system("epoll"))?,
            events: Events::with_capacity(EVENTS_PER_TURN),
            sockets: Vec::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            buffer: vec![0; READ_BUFFER],
            timer: None,
            interrupt,
        })
    }

    /// Opens one client for each introduction, waits until all are accepted and subscribed; gives their first index.
    pub fn admit(&mut self, introductions: &[Introduction], arrivals: &mut impl Receiver) -> Result<usize, Failure> {
        let first = self.sockets.len();
        let mut admission = Admission { first, introductions, done: 0, arrivals };
        let mut opened = 0;
        let mut progress = (0, Instant::now());
        while admission.done < introductions.len() {
            while opened < introductions.len() && opened - admission.done < OPENING_MAX {
                self.open(&introductions[opened])?;
                opened += 1;
            }
            self.turn(WAIT_MAX, &mut admission)?;
            if admission.done > progress.0 {
                progress = (admission.done, Instant::now());
            } else if progress.1.elapsed() > STALL {
                return Err(Failure::Stalled(STALL.as_secs(), "clients connected and subscribed"));
            }
        }
        Ok(first)
    }

    fn open(&mut self, introduction: &Introduction) -> Result<(), Failure> {
        let mut socket = Socket::connect(self.address).map_err(Failure::system("connect"))?;
        socket.set_nodelay().map_err(Failure::system("connect"))?;
        socket.register(self.poll.registry(), Token(self.sockets.len())).map_err(Failure::system("epoll_ctl"))?;
        wire::encode_connect(&mut socket.outbox, &introduction.client_id, introduction.clean_session);
        self.sockets.push(socket);
        Ok(())
    }

    /// What `client` is to write in this turn, to append to.
    pub fn outbox(&mut self, client: usize) -> &mut Vec<u8> {
        let socket = &mut self.sockets[client];
        if !socket.dirty {
            socket.dirty = true;
            self.dirty.push(client);
        }
        &mut socket.outbox
    }

    /// Says DISCONNECT for every client and closes it; indexes begin anew at 0.
    pub fn disconnect_all(&mut self) {
        for mut socket in self.sockets.drain(..) {
            socket.outbox.extend_from_slice(&wire::DISCONNECT);
            // A broker that is gone already has no session to end.
            let _ = socket.flush();
        }
        self.dirty.clear();
        self.ready.clear();
    }

    /// Ends waits every `interval` from now on: less than a millisecond is beyond the poll's own timeout.
    pub fn tick(&mut self, interval: Duration) -> Result<(), Failure> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(Failure::errno("timerfd"))?;
        let expiration = Expiration::Interval(TimeSpec::from_duration(interval));
        timer.set(expiration, TimerSetTimeFlags::empty()).map_err(Failure::errno("timerfd"))?;
        let fd = timer.as_fd().as_raw_fd();
        let registry = self.poll.registry();
        registry.register(&mut SourceFd(&fd), TIMER, Interest::READABLE).map_err(Failure::system("epoll_ctl"))?;
        self.timer = Some(timer);
        Ok(())
    }

    /// One turn: waits at most `wait`, shows what arrived to `receiver`, writes what is to be said.
    pub fn turn(&mut self, wait: Duration, receiver: &mut impl Receiver) -> Result<(), Failure> {
        self.interrupt.check()?;
        self.flush()?;
        let wait = if self.ready.is_empty() { wait.min(WAIT_MAX) } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::System("epoll_wait", error)),
        }
        let mut ready = std::mem::take(&mut self.ready);
        self.note_events(&mut ready)?;
        let count = ready.len();
        for position in 0..count {
            if self.receive(ready[position], receiver)? {
                ready.push(ready[position]);
            }
        }
        ready.drain(..count);
        self.ready = ready;
        self.flush()
    }

    fn note_events(&mut self, ready: &mut Vec<usize>) -> Result<(), Failure> {
        for event in &self.events {
            if event.token() == TIMER
                && let Some(timer) = &self.timer
            {
                // The kernel starts the next interval when this one is read; a wait for nothing is refused at once.
                let _ = timer.wait();
                continue;
            }
            let Token(client) = event.token();
            let Some(socket) = self.sockets.get_mut(client) else { continue };
            if event.is_read_closed() {
                return Err(Failure::Closed(client));
            }
            if event.is_writable() && socket.has_output() && !socket.dirty {
                socket.dirty = true;
                self.dirty.push(client);
            }
            if event.is_readable() {
                ready.push(client);
            }
        }
        Ok(())
    }

    /// One read of one client; true if there may be more.
    fn receive(&mut self, client: usize, receiver: &mut impl Receiver) -> Result<bool, Failure> {
        let socket = &mut self.sockets[client];
        let filled = socket.fill(&mut self.buffer).map_err(Failure::system("read"))?;
        let mut used = 0;
        while let Some((packet, len)) = wire::decode(&self.buffer[used..filled.len])? {
            receiver.packet(client, &packet, &mut socket.outbox)?;
            used += len;
        }
        socket.keep(&self.buffer[used..filled.len]);
        if filled.closed {
            return Err(Failure::Closed(client));
        }
        if socket.has_output() && !socket.dirty {
            socket.dirty = true;
            self.dirty.push(client);
        }
        Ok(filled.more)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        for client in self.dirty.drain(..) {
            self.sockets[client].flush().map_err(Failure::system("write"))?;
        }
        Ok(())
    }
}

/// Answers CONNACK and SUBACK while clients are let in, and passes everything else on.
struct Admission<'b, R: Receiver> {
    first: usize,
    introductions: &'b [Introduction],
    done: usize,
    arrivals: &'b mut R,
}

impl<R: Receiver> Receiver for Admission<'_, R> {
    fn packet(&mut self, client: usize, packet: &Packet<'_>, outbox: &mut Vec<u8>) -> Result<(), Failure> {
        match packet {
            Packet::ConnAck { code: 0, .. } => match &self.introductions[client - self.first].filter {
                Some((filter, qos)) => wire::encode_subscribe(outbox, 1, filter, *qos),
                None => self.done += 1,
            },
            Packet::ConnAck { code, .. } => return Err(Failure::Refused(format!("CONNACK with return code {code}"))),
            Packet::SubAck { code: 0x80.., .. } => return Err(Failure::Refused("a subscription".into())),
            Packet::SubAck { .. } => self.done += 1,
            other => return self.arrivals.packet(client, other, outbox),
        }
        Ok(())
    }
}
