//! A publisher that keeps its side: what was not confirmed is sent again with DUP and the same packet identifier, and
//! where PUBREC was received, PUBREL.

use super::actor::{Actor, Memory};
use super::stream::{Kind as StreamKind, Stream};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::random::Random;
use crate::support::wire::{Connect, Kind, Received, Version, acknowledge};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Reason of 5.0 for a packet identifier that is not in use.
const NOT_FOUND: u8 = 0x92;

/// One publisher with a session that lasts.
pub struct Publisher {
    pub number: usize,
    pub version: Version,
    /// QoS 1 and 2 messages on their way at once.
    pub window: usize,
}

pub const PUBLISHERS: [Publisher; 3] = [
    Publisher { number: 0, version: Version::V311, window: 1 },
    Publisher { number: 1, version: Version::V5, window: 12 },
    Publisher { number: 2, version: Version::V311, window: 60 },
];

/// A message that is not done yet.
#[derive(Clone, Copy)]
struct Pending {
    stream: Stream,
    number: u32,
    packet_id: u16,
    /// PUBREC came, so PUBREL is what is sent again.
    is_received: bool,
}

/// What a publisher remembers.
#[derive(Clone, Default)]
pub struct Published {
    /// The session was said to be there, or something in it was confirmed: it must be there from then on.
    is_promised: bool,
    /// Last number sent, by stream.
    pub sent: BTreeMap<Stream, u32>,
    /// Highest number confirmed, by stream.
    pub confirmed: BTreeMap<Stream, u32>,
    pending: Vec<Pending>,
    last_packet_id: u16,
    pub broken: Vec<String>,
}

pub enum Event {
    Known { session_present: bool },
    Sent(Stream, u16),
    Confirmed(u16),
    Completed(u16),
}

impl Memory for Published {
    type Event = Event;

    fn apply(&mut self, event: &Event) {
        let place = |pending: &[Pending], id: u16| pending.iter().position(|pending| pending.packet_id == id);
        match *event {
            Event::Known { session_present } => {
                if self.is_promised && !session_present {
                    self.broken.push("the session of a publisher is gone".into());
                }
                self.is_promised |= session_present;
            }
            Event::Sent(stream, packet_id) => {
                let sent = self.sent.entry(stream).or_default();
                *sent += 1;
                if stream.qos() > 0 {
                    self.last_packet_id = packet_id;
                    self.pending.push(Pending { stream, number: *sent, packet_id, is_received: false });
                }
            }
            Event::Confirmed(packet_id) => {
                let Some(index) = place(&self.pending, packet_id) else { return };
                let pending = &mut self.pending[index];
                let confirmed = self.confirmed.entry(pending.stream).or_default();
                *confirmed = pending.number.max(*confirmed);
                pending.is_received = true;
                if pending.stream.qos() == 1 {
                    self.pending.remove(index);
                } else {
                    self.is_promised = true;
                }
            }
            Event::Completed(packet_id) => {
                if let Some(index) = place(&self.pending, packet_id) {
                    self.pending.remove(index);
                }
            }
        }
    }
}

impl Publisher {
    /// One connection: sends again what is not done, then so many new messages, and leaves when all is done, or, if it has
    /// no patience, as soon as all is sent.
    pub fn visit(
        &self,
        actor: &mut Actor<Published>,
        address: SocketAddr,
        random: &mut Random,
        mut count: u64,
        is_patient: bool,
    ) -> Result<(), End> {
        let mut client = Client::try_open(address, self.version).map_err(|_| End::Closed)?;
        send(&mut client, &Connect::lasting(self.version, &format!("publisher-{}", self.number)).encode())?;
        match client.receive(PATIENCE)? {
            Received::Connack { session_present, code: 0, .. } => actor.note(Event::Known { session_present }),
            other => return Err(End::Garbled(format!("CONNECT was answered with {other:?}"))),
        }
        for pending in actor.memory.pending.clone() {
            let message = || pending.stream.message(pending.number).id(pending.packet_id).again();
            let is_received = pending.is_received;
            let release = || acknowledge(Kind::Pubrel, pending.packet_id);
            send(&mut client, &if is_received { release() } else { message().encode(self.version) })?;
        }
        loop {
            while count > 0 && actor.memory.pending.len() < self.window {
                self.publish(actor, random, &mut client)?;
                count -= 1;
            }
            if count == 0 && (!is_patient || actor.memory.pending.is_empty()) {
                return Ok(());
            }
            let received = client.receive(PATIENCE)?;
            handle(actor, &received, &mut client)?;
        }
    }

    fn publish(&self, actor: &mut Actor<Published>, random: &mut Random, client: &mut Client) -> Result<(), End> {
        let qos = [0, 1, 1, 1, 2, 2, 2, 2][random.within(0..8) as usize];
        let kind = match random.within(0..16) {
            0 => StreamKind::Retained,
            1..=4 => StreamKind::Near(qos),
            _ => StreamKind::Far(qos),
        };
        let stream = Stream { publisher: self.number, kind };
        let mut packet_id = actor.memory.last_packet_id;
        loop {
            packet_id = packet_id.checked_add(1).unwrap_or(1);
            if actor.memory.pending.iter().all(|pending| pending.packet_id != packet_id) {
                break;
            }
        }
        actor.note(Event::Sent(stream, packet_id));
        let message = stream.message(actor.memory.sent[&stream]);
        let message = if stream.qos() > 0 { message.id(packet_id) } else { message };
        send(client, &message.encode(self.version))
    }
}

fn handle(actor: &mut Actor<Published>, received: &Received, client: &mut Client) -> Result<(), End> {
    let Received::Acknowledge { kind, packet_id, reason } = *received else {
        return Err(End::Garbled(format!("unwanted: {received:?}")));
    };
    match kind {
        // PUBCOMP was sent and lost with the connection, so the broker has forgotten the identifier.
        Kind::Pubcomp if [0, NOT_FOUND].contains(&reason) => actor.note(Event::Completed(packet_id)),
        _ if reason >= 0x80 => return Err(End::Garbled(format!("refused: {received:?}"))),
        Kind::Puback => actor.note(Event::Confirmed(packet_id)),
        Kind::Pubrec => {
            actor.note(Event::Confirmed(packet_id));
            send(client, &acknowledge(Kind::Pubrel, packet_id))?;
        }
        Kind::Pubcomp | Kind::Pubrel => return Err(End::Garbled(format!("unwanted: {received:?}"))),
    }
    Ok(())
}

fn send(client: &mut Client, bytes: &[u8]) -> Result<(), End> {
    client.try_send(bytes).map_err(|_| End::Closed)
}
