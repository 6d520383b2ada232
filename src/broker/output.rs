//! What leaves the broker.

use super::group::Group;
use super::ids::{ConnectionId, MessageId, SessionKey, SessionNumber};

/// Something to be done outside.
#[derive(Debug)]
pub enum Output {
    /// The connection's outbox has something new.
    Flush(ConnectionId),
    /// Write what the outbox has, then close the connection and report it closed.
    Close(ConnectionId),
    /// Make this safe, in one transaction, and give it back.
    Commit(Box<Group>),
    /// Read these messages.
    Load {
        /// For this session's place.
        session: SessionKey,
        /// And number.
        number: SessionNumber,
        /// In this order.
        messages: Vec<MessageId>,
    },
}
