//! Layer 2: the MQTT broker as one machine.
//!
//! Three verbs: [`Broker::handle`] (and [`Broker::receive`], its form for bytes), [`Broker::poll_output`],
//! [`Broker::next_deadline`]. It owns no socket, clock, disk or thread.
//!
//! **Decide, keep, then speak.** What must last goes into the open [`group`]; at the end of a turn the group
//! leaves as [`Output::Commit`] if the writer is free, and the answers held with it are spoken when
//! [`Input::Committed`] brings it back. QoS 0 and live delivery never wait for that.
//!
//! How a PUBLISH walks through: `receive` → `publish` (alias, QoS 2 seen before?, retained) → `subscriptions`
//! → `route` (one copy per session into its outbox, or its `outgoing` ring) → `group` (if a stored session is among
//! the readers) → the answer leaves at once, with the commit, or when the last reader acknowledged.

mod access;
mod acknowledge;
mod blocks;
pub mod change;
mod close;
mod commit;
mod connect;
mod connection;
mod counters;
mod deliver;
mod exchange;
mod few;
pub mod group;
mod ids;
mod index;
mod input;
mod layout;
mod level;
mod listeners;
mod load;
pub mod message;
mod narrow;
mod orphans;
mod outbox;
mod outgoing;
mod output;
mod own;
mod publish;
mod queue;
mod replay;
mod restore;
mod retained;
mod route;
mod session;
mod shared;
mod strangers;
mod subscribe;
mod subscriptions;
mod sweep;
mod sys;
#[cfg(test)]
mod tests;
mod timers;
mod unsettled;
pub mod will;

pub use connection::{Arrival, Origin};
pub use counters::Counters;
pub use exchange::{Exchange, Step};
pub use few::Few;
pub use ids::{ConnectionId, MessageId, SessionKey, SessionNumber};
pub use input::{Found, Input, Loaded, StoreFault, Verdict};
pub use listeners::{ListenerId, ListenerRules};
pub use outgoing::Stored;
pub use output::{Authenticate, Output};
pub use restore::Restored;

use crate::access::Access;
use crate::base::Moment;
use crate::base::limits::Limits;
use crate::mqtt::packet::{Ack, AckKind, Connect, Credentials, Publish};
use crate::mqtt::{DecodeError, Frame, Packet, ReasonCode, Version, decode, frame};
use blocks::Blocks;
use connection::{Connected, Connection, Phase};
use group::{Group, OpenGroup};
use index::Index;
use layout::Layouts;
use listeners::Listeners;
use load::Loads;
use orphans::Orphans;
use outbox::Outboxes;
use retained::Retained;
use route::Target;
use session::Sessions;
use std::collections::VecDeque;
use std::time::Duration;
use strangers::Strangers;
use subscriptions::{FilterId, Subscriptions};
use timers::{Timer, Timers};

/// First byte of CONNECT.
const CONNECT: u8 = 0x10;

/// The broker.
#[derive(Debug)]
pub struct Broker {
    limits: Limits,
    boots: u32,
    /// The report of damage to the store that is not dealt with.
    damage: Option<Box<str>>,
    /// Retained messages with a lifetime that runs since before the start.
    mortal: Vec<std::sync::Arc<message::Message>>,
    connections: Vec<Option<Connection>>,
    connected: u32,
    /// Those of them that are parts of the gateway itself.
    own_connected: u32,
    strangers: Strangers,
    /// Connections whose client does not take an answer for its size.
    too_narrow: Vec<ConnectionId>,
    listeners: Listeners,
    generation: u32,
    sessions: Sessions,
    next_session: SessionNumber,
    subscriptions: Subscriptions,
    retained: Retained,
    outboxes: Outboxes,
    timers: Timers,
    outputs: VecDeque<Output>,
    /// Sessions whose replay of retained messages goes on in the next turn.
    replaying: Vec<SessionKey>,
    /// Users and rules; `None` if everyone may do everything.
    access: Option<Box<Access>>,
    /// Passwords that are being compared.
    authenticating: usize,
    store: StoreSide,
    orphans: Orphans,
    counters: Counters,
    loads: Loads,
    scratch: Option<Box<Scratch>>,
}

/// What stands between the broker and the store.
#[derive(Debug)]
struct StoreSide {
    open: OpenGroup,
    /// A group is with the writer.
    is_writing: bool,
    /// When it got it.
    writing_since: Moment,
    /// A group that could not be written, to be tried again as it is.
    failed: Option<Box<Group>>,
    fault: Option<StoreFault>,
    /// Failures in a row.
    failures: u32,
    blocks: Blocks,
    index: Index,
    /// A search for dead rows between living ones.
    sweep: Option<sweep::Sweep>,
    /// The first message that was stored since the start.
    first_of_run: MessageId,
    /// The most messages of a session that an earlier run may have sent and not seen acknowledged.
    inflight: u16,
    /// Deliveries of stored messages that were completed since the last group.
    completed: u32,
    dirty_sessions: Vec<SessionKey>,
    /// Sessions whose next message must not be sent before it is committed.
    waiting: Vec<SessionKey>,
    /// Topics whose QoS 0 retained message changed and is not yet written.
    dirty_retained: std::collections::BTreeSet<Box<str>>,
    /// Sessions whose beginning or end is not committed.
    unsettled: unsettled::Unsettled,
    stopping: bool,
}

/// How long the writer may have a group before the store is called slow.
const STORE_SLOW: Duration = Duration::from_secs(2);

impl StoreSide {
    /// Whether the writer has had its group for long.
    fn stalls(&self, now: Moment) -> bool {
        now.saturating_since(self.writing_since) > STORE_SLOW
    }
}

/// See [`Broker::limit_before_connect`].
enum Before {
    /// A packet of up to so many bytes.
    Takes(usize),
    /// Nothing now: something is asked outside.
    Waits,
    /// It is closed.
    Closed,
}

/// Buffers that are used again by every PUBLISH.
#[derive(Debug, Default)]
struct Scratch {
    hits: Vec<FilterId>,
    targets: Vec<Target>,
    layouts: Layouts,
}

impl Broker {
    /// A broker that remembers nothing; [`Broker::restore`] makes one from a store.
    pub fn new(limits: Limits) -> Broker {
        let (broker, _) = Broker::restore(limits, Moment::START, change::Memory::default());
        broker
    }

    /// Says what holds for the clients of each listener, in the order of their ids. Told before the first opens.
    pub fn set_listeners(&mut self, rules: Vec<ListenerRules>) {
        self.listeners = Listeners::new(rules);
    }

    /// A start is to read no more than about so many bytes of what was stored last; by default
    /// [`INDEX_BYTES`](crate::base::limits::INDEX_BYTES).
    pub fn set_index_bytes(&mut self, bytes: usize) {
        self.store.index.bytes_max = bytes;
    }

    /// Takes bytes that came over a connection and handles every whole packet in them.
    /// Tells how many bytes it used; the shell keeps the rest and brings it again with what follows.
    #[inline]
    pub fn receive(&mut self, now: Moment, from: ConnectionId, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let Some(connection) = &self.connections[from.index()] else { return bytes.len() };
            let limit = match &connection.phase {
                Phase::Connected(_) => self.limits.packet_size as usize,
                Phase::AwaitConnect { .. } | Phase::Authenticating(_) | Phase::Exchanging(_) | Phase::Closing => {
                    let is_asking = connection.is_asking();
                    match self.limit_before_connect(now, from, is_asking, &bytes[at..]) {
                        Before::Takes(limit) => limit,
                        Before::Waits => break,
                        Before::Closed => return bytes.len(),
                    }
                }
            };
            match frame(&bytes[at..], limit) {
                Ok(Some(frame)) => {
                    self.packet(now, from, frame, &bytes[at..at + frame.end]);
                    at += frame.end;
                }
                Ok(None) => break,
                Err(error) => {
                    self.refuse(now, from, &bytes[at..], error);
                    return bytes.len();
                }
            }
            if at == bytes.len() {
                break;
            }
        }
        self.counters.bytes_received += at as u64;
        at
    }

    /// What is done with bytes of a connection whose CONNECT was not accepted.
    #[cold]
    fn limit_before_connect(&mut self, now: Moment, from: ConnectionId, is_asking: bool, bytes: &[u8]) -> Before {
        let limit = self.limits.packet_size_before_connect as usize;
        let connection = self.connections[from.index()].as_ref();
        let awaits = connection.is_some_and(|connection| matches!(connection.phase, Phase::AwaitConnect { .. }));
        if awaits && bytes.first() != Some(&CONNECT) {
            // Not MQTT, or not the packet that has to be first ([MQTT-3.1.0-1]): no need to wait for its end.
            self.counters.packets_refused += 1;
            self.close_quietly(now, from);
            return Before::Closed;
        }
        if !is_asking {
            return Before::Takes(limit);
        }
        // [MQTT-3.1.4-5] A client need not wait for CONNACK. What it sends waits with the shell, within limits.
        if bytes.len() > limit {
            self.close_quietly(now, from);
            return Before::Closed;
        }
        Before::Waits
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Opened(connection, arrival) => self.opened(now, connection, arrival),
            Input::TurnedAway(count) => self.counters.turned_away += count,
            Input::Closed(connection) => self.closed(now, connection),
            Input::Flushed(connection) => self.flushed(now, connection),
            Input::TurnEnd => {
                self.close_too_narrow(now);
                self.turn_end(now);
            }
            Input::Tick => self.tick(now),
            Input::Committed(group) => self.committed(now, *group),
            Input::CommitFailed(group, fault) => self.commit_failed(now, group, fault),
            Input::Loaded(loaded) => self.loaded(now, loaded),
            Input::Authenticated { connection, generation, verdict } => {
                self.authenticated(now, connection, generation, verdict);
            }
            Input::StoreDamaged(report) => self.damage = Some(report),
            Input::Slept(length) => self.slept(length),
            Input::Exchanged { connection, generation, step } => self.exchanged(now, connection, generation, step),
            Input::AccessChanged(access) => self.access_changed(now, access),
            Input::Stop => self.stop(now),
        }
    }

    /// The next thing to be done outside; `None` when all is told.
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(connection) = self.outboxes.pop_dirty() {
            return Some(Output::Flush(connection));
        }
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is wanted at the latest.
    #[inline]
    pub fn next_deadline(&self) -> Option<Moment> {
        let is_sweeping = self.store.sweep.as_ref().is_some_and(sweep::Sweep::is_marking);
        if !self.replaying.is_empty() || self.orphans.are_due() || is_sweeping {
            return Some(Moment::START);
        }
        let group = if self.store.is_writing || self.store.failed.is_some() { None } else { self.store.open.due() };
        Moment::earlier(self.timers.next(), group)
    }

    /// What waits to be written to a connection.
    #[inline]
    pub fn outbox(&self, connection: ConnectionId) -> &[u8] {
        self.outboxes.bytes(connection)
    }

    /// The first `count` bytes of the outbox were written.
    #[inline]
    pub fn written(&mut self, connection: ConnectionId, count: usize) {
        self.counters.bytes_sent += count as u64;
        self.outboxes.written(connection, count);
    }

    /// What was counted since start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What keeps the store from keeping things, if anything does.
    pub fn store_fault(&self) -> Option<StoreFault> {
        self.store.fault
    }

    /// Whether nothing waits for the store.
    pub fn is_settled(&self) -> bool {
        let store = &self.store;
        !store.is_writing
            && store.failed.is_none()
            && store.dirty_sessions.is_empty()
            && store.dirty_retained.is_empty()
            && store.open.group().is_empty()
    }

    fn packet(&mut self, now: Moment, from: ConnectionId, frame: Frame, whole: &[u8]) {
        let body = &whole[frame.body..];
        self.counters.packets_received += 1;
        let Some(connection) = &mut self.connections[from.index()] else { return };
        let version = match &mut connection.phase {
            Phase::Authenticating(_) | Phase::Closing => return,
            Phase::AwaitConnect { .. } if frame.first == CONNECT => return self.connect_packet(now, from, whole, body),
            Phase::AwaitConnect { .. } => return self.close_quietly(now, from),
            Phase::Exchanging(_) => return self.packet_of_exchange(now, from, frame.first, body, whole),
            Phase::Connected(connected) => {
                connected.last_packet = now.as_secs();
                if connected.is_refused && !is_of_delivery(frame.first) {
                    return;
                }
                connected.version
            }
        };
        if frame.is_padded && version.is_v5() {
            return self.refuse(now, from, whole, DecodeError::Malformed("the remaining length has needless bytes"));
        }
        if frame.first == CONNECT {
            // [MQTT-3.1.0-2]: whatever is in it. Its own faults have codes that DISCONNECT does not know.
            return self.refuse(now, from, whole, DecodeError::Protocol("there is a second CONNECT"));
        }
        // Nearly every packet is one of these two: they go the short way, past the enum of all packets.
        match frame.first {
            0x30..=0x3F => {
                return match Publish::decode(frame.first, body, version) {
                    Ok(publish) => self.publish(now, from, &publish, whole),
                    Err(error) => self.refuse(now, from, whole, error),
                };
            }
            0x40 => {
                return match Ack::decode(AckKind::Puback, body, version) {
                    Ok(ack) => self.puback(now, from, ack),
                    Err(error) => self.refuse(now, from, whole, error),
                };
            }
            _ => {}
        }
        match decode(frame.first, body, version) {
            Ok(packet) => self.packet_of_client(now, from, &packet, whole),
            Err(error) => self.refuse(now, from, whole, error),
        }
    }

    fn packet_of_client(&mut self, now: Moment, from: ConnectionId, packet: &Packet<'_>, whole: &[u8]) {
        match packet {
            Packet::Publish(publish) => self.publish(now, from, publish, whole),
            Packet::Ack(ack) => match ack.kind {
                AckKind::Puback => self.puback(now, from, *ack),
                AckKind::Pubrec => self.pubrec(now, from, *ack),
                AckKind::Pubrel => self.pubrel(now, from, *ack),
                AckKind::Pubcomp => self.pubcomp(now, from, *ack),
            },
            Packet::Subscribe(subscribe) => self.subscribe(now, from, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(now, from, unsubscribe),
            Packet::Pingreq => self.pingresp(from),
            Packet::Disconnect(disconnect) => self.disconnect_packet(now, from, disconnect),
            Packet::Auth(auth) => self.auth_packet(now, from, auth),
            // CONNECT does not come as far as this; the others only a server sends.
            Packet::Connect(_) | Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                self.refuse(now, from, whole, DecodeError::Protocol("this packet is not expected from a client"));
            }
        }
    }

    fn pingresp(&mut self, to: ConnectionId) {
        self.send(to, |out| out.extend_from_slice(&[0xD0, 0]));
    }

    fn connect_packet(&mut self, now: Moment, from: ConnectionId, whole: &[u8], body: &[u8]) {
        match Connect::decode(body) {
            Ok(mut connect) => {
                if let Some(reason) = self.refusal(from) {
                    self.counters.note_refusal_of_address(reason);
                    return self.refuse_connect(now, from, Some(connect.version), reason);
                }
                let identity = self.connections[from.index()].as_mut().and_then(Connection::take_identity);
                if let Some(name) = &identity {
                    // The certificate that was checked tells who this is, whatever CONNECT says.
                    connect.credentials = Credentials { user_name: Some(name), password: None };
                }
                self.connect(now, from, &connect, identity.as_deref(), body);
            }
            Err(error) => self.refuse(now, from, whole, error),
        }
    }

    /// Why the CONNECT of a connection is refused, whatever it says.
    fn refusal(&self, from: ConnectionId) -> Option<ReasonCode> {
        self.connections[from.index()].as_ref()?.refusal
    }

    /// Closes a connection whose bytes are not acceptable, with the reason where the version can tell it.
    fn refuse(&mut self, now: Moment, from: ConnectionId, bytes: &[u8], error: DecodeError) {
        self.counters.packets_refused += 1;
        let Some(connection) = &self.connections[from.index()] else { return };
        match &connection.phase {
            Phase::Connected(_) => self.close_with(now, from, error.reason_code()),
            Phase::AwaitConnect { .. } => {
                let version = match frame(bytes, bytes.len()) {
                    Ok(Some(frame)) if frame.first == CONNECT => Connect::answer_version(&bytes[frame.body..frame.end]),
                    _ => None,
                };
                self.refuse_connect(now, from, version, error.reason_code());
            }
            Phase::Exchanging(_) => self.refuse_connect(now, from, Some(Version::V5), error.reason_code()),
            Phase::Authenticating(_) | Phase::Closing => {}
        }
    }

    fn connected(&self, id: ConnectionId) -> Option<&Connected> {
        self.connections.get(id.index())?.as_ref()?.connected()
    }

    fn connected_mut(&mut self, id: ConnectionId) -> Option<&mut Connected> {
        self.connections.get_mut(id.index())?.as_mut()?.connected_mut()
    }

    fn refuse_connect(&mut self, now: Moment, from: ConnectionId, version: Option<Version>, reason: ReasonCode) {
        self.counters.connects_refused += 1;
        if let Some(version) = version {
            self.connack_refusal(from, version, reason);
        }
        self.close_quietly(now, from);
    }

    fn tick(&mut self, now: Moment) {
        self.replay_parts(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Connection(connection, generation) => self.connection_due(now, connection, generation),
                Timer::Session(session, number) => self.session_due(now, session, number),
                Timer::Load(session, number) => self.load_again(now, session, number),
                Timer::Store => self.try_store_again(now),
                Timer::Sys => self.publish_sys(now),
            }
        }
    }
}

/// Whether a packet, by its first byte, brings the delivery of messages on, or ends the connection.
fn is_of_delivery(first: u8) -> bool {
    matches!(first >> 4, 4..=7 | 14)
}
