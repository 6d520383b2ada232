//! Messages of QoS 1 and 2 for one session, in their order: sent and not completed, next to send, then waiting.
//!
//! A message is sent in the order in which it came. Those that were sent and the next few are whole entries; all behind
//! them are stored and lie in a [`Queue`] of a few bytes each. A packet identifier is given when a message comes, so
//! that a stored message keeps it through a restart.

mod kept;
mod read;
#[cfg(test)]
mod tests;

use super::change::Receiver;
use super::ids::MessageId;
use super::message::Message;
use super::queue::{Queue, Waiting};
use super::subscriptions::ShareId;
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
    /// The shared subscription it came by, or [`ShareId::NONE`]. Then the message itself is kept until it is
    /// acknowledged, in case it has to go to another member.
    pub share: ShareId,
}

impl Entry {
    /// Whether the store has the message, so that it need not be kept here.
    fn comes_from_store(&self) -> bool {
        self.message != MessageId::NONE && self.share == ShareId::NONE
    }

    fn needs_body(&self) -> bool {
        self.body.is_none() && matches!(self.progress, Progress::Waiting | Progress::Sent)
    }
}

/// A message that was found in the store, or on its way there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// The message.
    pub message: Arc<Message>,
    /// How the session that asked gets it.
    pub receiver: Receiver,
}

/// What a restart knows of messages that are still in the queue.
#[derive(Debug, Default)]
struct Resumed {
    /// Messages whose PUBREC came, ascending.
    received: Vec<MessageId>,
    /// Up to this one they may have been sent.
    sent_until: MessageId,
}

impl Resumed {
    fn may_be_sent(&self, id: MessageId) -> bool {
        id <= self.sent_until || self.received.binary_search(&id).is_ok()
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
    /// Messages that are not done, and their bytes.
    open: usize,
    open_bytes: u64,
    next_packet_id: PacketId,
    /// Stored messages behind the entries.
    queue: Queue,
    resumed: Option<Box<Resumed>>,
    /// Ranges of message numbers in which everything of this session is done, though a message before is not;
    /// without those that are entries.
    dropped: Vec<(MessageId, MessageId)>,
    /// Whether messages came that no index run holds.
    is_touched: bool,
}

impl Outgoing {
    /// An empty ring whose first message gets `first` as packet identifier.
    pub fn new(first: PacketId) -> Self {
        Outgoing {
            entries: VecDeque::new(),
            sent: 0,
            unacknowledged: 0,
            open: 0,
            open_bytes: 0,
            next_packet_id: first,
            queue: Queue::default(),
            resumed: None,
            dropped: vec![],
            is_touched: false,
        }
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
    pub fn has_unsent(&self) -> bool {
        self.sent < self.entries.len() || !self.queue.is_empty()
    }

    /// Whether a new message could be sent at once, given how many may be unacknowledged.
    #[inline]
    pub fn is_open(&self, window: u16) -> bool {
        self.sent == self.entries.len() && self.queue.is_empty() && self.has_room(window)
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

    /// Appends a message that is being stored and waits, and gives it the next packet identifier.
    pub fn push_waiting(&mut self, waiting: Waiting) {
        self.next_packet_id = self.next_packet_id.next();
        self.restore(waiting);
    }

    fn restore(&mut self, waiting: Waiting) {
        self.open += 1;
        self.open_bytes += u64::from(waiting.size);
        self.queue.push(waiting);
    }

    /// The next message to send, if the window has room. Those that are done are passed over.
    pub fn next_to_send(&mut self, window: u16) -> Option<&mut Entry> {
        while self.entries.get(self.sent).is_some_and(|entry| entry.progress == Progress::Done) {
            self.sent += 1;
        }
        if !self.has_room(window) || self.collides() {
            return None;
        }
        self.entries.get_mut(self.sent)
    }

    /// Whether the next entry has the packet identifier of one that is in flight: the numbers have run in a whole
    /// circle, because many messages between the two were dropped.
    fn collides(&self) -> bool {
        let (Some(next), Some(first)) = (self.entries.get(self.sent), self.entries.front()) else { return false };
        let Some(last) = self.sent.checked_sub(1).and_then(|last| self.entries.get(last)) else { return false };
        let distance = |entry: &Entry| entry.packet_id.distance_from(first.packet_id);
        let is_it = |entry: &Entry| entry.packet_id == next.packet_id && entry.progress != Progress::Done;
        distance(next) <= distance(last) && self.entries.iter().take(self.sent).any(is_it)
    }

    /// Whether the next message to send is in the queue, and the window has room for it.
    pub fn wants_queue(&self, window: u16) -> bool {
        self.sent == self.entries.len() && !self.queue.is_empty() && self.has_room(window)
    }

    /// The first message of the queue.
    pub fn queue_front(&self) -> Option<MessageId> {
        self.queue.front().map(|waiting| waiting.id)
    }

    /// Whether a message that has to wait is kept as an entry: the client is near, and fewer than `count` wait.
    pub fn takes_entry(&self, count: usize) -> bool {
        self.queue.is_empty() && self.entries.len() - self.sent < count
    }

    /// Whether fewer than `count` entries wait to be sent though the queue has more.
    pub fn runs_low(&self, count: usize) -> bool {
        !self.queue.is_empty() && self.entries.len() - self.sent < count
    }

    /// Takes note that the message of [`next_to_send`](Outgoing::next_to_send) was sent, or its PUBREL.
    pub fn note_sent(&mut self) {
        let entry = &mut self.entries[self.sent];
        if entry.progress == Progress::Waiting {
            entry.progress = Progress::Sent;
        }
        if entry.comes_from_store() {
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
        // The identifiers have gaps where messages were dropped or, after a restart, never reached the store.
        (0..self.sent).find(|&index| is_it(&self.entries[index]))
    }

    /// An entry that [`find_sent`](Outgoing::find_sent) found.
    pub fn entry_mut(&mut self, index: usize) -> &mut Entry {
        &mut self.entries[index]
    }

    /// The message was acknowledged completely; tells its identifier.
    #[inline]
    pub fn complete(&mut self, index: usize) -> MessageId {
        self.unacknowledged -= 1;
        if index == 0
            && let Some(entry) = self.entries.pop_front()
        {
            // In its turn, as nearly all are.
            self.open -= 1;
            self.open_bytes -= u64::from(entry.size);
            self.sent = self.sent.saturating_sub(1);
            self.drop_done();
            return entry.message;
        }
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

    /// The connection is gone: everything that is not done will be sent again. What the store has is read again then.
    pub fn rewind(&mut self) {
        self.sent = 0;
        self.unacknowledged = 0;
        for entry in self.entries.iter_mut().filter(|entry| entry.comes_from_store()) {
            entry.body = None;
        }
    }

    /// Drops the oldest message that was never sent; tells its identifier.
    pub fn drop_oldest_waiting(&mut self) -> Option<MessageId> {
        let is_waiting = |entry: &Entry| entry.progress == Progress::Waiting;
        let place = (self.sent..self.entries.len()).find(|&index| is_waiting(&self.entries[index]));
        let (message, size) = if let Some(index) = place {
            let entry = self.entries.remove(index)?;
            (entry.message, entry.size)
        } else {
            let front = self.queue.front()?;
            if self.resumed.as_ref().is_some_and(|resumed| resumed.may_be_sent(front.id)) {
                return None;
            }
            self.queue.pop();
            (front.id, front.size)
        };
        self.open -= 1;
        self.open_bytes -= u64::from(size);
        self.note_dropped(message, place.unwrap_or(self.entries.len()));
        Some(message)
    }

    /// A stored message was dropped that lay before the entry at `index`, or behind all.
    fn note_dropped(&mut self, message: MessageId, index: usize) {
        let first = self.first_open();
        self.dropped.retain(|&(_, last)| first.is_some_and(|first| last > first));
        if message == MessageId::NONE || first.is_none_or(|first| message < first) {
            return;
        }
        let mut before = self.entries.iter().take(index).rev().map(|entry| entry.message);
        let before = before.find(|&id| id != MessageId::NONE).unwrap_or_default();
        match self.dropped.last_mut() {
            Some((_, last)) if *last > before => *last = message,
            _ => self.dropped.push((message, message)),
        }
    }

    /// All entries that are not done, oldest first.
    pub fn open_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.progress != Progress::Done)
    }

    /// Takes the queue away: the session ends.
    pub fn take_queue(&mut self) -> Queue {
        std::mem::take(&mut self.queue)
    }

    /// All stored messages that are not done, oldest first.
    pub fn stored(&self) -> impl Iterator<Item = MessageId> {
        let entries = self.open_entries().map(|entry| entry.message).filter(|&id| id != MessageId::NONE);
        entries.chain(self.queue.iter().map(|waiting| waiting.id))
    }

    fn first_open(&self) -> Option<MessageId> {
        self.stored().next()
    }
}
