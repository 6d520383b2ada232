//! What enters the broker.

use super::connection::Arrival;
use super::exchange::Step;
use super::group::Group;
use super::ids::{ConnectionId, MessageId, SessionKey, SessionNumber};
use super::outgoing::Stored;
use crate::access::Access;
use std::time::Duration;

/// Something happened outside.
#[derive(Debug)]
pub enum Input {
    /// A connection was opened.
    Opened(ConnectionId, Arrival),
    /// So many connections were closed before they were opened here, because there were too many.
    TurnedAway(u64),
    /// A connection is gone; its number may be used again.
    Closed(ConnectionId),
    /// Everything of an outbox that had been full was written.
    Flushed(ConnectionId),
    /// All that was ready has been handled: decide whether to commit.
    TurnEnd,
    /// Time passed.
    Tick,
    /// A group is safe.
    Committed(Box<Group>),
    /// A group could not be made safe. Nothing of it may be relied on.
    CommitFailed(Box<Group>, StoreFault),
    /// Messages that [`Output::Load`](super::Output::Load) asked for.
    Loaded(Loaded),
    /// A password that [`Output::Authenticate`](super::Output::Authenticate) asked about was compared.
    Authenticated {
        /// The connection it came over.
        connection: ConnectionId,
        /// Which of those that had this number.
        generation: u32,
        /// What came out.
        verdict: Verdict,
    },
    /// The store was damaged and holds only what could be read of it; here is the report.
    StoreDamaged(Box<str>),
    /// It became known how long the gateway was off before this start: lifetimes from before ran on.
    Slept(Duration),
    /// A message of enhanced authentication that [`Output::Exchange`](super::Output::Exchange) asked about was
    /// looked at.
    Exchanged {
        /// The connection it came over.
        connection: ConnectionId,
        /// Which of those that had this number.
        generation: u32,
        /// What came out.
        step: Step,
    },
    /// Users and rules, from now on.
    AccessChanged(Box<Access>),
    /// The gateway stops: write everything that waits.
    Stop,
}

/// What comparing a password came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The user is known and the password is right.
    Right,
    /// One of that is not so; which is nobody's business.
    Wrong,
}

/// Messages read from the store for a session.
#[derive(Debug)]
pub struct Loaded {
    /// The session's place.
    pub session: SessionKey,
    /// Its number: the place may have another session by now.
    pub number: SessionNumber,
    /// What was asked for, in that order; `None` for a message that is not there. Or the store could not be read.
    pub messages: Result<Found, StoreFault>,
}

/// Messages that were asked of the store, each with its number; `None` for one that is not there, or not for that
/// session.
pub type Found = Vec<(MessageId, Option<Stored>)>;

/// What keeps the store from keeping something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreFault {
    /// No space is left.
    Full,
    /// Anything else: reading, writing or flushing failed.
    Broken,
}
