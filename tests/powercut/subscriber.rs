//! A subscriber that keeps its side: at QoS 2 it remembers received packet identifiers until they are released, also
//! across connections, so what reaches the application twice was delivered twice by the broker.

use super::actor::{Actor, Memory};
use super::stream::{Kind as StreamKind, Stream};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::wire::{self, Connect, Kind, Message, PINGREQ, Properties, Received, Version, acknowledge, id};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a subscriber listens before it asks whether the broker is still there.
pub const LISTEN: Duration = Duration::from_millis(150);

/// Its one SUBSCRIBE; messages bear identifiers of the other side.
const SUBSCRIBE: u16 = 1;

/// One subscriber with a session that lasts.
pub struct Subscriber {
    pub number: usize,
    pub version: Version,
    pub qos: u8,
    /// It is there most of the time, and reads what is meant for those.
    pub is_near: bool,
    /// It comes in one recording of so many.
    pub awake_once_in: u64,
    /// What it asks for in CONNECT; 5.0 only.
    pub receive_maximum: Option<u16>,
}

pub const SUBSCRIBERS: [Subscriber; 4] = [
    Subscriber { number: 0, version: Version::V5, qos: 2, is_near: true, awake_once_in: 1, receive_maximum: None },
    Subscriber { number: 1, version: Version::V311, qos: 1, is_near: true, awake_once_in: 1, receive_maximum: None },
    Subscriber { number: 2, version: Version::V5, qos: 2, is_near: false, awake_once_in: 2, receive_maximum: Some(9) },
    Subscriber { number: 3, version: Version::V311, qos: 2, is_near: false, awake_once_in: 4, receive_maximum: None },
];

#[derive(Clone, Default)]
struct Arrivals {
    /// By number.
    seen: Vec<bool>,
    highest: u32,
}

/// What a subscriber remembers.
#[derive(Clone, Default)]
pub struct Inbox {
    /// The session was said to be there, or its subscription was confirmed: it must be there from then on.
    is_promised: bool,
    /// SUBACK came.
    pub is_subscribed: bool,
    /// Packet identifiers of QoS 2 messages that are not released yet.
    unreleased: BTreeSet<u16>,
    streams: BTreeMap<Stream, Arrivals>,
    pub broken: Vec<String>,
}

pub enum Event {
    Known { session_present: bool },
    Subscribed,
    Arrived { stream: Stream, number: u32, qos: u8, packet_id: u16 },
    Mangled(String),
    Released(u16),
}

impl Memory for Inbox {
    type Event = Event;

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Known { session_present } => {
                if self.is_promised && !session_present {
                    self.broken.push("the session of a subscriber is gone".into());
                    self.unreleased.clear();
                }
                self.is_promised |= session_present;
            }
            Event::Subscribed => (self.is_subscribed, self.is_promised) = (true, true),
            Event::Arrived { stream, number, qos, packet_id } => self.arrive(*stream, *number, *qos, *packet_id),
            Event::Mangled(what) => self.broken.push(what.clone()),
            Event::Released(packet_id) => _ = self.unreleased.remove(packet_id),
        }
    }
}

impl Inbox {
    fn arrive(&mut self, stream: Stream, number: u32, qos: u8, packet_id: u16) {
        // [MQTT-4.3.3-10] a packet identifier that is not released yet is no new message.
        if qos == 2 && !self.unreleased.insert(packet_id) {
            return;
        }
        let arrivals = self.streams.entry(stream).or_default();
        let index = number as usize;
        if arrivals.seen.len() <= index {
            arrivals.seen.resize(index + 1, false);
        }
        let is_repeated = std::mem::replace(&mut arrivals.seen[index], true);
        let highest = arrivals.highest;
        arrivals.highest = number.max(highest);
        match (is_repeated, number < highest) {
            (true, _) if qos != 1 => self.broken.push(format!("{stream:?} number {number} arrived twice at QoS {qos}")),
            (false, true) => self.broken.push(format!("{stream:?} number {number} arrived after {highest}")),
            (true, _) | (false, false) => {}
        }
    }

    /// Those of the first `count` messages of a stream that have not arrived.
    pub fn missing(&self, stream: Stream, count: u32) -> impl Iterator<Item = u32> {
        let arrivals = self.streams.get(&stream);
        (1..=count)
            .filter(move |number| arrivals.is_none_or(|arrivals| arrivals.seen.get(*number as usize) != Some(&true)))
    }

    /// The highest number of each stream that arrived.
    pub fn highest(&self) -> impl Iterator<Item = (Stream, u32)> {
        self.streams.iter().map(|(stream, arrivals)| (*stream, arrivals.highest))
    }
}

/// When a subscriber leaves.
pub enum Until<'a> {
    /// When this says so, without a word.
    Left(&'a mut dyn FnMut() -> bool),
    /// When it has everything, and otherwise when nothing more comes though the broker answers so many pings.
    Complete { is_complete: &'a dyn Fn(&Inbox) -> bool, pings: usize },
}

impl Subscriber {
    /// Whether it must get every message of a stream.
    pub fn is_due(&self, stream: Stream) -> bool {
        match stream.kind {
            StreamKind::Far(qos) => qos > 0,
            StreamKind::Near(qos) => qos > 0 && self.is_near,
            StreamKind::Retained => false,
        }
    }

    fn connect(&self, actor: &mut Actor<Inbox>, address: SocketAddr) -> Result<Client, End> {
        let mut connect = Connect::lasting(self.version, &format!("subscriber-{}", self.number));
        if let Some(maximum) = self.receive_maximum {
            connect.properties = connect.properties.number(id::RECEIVE_MAXIMUM, maximum.into());
        }
        let mut client = Client::try_open(address, self.version).map_err(|_| End::Closed)?;
        send(&mut client, &connect.encode())?;
        match client.receive(PATIENCE)? {
            Received::Connack { session_present, code: 0, .. } => actor.note(Event::Known { session_present }),
            other => return Err(End::Garbled(format!("CONNECT was answered with {other:?}"))),
        }
        Ok(client)
    }

    /// Subscribes if it has not yet.
    pub fn settle(&self, actor: &mut Actor<Inbox>, address: SocketAddr) -> Result<(), End> {
        if actor.memory.is_subscribed {
            return Ok(());
        }
        let mut client = self.connect(actor, address)?;
        let filters = [("far/#", self.qos), ("near/#", self.qos)];
        let filters = &filters[..=usize::from(self.is_near)];
        send(&mut client, &wire::subscribe(self.version, SUBSCRIBE, &Properties::default(), filters))?;
        match client.receive(PATIENCE)? {
            Received::Suback { .. } => actor.note(Event::Subscribed),
            other => return Err(End::Garbled(format!("SUBSCRIBE was answered with {other:?}"))),
        }
        Ok(())
    }

    /// One connection.
    pub fn visit(&self, actor: &mut Actor<Inbox>, address: SocketAddr, mut until: Until<'_>) -> Result<(), End> {
        let mut client = self.connect(actor, address)?;
        let (mut answers, mut is_asked, mut silences) = (0, false, 0);
        loop {
            let wanted = match &mut until {
                Until::Left(is_over) => {
                    if is_over() {
                        return Ok(());
                    }
                    usize::MAX
                }
                // Once more after all has come, for what should not.
                Until::Complete { is_complete, .. } if is_complete(&actor.memory) => 1,
                Until::Complete { pings, .. } => *pings,
            };
            if answers >= wanted {
                return Ok(());
            }
            if wanted == 1 && !is_asked {
                send(&mut client, &PINGREQ)?;
                is_asked = true;
            }
            match client.receive(LISTEN) {
                Err(End::Silent) => {
                    silences += 1;
                    if LISTEN * silences > PATIENCE && wanted != usize::MAX {
                        return Err(End::Silent);
                    }
                    if !is_asked {
                        send(&mut client, &PINGREQ)?;
                        is_asked = true;
                    }
                }
                Ok(Received::Pingresp) => {
                    (answers, is_asked, silences) = (answers + 1, false, 0);
                }
                Ok(received) => {
                    (answers, silences) = (0, 0);
                    self.handle(actor, received, &mut client)?;
                }
                Err(end) => return Err(end),
            }
        }
    }

    fn handle(&self, actor: &mut Actor<Inbox>, received: Received, client: &mut Client) -> Result<(), End> {
        match received {
            Received::Publish(message) => self.publish(actor, &message, client),
            Received::Acknowledge { kind: Kind::Pubrel, packet_id, .. } => {
                actor.note(Event::Released(packet_id));
                send(client, &acknowledge(Kind::Pubcomp, packet_id))
            }
            other => Err(End::Garbled(format!("unwanted: {other:?}"))),
        }
    }

    fn publish(&self, actor: &mut Actor<Inbox>, message: &Message, client: &mut Client) -> Result<(), End> {
        let (qos, packet_id) = (message.qos, message.packet_id);
        actor.note(match Stream::parse(message) {
            Some((stream, _)) if qos != stream.qos().min(self.qos) => {
                Event::Mangled(format!("{stream:?} arrived at QoS {qos}"))
            }
            Some((stream, number)) => Event::Arrived { stream, number, qos, packet_id },
            None => Event::Mangled(format!("a message that nobody sent: {message:?}")),
        });
        match qos {
            0 => Ok(()),
            1 => send(client, &acknowledge(Kind::Puback, packet_id)),
            _ => send(client, &acknowledge(Kind::Pubrec, packet_id)),
        }
    }
}

fn send(client: &mut Client, bytes: &[u8]) -> Result<(), End> {
    client.try_send(bytes).map_err(|_| End::Closed)
}
