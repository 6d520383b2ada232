//! Messages that come from the store when their turn is near.

use super::{Entry, Outgoing, Progress, Stored};
use crate::broker::change::Receiver;
use crate::broker::ids::MessageId;
use crate::broker::queue::Waiting;
use std::sync::Arc;
use std::time::Duration;

impl Outgoing {
    /// Identifiers of messages that have to be read from the store, among the next `count` to send. Those from
    /// `unstored` on are not there yet.
    pub fn wanted(&self, count: usize, unstored: MessageId) -> Vec<MessageId> {
        let entries = self.entries.iter().skip(self.sent).take(count);
        let entries = entries.filter(|entry| entry.needs_body()).map(|entry| entry.message);
        let next = (self.entries.len() - self.sent).min(count);
        let queued = self.queue.iter().take(count - next).map(|waiting| waiting.id);
        entries.chain(queued).take_while(|&message| message < unstored).collect()
    }

    /// Takes messages that were read from the store. Tells which of those that have to be there, because they are
    /// `committed`, are not: they are given up.
    pub fn supply(
        &mut self,
        found: &[(MessageId, Option<Stored>)],
        committed: impl Fn(MessageId) -> bool,
    ) -> Vec<MessageId> {
        let mut lost = vec![];
        for index in self.sent..self.entries.len() {
            let entry = &mut self.entries[index];
            if !entry.needs_body() {
                continue;
            }
            let Ok(place) = found.binary_search_by_key(&entry.message, |(id, _)| *id) else { break };
            match &found[place].1 {
                Some(stored) => entry.body = Some(stored.message.clone()),
                None if committed(entry.message) => lost.push(self.finish(index)),
                None => break,
            }
        }
        for (id, stored) in found {
            match self.queue.front() {
                // Otherwise it was dropped meanwhile, or is an entry already.
                Some(front) if front.id == *id => match stored {
                    Some(stored) => self.enter(stored),
                    None if committed(*id) => {
                        self.queue.pop();
                        self.open -= 1;
                        self.open_bytes -= u64::from(front.size);
                        self.note_dropped(*id, self.entries.len());
                        lost.push(*id);
                    }
                    None => break,
                },
                _ => {}
            }
        }
        lost
    }

    /// Makes an entry of the first message of the queue.
    fn enter(&mut self, stored: &Stored) {
        let Some(Waiting { id, size, share }) = self.queue.pop() else { return };
        let Receiver { packet_id, qos, retain, .. } = stored.receiver;
        let progress = self.progress_before(id);
        let body = (progress != Progress::Received).then(|| stored.message.clone());
        self.entries.push_back(Entry { message: id, body, size, packet_id, qos, retain, progress, share });
    }

    /// How far a message from the queue had come before the restart.
    fn progress_before(&mut self, id: MessageId) -> Progress {
        let Some(resumed) = &mut self.resumed else { return Progress::Waiting };
        if let Ok(index) = resumed.received.binary_search(&id) {
            resumed.received.remove(index);
            return Progress::Received;
        }
        if id <= resumed.sent_until {
            return Progress::Sent;
        }
        if resumed.received.is_empty() {
            self.resumed = None;
        }
        Progress::Waiting
    }

    /// Messages from before the message `until` have lived longer by `length` than they were told when they were read.
    pub fn age(&mut self, length: Duration, until: MessageId) {
        for entry in self.entries.iter_mut().filter(|entry| entry.message != MessageId::NONE && entry.message < until) {
            if let Some(body) = &mut entry.body
                && body.expires.is_some()
            {
                *body = Arc::new(body.aged(length));
            }
        }
    }
}
