//! A broker with clients and a store that does what the test says.

use crate::base::Moment;
use crate::base::limits::Limits;
use crate::broker::change::{Change, Memory};
use crate::broker::group::Group;
use crate::broker::message::Message;
use crate::broker::{
    Arrival, Authenticate, Broker, ConnectionId, Exchange, Input, ListenerId, Loaded, MessageId, Origin, Output,
    SessionKey, SessionNumber, Step, StoreFault, Stored, Verdict,
};
use crate::mqtt::packet::{
    Ack, AckKind, Connect, Credentials, Publish, Subscribe, SubscriptionList, SubscriptionOptions, WillMessage,
};
use crate::mqtt::{
    Packet, PacketId, Properties, Property, QoS, ReasonCode, TopicFilter, TopicName, Version, decode, frame,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A connection's number, short.
pub type Id = u32;

/// What a client received, in short.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    Connack {
        present: bool,
        reason: u8,
    },
    Publish {
        topic: String,
        payload: String,
        qos: u8,
        dup: bool,
        retain: bool,
        id: u16,
    },
    Ack(AckKind, u16, u8),
    Suback(Vec<u8>),
    Unsuback,
    Pingresp,
    Disconnect(u8),
    /// Reason, and data if there is any.
    Auth(u8, Option<String>),
}

/// A broker under test.
pub struct Bench {
    pub broker: Broker,
    pub now: Moment,
    /// Where the next connection comes from.
    pub origin: Origin,
    /// Whether commits are done as soon as they are asked for.
    pub commits: bool,
    /// The group that waits for [`Bench::commit`].
    pub pending: Option<Box<Group>>,
    /// Messages to be read when the store is free.
    loads: Vec<(SessionKey, SessionNumber, Vec<MessageId>)>,
    /// Everything that was committed.
    pub disk: Disk,
    received: BTreeMap<Id, Vec<u8>>,
    versions: BTreeMap<Id, Version>,
    pub closed: Vec<Id>,
    open: BTreeSet<Id>,
    /// Passwords that the broker wants compared; see [`Bench::verdict`].
    pub asked: VecDeque<Authenticate>,
    /// Messages of enhanced authentication that the broker wants looked at; see [`Bench::step`].
    pub exchanges: VecDeque<Exchange>,
    /// Connections whose CONNECT went on after that.
    pub resumed: Vec<ConnectionId>,
}

/// A store in memory: what a restart would find.
#[derive(Default)]
pub struct Disk {
    pub memory: Memory,
    bodies: BTreeMap<MessageId, Arc<Message>>,
    /// Messages that were ever written.
    pub written: usize,
}

impl Disk {
    fn keep(&mut self, group: &Group) {
        for change in &group.changes {
            self.change(change);
        }
        for (place, slot) in group.messages.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let id = MessageId(group.first.0 + place as u64);
            let receivers = slot.receivers.as_slice().to_vec();
            self.written += 1;
            self.memory.messages.push((id, slot.message.size() as u32, receivers));
            self.memory.next_message = id.next();
            self.bodies.insert(id, slot.message.clone());
        }
        if !group.states.is_empty() {
            self.memory.states.push((group.state_row, group.states.clone()));
            self.memory.next_message = group.state_row.next();
        }
        self.memory.runs.extend(group.run.clone());
        for &(first, last) in &group.trash {
            let is_kept = |id: MessageId| id < first || id > last;
            self.memory.messages.retain(|(id, _, _)| is_kept(*id));
            self.memory.states.retain(|(id, _)| is_kept(*id));
            self.bodies.retain(|&id, _| is_kept(id));
        }
    }

    fn change(&mut self, change: &Change) {
        let memory = &mut self.memory;
        match change {
            Change::SessionKept { number, client_id, expiry } => {
                memory.sessions.retain(|(other, _, _)| other != number);
                memory.sessions.push((*number, client_id.clone(), *expiry));
                memory.next_session = memory.next_session.max(SessionNumber(number.0 + 1));
            }
            Change::SessionAway { number, ends } => {
                memory.ends.retain(|(other, _)| other != number);
                memory.ends.extend(ends.map(|ends| (*number, ends)));
            }
            Change::WillKept { session, due, will } => {
                memory.wills.retain(|(other, _, _)| other != session);
                memory.wills.push((*session, *due, (**will).clone()));
            }
            Change::WillOver(session) => memory.wills.retain(|(other, _, _)| other != session),
            Change::SessionEnded(number) => {
                memory.sessions.retain(|(other, _, _)| other != number);
                memory.ends.retain(|(other, _)| other != number);
                memory.wills.retain(|(other, _, _)| other != number);
                memory.subscriptions.retain(|(other, _, _, _)| other != number);
            }
            Change::Subscribed { session, filter, options, identifier } => {
                memory.subscriptions.retain(|(other, text, _, _)| (other, text) != (session, filter));
                memory.subscriptions.push((*session, filter.clone(), *options, *identifier));
            }
            Change::Unsubscribed { session, filter } => {
                memory.subscriptions.retain(|(other, text, _, _)| (other, text) != (session, filter));
            }
            Change::RetainedSet(message) => {
                memory.retained.retain(|other| other.topic() != message.topic());
                memory.retained.push((**message).clone());
            }
            Change::RetainedCleared(topic) => memory.retained.retain(|other| *other.topic() != **topic),
        }
    }

    /// A message as one of its receivers gets it.
    fn stored(&self, id: MessageId, reader: SessionNumber) -> Option<Stored> {
        let (_, _, receivers) = self.memory.messages.iter().find(|(other, _, _)| *other == id)?;
        let receiver = *receivers.iter().find(|receiver| receiver.session == reader)?;
        Some(Stored { message: self.bodies.get(&id)?.clone(), receiver })
    }

    fn remembered(&self) -> Memory {
        let memory = &self.memory;
        let upto = memory.runs.last().map_or(MessageId::NONE, |run| run.upto);
        let rows = memory.messages.iter().map(|(id, _, _)| *id).chain(memory.states.iter().map(|(id, _)| *id));
        Memory {
            boots: memory.boots + 1,
            inflight: memory.inflight,
            next_session: memory.next_session,
            damage: None,
            ends: memory.ends.clone(),
            wills: memory.wills.clone(),
            next_message: memory.next_message,
            sessions: memory.sessions.clone(),
            subscriptions: memory.subscriptions.clone(),
            retained: memory.retained.clone(),
            first_row: rows.min().unwrap_or_default(),
            runs: memory.runs.clone(),
            messages: memory.messages.iter().filter(|(id, _, _)| *id > upto).cloned().collect(),
            states: memory.states.iter().filter(|(id, _)| *id > upto).cloned().collect(),
        }
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Bench {
        Bench {
            broker: Broker::new(limits),
            now: Moment::START,
            origin: Origin::Network(ListenerId(0)),
            commits: true,
            pending: None,
            loads: vec![],
            disk: Disk { memory: Memory { inflight: limits.inflight, ..Memory::default() }, ..Disk::default() },
            received: BTreeMap::new(),
            versions: BTreeMap::new(),
            closed: vec![],
            open: BTreeSet::new(),
            asked: VecDeque::new(),
            exchanges: VecDeque::new(),
            resumed: vec![],
        }
    }

    /// The power fails: what was not committed is gone, connections too.
    pub fn restart(&mut self) {
        self.restart_with(Limits::default());
    }

    /// The same, with these limits.
    pub fn restart_with(&mut self, limits: Limits) {
        let memory = self.disk.remembered();
        self.disk.memory.boots += 1;
        self.disk.memory.inflight = memory.inflight.max(limits.inflight);
        (self.broker, _) = Broker::restore(limits, self.now, memory);
        self.pending = None;
        self.loads.clear();
        self.received.clear();
    }

    pub fn connect(&mut self, id: Id, client: &str, version: Version) -> Vec<Got> {
        self.connect_with(id, client, version, |_| {})
    }

    pub fn connect_with<'a>(
        &mut self,
        id: Id,
        client: &'a str,
        version: Version,
        change: impl FnOnce(&mut Connect<'a>),
    ) -> Vec<Got> {
        let mut connect = plain_connect(client, version);
        change(&mut connect);
        self.arrive(Arrival::new(self.origin, self.now), id, &connect)
    }

    /// Connects as a part of the gateway.
    pub fn connect_built_in(&mut self, id: Id, client: &str) -> Vec<Got> {
        let arrival = Arrival::new(Origin::BuiltIn, self.now);
        self.arrive(arrival, id, &plain_connect(client, Version::V5))
    }

    /// Connects as a client whose certificate tells who it is.
    pub fn connect_proved(&mut self, id: Id, client: &str, user: &str) -> Vec<Got> {
        let arrival = Arrival { identity: Some(user.into()), ..Arrival::new(self.origin, self.now) };
        self.arrive(arrival, id, &plain_connect(client, Version::V5))
    }

    /// Connects as one who came in some way of its own.
    pub fn connect_from(&mut self, arrival: Arrival, id: Id, client: &str, version: Version) -> Vec<Got> {
        self.arrive(arrival, id, &plain_connect(client, version))
    }

    fn arrive(&mut self, arrival: Arrival, id: Id, connect: &Connect<'_>) -> Vec<Got> {
        let version = connect.version;
        let mut bytes = vec![];
        connect.encode(&mut bytes);
        self.broker.handle(self.now, Input::Opened(ConnectionId(id), arrival));
        self.open.insert(id);
        self.received.insert(id, vec![]);
        self.versions.insert(id, version);
        self.send(id, &bytes);
        self.got(id)
    }

    /// A connection is opened, on which nothing is sent yet.
    pub fn open(&mut self, id: Id) {
        self.broker.handle(self.now, Input::Opened(ConnectionId(id), Arrival::new(self.origin, self.now)));
        self.open.insert(id);
        self.received.insert(id, vec![]);
    }

    /// A connection is opened, on which one of this version is going to speak.
    pub fn open_as(&mut self, id: Id, version: Version) {
        self.open(id);
        self.versions.insert(id, version);
    }

    /// Sends whole packets as one turn.
    pub fn send(&mut self, id: Id, bytes: &[u8]) {
        assert_eq!(self.receive(id, bytes), bytes.len(), "whole packets only");
    }

    /// Sends bytes as one turn; tells how many were used.
    pub fn receive(&mut self, id: Id, bytes: &[u8]) -> usize {
        let used = self.broker.receive(self.now, ConnectionId(id), bytes);
        self.turn();
        used
    }

    pub fn publish(&mut self, id: Id, topic: &str, payload: &str, qos: QoS, packet_id: u16) {
        self.publish_with(id, topic, payload, qos, packet_id, false);
    }

    pub fn publish_with(&mut self, id: Id, topic: &str, payload: &str, qos: QoS, packet_id: u16, retain: bool) {
        let publish = Publish {
            dup: false,
            qos,
            retain,
            topic: Some(TopicName::new(topic).expect("valid")),
            packet_id: PacketId::new(packet_id),
            properties: Properties::NONE,
            payload: payload.as_bytes(),
        };
        let mut bytes = vec![];
        publish.encode(self.versions[&id], &mut bytes);
        self.send(id, &bytes);
    }

    pub fn subscribe(&mut self, id: Id, filter: &str, qos: QoS) {
        let (filter, options) = (TopicFilter::new(filter).expect("valid"), SubscriptionOptions::plain(qos));
        let mut list = vec![];
        SubscriptionList::put(filter, options, self.versions[&id], &mut list);
        let subscribe = Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::NONE,
            filters: SubscriptionList::from_checked(&list),
        };
        let mut bytes = vec![];
        subscribe.encode(self.versions[&id], &mut bytes);
        self.send(id, &bytes);
    }

    pub fn ack(&mut self, id: Id, kind: AckKind, packet_id: u16) {
        let mut bytes = vec![];
        Ack::success(kind, PacketId::new(packet_id).expect("not zero")).encode(self.versions[&id], &mut bytes);
        self.send(id, &bytes);
    }

    /// The password that was asked about first was compared.
    pub fn verdict(&mut self, verdict: Verdict) {
        let asked = self.asked.pop_front().expect("a password is compared");
        let (connection, generation) = (asked.connection, asked.generation);
        self.broker.handle(self.now, Input::Authenticated { connection, generation, verdict });
        self.turn();
    }

    /// The message of enhanced authentication that was asked about first was looked at.
    pub fn step(&mut self, step: Step) -> Exchange {
        let asked = self.exchanges.pop_front().expect("a message is looked at");
        let (connection, generation) = (asked.connection, asked.generation);
        self.broker.handle(self.now, Input::Exchanged { connection, generation, step });
        self.turn();
        asked
    }

    /// The connection is lost.
    pub fn lose(&mut self, id: Id) {
        self.open.remove(&id);
        self.broker.handle(self.now, Input::Closed(ConnectionId(id)));
        self.turn();
    }

    /// Whether a client's connection was neither lost nor closed since it was opened.
    pub fn is_open(&self, id: Id) -> bool {
        self.open.contains(&id)
    }

    /// Time passes, tick by tick.
    pub fn pass(&mut self, length: Duration) {
        let end = self.now + length;
        while let Some(at) = self.broker.next_deadline().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.broker.handle(self.now, Input::Tick);
            self.turn();
        }
        self.now = end;
    }

    /// Ends the turn and does what the broker wants done.
    pub fn turn(&mut self) {
        while self.turn_once() {}
    }

    /// One turn; tells whether the store answered, which the next turn ends.
    fn turn_once(&mut self) -> bool {
        let mut is_answered = false;
        self.broker.handle(self.now, Input::TurnEnd);
        while let Some(output) = self.broker.poll_output() {
            match output {
                Output::Flush(connection) => self.flush(connection),
                Output::Close(connection) => {
                    self.flush(connection);
                    self.closed.push(connection.0);
                    self.open.remove(&connection.0);
                    self.broker.handle(self.now, Input::Closed(connection));
                }
                Output::Authenticate(asked) => self.asked.push_back(asked),
                Output::Exchange(asked) => self.exchanges.push_back(asked),
                Output::Resume(connection) => self.resumed.push(connection),
                Output::Commit(group) => {
                    self.pending = Some(group);
                    if self.commits {
                        self.commit();
                    }
                }
                Output::Load { session, number, messages } => {
                    self.loads.push((session, number, messages));
                    is_answered |= self.load();
                }
            }
        }
        is_answered
    }

    /// The store reads what was asked for. It does one thing after the other: not while it has a group to write.
    fn load(&mut self) -> bool {
        if self.pending.is_some() || self.loads.is_empty() {
            return false;
        }
        for (session, number, messages) in std::mem::take(&mut self.loads) {
            let messages = messages.into_iter().map(|id| (id, self.disk.stored(id, number))).collect();
            let loaded = Loaded { session, number, messages: Ok(messages) };
            self.broker.handle(self.now, Input::Loaded(loaded));
        }
        true
    }

    fn flush(&mut self, connection: ConnectionId) {
        let bytes = self.broker.outbox(connection).to_vec();
        self.received.entry(connection.0).or_default().extend_from_slice(&bytes);
        self.broker.written(connection, bytes.len());
    }

    /// The group that waits becomes safe.
    pub fn commit(&mut self) {
        let group = self.pending.take().expect("a group waits");
        self.disk.keep(&group);
        self.broker.handle(self.now, Input::Committed(group));
        self.load();
        self.turn();
    }

    /// The group that waits cannot be made safe.
    pub fn fail(&mut self, fault: StoreFault) {
        let group = self.pending.take().expect("a group waits");
        self.broker.handle(self.now, Input::CommitFailed(group, fault));
        self.load();
        self.turn();
    }

    /// What a client received since it was last asked for.
    pub fn got(&mut self, id: Id) -> Vec<Got> {
        let bytes = std::mem::take(self.received.entry(id).or_default());
        let (mut rest, mut all) = (&bytes[..], vec![]);
        while !rest.is_empty() {
            let frame = frame(rest, usize::MAX).expect("well formed").expect("whole");
            let packet = decode(frame.first, &rest[frame.body..frame.end], self.versions[&id]).expect("valid packet");
            all.push(in_short(&packet));
            rest = &rest[frame.end..];
        }
        all
    }
}

fn in_short(packet: &Packet<'_>) -> Got {
    match packet {
        Packet::Connack(connack) => Got::Connack { present: connack.session_present, reason: connack.reason.0 },
        Packet::Publish(publish) => Got::Publish {
            topic: publish.topic.map_or("", TopicName::as_str).to_owned(),
            payload: String::from_utf8_lossy(publish.payload).into_owned(),
            qos: publish.qos.bits(),
            dup: publish.dup,
            retain: publish.retain,
            id: publish.packet_id.map_or(0, PacketId::get),
        },
        Packet::Ack(ack) => Got::Ack(ack.kind, ack.packet_id.get(), ack.reason.0),
        Packet::Suback(suback) => Got::Suback(suback.reasons.iter().map(|ReasonCode(code)| *code).collect()),
        Packet::Unsuback(_) => Got::Unsuback,
        Packet::Pingresp => Got::Pingresp,
        Packet::Auth(auth) => Got::Auth(auth.reason.0, authentication_data(auth.properties)),
        Packet::Disconnect(disconnect) => Got::Disconnect(disconnect.reason.0),
        other => panic!("a server does not send {other:?}"),
    }
}

fn authentication_data(properties: Properties<'_>) -> Option<String> {
    let methods = properties.iter().filter(|p| *p == Property::AuthenticationMethod("SCRAM-SHA-256")).count();
    assert_eq!(methods, 1, "[MQTT-4.12.0-5]");
    properties.iter().find_map(|property| match property {
        Property::AuthenticationData(data) => Some(String::from_utf8_lossy(data).into_owned()),
        _ => None,
    })
}

/// CONNECT of a client that asks for nothing special.
fn plain_connect(client_id: &str, version: Version) -> Connect<'_> {
    Connect {
        version,
        is_bridge: false,
        clean_start: false,
        keep_alive: 0,
        client_id,
        will: None,
        credentials: Credentials::default(),
        properties: Properties::NONE,
    }
}

/// A message as a client receives it for the first time.
pub fn message(topic: &str, payload: &str, qos: u8, id: u16) -> Got {
    Got::Publish { topic: topic.into(), payload: payload.into(), qos, dup: false, retain: false, id }
}

/// Properties of one property.
pub fn properties(property: Property<'_>) -> Vec<u8> {
    let mut bytes = vec![];
    property.encode(&mut bytes);
    bytes
}

/// A will.
pub fn will<'a>(topic: &'a str, payload: &'a str, properties: &'a [u8]) -> WillMessage<'a> {
    WillMessage {
        topic: TopicName::new(topic).expect("valid"),
        payload: payload.as_bytes(),
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::from_checked(properties),
    }
}
