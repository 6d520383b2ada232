//! The identifiers of the broker.

/// One network connection. The shell numbers its connections from zero and uses a number again only
/// after it reported the connection closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u32);

impl ConnectionId {
    /// Its place in a table of connections.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A session's place in memory; used again after the session ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey(pub u32);

impl SessionKey {
    /// Its place in the table of sessions.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A session's number in the store; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SessionNumber(pub u32);

/// A message's number in the store: ascending, never used again. Zero stands for a message that is not stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MessageId(pub u64);

impl MessageId {
    /// A message that lives in memory only.
    pub const NONE: MessageId = MessageId(0);

    /// The identifier after this one.
    #[must_use]
    pub const fn next(self) -> MessageId {
        MessageId(self.0 + 1)
    }
}
