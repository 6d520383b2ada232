//! Bytes on their way out, one outbox per connection; an empty one owns no memory.

use super::ids::ConnectionId;
use crate::base::limits::{OUTBOX_BYTES, OUTBOX_POOL, OUTBOX_POOL_BYTES};

/// The outboxes of all connections, and which of them have something new.
#[derive(Default, Debug)]
pub struct Outboxes {
    boxes: Vec<Outbox>,
    dirty: Vec<ConnectionId>,
    buffers: Vec<Vec<u8>>,
    /// Buffers that no outbox has; up to [`OUTBOX_POOL`] of them keep their memory.
    free: Vec<u32>,
}

/// Four bytes for each connection, most of which have nothing to say at most times: the number of its buffer from 1 on
/// or 0, and two flags.
#[derive(Clone, Copy, Default, Debug)]
struct Outbox(u32);

impl Outbox {
    /// It is on the list of those that have something new.
    const DIRTY: u32 = 1 << 31;
    /// Nothing may leave before a commit ([`Outboxes::gate`]).
    const GATED: u32 = 1 << 30;

    #[inline]
    fn is(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    #[inline]
    fn buffer(self) -> Option<usize> {
        (self.0 & !(Self::DIRTY | Self::GATED)).checked_sub(1).map(|index| index as usize)
    }
}

impl Outboxes {
    /// Starts afresh for a connection.
    pub fn open(&mut self, connection: ConnectionId) {
        if self.boxes.len() <= connection.index() {
            self.boxes.resize(connection.index() + 1, Outbox::default());
        }
        if let Some(buffer) = self.boxes[connection.index()].buffer() {
            self.give_back(buffer);
        }
        self.boxes[connection.index()] = Outbox::default();
    }

    /// Where to append; the connection is flushed at the end of the turn.
    #[inline]
    pub fn append(&mut self, connection: ConnectionId) -> &mut Vec<u8> {
        let outbox = &mut self.boxes[connection.index()];
        if !outbox.is(Outbox::DIRTY) {
            outbox.0 |= Outbox::DIRTY;
            self.dirty.push(connection);
        }
        let index = if let Some(index) = outbox.buffer() {
            index
        } else {
            let index = self.free.pop().unwrap_or_else(|| {
                self.buffers.push(vec![]);
                self.buffers.len() as u32 - 1
            });
            outbox.0 |= index + 1;
            index as usize
        };
        &mut self.buffers[index]
    }

    /// The same, unless [it is full](Outboxes::is_full).
    #[inline]
    pub fn append_unless_full(&mut self, connection: ConnectionId) -> Option<&mut Vec<u8>> {
        Some(self.append(connection)).filter(|bytes| bytes.len() < OUTBOX_BYTES)
    }

    #[inline]
    fn waiting(&self, outbox: Outbox) -> &[u8] {
        outbox.buffer().map_or(&[], |index| &self.buffers[index])
    }

    /// Whether so much waits that QoS 0 messages are dropped and others stay in their queue.
    #[inline]
    pub fn is_full(&self, connection: ConnectionId) -> bool {
        self.waiting(self.boxes[connection.index()]).len() >= OUTBOX_BYTES
    }

    /// Holds everything back until [`ungate`](Outboxes::ungate): what is already appended included.
    pub fn gate(&mut self, connection: ConnectionId) {
        self.boxes[connection.index()].0 |= Outbox::GATED;
    }

    /// Lets go what was held back.
    pub fn ungate(&mut self, connection: ConnectionId) {
        let outbox = &mut self.boxes[connection.index()];
        outbox.0 &= !Outbox::GATED;
        if outbox.buffer().is_some() && !outbox.is(Outbox::DIRTY) {
            outbox.0 |= Outbox::DIRTY;
            self.dirty.push(connection);
        }
    }

    /// The next connection that has something to write.
    #[inline]
    pub fn pop_dirty(&mut self) -> Option<ConnectionId> {
        while let Some(connection) = self.dirty.pop() {
            let outbox = &mut self.boxes[connection.index()];
            outbox.0 &= !Outbox::DIRTY;
            let outbox = *outbox;
            if !outbox.is(Outbox::GATED) && !self.waiting(outbox).is_empty() {
                return Some(connection);
            }
        }
        None
    }

    /// What waits to be written.
    #[inline]
    pub fn bytes(&self, connection: ConnectionId) -> &[u8] {
        let outbox = self.boxes[connection.index()];
        if outbox.is(Outbox::GATED) { &[] } else { self.waiting(outbox) }
    }

    /// Takes note that the first `count` bytes were written. After a whole write the buffer is there for others, so that
    /// idle connections own none.
    #[inline]
    pub fn written(&mut self, connection: ConnectionId, count: usize) {
        let outbox = &mut self.boxes[connection.index()];
        let Some(index) = outbox.buffer() else { return };
        let bytes = &mut self.buffers[index];
        if count < bytes.len() {
            bytes.drain(..count);
            return;
        }
        outbox.0 &= Outbox::DIRTY | Outbox::GATED;
        self.give_back(index);
    }

    #[inline]
    fn give_back(&mut self, index: usize) {
        let buffer = &mut self.buffers[index];
        buffer.clear();
        if buffer.capacity() > OUTBOX_POOL_BYTES || self.free.len() >= OUTBOX_POOL {
            *buffer = vec![];
        }
        self.free.push(index as u32);
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
        assert_eq!((outboxes.boxes[0].buffer(), &*outboxes.free), (None, &[0][..]));
        assert!(outboxes.buffers[0].capacity() > 0);
        outboxes.append(ConnectionId(0));
        assert!(outboxes.free.is_empty() && outboxes.buffers.len() == 1);
    }

    #[test]
    fn few_buffers_keep_their_memory_and_none_that_is_large() {
        let mut outboxes = Outboxes::default();
        let connections: Vec<_> = (0..2 * OUTBOX_POOL as u32).map(ConnectionId).collect();
        for &connection in &connections {
            outboxes.open(connection);
            outboxes.append(connection).push(1);
        }
        outboxes.append(A).resize(OUTBOX_POOL_BYTES + 1, 1);
        for &connection in &connections {
            outboxes.written(connection, outboxes.bytes(connection).len());
        }
        assert_eq!(outboxes.buffers[0].capacity(), 0);
        let kept = outboxes.buffers.iter().filter(|buffer| buffer.capacity() > 0).count();
        assert!((1..=OUTBOX_POOL).contains(&kept), "{kept}");
    }

    #[test]
    fn what_a_connection_left_unsent_is_not_for_the_next_of_its_number() {
        let mut outboxes = Outboxes::default();
        outboxes.open(A);
        outboxes.append(A).push(1);
        outboxes.open(A);
        assert!(outboxes.bytes(A).is_empty());
        outboxes.append(A).push(2);
        assert_eq!((outboxes.bytes(A), outboxes.buffers.len()), (&[2][..], 1));
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
