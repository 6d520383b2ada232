//! Messages of QoS 1 and 2 for one session, in their order: sent and not completed, then waiting.
//!
//! One ring serves as inflight window and as queue, because a message is sent in the order in which it came.
//! A packet identifier is given when a message enters the ring, so that a stored message keeps it through a restart.

use super::ids::MessageId;
use super::message::Message;
use super::subscriptions::FilterId;
use crate::mqtt::{PacketId, QoS};
use std::collections::VecDeque;
use std::sync::Arc;

/// How far the delivery of one message has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Not sent.
    Waiting,
    /// PUBLISH was sent, perhaps over an earlier connection.
    Sent,
    /// PUBREC was received: PUBREL is sent from now on.
    Received,
    /// Completed or given up; leaves the ring when all before it have.
    Done,
}

/// One message on its way to one session.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The stored message, or [`MessageId::NONE`].
    pub message: MessageId,
    /// The message itself where it does not come from the store.
    pub body: Option<Arc<Message>>,
    /// Bytes it counts for in the queue.
    pub size: u32,
    /// Packet identifier it is or will be sent with.
    pub packet_id: PacketId,
    /// QoS of the delivery: 1 or 2.
    pub qos: QoS,
    /// Retain flag of the delivery.
    pub retain: bool,
    /// How far it has come.
    pub progress: Progress,
    /// The shared subscription it came by, or [`FilterId::NONE`]. Then the message itself is kept until it is
    /// acknowledged, in case it has to go to another member.
    pub share: FilterId,
}

impl Entry {
    fn needs_body(&self) -> bool {
        self.body.is_none() && matches!(self.progress, Progress::Waiting | Progress::Sent)
    }
}

/// The largest number of ring places that may be sent: packet identifiers must differ.
const SENT_MAX: usize = 60_000;

/// Everything of QoS 1 and 2 on its way to one session.
#[derive(Debug)]
pub struct Outgoing {
    entries: VecDeque<Entry>,
    /// How many entries from the front were sent over this connection (or are done).
    sent: usize,
    /// How many of them wait for an acknowledgement.
    unacknowledged: usize,
    /// Entries that are not done, and their bytes.
    open: usize,
    open_bytes: u64,
    next_packet_id: PacketId,
}

impl Outgoing {
    /// An empty ring whose first message gets `first` as packet identifier.
    pub fn new(first: PacketId) -> Self {
        Outgoing { entries: VecDeque::new(), sent: 0, unacknowledged: 0, open: 0, open_bytes: 0, next_packet_id: first }
    }

    /// Messages that are not completed.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Bytes of the messages that are not completed.
    pub fn bytes(&self) -> u64 {
        self.open_bytes
    }

    /// The packet identifier of the next message.
    #[inline]
    pub fn next_packet_id(&self) -> PacketId {
        self.next_packet_id
    }

    /// Whether there is a message that was not sent over this connection.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        self.sent < self.entries.len()
    }

    /// Whether a new message could be sent at once, given how many may be unacknowledged.
    #[inline]
    pub fn is_open(&self, window: u16) -> bool {
        self.sent == self.entries.len() && self.has_room(window)
    }

    fn has_room(&self, window: u16) -> bool {
        self.unacknowledged < usize::from(window) && self.sent < SENT_MAX
    }

    /// Appends a message and gives it the next packet identifier; `progress` says whether it was sent already.
    #[inline]
    pub fn push(&mut self, entry: Entry) {
        debug_assert!(entry.progress != Progress::Sent || self.sent == self.entries.len());
        self.next_packet_id = entry.packet_id.next();
        self.open += 1;
        self.open_bytes += u64::from(entry.size);
        if entry.progress == Progress::Sent {
            self.sent += 1;
            self.unacknowledged += 1;
        }
        self.entries.push_back(entry);
    }

    /// Appends a message as the store remembers it: sent over a connection that is gone, perhaps received.
    pub fn restore(&mut self, entry: Entry) {
        self.next_packet_id = entry.packet_id.next();
        self.open += 1;
        self.open_bytes += u64::from(entry.size);
        self.entries.push_back(entry);
    }

    /// The next message to send, if the window has room. Those that are done are passed over.
    pub fn next_to_send(&mut self, window: u16) -> Option<&mut Entry> {
        while self.entries.get(self.sent).is_some_and(|entry| entry.progress == Progress::Done) {
            self.sent += 1;
        }
        if !self.has_room(window) {
            return None;
        }
        self.entries.get_mut(self.sent)
    }

    /// Takes note that the message of [`next_to_send`](Outgoing::next_to_send) was sent, or its PUBREL.
    pub fn note_sent(&mut self) {
        let entry = &mut self.entries[self.sent];
        if entry.progress == Progress::Waiting {
            entry.progress = Progress::Sent;
        }
        if entry.message != MessageId::NONE && entry.share == FilterId::NONE {
            entry.body = None;
        }
        self.sent += 1;
        self.unacknowledged += 1;
    }

    /// Gives the message of [`next_to_send`](Outgoing::next_to_send) up.
    pub fn give_up_next(&mut self) -> MessageId {
        let index = self.sent;
        let message = self.finish(index);
        self.drop_done();
        message
    }

    /// The sent message with this packet identifier.
    pub fn find_sent(&mut self, packet_id: PacketId) -> Option<usize> {
        let first = self.entries.front()?.packet_id;
        let guess = usize::from(packet_id.distance_from(first));
        let is_it = |entry: &Entry| entry.packet_id == packet_id && entry.progress != Progress::Done;
        if guess < self.sent && is_it(&self.entries[guess]) {
            return Some(guess);
        }
        // After a restart the identifiers have gaps where messages never reached the store.
        (0..self.sent.min(guess)).find(|&index| is_it(&self.entries[index]))
    }

    /// An entry that [`find_sent`](Outgoing::find_sent) found.
    pub fn entry_mut(&mut self, index: usize) -> &mut Entry {
        &mut self.entries[index]
    }

    /// The message was acknowledged completely; tells its identifier.
    #[inline]
    pub fn complete(&mut self, index: usize) -> MessageId {
        self.unacknowledged -= 1;
        let message = self.finish(index);
        self.drop_done();
        message
    }

    fn finish(&mut self, index: usize) -> MessageId {
        let entry = &mut self.entries[index];
        entry.progress = Progress::Done;
        entry.body = None;
        self.open -= 1;
        self.open_bytes -= u64::from(entry.size);
        entry.message
    }

    fn drop_done(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.progress == Progress::Done) {
            self.entries.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// The connection is gone: everything that is not done will be sent again.
    pub fn rewind(&mut self) {
        self.sent = 0;
        self.unacknowledged = 0;
    }

    /// Drops the oldest message that was never sent; tells its identifier.
    pub fn drop_oldest_waiting(&mut self) -> Option<MessageId> {
        let index = self.entries.iter().position(|entry| entry.progress == Progress::Waiting)?;
        let message = self.finish(index);
        self.drop_done();
        Some(message)
    }

    /// Identifiers of messages that have to be read from the store, among the next `count` to send. Those from
    /// `unstored` on are not there yet.
    pub fn wanted(&self, count: usize, unstored: MessageId) -> Vec<MessageId> {
        let waiting = self.entries.iter().skip(self.sent).take(count).filter(|entry| entry.needs_body());
        waiting.map(|entry| entry.message).take_while(|&message| message < unstored).collect()
    }

    /// Gives messages that were read from the store to their entries. Tells which of those that have to be there,
    /// because they are `committed`, are not: they are given up.
    pub fn supply(
        &mut self,
        messages: &[(MessageId, Option<Arc<Message>>)],
        committed: impl Fn(MessageId) -> bool,
    ) -> Vec<MessageId> {
        let mut lost = vec![];
        for index in self.sent..self.entries.len() {
            let entry = &mut self.entries[index];
            if !entry.needs_body() {
                continue;
            }
            let Ok(found) = messages.binary_search_by_key(&entry.message, |(id, _)| *id) else { break };
            match &messages[found].1 {
                Some(message) => entry.body = Some(message.clone()),
                None if committed(entry.message) => lost.push(self.finish(index)),
                None => break,
            }
        }
        lost
    }

    /// All entries that are not done, oldest first.
    pub fn open_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.progress != Progress::Done)
    }

    /// All entries, oldest first, those that are done included.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ring: &Outgoing, message: u64, progress: Progress) -> Entry {
        Entry {
            message: MessageId(message),
            body: None,
            size: 10,
            packet_id: ring.next_packet_id(),
            qos: QoS::AtLeastOnce,
            retain: false,
            progress,
            share: FilterId::NONE,
        }
    }

    #[test]
    fn acknowledgements_out_of_order_free_the_window_and_keep_the_order() {
        let mut ring = Outgoing::new(PacketId::new(65_534).expect("not zero"));
        for message in 1..=3 {
            let entry = entry(&ring, message, Progress::Sent);
            ring.push(entry);
        }
        let entry = entry(&ring, 4, Progress::Waiting);
        ring.push(entry);
        assert!(ring.next_to_send(3).is_none());
        let second = ring.find_sent(PacketId::new(65_535).expect("not zero")).expect("sent");
        assert_eq!(ring.complete(second), MessageId(2));
        assert_eq!(ring.next_to_send(3).map(|e| e.message), Some(MessageId(4)));
        ring.note_sent();
        let third = ring.find_sent(PacketId::FIRST).expect("sent");
        assert_eq!(ring.complete(third), MessageId(3));
        assert_eq!(ring.len(), 2);
        ring.rewind();
        assert_eq!(ring.next_to_send(9).map(|e| (e.message, e.progress)), Some((MessageId(1), Progress::Sent)));
    }

    #[test]
    fn a_packet_identifier_that_is_not_in_flight_is_not_found() {
        let mut ring = Outgoing::new(PacketId::FIRST);
        assert_eq!(ring.find_sent(PacketId::FIRST), None);
        let waiting = entry(&ring, 1, Progress::Waiting);
        ring.push(waiting);
        assert_eq!(ring.find_sent(PacketId::FIRST), None);
    }

    #[test]
    fn identifiers_with_gaps_are_found_after_a_restart() {
        let mut ring = Outgoing::new(PacketId::FIRST);
        for id in [5, 9, 11] {
            let packet_id = PacketId::new(id).expect("not zero");
            ring.restore(Entry { packet_id, ..entry(&ring, u64::from(id), Progress::Sent) });
        }
        while ring.next_to_send(9).is_some() {
            ring.note_sent();
        }
        let index = ring.find_sent(PacketId::new(11).expect("not zero")).expect("sent");
        assert_eq!(ring.complete(index), MessageId(11));
        assert_eq!(ring.next_packet_id().get(), 12);
    }

    #[test]
    fn messages_from_the_store_reach_their_entries() {
        let mut ring = Outgoing::new(PacketId::FIRST);
        for message in [3, 5, 8] {
            let entry = entry(&ring, message, Progress::Waiting);
            ring.push(entry);
        }
        assert_eq!(ring.wanted(2, MessageId(9)), [MessageId(3), MessageId(5)]);
        assert_eq!(ring.wanted(3, MessageId(5)), [MessageId(3)]);
        let missing = [(MessageId(3), None), (MessageId(5), None)];
        let lost = ring.supply(&missing, |id| id < MessageId(5));
        assert_eq!(lost, [MessageId(3)], "what is not committed is not lost");
        assert_eq!(ring.next_to_send(1).map(|e| e.message), Some(MessageId(5)));
    }
}
