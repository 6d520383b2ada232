//! What leaves the broker.

use super::exchange::Exchange;
use super::group::Group;
use super::ids::{ConnectionId, MessageId, SessionKey, SessionNumber};
use crate::access::PasswordHash;
use std::fmt;
use std::sync::Arc;

/// Something to be done outside.
#[derive(Debug)]
pub enum Output {
    /// The connection's outbox has something new.
    Flush(ConnectionId),
    /// Write what the outbox has, then close the connection and report it closed.
    Close(ConnectionId),
    /// Compare a password, and give the verdict back as [`Input::Authenticated`](super::Input::Authenticated), even
    /// if the connection is gone by then.
    Authenticate(Authenticate),
    /// Look at a message of enhanced authentication, and give the outcome back as
    /// [`Input::Exchanged`](super::Input::Exchanged), even if the connection is gone by then.
    Exchange(Exchange),
    /// Hand over again what came behind the CONNECT, or behind an AUTH.
    Resume(ConnectionId),
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

/// A password to be compared.
#[derive(Clone)]
pub struct Authenticate {
    /// The connection it came over.
    pub connection: ConnectionId,
    /// Which of those that had this number.
    pub generation: u32,
    /// The hash it must match; `None` for a user that does not exist, which must take as long.
    pub expected: Option<Arc<PasswordHash>>,
    /// What the client says; empty if it says nothing.
    pub password: Box<[u8]>,
}

/// A password has no place in a log.
impl fmt::Debug for Authenticate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Authenticate { connection, generation, expected, password: _ } = self;
        let known = expected.is_some();
        write!(formatter, "Authenticate {{ {connection:?}, generation: {generation}, known: {known} }}")
    }
}
