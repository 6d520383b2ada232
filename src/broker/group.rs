//! The open group: what the next commit will hold, and the answers that wait for it.
//!
//! A message whose every reader has acknowledged before the group is handed to the writer is taken out again
//! and never written; its publisher is answered at that moment.

use super::change::{Change, Receiver, Run, SessionState};
use super::few::Few;
use super::ids::{ConnectionId, MessageId, SessionNumber};
use super::message::Message;
use super::outgoing::Stored;
use crate::base::Moment;
use crate::base::limits::{ELISION_MICROS, FORGET_MICROS, GROUP_BYTES, RETAINED_LAZY_MICROS};
use crate::mqtt::packet::{Ack, Suback, Unsuback};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// An answer that waits for a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Who waits.
    pub connection: ConnectionId,
    /// Which use of the connection's number.
    pub generation: u32,
    /// For what.
    pub answer: Answer,
}

/// What is said once a commit is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack),
    /// SUBACK; boxed, since nearly all answers are acknowledgements and move with every message.
    Suback(Box<Suback>),
    /// UNSUBACK.
    Unsuback(Box<Unsuback>),
    /// CONNACK and what follows it, which lie in a gated outbox.
    Ungate,
}

/// A message of the open group.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The message.
    pub message: Arc<Message>,
    /// The stored sessions it is for.
    pub receivers: Few<Receiver>,
    /// How many of them have not acknowledged it.
    pub live: u32,
    /// The publisher's answer.
    pub answer: Option<Held>,
    /// When it came.
    pub since: Moment,
}

/// One batch of what must last: written in one transaction.
#[derive(Debug, Default)]
pub struct Group {
    /// Number of the first place in `messages`.
    pub first: MessageId,
    /// Messages; `None` where all readers acknowledged in time.
    pub messages: VecDeque<Option<Slot>>,
    /// Everything else, in its order.
    pub changes: Vec<Change>,
    /// States of sessions, written as one row with the number `state_row`.
    pub states: Vec<SessionState>,
    /// The number of that row.
    pub state_row: MessageId,
    /// The next part of the index, now and then.
    pub run: Option<Run>,
    /// Ranges of message numbers that hold nothing alive, to be deleted when there is time; both ends included.
    pub trash: Vec<(MessageId, MessageId)>,
    /// Deliveries that were completed since the group before: a measure of what can be deleted.
    pub completed: u32,
    /// When it was handed over.
    pub taken: Moment,
    /// Answers that wait for this commit.
    pub answers: Vec<Held>,
}

impl Group {
    fn index(&self, id: MessageId) -> Option<usize> {
        id.0.checked_sub(self.first.0).map(|index| index as usize)
    }

    /// The message with this number, if it is in this group.
    pub fn message(&self, id: MessageId) -> Option<&Arc<Message>> {
        self.messages.get(self.index(id)?)?.as_ref().map(|slot| &slot.message)
    }

    /// The message with this number as a session gets it, if it is in this group.
    pub fn stored(&self, id: MessageId, reader: SessionNumber) -> Option<Stored> {
        let slot = self.messages.get(self.index(id)?)?.as_ref()?;
        let receiver = *slot.receivers.as_slice().iter().find(|receiver| receiver.session == reader)?;
        Some(Stored { message: slot.message.clone(), receiver })
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.states.is_empty()
            && self.run.is_none()
            && self.trash.is_empty()
            && self.answers.is_empty()
            && self.messages.iter().all(Option::is_none)
    }
}

/// The open group and when it is due.
#[derive(Debug)]
pub struct OpenGroup {
    group: Group,
    bytes: usize,
    /// Someone waits for this commit and nothing else can answer.
    is_urgent: bool,
    forget_since: Option<Moment>,
    retained_since: Option<Moment>,
    /// Everything before this number is committed.
    committed: MessageId,
}

impl OpenGroup {
    /// An empty group whose first message gets the number `first`.
    pub fn new(first: MessageId) -> Self {
        OpenGroup {
            group: Group { first, ..Group::default() },
            bytes: 0,
            is_urgent: false,
            forget_since: None,
            retained_since: None,
            committed: first,
        }
    }

    /// The number the next message gets.
    #[inline]
    pub fn next_message(&self) -> MessageId {
        MessageId(self.group.first.0 + self.group.messages.len() as u64)
    }

    /// Appends a message, which gets the number of [`next_message`](OpenGroup::next_message). With `is_urgent`
    /// it is written without waiting for its readers.
    pub fn push(&mut self, slot: Slot, is_urgent: bool) {
        self.bytes += slot.message.size();
        self.is_urgent |= is_urgent;
        self.group.messages.push_back(Some(slot));
    }

    /// The message with this number, if it is in the open group.
    pub fn message(&self, id: MessageId) -> Option<&Arc<Message>> {
        self.group.message(id)
    }

    /// Whether the message with this number is in a commit that is done.
    pub fn is_committed(&self, id: MessageId) -> bool {
        id < self.committed
    }

    /// One reader completed the message. If it is in the open group, that settles it here: after the last
    /// reader the message is taken out.
    ///
    /// # Errors
    /// The message was handed over before: the reader's state has to be kept.
    pub fn acknowledge(&mut self, id: MessageId, reader: SessionNumber) -> Result<Settled, NotOpen> {
        let index = self.group.index(id).ok_or(NotOpen)?;
        let place = self.group.messages.get_mut(index).ok_or(NotOpen)?;
        let slot = place.as_mut().ok_or(NotOpen)?;
        slot.live -= 1;
        if slot.live > 0 {
            let is_short = slot.receivers.as_slice().len() <= SHORT_RECEIVERS;
            if is_short {
                slot.receivers.retain(|receiver| receiver.session != reader);
            }
            return Ok(Settled::Others { keep_state: !is_short });
        }
        let answer = place.take().and_then(|slot| {
            self.bytes -= slot.message.size();
            slot.answer
        });
        self.pop_cancelled();
        Ok(Settled::All(answer))
    }

    fn pop_cancelled(&mut self) {
        while let Some(None) = self.group.messages.front() {
            self.group.messages.pop_front();
            self.group.first = self.group.first.next();
        }
    }

    /// Adds a change that someone is told of only when it is kept.
    pub fn change(&mut self, change: Change) {
        self.group.changes.push(change);
    }

    /// Adds an answer that needs this commit.
    pub fn hold(&mut self, held: Held) {
        self.is_urgent = true;
        self.group.answers.push(held);
    }

    /// Writes this group as soon as the writer is free.
    pub fn urge(&mut self) {
        self.is_urgent = true;
    }

    /// A session's state changed in a way that can wait.
    pub fn forget_later(&mut self, now: Moment) {
        self.forget_since.get_or_insert(now);
    }

    /// A retained message changed in a way that can wait.
    pub fn retain_later(&mut self, now: Moment) {
        self.retained_since.get_or_insert(now);
    }

    /// Bytes of messages that wait here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When it is to be handed over at the latest, if the writer is free; `None` if nothing waits.
    pub fn due(&self) -> Option<Moment> {
        if self.is_urgent || self.bytes >= GROUP_BYTES {
            return Some(Moment::START);
        }
        let oldest = self.group.messages.iter().find_map(Option::as_ref).map(|slot| slot.since);
        let oldest = oldest.map(|since| since + Duration::from_micros(ELISION_MICROS));
        let forget = self.forget_since.map(|since| since + Duration::from_micros(FORGET_MICROS));
        Moment::earlier(oldest, Moment::earlier(forget, self.retained_due()))
    }

    fn retained_due(&self) -> Option<Moment> {
        self.retained_since.map(|since| since + Duration::from_micros(RETAINED_LAZY_MICROS))
    }

    /// Whether lazily retained messages are to be part of the group that is handed over now.
    pub fn wants_retained(&self, now: Moment) -> bool {
        self.retained_due().is_some_and(|due| due <= now)
    }

    /// Lazily retained messages were added to this group.
    pub fn retained_added(&mut self) {
        self.retained_since = None;
    }

    /// Takes the group for the writer and opens the next. `states` become its row of states.
    pub fn take(&mut self, taken: Moment, states: Vec<SessionState>) -> Box<Group> {
        let state_row = self.next_message();
        let mut next_first = state_row;
        if !states.is_empty() {
            next_first = next_first.next();
        }
        let next = Group { first: next_first, ..Group::default() };
        let mut group = Box::new(std::mem::replace(&mut self.group, next));
        (group.taken, group.states, group.state_row) = (taken, states, state_row);
        self.bytes = 0;
        self.is_urgent = false;
        self.forget_since = None;
        group
    }

    /// A group was committed.
    pub fn committed(&mut self, group: &Group) {
        self.committed = self.committed.max(group_end(group));
    }

    /// What the group holds now, for inspection.
    pub fn group(&self) -> &Group {
        &self.group
    }
}

/// The first number behind a group.
fn group_end(group: &Group) -> MessageId {
    MessageId(group.first.0 + group.messages.len() as u64 + u64::from(!group.states.is_empty()))
}

/// Up to so many receivers, one that completed a message is taken off its list; in a longer list it would cost
/// too much to find, and its state is kept instead.
const SHORT_RECEIVERS: usize = 64;

/// What became of a message in the open group when one of its readers completed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// All readers have: it will not be written, and its publisher can be answered.
    All(Option<Held>),
    /// Others have not. Perhaps the reader's state has to be kept.
    Others {
        /// Whether it has.
        keep_state: bool,
    },
}

/// The message is not in the open group: it is with the writer, or stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotOpen;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::ids::SessionNumber;
    use crate::broker::message::Parts;
    use crate::mqtt::packet::AckKind;
    use crate::mqtt::{PacketId, Properties, QoS};

    fn slot(live: u32) -> Slot {
        let parts = Parts {
            topic: "a",
            properties: Properties::NONE,
            payload: b"x",
            qos: QoS::AtLeastOnce,
            retain: false,
            expires: None,
        };
        let held = Held {
            connection: ConnectionId(0),
            generation: 0,
            answer: Answer::Ack(Ack::success(AckKind::Puback, PacketId::FIRST)),
        };
        Slot {
            message: Arc::new(Message::new(&parts)),
            receivers: Few::None,
            live,
            answer: Some(held),
            since: Moment::START,
        }
    }

    #[test]
    fn a_message_all_readers_acknowledged_is_not_written() {
        let mut open = OpenGroup::new(MessageId(5));
        open.push(slot(2), false);
        let reader = SessionNumber(1);
        assert_eq!(open.acknowledge(MessageId(5), reader), Ok(Settled::Others { keep_state: false }));
        assert!(matches!(open.acknowledge(MessageId(5), reader), Ok(Settled::All(Some(_)))));
        assert!(open.group().is_empty());
        assert_eq!(open.due(), None);
        assert_eq!(open.acknowledge(MessageId(5), reader), Err(NotOpen));
        assert_eq!(open.next_message(), MessageId(6));
    }

    #[test]
    fn numbers_run_on_behind_a_group_that_was_taken() {
        let mut open = OpenGroup::new(MessageId(1));
        open.push(slot(1), true);
        let state = SessionState { session: SessionNumber(1), ..SessionState::default() };
        let taken = open.take(Moment::START, vec![state]);
        assert_eq!(taken.state_row, MessageId(2));
        open.push(slot(1), false);
        assert_eq!(open.next_message(), MessageId(4));
        assert!(open.message(MessageId(1)).is_none() && taken.message(MessageId(1)).is_some());
        assert!(!open.is_committed(MessageId(1)));
        open.committed(&taken);
        assert!(open.is_committed(MessageId(2)) && !open.is_committed(MessageId(3)));
    }

    #[test]
    fn a_lone_message_waits_for_its_readers_only_so_long() {
        let mut open = OpenGroup::new(MessageId(1));
        open.push(slot(1), false);
        assert_eq!(open.due(), Some(Moment::from_micros(ELISION_MICROS)));
        open.push(slot(1), true);
        assert_eq!(open.due(), Some(Moment::START));
    }
}
