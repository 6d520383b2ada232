//! A blocking MQTT client that does what a test says and nothing on its own.

use super::PATIENCE;
use super::stream::Stream;
use super::wire::{self, Connect, DISCONNECT, Kind, Message, PINGREQ, Properties, Received, Version, acknowledge};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Where the gateway tells about itself.
const GATEWAY_TOPICS: &str = "home/$gw/";

/// Why there is no further packet.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The broker closed the connection.
    Closed,
    /// Nothing came in time.
    Silent,
    /// What came is no MQTT.
    Garbled(String),
}

/// A connection to the broker with what it sent and nobody looked at yet.
pub struct Client {
    stream: Box<dyn Stream>,
    version: Version,
    buffer: Vec<u8>,
    inbox: VecDeque<Received>,
    last: Vec<u8>,
    next_packet_id: u16,
}

impl Client {
    /// Opens a connection and sends nothing.
    pub fn open(address: SocketAddr, version: Version) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker accepts a connection");
        Self::over_tcp(stream, version)
    }

    /// Like [`Client::open`], for those who expect the broker to be gone now and then.
    pub fn try_open(address: SocketAddr, version: Version) -> std::io::Result<Self> {
        Ok(Self::over_tcp(TcpStream::connect_timeout(&address, PATIENCE)?, version))
    }

    fn over_tcp(stream: TcpStream, version: Version) -> Self {
        stream.set_nodelay(true).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        Self::over(stream, version)
    }

    /// A client over whatever carries bytes.
    pub fn over(stream: impl Stream + 'static, version: Version) -> Self {
        Self {
            stream: Box::new(stream),
            version,
            buffer: Vec::new(),
            inbox: VecDeque::new(),
            last: Vec::new(),
            next_packet_id: 1,
        }
    }

    /// Connects and expects to be let in; tells whether the session was there.
    pub fn connect(address: SocketAddr, connect: &Connect) -> (Self, bool) {
        let (client, session_present, _) = Self::connect_told(address, connect);
        (client, session_present)
    }

    /// Connects and returns the properties of CONNACK too.
    pub fn connect_told(address: SocketAddr, connect: &Connect) -> (Self, bool, Properties) {
        let mut client = Self::open(address, connect.version);
        let (session_present, properties) = client.introduce(connect);
        (client, session_present, properties)
    }

    /// Sends CONNECT and expects to be let in; tells whether the session was there, and the properties of CONNACK.
    pub fn introduce(&mut self, connect: &Connect) -> (bool, Properties) {
        self.send(&connect.encode());
        match self.next() {
            Received::Connack { session_present, code: 0, properties } => (session_present, properties),
            other => panic!("{connect:?} was answered with {other:?}"),
        }
    }

    /// A client with a clean session.
    pub fn fresh(address: SocketAddr, version: Version, client_id: &str) -> Self {
        Self::connect(address, &Connect::clean(version, client_id)).0
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the broker reads");
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet, or why there is none within `patience`.
    pub fn receive(&mut self, patience: Duration) -> Result<Received, End> {
        match self.inbox.pop_front() {
            Some(received) => Ok(received),
            None => self.read(patience),
        }
    }

    /// The next packet; fails when there is none.
    pub fn next(&mut self) -> Received {
        self.receive(PATIENCE).unwrap_or_else(|end| panic!("no packet: {end:?}"))
    }

    /// The bytes of the packet that was read last.
    pub fn last_bytes(&self) -> &[u8] {
        &self.last
    }

    /// Reads past the inbox.
    fn read(&mut self, patience: Duration) -> Result<Received, End> {
        let deadline = Instant::now() + patience;
        loop {
            match wire::decode(self.version, &self.buffer) {
                Ok(Some((received, length))) => {
                    self.last = self.buffer.drain(..length).collect();
                    return Ok(received);
                }
                Ok(None) => {}
                Err(what) => return Err(End::Garbled(format!("{what} in {:02x?}", self.buffer))),
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(End::Silent);
            }
            self.stream.wait_at_most(left);
            let mut chunk = [0; 16 << 10];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(End::Closed),
                Ok(length) => self.buffer.extend_from_slice(&chunk[..length]),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(End::Closed),
                },
            }
        }
    }

    /// The first packet that `wanted` takes; others stay in the inbox in their order.
    pub fn pick<T>(&mut self, what: &str, mut wanted: impl FnMut(&Received) -> Option<T>) -> T {
        for index in 0..self.inbox.len() {
            if let Some(value) = wanted(&self.inbox[index]) {
                self.inbox.remove(index);
                return value;
            }
        }
        loop {
            let received = self.read(PATIENCE).unwrap_or_else(|end| panic!("no {what}: {end:?}"));
            match wanted(&received) {
                Some(value) => return value,
                None => self.inbox.push_back(received),
            }
        }
    }

    /// Waits for an acknowledgement; tells its reason.
    pub fn acknowledged(&mut self, wanted: Kind, wanted_id: u16) -> u8 {
        self.pick(&format!("{wanted:?} of {wanted_id}"), |received| match received {
            Received::Acknowledge { kind, packet_id, reason } => {
                (*kind == wanted && *packet_id == wanted_id).then_some(*reason)
            }
            _ => None,
        })
    }

    fn packet_id(&mut self) -> u16 {
        let packet_id = self.next_packet_id;
        self.next_packet_id = packet_id.checked_add(1).unwrap_or(1);
        packet_id
    }

    /// Publishes and waits for all that its QoS promises; tells the reason the broker gave.
    pub fn publish(&mut self, message: &Message) -> u8 {
        let mut message = message.clone();
        if message.qos > 0 {
            message.packet_id = self.packet_id();
        }
        self.send(&message.encode(self.version));
        match message.qos {
            0 => 0,
            1 => self.acknowledged(Kind::Puback, message.packet_id),
            _ => {
                let reason = self.acknowledged(Kind::Pubrec, message.packet_id);
                if reason < 0x80 {
                    self.send(&acknowledge(Kind::Pubrel, message.packet_id));
                    self.acknowledged(Kind::Pubcomp, message.packet_id);
                }
                reason
            }
        }
    }

    /// Subscribes to one filter; tells the code of SUBACK.
    pub fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_with(&[(filter, options)], &Properties::default())[0]
    }

    pub fn subscribe_with(&mut self, filters: &[(&str, u8)], properties: &Properties) -> Vec<u8> {
        let id = self.packet_id();
        self.send(&wire::subscribe(self.version, id, properties, filters));
        self.pick("SUBACK", |received| match received {
            Received::Suback { packet_id, codes } if *packet_id == id => Some(codes.clone()),
            _ => None,
        })
    }

    pub fn unsubscribe(&mut self, filter: &str) -> Vec<u8> {
        let id = self.packet_id();
        self.send(&wire::unsubscribe(self.version, id, &[filter]));
        self.pick("UNSUBACK", |received| match received {
            Received::Unsuback { packet_id, codes } if *packet_id == id => Some(codes.clone()),
            _ => None,
        })
    }

    /// The next message, acknowledged to the end of its QoS.
    pub fn message(&mut self) -> Message {
        let message = self.message_unacknowledged();
        self.accept(&message);
        message
    }

    /// The next message; nothing is answered.
    pub fn message_unacknowledged(&mut self) -> Message {
        self.pick("message", |received| match received {
            Received::Publish(message) => Some(message.clone()),
            _ => None,
        })
    }

    /// Answers a message as its QoS asks.
    pub fn accept(&mut self, message: &Message) {
        match message.qos {
            0 => {}
            1 => self.send(&acknowledge(Kind::Puback, message.packet_id)),
            _ => {
                self.send(&acknowledge(Kind::Pubrec, message.packet_id));
                self.acknowledged(Kind::Pubrel, message.packet_id);
                self.send(&acknowledge(Kind::Pubcomp, message.packet_id));
            }
        }
    }

    /// Every packet the broker sent up to the answer to a ping sent now.
    pub fn until_ping(&mut self) -> Vec<Received> {
        self.send(&PINGREQ);
        self.pick("PINGRESP", |received| (*received == Received::Pingresp).then_some(()));
        self.inbox.drain(..).collect()
    }

    /// The messages up to the answer to a ping, without what the gateway publishes about itself.
    pub fn messages_until_ping(&mut self) -> Vec<Message> {
        let received = self.until_ping().into_iter();
        let messages = received.filter_map(|received| match received {
            Received::Publish(message) => Some(message),
            _ => None,
        });
        messages.filter(|message| !message.topic.starts_with(GATEWAY_TOPICS)).collect()
    }

    /// Fails if the broker sent anything. Whoever published before must have its own answer: then the
    /// answer to this ping comes after what was published.
    pub fn assert_quiet(&mut self) {
        let received = self.until_ping();
        assert!(received.is_empty(), "unwanted: {received:?}");
    }

    /// Everything that comes until the broker closes the connection; fails when it does not.
    pub fn until_closed(&mut self) -> Vec<Received> {
        let (received, end) = self.until_end(PATIENCE);
        assert_eq!(end, End::Closed, "after {received:?}");
        received
    }

    /// Everything that comes until nothing more does for so long, and why.
    pub fn until_end(&mut self, patience: Duration) -> (Vec<Received>, End) {
        let mut received = Vec::new();
        loop {
            match self.receive(patience) {
                Ok(packet) => received.push(packet),
                Err(end) => return (received, end),
            }
        }
    }

    /// Says good-bye and waits until the broker has closed.
    pub fn disconnect(mut self) {
        self.send(&DISCONNECT);
        self.until_closed();
    }

    /// Sends no more; what the broker sends can still be read.
    pub fn shut_down(&mut self) {
        self.stream.shut_down();
    }
}
