//! Stored messages that wait for one session, in two to four bytes each.
//!
//! A message is the difference of its number from the one before it, then the difference of its size, both as varints.
//! What else a delivery needs (packet identifier, QoS, retain flag) lies in the message's row and comes with it.
//! The index runs of the store hold the same coding, see [`Packed`].

use super::ids::MessageId;
use super::subscriptions::ShareId;
use std::collections::VecDeque;

/// A message that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its number.
    pub id: MessageId,
    /// Bytes it counts for.
    pub size: u32,
    /// The shared subscription it came by, or [`ShareId::NONE`].
    pub share: ShareId,
}

/// What the next message is told as a difference from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Cursor {
    id: MessageId,
    size: u32,
}

impl Cursor {
    /// Appends a message to `out`.
    fn encode(&mut self, waiting: Waiting, out: &mut impl Extend<u8>) {
        let mut bytes = Scratch::default();
        let difference = i64::from(waiting.size) - i64::from(self.size);
        let is_shared = waiting.share != ShareId::NONE;
        bytes.put(waiting.id.0.saturating_sub(self.id.0));
        // Small in both directions: the sign in the lowest bit.
        bytes.put((difference << 1 ^ difference >> 63).cast_unsigned() << 1 | u64::from(is_shared));
        if is_shared {
            bytes.put(waiting.share.0.into());
        }
        out.extend(bytes.bytes[..bytes.length].iter().copied());
        *self = Cursor { id: waiting.id, size: waiting.size };
    }

    /// Takes the next message from `bytes`; `None` at the end.
    #[inline]
    fn decode(&mut self, bytes: &mut impl Iterator<Item = u8>) -> Option<Waiting> {
        let id = MessageId(self.id.0.saturating_add(varint(bytes)?));
        let code = varint(bytes)?;
        let (folded, is_shared) = (code >> 1, code & 1 == 1);
        let difference = (folded >> 1).cast_signed() ^ -(folded & 1).cast_signed();
        let size = i64::from(self.size).wrapping_add(difference).cast_unsigned() as u32;
        let share = if is_shared { ShareId(varint(bytes)? as u32) } else { ShareId::NONE };
        *self = Cursor { id, size };
        Some(Waiting { id, size, share })
    }
}

/// Three varints at most.
#[derive(Default)]
struct Scratch {
    bytes: [u8; 30],
    length: usize,
}

impl Scratch {
    fn put(&mut self, mut value: u64) {
        while value > 0x7F {
            self.bytes[self.length] = value as u8 | 0x80;
            self.length += 1;
            value >>= 7;
        }
        self.bytes[self.length] = value as u8;
        self.length += 1;
    }
}

#[inline]
fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.next()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The messages that wait for one session, oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    bytes: VecDeque<u8>,
    /// Before the first message and behind the last.
    front: Cursor,
    back: Cursor,
    length: usize,
    /// The messages from this byte on are in no index run.
    mark: usize,
    mark_cursor: Cursor,
}

/// Bytes of a queue that are worth giving back when it is empty.
const KEPT_BYTES: usize = 256;

impl Queue {
    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a message; its number is greater than all before.
    pub fn push(&mut self, waiting: Waiting) {
        self.back.encode(waiting, &mut self.bytes);
        self.length += 1;
    }

    /// Appends all that [`Packed`] bytes hold, which begin behind `since`; tells each. The coding is the same but for
    /// the first message, so that the rest is copied as it is.
    pub fn append(&mut self, bytes: &[u8], since: MessageId, mut tell: impl FnMut(Waiting)) {
        let (mut cursor, mut rest) = (Cursor { id: since, size: 0 }, bytes.iter());
        let Some(first) = cursor.decode(&mut rest.by_ref().copied()) else { return };
        self.push(first);
        tell(first);
        let (tail, mut length) = (rest.as_slice(), 0);
        while let Some(waiting) = cursor.decode(&mut rest.by_ref().copied()) {
            length += 1;
            tell(waiting);
        }
        self.bytes.extend(tail);
        self.length += length;
        self.back = cursor;
    }

    /// The first message.
    pub fn front(&self) -> Option<Waiting> {
        let mut cursor = self.front;
        cursor.decode(&mut self.bytes.iter().copied())
    }

    /// Takes the first message.
    pub fn pop(&mut self) -> Option<Waiting> {
        let before = self.bytes.len();
        let mut taken = Drain(&mut self.bytes);
        let waiting = self.front.decode(&mut taken)?;
        self.length -= 1;
        let used = before - self.bytes.len();
        self.mark = self.mark.saturating_sub(used);
        if self.length == 0 && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = VecDeque::new();
        }
        Some(waiting)
    }

    /// All messages.
    pub fn iter(&self) -> impl Iterator<Item = Waiting> {
        let (mut cursor, mut bytes) = (self.front, self.bytes.iter().copied());
        std::iter::from_fn(move || cursor.decode(&mut bytes))
    }

    /// The messages that came since [`mark_indexed`](Queue::mark_indexed).
    pub fn unindexed(&self) -> impl Iterator<Item = Waiting> {
        let mut bytes = self.bytes.range(self.mark..).copied();
        let mut cursor = if self.mark == 0 { self.front } else { self.mark_cursor };
        std::iter::from_fn(move || cursor.decode(&mut bytes))
    }

    /// An index run holds everything that is in the queue.
    pub fn mark_indexed(&mut self) {
        self.mark = self.bytes.len();
        self.mark_cursor = self.back;
    }
}

struct Drain<'a>(&'a mut VecDeque<u8>);

impl Iterator for Drain<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        self.0.pop_front()
    }
}

/// Messages of one session as an index run holds them: the first is told as a difference from where the run begins.
#[derive(Debug)]
pub struct Packed {
    bytes: Vec<u8>,
    back: Cursor,
}

impl Packed {
    /// Nothing yet of a run that begins behind the message `since`.
    pub fn new(since: MessageId) -> Packed {
        Packed { bytes: vec![], back: Cursor { id: since, size: 0 } }
    }

    /// Appends a message. What shared subscription it came by is not kept.
    pub fn push(&mut self, id: MessageId, size: u32) {
        self.back.encode(Waiting { id, size, share: ShareId::NONE }, &mut self.bytes);
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The messages in such bytes.
    pub fn read(bytes: &[u8], since: MessageId) -> impl Iterator<Item = (MessageId, u32)> {
        let (mut cursor, mut bytes) = (Cursor { id: since, size: 0 }, bytes.iter().copied());
        std::iter::from_fn(move || cursor.decode(&mut bytes).map(|waiting| (waiting.id, waiting.size)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: u64, size: u32, share: ShareId) -> Waiting {
        Waiting { id: MessageId(id), size, share }
    }

    #[test]
    fn messages_leave_a_queue_as_they_came() {
        let all: Vec<_> = (1..2000_u64)
            .map(|n| {
                waiting(n * n, (n * 37 % 5_000) as u32, if n % 7 == 0 { ShareId(n as u32) } else { ShareId::NONE })
            })
            .collect();
        let mut queue = Queue::default();
        for &one in &all {
            queue.push(one);
        }
        assert_eq!(queue.iter().collect::<Vec<_>>(), all);
        for &one in &all {
            assert_eq!(queue.front(), Some(one));
            assert_eq!(queue.pop(), Some(one));
        }
        assert_eq!((queue.pop(), queue.is_empty()), (None, true));
    }

    #[test]
    fn a_message_of_usual_size_costs_few_bytes() {
        let mut queue = Queue::default();
        for n in 1..=1000 {
            queue.push(waiting(n * 1000, 121, ShareId::NONE));
        }
        assert!(queue.bytes.len() <= 3_001, "{} bytes for 1,000 messages", queue.bytes.len());
    }

    #[test]
    fn a_run_gets_what_came_since_the_last_one_and_is_still_there() {
        let mut queue = Queue::default();
        let ids = |queue: &Queue| queue.unindexed().map(|w| w.id.0).collect::<Vec<_>>();
        for n in 1..=4 {
            queue.push(waiting(n, 9, ShareId::NONE));
        }
        queue.mark_indexed();
        assert!(ids(&queue).is_empty());
        queue.push(waiting(7, 5, ShareId::NONE));
        queue.push(waiting(9, 5, ShareId::NONE));
        queue.pop();
        assert_eq!(ids(&queue), [7, 9]);
        for _ in 0..4 {
            queue.pop();
        }
        assert_eq!(ids(&queue), [9]);
        queue.pop();
        queue.push(waiting(12, 5, ShareId::NONE));
        assert_eq!(ids(&queue), [12]);
    }

    #[test]
    fn what_was_packed_is_appended_as_it_is() {
        let mut queue = Queue::default();
        queue.push(waiting(900, 3, ShareId::NONE));
        let mut packed = Packed::new(MessageId(1_000));
        let all = [(1_001, 7), (1_500, 0), (70_000, 9)];
        for (id, size) in all {
            packed.push(MessageId(id), size);
        }
        let mut told = vec![];
        queue.append(&packed.into_bytes(), MessageId(1_000), |waiting| told.push(waiting.id.0));
        assert_eq!(told, [1_001, 1_500, 70_000]);
        queue.push(waiting(70_001, 5, ShareId::NONE));
        let left: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|w| (w.id.0, w.size)).collect();
        assert_eq!(left, [(900, 3), (1_001, 7), (1_500, 0), (70_000, 9), (70_001, 5)]);
    }

    #[test]
    fn packed_messages_are_read_again() {
        let mut packed = Packed::new(MessageId(1_000));
        let all = [(1_001, 7), (1_500, 0), (70_000, u32::MAX)];
        for (id, size) in all {
            packed.push(MessageId(id), size);
        }
        let bytes = packed.into_bytes();
        let read: Vec<_> = Packed::read(&bytes, MessageId(1_000)).map(|(id, size)| (id.0, size)).collect();
        assert_eq!(read, all);
    }
}
