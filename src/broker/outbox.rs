//! Bytes on their way out, one outbox per connection; an empty one owns no memory.

use super::ids::ConnectionId;
use crate::base::limits::{OUTBOX_BYTES, OUTBOX_POOL, OUTBOX_POOL_BYTES};

/// The outboxes of all connections, and which of them have something new.
#[derive(Default, Debug)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    dirty: Vec<ConnectionId>,
    pool: Vec<Vec<u8>>,
}

#[derive(Default, Debug)]
struct Outbox {
    bytes: Vec<u8>,
    is_dirty: bool,
    /// Nothing may leave before a commit ([`Outboxes::gate`]).
    is_gated: bool,
}

impl Outboxes {
    /// Starts afresh for a connection.
    pub fn open(&mut self, connection: ConnectionId) {
        if self.boxes.len() <= connection.index() {
            self.boxes.resize_with(connection.index() + 1, Outbox::default);
        }
        self.boxes[connection.index()] = Outbox::default();
    }

    /// Where to append; the connection is flushed at the end of the turn.
    #[inline]
    pub fn append(&mut self, connection: ConnectionId) -> &mut Vec<u8> {
        let outbox = &mut self.boxes[connection.index()];
        if !outbox.is_dirty {
            outbox.is_dirty = true;
            self.dirty.push(connection);
        }
        if outbox.bytes.capacity() == 0
            && let Some(buffer) = self.pool.pop()
        {
            outbox.bytes = buffer;
        }
        &mut outbox.bytes
    }

    /// Whether so much waits that QoS 0 messages are dropped and others stay in their queue.
    #[inline]
    pub fn is_full(&self, connection: ConnectionId) -> bool {
        self.boxes[connection.index()].bytes.len() >= OUTBOX_BYTES
    }

    /// Holds everything back until [`ungate`](Outboxes::ungate): what is already appended included.
    pub fn gate(&mut self, connection: ConnectionId) {
        self.boxes[connection.index()].is_gated = true;
    }

    /// Lets go what was held back.
    pub fn ungate(&mut self, connection: ConnectionId) {
        let outbox = &mut self.boxes[connection.index()];
        outbox.is_gated = false;
        if !outbox.bytes.is_empty() && !outbox.is_dirty {
            outbox.is_dirty = true;
            self.dirty.push(connection);
        }
    }

    /// The next connection that has something to write.
    #[inline]
    pub fn pop_dirty(&mut self) -> Option<ConnectionId> {
        while let Some(connection) = self.dirty.pop() {
            let outbox = &mut self.boxes[connection.index()];
            outbox.is_dirty = false;
            if !outbox.is_gated && !outbox.bytes.is_empty() {
                return Some(connection);
            }
        }
        None
    }

    /// What waits to be written.
    #[inline]
    pub fn bytes(&self, connection: ConnectionId) -> &[u8] {
        let outbox = &self.boxes[connection.index()];
        if outbox.is_gated { &[] } else { &outbox.bytes }
    }

    /// Takes note that the first `count` bytes were written. After a whole write the buffer goes to the
    /// pool, so that idle connections own none.
    #[inline]
    pub fn written(&mut self, connection: ConnectionId, count: usize) {
        let bytes = &mut self.boxes[connection.index()].bytes;
        if count < bytes.len() {
            bytes.drain(..count);
            return;
        }
        let mut buffer = std::mem::take(bytes);
        if buffer.capacity() <= OUTBOX_POOL_BYTES && self.pool.len() < OUTBOX_POOL {
            buffer.clear();
            self.pool.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ConnectionId = ConnectionId(0);

    #[test]
    fn a_gated_outbox_holds_back_until_it_is_ungated() {
        let mut outboxes = Outboxes::default();
        outboxes.open(A);
        outboxes.append(A).push(1);
        outboxes.gate(A);
        assert_eq!(outboxes.pop_dirty(), None);
        assert!(outboxes.bytes(A).is_empty());
        outboxes.ungate(A);
        assert_eq!(outboxes.pop_dirty(), Some(A));
        assert_eq!(outboxes.bytes(A), [1]);
    }

    #[test]
    fn a_written_buffer_is_used_again() {
        let mut outboxes = Outboxes::default();
        outboxes.open(A);
        outboxes.append(A).extend([1, 2, 3]);
        outboxes.written(A, 1);
        assert_eq!(outboxes.bytes(A), [2, 3]);
        outboxes.written(A, 2);
        assert_eq!(outboxes.boxes[0].bytes.capacity(), 0);
        assert_eq!(outboxes.pool.len(), 1);
        outboxes.append(A);
        assert!(outboxes.pool.is_empty());
    }

    #[test]
    fn an_outbox_is_full_at_its_limit() {
        let mut outboxes = Outboxes::default();
        outboxes.open(A);
        outboxes.append(A).resize(OUTBOX_BYTES - 1, 0);
        assert!(!outboxes.is_full(A));
        outboxes.append(A).push(0);
        assert!(outboxes.is_full(A));
    }
}
