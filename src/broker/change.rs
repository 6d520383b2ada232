//! What must last: the values that leave the broker for the store, and what comes back at start.

use super::ids::{MessageId, SessionNumber};
use super::message::Message;
use super::queue::Packed;
use super::will::Will;
use crate::base::Moment;
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{PacketId, QoS};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A change of what is kept besides messages, in the order in which it happened.
#[derive(Clone, PartialEq, Debug)]
pub enum Change {
    /// A session began, or its expiry changed.
    SessionKept {
        /// Its number.
        number: SessionNumber,
        /// Its client.
        client_id: Box<str>,
        /// Seconds it lives without a connection.
        expiry: u32,
    },
    /// A session's connection is gone and its time runs, or it has one again.
    SessionAway {
        /// The session.
        number: SessionNumber,
        /// When it expires; `None` while it has a connection.
        ends: Option<Moment>,
    },
    /// A will waits for its delay.
    WillKept {
        /// The session it belongs to.
        session: SessionNumber,
        /// When it is to be published.
        due: Moment,
        /// The will.
        will: Box<Will>,
    },
    /// A will that waited was published, or must not be any more.
    WillOver(SessionNumber),
    /// A session ended: it, its will and its subscriptions are forgotten.
    SessionEnded(SessionNumber),
    /// A session subscribed, or changed the options of a subscription.
    Subscribed {
        /// The session.
        session: SessionNumber,
        /// Topic filter.
        filter: Box<str>,
        /// How messages are delivered.
        options: SubscriptionOptions,
        /// Subscription identifier; 0 for none.
        identifier: u32,
    },
    /// A session unsubscribed.
    Unsubscribed {
        /// The session.
        session: SessionNumber,
        /// Topic filter.
        filter: Box<str>,
    },
    /// A retained message was set.
    RetainedSet(Arc<Message>),
    /// A retained message was cleared.
    RetainedCleared(Box<str>),
}

/// One session that a stored message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receiver {
    /// The session.
    pub session: SessionNumber,
    /// Packet identifier of the delivery.
    pub packet_id: PacketId,
    /// QoS of the delivery.
    pub qos: QoS,
    /// Retain flag of the delivery.
    pub retain: bool,
}

/// Where a session stands, absolute: the latest one of a session holds, all earlier ones are void.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionState {
    /// The session.
    pub session: SessionNumber,
    /// Every message before this one is completed.
    pub first: MessageId,
    /// Ranges of numbers from `first` on whose messages for this session are completed too; both ends included.
    pub done: Vec<(MessageId, MessageId)>,
    /// Messages whose PUBREC came.
    pub received: Vec<MessageId>,
    /// Identifiers of QoS 2 messages received from the client and not released.
    pub incoming: Vec<PacketId>,
}

impl SessionState {
    /// Whether the session is done with the message of this number.
    pub fn is_done(&self, id: MessageId) -> bool {
        id < self.first || self.done.iter().any(|&(first, last)| first <= id && id <= last)
    }
}

/// Part of the index: which sessions the messages of a range of numbers are still for, so that a start need not
/// read the messages. Rows of states before its end are void.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Run {
    /// It begins behind this message.
    pub since: MessageId,
    /// The last message it covers.
    pub upto: MessageId,
    /// The messages, by session.
    pub segments: Vec<Segment>,
    /// States that changed since the run before.
    pub states: Vec<SessionState>,
}

impl Run {
    /// The run of everything up to `upto`, from all stored messages in their order and the latest state of each session.
    pub fn collect(
        upto: MessageId,
        messages: &[(MessageId, u32, Vec<Receiver>)],
        states: &BTreeMap<SessionNumber, SessionState>,
    ) -> Run {
        let mut segments: BTreeMap<SessionNumber, (Packed, PacketId)> = BTreeMap::new();
        for (id, size, receivers) in messages.iter().filter(|(id, _, _)| *id <= upto) {
            for receiver in receivers {
                if states.get(&receiver.session).is_some_and(|state| state.is_done(*id)) {
                    continue;
                }
                let next = receiver.packet_id.next();
                let new = || (Packed::new(MessageId::NONE), next);
                let (packed, next_packet_id) = segments.entry(receiver.session).or_insert_with(new);
                packed.push(*id, *size);
                *next_packet_id = next;
            }
        }
        let segment = |(session, (packed, next_packet_id)): (SessionNumber, (Packed, PacketId))| Segment {
            session,
            next_packet_id,
            bytes: packed.into_bytes(),
        };
        let segments = segments.into_iter().map(segment).collect();
        Run { since: MessageId::NONE, upto, segments, states: states.values().cloned().collect() }
    }

    /// This run and the one behind it as one. `head` tells the first message that a session is not done with, or
    /// nothing for a session that ended.
    #[must_use]
    pub fn followed_by(&self, next: &Run, head: impl Fn(SessionNumber) -> Option<MessageId>) -> Run {
        let mut segments: BTreeMap<SessionNumber, Segment> = BTreeMap::new();
        for (run, segment) in self.segments.iter().map(|s| (self, s)).chain(next.segments.iter().map(|s| (next, s))) {
            let Some(first) = head(segment.session) else { continue };
            let before = segments.remove(&segment.session);
            let before = before.iter().flat_map(|before| before.messages(self.since));
            let mut packed = Packed::new(self.since);
            for (id, size) in before.chain(segment.messages(run.since)).filter(|(id, _)| *id >= first) {
                packed.push(id, size);
            }
            let bytes = packed.into_bytes();
            if !bytes.is_empty() {
                segments.insert(segment.session, Segment { bytes, ..segment.clone() });
            }
        }
        let mut states = BTreeMap::new();
        for state in self.states.iter().chain(&next.states).filter(|state| head(state.session).is_some()) {
            states.insert(state.session, state.clone());
        }
        Run {
            since: self.since,
            upto: next.upto,
            segments: segments.into_values().collect(),
            states: states.into_values().collect(),
        }
    }
}

/// The messages of one session in a [`Run`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The session.
    pub session: SessionNumber,
    /// The packet identifier behind the last of the messages.
    pub next_packet_id: PacketId,
    /// The messages, as the broker packs them.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The messages of a segment of a run that begins behind `since`: number and size.
    pub fn messages(&self, since: MessageId) -> impl Iterator<Item = (MessageId, u32)> {
        Packed::read(&self.bytes, since)
    }
}

/// Everything the store remembers, read at start.
#[derive(Debug, Default)]
pub struct Memory {
    /// The report of damage that was found and is not dealt with; its path.
    pub damage: Option<Box<str>>,
    /// How often the gateway was started on this store, this time included.
    pub boots: u32,
    /// The most messages that any run on this store let be in flight to one client, this one included.
    pub inflight: u16,
    /// The number the next session gets.
    pub next_session: SessionNumber,
    /// The number the next message gets.
    pub next_message: MessageId,
    /// Sessions: number, client identifier, expiry.
    pub sessions: Vec<(SessionNumber, Box<str>, u32)>,
    /// When sessions expire whose time was running already.
    pub ends: Vec<(SessionNumber, Moment)>,
    /// Wills that wait for their delay, and when they are due.
    pub wills: Vec<(SessionNumber, Moment, Will)>,
    /// Subscriptions.
    pub subscriptions: Vec<(SessionNumber, Box<str>, SubscriptionOptions, u32)>,
    /// Retained messages.
    pub retained: Vec<Message>,
    /// The lowest number of a stored row; [`MessageId::NONE`] without any.
    pub first_row: MessageId,
    /// The index, in the order of the numbers it covers.
    pub runs: Vec<Run>,
    /// Stored messages behind the index in the order of their numbers: number, size in bytes, receivers.
    pub messages: Vec<(MessageId, u32, Vec<Receiver>)>,
    /// Rows of states behind the index in the order of their numbers.
    pub states: Vec<(MessageId, Vec<SessionState>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(since: u64, upto: u64, messages: &[(u32, &[u64])], states: &[(u32, u64)]) -> Run {
        let since = MessageId(since);
        let segment = |&(session, ids): &(u32, &[u64])| {
            let mut packed = Packed::new(since);
            for &id in ids {
                packed.push(MessageId(id), 7);
            }
            let next_packet_id = PacketId::FIRST.advance(upto as u16);
            Segment { session: SessionNumber(session), next_packet_id, bytes: packed.into_bytes() }
        };
        let state = |&(session, first): &(u32, u64)| {
            let (session, first) = (SessionNumber(session), MessageId(first));
            SessionState { session, first, ..SessionState::default() }
        };
        let segments = messages.iter().map(segment).collect();
        Run { since, upto: MessageId(upto), segments, states: states.iter().map(state).collect() }
    }

    #[test]
    fn two_runs_become_one_without_what_is_over() {
        let first = run(0, 100, &[(1, &[5, 90]), (2, &[6]), (3, &[7])], &[(1, 5), (3, 7)]);
        let second = run(100, 200, &[(1, &[101, 180]), (4, &[150])], &[(1, 90), (2, 201)]);
        let head = |session: SessionNumber| match session.0 {
            1 => Some(MessageId(90)),
            2 => Some(MessageId(201)),
            3 => None,
            _ => Some(MessageId::NONE),
        };
        let expected = run(0, 200, &[(1, &[90, 101, 180]), (4, &[150])], &[(1, 90), (2, 201)]);
        assert_eq!(first.followed_by(&second, head), expected);
    }
}
