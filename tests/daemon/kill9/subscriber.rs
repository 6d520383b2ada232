//! A subscriber that keeps its side: at QoS 2 it remembers received packet identifiers until they are released,
//! also across connections, so what reaches the application twice was delivered twice by the gateway.

use super::ledger::{Ledger, Stream};
use super::world::{Place, World};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::random::Random;
use crate::support::wire::{Connect, Kind, Message, Received, Version, acknowledge, id};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// One in so many messages after which a subscriber drops its connection without a word.
const LEAVES_ONCE_IN: u64 = 500;

/// How long a subscriber listens before it looks whether all is over.
const LISTEN: Duration = Duration::from_millis(100);

/// One subscriber with a session that lasts.
pub struct Subscriber {
    pub number: usize,
    pub version: Version,
    pub qos: u8,
    /// It comes in one round of so many.
    pub awake_once_in: u64,
    /// What it asks for in CONNECT; 5.0 only.
    pub receive_maximum: Option<u16>,
    /// Whether it is a member of the shared subscription.
    pub shares: bool,
}

/// What the ledger takes the members of the shared subscription for.
const SHARED_READER: usize = 5;

impl Subscriber {
    fn connect(&self) -> Connect {
        let mut connect = Connect::lasting(self.version, &format!("subscriber-{}", self.number));
        if let Some(maximum) = self.receive_maximum {
            connect.properties = connect.properties.number(id::RECEIVE_MAXIMUM, maximum.into());
        }
        connect
    }

    /// Subscribes before anything is published and goes.
    pub fn settle(&self, address: SocketAddr) {
        let (mut client, session_present) = Client::connect(address, &self.connect());
        assert!(!session_present, "the data directory is new");
        if self.shares {
            assert_eq!(client.subscribe("$share/pair/load/#", self.qos), self.qos);
        } else {
            assert_eq!(client.subscribe("load/#", self.qos), self.qos);
            assert_eq!(client.subscribe("will/#", self.qos), self.qos);
        }
    }

    /// Its place in the ledger.
    fn reader(&self) -> usize {
        if self.shares { SHARED_READER } else { self.number }
    }

    /// Comes when awake and takes what is due, until all is over.
    pub fn run(&self, world: &World, random: Random) {
        let mut session = Session { subscriber: self, world, random, received: BTreeSet::new() };
        let nights = session.random.fork(1);
        let is_awake = |place: Place, ledger: &Ledger| {
            place.is_last || ledger.is_behind(self.reader()) || nights.fork(place.round).once_in(self.awake_once_in)
        };
        while let Some(place) = world.wait_for_place(is_awake) {
            match session.visit(place) {
                Err(end) if world.is_up(place) => {
                    let what = format!("subscriber {}: round {}: connection {end:?}", self.number, place.round);
                    world.note(|ledger| ledger.breach(what));
                    if place.is_last {
                        return;
                    }
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}

/// What the subscriber keeps between connections.
struct Session<'a> {
    subscriber: &'a Subscriber,
    world: &'a World,
    random: Random,
    /// Packet identifiers of QoS 2 messages that are not released yet.
    received: BTreeSet<u16>,
}

impl Session<'_> {
    /// One connection, from CONNECT to its end.
    fn visit(&mut self, place: Place) -> Result<(), End> {
        let number = self.subscriber.number;
        let mut client = Client::try_open(place.address, self.subscriber.version).map_err(|_| End::Closed)?;
        let mut connect = self.subscriber.connect();
        // Who drops the connection without a word, or is killed with the gateway, may have its will published: once.
        let wills = Stream::will(number);
        connect.will = Some(wills.message(self.world.note(|ledger| ledger.send(wills))));
        send(&mut client, &connect.encode())?;
        match client.receive(PATIENCE)? {
            Received::Connack { session_present: true, code: 0, .. } => {}
            Received::Connack { session_present: false, code: 0, .. } => {
                let what = format!("subscriber {number}: round {}: its session is gone", place.round);
                self.world.note(|ledger| ledger.breach(what));
                self.received.clear();
            }
            other => return Err(End::Garbled(format!("CONNECT was answered with {other:?}"))),
        }
        while self.world.is_up(place) {
            let received = match client.receive(LISTEN) {
                Err(End::Silent) => continue,
                received => received?,
            };
            match received {
                Received::Publish(message) => {
                    self.publish(&message, &mut client)?;
                    if self.random.once_in(LEAVES_ONCE_IN) {
                        return Ok(());
                    }
                }
                Received::Acknowledge { kind: Kind::Pubrel, packet_id, .. } => {
                    self.received.remove(&packet_id);
                    send(&mut client, &acknowledge(Kind::Pubcomp, packet_id))?;
                }
                other => return Err(End::Garbled(format!("unwanted: {other:?}"))),
            }
        }
        Ok(())
    }

    fn publish(&mut self, message: &Message, client: &mut Client) -> Result<(), End> {
        let Some((stream, number)) = Stream::parse(message) else {
            return Err(End::Garbled(format!("a message of nobody: {message:?}")));
        };
        if message.qos != stream.qos().min(self.subscriber.qos) {
            return Err(End::Garbled(format!("QoS {} on {stream:?}", message.qos)));
        }
        // [MQTT-4.3.3-10] a packet identifier that is not released yet is no new message.
        let is_new = message.qos < 2 || self.received.insert(message.packet_id);
        if is_new {
            self.world.note(|ledger| ledger.deliver(self.subscriber.reader(), stream, number));
        }
        match message.qos {
            0 => Ok(()),
            1 => send(client, &acknowledge(Kind::Puback, message.packet_id)),
            _ => send(client, &acknowledge(Kind::Pubrec, message.packet_id)),
        }
    }
}

fn send(client: &mut Client, bytes: &[u8]) -> Result<(), End> {
    client.try_send(bytes).map_err(|_| End::Closed)
}
