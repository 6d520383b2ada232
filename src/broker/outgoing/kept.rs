//! What the store is told of a session's messages, and how they come back at a start.

use super::{Outgoing, Progress, Resumed};
use crate::broker::change::{Segment, SessionState};
use crate::broker::ids::MessageId;
use crate::broker::queue::{Packed, Waiting};
use crate::broker::subscriptions::ShareId;
use crate::mqtt::PacketId;

impl Outgoing {
    /// Writes into `state` where the session stands; `state.first` is right already if nothing is open.
    pub fn tell(&self, state: &mut SessionState) {
        let Some(first) = self.first_open() else { return };
        state.first = first;
        let mut is_behind_done = false;
        for entry in self.entries.iter().filter(|entry| entry.message >= first && entry.message != MessageId::NONE) {
            let is_done = entry.progress == Progress::Done;
            match (is_done, is_behind_done, state.done.last_mut()) {
                (true, true, Some((_, last))) => *last = entry.message,
                (true, _, _) => state.done.push((entry.message, entry.message)),
                (false, _, _) if entry.progress == Progress::Received => state.received.push(entry.message),
                (false, _, _) => {}
            }
            is_behind_done = is_done;
        }
        if let Some(resumed) = &self.resumed {
            state.received.extend(&resumed.received);
        }
        if !self.dropped.is_empty() {
            state.done.extend(self.dropped.iter().filter(|(_, last)| *last > first));
            state.done.sort_unstable();
        }
    }

    /// Takes note that messages come; tells whether none had come since the last index run.
    #[inline]
    pub fn touch(&mut self) -> bool {
        !std::mem::replace(&mut self.is_touched, true)
    }

    /// The open messages that came behind `since`, the end of the last index run, as the next run holds them.
    pub fn pack(&mut self, since: MessageId) -> Vec<u8> {
        self.is_touched = false;
        let mut packed = Packed::new(since);
        for entry in self.open_entries().filter(|entry| entry.message > since) {
            packed.push(entry.message, entry.size);
        }
        for waiting in self.queue.unindexed() {
            packed.push(waiting.id, waiting.size);
        }
        self.queue.mark_indexed();
        packed.into_bytes()
    }

    /// What the store remembers of a session, before its messages.
    pub fn resume(&mut self, state: &SessionState) {
        self.dropped.clone_from(&state.done);
        let resumed = Resumed { received: state.received.clone(), ..Resumed::default() };
        self.resumed = Some(Box::new(resumed));
    }

    /// Appends a message that the store remembers. The first `inflight` may have been sent. `next` is the packet
    /// identifier behind it, if it is known.
    pub fn remember(&mut self, id: MessageId, size: u32, inflight: usize, next: Option<PacketId>) {
        if self.open < inflight {
            self.resumed.get_or_insert_default().sent_until = id;
        }
        self.restore(Waiting { id, size, share: ShareId::NONE });
        self.next_packet_id = next.unwrap_or(self.next_packet_id);
    }

    /// Appends the messages of a segment of the index, which begins behind `since`, that the session is not done with;
    /// tells each.
    pub fn remember_all(
        &mut self,
        segment: &Segment,
        since: MessageId,
        state: Option<&SessionState>,
        inflight: usize,
        mut tell: impl FnMut(MessageId),
    ) {
        let is_whole = |first: MessageId| state.is_none_or(|state| state.first <= first && state.done.is_empty());
        if segment.messages(since).next().is_some_and(|(first, _)| is_whole(first)) {
            let (open, open_bytes) = (&mut self.open, &mut self.open_bytes);
            let resumed = self.resumed.get_or_insert_default();
            self.queue.append(&segment.bytes, since, |waiting| {
                if *open < inflight {
                    resumed.sent_until = waiting.id;
                }
                *open += 1;
                *open_bytes += u64::from(waiting.size);
                tell(waiting.id);
            });
        } else {
            for (id, size) in segment.messages(since) {
                if state.is_none_or(|state| !state.is_done(id)) {
                    self.remember(id, size, inflight, None);
                    tell(id);
                }
            }
        }
        self.next_packet_id = segment.next_packet_id;
    }

    /// Everything that was remembered so far is in index runs.
    pub fn mark_indexed(&mut self) {
        self.queue.mark_indexed();
    }
}
