//! What must last: the values that leave the broker for the store, and what comes back at start.

use super::ids::{MessageId, SessionNumber};
use super::message::Message;
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{PacketId, QoS};
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
    /// A session ended: it and its subscriptions are forgotten.
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
    /// Messages from `first` on that are completed too.
    pub done: Vec<MessageId>,
    /// Messages whose PUBREC came.
    pub received: Vec<MessageId>,
    /// Identifiers of QoS 2 messages received from the client and not released.
    pub incoming: Vec<PacketId>,
}

/// Everything the store remembers, read at start.
#[derive(Debug, Default)]
pub struct Memory {
    /// How often the gateway was started on this store, this time included.
    pub boots: u32,
    /// The number the next session gets.
    pub next_session: SessionNumber,
    /// The number the next message gets.
    pub next_message: MessageId,
    /// Sessions: number, client identifier, expiry.
    pub sessions: Vec<(SessionNumber, Box<str>, u32)>,
    /// Subscriptions.
    pub subscriptions: Vec<(SessionNumber, Box<str>, SubscriptionOptions, u32)>,
    /// Retained messages.
    pub retained: Vec<Message>,
    /// Stored messages in the order of their numbers: number, size in bytes, receivers.
    pub messages: Vec<(MessageId, u32, Vec<Receiver>)>,
    /// Rows of states in the order of their numbers.
    pub states: Vec<(MessageId, Vec<SessionState>)>,
}
