//! The commands of one device that are under way: who waits for an answer, and which of them the broker still keeps.
//!
//! The broker's row of a QoS 1 or 2 command is its journal entry: it stays until the command is acknowledged, and a
//! command is acknowledged once it is carried out, begun or refused. Acknowledgements leave in the order in which the
//! commands came. One of QoS 1 waits until the broker knows of every QoS 2 command before it: if a power cut brings
//! an earlier command back, it brings the later one back behind it.

use crate::client::Message;
use crate::device::{CommandResult, Status, Ticket};
use crate::mqtt::QoS;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Commands that may be without their last answer at one time; more are refused.
pub(super) const COMMANDS_MAX: usize = 64;

/// Who waits for an answer, and where.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) response_topic: Option<String>,
    pub(super) correlation_data: Option<Vec<u8>>,
}

#[derive(Debug)]
struct Unacknowledged {
    ticket: Ticket,
    packet_id: u16,
    qos: QoS,
    is_begun: bool,
}

/// All commands that are under way.
#[derive(Debug, Default)]
pub(super) struct Journal {
    tickets: u64,
    senders: BTreeMap<Ticket, Sender>,
    unacknowledged: VecDeque<Unacknowledged>,
    /// QoS 2 commands that were acknowledged and that the broker may still bring back.
    unreleased: BTreeSet<u16>,
}

impl Journal {
    /// Enters a command.
    pub(super) fn enter(&mut self, message: &Message) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let sender = Sender {
            response_topic: message.response_topic().filter(|topic| may_answer_on(topic)).map(str::to_owned),
            correlation_data: message.correlation_data().map(<[u8]>::to_vec),
        };
        self.senders.insert(ticket, sender);
        if message.packet_id != 0 {
            let (packet_id, qos) = (message.packet_id, message.qos);
            self.unacknowledged.push_back(Unacknowledged { ticket, packet_id, qos, is_begun: false });
        }
        ticket
    }

    /// Whether there are as many commands as there may be.
    pub(super) fn is_full(&self) -> bool {
        self.senders.len() >= COMMANDS_MAX
    }

    /// Who waits for the answer to a command.
    pub(super) fn sender(&self, ticket: Ticket) -> Option<&Sender> {
        self.senders.get(&ticket)
    }

    /// Takes note of an answer: from the first one on the command need not be kept.
    pub(super) fn answered(&mut self, ticket: Ticket, result: &CommandResult) {
        if result.status != Status::Accepted {
            self.senders.remove(&ticket);
        }
        if let Some(entry) = self.unacknowledged.iter_mut().find(|entry| entry.ticket == ticket) {
            entry.is_begun = true;
        }
    }

    /// The broker knows that a QoS 2 command was acknowledged.
    pub(super) fn released(&mut self, packet_id: u16) {
        self.unreleased.remove(&packet_id);
    }

    /// The packet identifier of the next command to acknowledge.
    pub(super) fn acknowledge(&mut self) -> Option<u16> {
        let unreleased = !self.unreleased.is_empty();
        let next = self
            .unacknowledged
            .pop_front_if(|entry| entry.is_begun && (entry.qos == QoS::ExactlyOnce || !unreleased))?;
        if next.qos == QoS::ExactlyOnce {
            self.unreleased.insert(next.packet_id);
        }
        Some(next.packet_id)
    }
}

/// Whether an answer may go to this topic: a sender must not have a device do what it may not do itself.
fn may_answer_on(topic: &str) -> bool {
    !topic.starts_with('$') && !topic.split('/').any(|level| level.starts_with('$') || level == "set" || level == "get")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::Property;

    fn message(packet_id: u16, qos: QoS) -> Message {
        let mut message = Message::new("home/a/b/set", "true").qos(qos);
        message.packet_id = packet_id;
        message
    }

    fn acknowledged(journal: &mut Journal) -> Vec<u16> {
        std::iter::from_fn(|| journal.acknowledge()).collect()
    }

    #[test]
    fn commands_are_acknowledged_in_their_order_and_not_before_they_are_begun() {
        let mut journal = Journal::default();
        let [first, second, third] = [(1, QoS::ExactlyOnce), (2, QoS::ExactlyOnce), (3, QoS::AtLeastOnce)]
            .map(|(id, qos)| journal.enter(&message(id, qos)));
        journal.answered(second, &CommandResult::new(None, Status::Done));
        journal.answered(third, &CommandResult::new(None, Status::Done));
        assert_eq!(acknowledged(&mut journal), [0u16; 0]);
        journal.answered(first, &CommandResult::new(None, Status::Accepted));
        assert_eq!(acknowledged(&mut journal), [1, 2]);
        journal.released(1);
        assert_eq!(acknowledged(&mut journal), [0u16; 0], "the second could still come back");
        journal.released(2);
        assert_eq!(acknowledged(&mut journal), [3]);
        assert!(journal.sender(first).is_some() && journal.sender(second).is_none());
    }

    #[test]
    fn a_command_of_qos_0_needs_no_acknowledgement_and_the_journal_has_an_end() {
        let mut journal = Journal::default();
        for _ in 0..COMMANDS_MAX {
            assert!(!journal.is_full());
            journal.enter(&message(0, QoS::AtMostOnce));
        }
        assert!(journal.is_full());
        assert_eq!(acknowledged(&mut journal), [0u16; 0]);
    }

    #[test]
    fn answers_go_to_no_topic_that_is_a_command() {
        let mut journal = Journal::default();
        for (topic, allowed) in [("me/answers", true), ("home/lock/door/set", false), ("$SYS/x", false)] {
            let ticket = journal.enter(&message(0, QoS::AtMostOnce).property(Property::ResponseTopic(topic)));
            let sender = journal.sender(ticket).expect("it waits");
            assert_eq!(sender.response_topic.is_some(), allowed, "{topic}");
        }
    }
}
