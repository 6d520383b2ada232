//! The floor: what no broker on plain sockets can leave out, and nothing else.
//!
//! One read and one write per ready socket and turn, a table of exact filters and a list of `prefix/#`. No sessions, no
//! inflight state, no timers, no access checks, no limits; QoS 0 and 1; acknowledgements are counted by nobody. Its CPU
//! time is the limit for a broker of one thread on this machine at the moment it runs.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use foldhash::fast::RandomState;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::failure::Failure;
use crate::socket::{READ_BUFFER, Socket};
use crate::wire::{self, Ack, Packet, QoS};

const EVENTS_PER_TURN: usize = 1024;
const LISTENER: Token = Token(usize::MAX);
/// CONNACK that accepts, without a session.
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

/// Serves 127.0.0.1 at `port` until killed.
pub fn serve(port: u16) -> Result<(), Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut listener = TcpListener::bind(address).map_err(Failure::system("listen"))?;
    let mut poll = Poll::new().map_err(Failure::system("epoll"))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).map_err(Failure::system("epoll_ctl"))?;
    let mut events = Events::with_capacity(EVENTS_PER_TURN);
    let mut buffer = vec![0; READ_BUFFER];
    let mut relay = Relay::default();
    loop {
        match poll.poll(&mut events, None) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::System("epoll_wait", error)),
        }
        for event in &events {
            match event.token() {
                LISTENER => relay.accept(&listener, &poll).map_err(Failure::system("accept"))?,
                Token(connection) => {
                    if event.is_writable() {
                        relay.flush_later(connection);
                    }
                    if event.is_readable() {
                        relay.read(connection, &mut buffer, event.is_read_closed());
                    }
                }
            }
        }
        relay.flush();
    }
}

/// Who receives what, and the sockets.
#[derive(Default)]
struct Relay {
    sockets: Vec<Option<Socket>>,
    free: Vec<usize>,
    dirty: Vec<usize>,
    exact: HashMap<Vec<u8>, Vec<Target>, RandomState>,
    prefixes: Vec<(Vec<u8>, Target)>,
    /// The PUBLISH under way as it goes out at QoS 0 and at QoS 1, encoded on first use.
    layouts: [Vec<u8>; 2],
}

/// One subscription.
struct Target {
    connection: usize,
    qos: QoS,
    packet_id: u16,
}

impl Relay {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut socket = Socket::new(stream);
            socket.set_nodelay()?;
            let connection = self.free.pop().unwrap_or(self.sockets.len());
            socket.register(poll.registry(), Token(connection))?;
            if connection == self.sockets.len() {
                self.sockets.push(Some(socket));
            } else {
                self.sockets[connection] = Some(socket);
            }
        }
    }

    /// Reads until the kernel has no more: once, unless a read fills the buffer or the other end has closed.
    fn read(&mut self, connection: usize, buffer: &mut [u8], closing: bool) {
        loop {
            let Some(socket) = self.sockets[connection].as_mut() else { return };
            let Ok(filled) = socket.fill(buffer) else { return self.close(connection) };
            let mut used = 0;
            while let Ok(Some((packet, len))) = wire::decode(&buffer[used..filled.len]) {
                self.handle(connection, &packet);
                used += len;
                if self.sockets[connection].is_none() {
                    return;
                }
            }
            if let Some(socket) = self.sockets[connection].as_mut() {
                socket.keep(&buffer[used..filled.len]);
            }
            if filled.closed {
                return self.close(connection);
            }
            if !filled.more && !closing {
                return;
            }
        }
    }

    fn handle(&mut self, connection: usize, packet: &Packet<'_>) {
        match *packet {
            Packet::Connect => self.outbox(connection).extend_from_slice(&ACCEPTED),
            Packet::Publish { qos, packet_id, topic, payload } => {
                if qos == QoS::AtLeastOnce {
                    wire::encode_ack(self.outbox(connection), Ack::PubAck, packet_id);
                }
                self.publish(qos, topic, payload);
            }
            Packet::Subscribe { packet_id, filter, qos } => {
                let [high, low] = packet_id.to_be_bytes();
                self.outbox(connection).extend_from_slice(&[0x90, 3, high, low, qos.bits()]);
                let target = Target { connection, qos, packet_id: 0 };
                match filter.strip_suffix(b"#") {
                    Some(prefix) => self.prefixes.push((prefix.to_vec(), target)),
                    None => self.exact.entry(filter.to_vec()).or_default().push(target),
                }
            }
            Packet::Disconnect => self.close(connection),
            Packet::ConnAck { .. } | Packet::SubAck { .. } | Packet::Ack(..) => {}
        }
    }

    fn publish(&mut self, qos: QoS, topic: &[u8], payload: &[u8]) {
        let Self { sockets, dirty, exact, prefixes, layouts, .. } = self;
        layouts.iter_mut().for_each(Vec::clear);
        let exact = exact.get_mut(topic).into_iter().flatten();
        let prefixed = prefixes.iter_mut().filter(|(prefix, _)| topic.starts_with(prefix)).map(|(_, target)| target);
        for target in exact.chain(prefixed) {
            let Some(socket) = sockets[target.connection].as_mut() else { continue };
            let qos = qos.min(target.qos).min(QoS::AtLeastOnce);
            let layout = &mut layouts[usize::from(qos.bits())];
            if layout.is_empty() {
                wire::encode_publish(layout, qos, 0, topic, payload);
            }
            socket.outbox.extend_from_slice(layout);
            if qos == QoS::AtLeastOnce {
                target.packet_id = target.packet_id.checked_add(1).unwrap_or(1);
                let end = socket.outbox.len() - payload.len();
                socket.outbox[end - 2..end].copy_from_slice(&target.packet_id.to_be_bytes());
            }
            if !socket.dirty {
                socket.dirty = true;
                dirty.push(target.connection);
            }
        }
    }

    /// The outbox of the connection whose packet is being handled.
    fn outbox(&mut self, connection: usize) -> &mut Vec<u8> {
        let Self { sockets, dirty, .. } = self;
        let socket = sockets[connection].as_mut().expect("a packet comes from an open connection");
        if !socket.dirty {
            socket.dirty = true;
            dirty.push(connection);
        }
        &mut socket.outbox
    }

    fn flush_later(&mut self, connection: usize) {
        if let Some(socket) = &mut self.sockets[connection]
            && socket.has_output()
            && !socket.dirty
        {
            socket.dirty = true;
            self.dirty.push(connection);
        }
    }

    fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for connection in dirty.drain(..) {
            if let Some(socket) = self.sockets[connection].as_mut()
                && socket.flush().is_err()
            {
                self.close(connection);
            }
        }
        self.dirty = dirty;
    }

    fn close(&mut self, connection: usize) {
        if self.sockets[connection].take().is_some() {
            self.free.push(connection);
            self.prefixes.retain(|(_, target)| target.connection != connection);
            for targets in self.exact.values_mut() {
                targets.retain(|target| target.connection != connection);
            }
        }
    }
}
