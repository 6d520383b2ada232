//! A publisher that keeps its side: it sends again what was not confirmed, with DUP and the same packet identifier,
//! and goes on with PUBREL where PUBREC was received.

use super::ledger::{Kind as StreamKind, Stream};
use super::world::{Place, World};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::random::Random;
use crate::support::wire::{Connect, Kind, Received, Version, acknowledge, id};
use std::collections::VecDeque;

/// Reason of 5.0 for a packet identifier that is not in use.
const NOT_FOUND: u8 = 0x92;

/// One publisher with a session that lasts.
pub struct Publisher {
    pub number: usize,
    pub version: Version,
    /// QoS 1 and 2 messages on their way at once.
    pub window: usize,
}

/// A message that is not done yet.
struct Pending {
    stream: Stream,
    number: u32,
    packet_id: u16,
    /// PUBREC came, so PUBREL is what is sent again.
    is_received: bool,
}

/// What the publisher keeps between connections.
struct Session<'a> {
    publisher: &'a Publisher,
    world: &'a World,
    random: Random,
    /// In the order of sending.
    pending: VecDeque<Pending>,
    last_packet_id: u16,
    /// Whether the gateway said that it keeps the session: that it was there, or by a PUBREC, whose identifier is part
    /// of it. A CONNACK that begins a session does not say so, and a PUBACK may leave when all readers have the message.
    is_known: bool,
}

impl Publisher {
    /// Publishes whenever the gateway is up, until all is confirmed in its last life.
    pub fn run(&self, world: &World, random: Random) {
        let mut session =
            Session { publisher: self, world, random, pending: VecDeque::new(), last_packet_id: 0, is_known: false };
        while let Some(place) = world.wait_for_place(|_, _| true) {
            match session.visit(place) {
                Ok(()) if place.is_last => return,
                Err(end) if world.is_up(place) => {
                    let what = format!("publisher {}: round {}: connection {end:?}", self.number, place.round);
                    world.note(|ledger| ledger.breach(what));
                    if place.is_last {
                        return;
                    }
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    /// Chooses what to publish next.
    fn stream(&self, random: &mut Random) -> Stream {
        let kind = match random.within(0..16) {
            0 => StreamKind::Retained,
            1..=3 => StreamKind::Qos(0),
            4..=9 => StreamKind::Qos(1),
            _ => StreamKind::Qos(2),
        };
        Stream { publisher: self.number, kind }
    }
}

impl Session<'_> {
    /// One connection, from CONNECT to its end.
    fn visit(&mut self, place: Place) -> Result<(), End> {
        let version = self.publisher.version;
        let mut client = Client::try_open(place.address, version).map_err(|_| End::Closed)?;
        let connect = Connect::lasting(version, &format!("publisher-{}", self.publisher.number));
        send(&mut client, &connect.encode())?;
        let window = match client.receive(PATIENCE)? {
            Received::Connack { session_present, code: 0, properties } => {
                self.welcome(session_present, place);
                let maximum =
                    properties.find_number(id::RECEIVE_MAXIMUM).map_or(usize::MAX, |maximum| maximum as usize);
                self.publisher.window.min(maximum)
            }
            other => return Err(End::Garbled(format!("CONNECT was answered with {other:?}"))),
        };
        self.resend(&mut client)?;
        loop {
            let mut batch = Vec::new();
            let is_crowded = self.world.note(|ledger| ledger.is_crowded());
            while !place.is_last && !is_crowded && self.pending.len() < window {
                batch.extend(self.next_message());
            }
            send(&mut client, &batch)?;
            if self.pending.is_empty() {
                self.world.wait_while_crowded(place);
                if place.is_last || !self.world.is_up(place) {
                    return Ok(());
                }
                continue;
            }
            let received = client.receive(PATIENCE)?;
            self.handle(&received, &mut client)?;
        }
    }

    fn welcome(&mut self, session_present: bool, place: Place) {
        if self.is_known && !session_present {
            let what = format!("publisher {}: round {}: its session is gone", self.publisher.number, place.round);
            self.world.note(|ledger| ledger.breach(what));
        }
        self.is_known |= session_present;
    }

    /// [MQTT-4.4.0-1] what is not done is sent again in its order.
    fn resend(&mut self, client: &mut Client) -> Result<(), End> {
        for pending in &self.pending {
            let bytes = if pending.is_received {
                acknowledge(Kind::Pubrel, pending.packet_id)
            } else {
                let message = pending.stream.message(pending.number).id(pending.packet_id).again();
                message.encode(self.publisher.version)
            };
            send(client, &bytes)?;
        }
        Ok(())
    }

    fn next_message(&mut self) -> Vec<u8> {
        let stream = self.publisher.stream(&mut self.random);
        let number = self.world.note(|ledger| ledger.send(stream));
        let message = stream.message(number);
        if message.qos == 0 {
            return message.encode(self.publisher.version);
        }
        let packet_id = self.free_packet_id();
        self.pending.push_back(Pending { stream, number, packet_id, is_received: false });
        message.id(packet_id).encode(self.publisher.version)
    }

    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if self.pending.iter().all(|pending| pending.packet_id != self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }

    fn handle(&mut self, received: &Received, client: &mut Client) -> Result<(), End> {
        let Received::Acknowledge { kind, packet_id, reason } = *received else {
            return Err(End::Garbled(format!("unwanted: {received:?}")));
        };
        let Some(index) = self.pending.iter().position(|pending| pending.packet_id == packet_id) else {
            return Err(End::Garbled(format!("{received:?} of nothing that was sent")));
        };
        self.is_known |= kind == Kind::Pubrec;
        let pending = &mut self.pending[index];
        let (stream, number) = (pending.stream, pending.number);
        match (kind, stream.qos()) {
            // PUBCOMP was sent and lost with the connection, so the gateway has forgotten the identifier.
            (Kind::Pubcomp, 2) if pending.is_received && reason == NOT_FOUND => {
                self.pending.remove(index);
            }
            _ if reason >= 0x80 => return Err(End::Garbled(format!("{stream:?} number {number}: {received:?}"))),
            (Kind::Puback, 1) => {
                self.pending.remove(index);
                self.world.note(|ledger| ledger.confirm(stream, number));
            }
            (Kind::Pubrec, 2) => {
                pending.is_received = true;
                self.world.note(|ledger| ledger.confirm(stream, number));
                send(client, &acknowledge(Kind::Pubrel, packet_id))?;
            }
            (Kind::Pubcomp, 2) if pending.is_received => {
                self.pending.remove(index);
            }
            _ => return Err(End::Garbled(format!("{received:?} for QoS {}", stream.qos()))),
        }
        Ok(())
    }
}

fn send(client: &mut Client, bytes: &[u8]) -> Result<(), End> {
    client.try_send(bytes).map_err(|_| End::Closed)
}
